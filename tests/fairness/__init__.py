"""Claims about fairness."""
