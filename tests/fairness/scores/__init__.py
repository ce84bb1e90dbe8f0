"""Tests of what a month's scores and outcomes say of groups."""
