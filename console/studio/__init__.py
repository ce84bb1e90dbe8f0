"""Conditions, rules and levers as forms, and what is shown beside them while somebody writes."""
