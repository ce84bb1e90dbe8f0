"""Who came how far with which offer, counted by protected group for each month; only counts leave, and no decision
reads any of it."""
