"""Claims about the site, its servers and its commands."""
