"""Claims about decisioning."""
