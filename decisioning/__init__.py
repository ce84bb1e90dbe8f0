"""How one offer is chosen, sent and learned from; imports only offers."""
