"""Checks of single people: that nobody's protected attribute moves a decision, and what would; never a figure of a
group, which is the audits'."""
