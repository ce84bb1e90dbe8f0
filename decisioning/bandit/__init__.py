"""The bandit: what each arm is expected to earn, how arms are ranked, and with what probability; no I/O comes in."""
