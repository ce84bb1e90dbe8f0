"""Data quality: expectations held against every load and, nightly, against the tables; what fails, and since when.

`latest` and `sources` are what the page asks.
"""

from decisioning.quality.results import SourceSummary, latest, sources

__all__ = ["SourceSummary", "latest", "sources"]
