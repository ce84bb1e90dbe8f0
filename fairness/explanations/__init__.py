"""Why one decision came out as it did, for the customer, the agent and the examiner, from its record; and what people
ask about it. Nothing here is in the hot path, and nothing here decides."""
