"""Whom each live offer can reach, as the evidence of the live release counted it; nothing is counted here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from offers.models import Release


@dataclass(frozen=True, slots=True)
class Reached:
    """Customers by offer who satisfied every rule on it, of `population`, at `at`."""

    population: int
    at: datetime | None
    by_offer: dict[str, int]

    def of(self, offer: str) -> int | None:
        return self.by_offer.get(offer)

    def share_of(self, offer: str) -> float | None:
        count = self.of(offer)
        return count / self.population if count is not None and self.population else None


def reached() -> Reached:
    """Of the release with the highest number; empty before the first."""
    fields = ("evidence__content__reach", "evidence__population", "evidence__computed_at")
    row = Release.objects.order_by("-number").values_list(*fields).first()
    if row is None:
        return Reached(0, None, {})
    offers, population, at = row
    return Reached(population, at, {offer["offer"]: offer["after"] for offer in offers if offer["after"] is not None})
