"""Claims about offers."""
