"""Measurements, not claims."""
