"""Claims about the product, one function each, against the real Postgres and the real Redis."""
