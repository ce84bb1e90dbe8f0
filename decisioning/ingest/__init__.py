"""Bank exports to the unified profile: a mapping in TOML, typed cells, rows with their rejects, and the store."""
