"""Offers, messages and arms as forms, drafts and lists; what content is allowed is offers.catalog."""
