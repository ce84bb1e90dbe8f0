"""Searches for less discriminatory alternatives: a protocol frozen before the run, candidates made without any group,
measured out of time on all groups, and a decision that somebody else signs. No model goes live from here."""
