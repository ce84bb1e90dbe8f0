"""What counts by stage cannot say of a month: how groups are scored, what the scores were worth, groups that nobody
named and groups that are only estimated. Aggregates are kept; customers are read for the length of a count."""
