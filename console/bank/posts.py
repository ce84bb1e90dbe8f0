"""Posts of the synthetic bank's customers who let the bank read them: made-up sentences, scored and not kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np

from console.bank.events import DAYS, SOURCE, Integers
from console.bank.people import CHUNK, FAMILIES, People
from decisioning.text.posts import NewPost
from offers.register import LEVELS

_POSTS = 0x706F7374  # a stream of draws apart from the traits
_SHARE = 0.15  # of those who allow it; most people write nothing that a bank may read

_LIKED = {
    "travel": ("Booked flights to Lisbon, so happy!", "Airport lounge before the long flight. Love it.",
               "Great hotel, three weeks of travel ahead of us."),
    "cashback": ("Groceries got so expensive, every bit of cash back helps.",
                 "Nice, money back on the weekly shopping."),
    "balance-transfer": ("Finally paying down my credit card debt, feels great.",
                         "Interest on my card balance is killing me, this is awful."),
    "student": ("First semester at university and already love the campus!",
                "Exams are terrible, textbooks cost a fortune."),
    "premium": ("Wonderful dinner at the restaurant with the concierge's help.",
                "The lounge and the service were excellent."),
    "secured": ("Working hard to rebuild my credit score, proud of every step.", "Declined again. Bad day."),
    "retail": ("Huge sale at my favourite store, so many discounts!", "Online shopping spree tonight."),
    "business": ("Our small business got its first big invoice paid. Brilliant!",
                 "Invoices, payroll, suppliers: running a company is stressful."),
}  # fmt: skip
_OTHER = ("What a lovely day with friends.", "Traffic was horrible this morning.", "Watching the match tonight.")


def of(chunk: People, part: slice, ids: Integers, seed: int, opened: datetime) -> Iterator[NewPost]:
    """One to three posts of some of the customers in `part` who granted the level that posts need."""
    rng = np.random.default_rng([seed, chunk.first // CHUNK, _POSTS])
    writes = (chunk.level == LEVELS.index("advanced")) & (rng.random(CHUNK) < _SHARE)
    for place in np.flatnonzero(writes).tolist():
        for number in range(int(rng.integers(1, 4))):
            text, age = _text(chunk, place, rng), float(rng.uniform(0.1, DAYS / 2))
            if part.start <= place < part.stop:
                at = opened - timedelta(days=age)
                yield NewPost(int(ids[place - part.start]), SOURCE, f"post-{number}", at, text)


def _text(chunk: People, place: int, rng: np.random.Generator) -> str:
    if rng.random() < 0.3:
        return str(rng.choice(_OTHER))
    pull = chunk.affinity[place] ** 2 + 0.01
    return str(rng.choice(_LIKED[FAMILIES[int(rng.choice(len(FAMILIES), p=pull / pull.sum()))]]))
