"""Sentiment of a short English text by VADER, a lexicon with rules (Hutto & Gilbert, ICWSM 2014)."""

from __future__ import annotations

from functools import cache
from typing import Any


def compound(text: str) -> float:
    """VADER's compound score: -1 is most negative, 1 most positive, 0 where no word of the lexicon occurs."""
    return float(_analyser().polarity_scores(text)["compound"])


@cache
def _analyser() -> Any:
    # Reading the lexicon takes a while, and most processes never see a post.
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()
