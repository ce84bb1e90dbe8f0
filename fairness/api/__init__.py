"""The REST resources that need fairness beside the engine: why a customer is not offered a card."""
