"""The REST contract for channels: decisions, signals, outcomes; it translates, and the domain decides."""
