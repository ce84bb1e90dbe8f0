"""Signals from a bank's streams: one adapter a module, and one loop that commits a batch before it acknowledges it."""
