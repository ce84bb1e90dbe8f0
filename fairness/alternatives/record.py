"""Whether a model has its search for less discriminatory alternatives on record, decided, signed and not too old; it
writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q

from fairness.models import DecisionMemo, Search, SearchSignature, SearchWaiver
from offers.types import Pack

VALID: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Record:
    """A signed search: which one, what was decided, and when it was signed.."""

    search: int
    verdict: str
    rationale: str
    signed_by: str
    signed_at: datetime

    def valid(self, now: datetime) -> bool:
        return now - self.signed_at <= VALID


def newest(model_name: str) -> Record | None:
    """The last signed search that is about this model: it was found and adopted there, or alternatives to it were
    looked for and it was kept."""
    memos = DecisionMemo.objects.filter(
        Q(verdict=DecisionMemo.Verdict.ADOPT, model_name=model_name)
        | Q(verdict=DecisionMemo.Verdict.KEEP, run__search__subject=model_name),
        run__search__kind=Search.Kind.MODEL,
    )
    signature = (
        SearchSignature.objects.filter(purpose=SearchSignature.Purpose.MEMO, search__run__memo__in=memos)
        .select_related("search__run__memo", "person")
        .order_by("-signed_at")
        .first()
    )
    if signature is None:
        return None
    memo = signature.search.run.memo
    return Record(
        signature.search_id, memo.verdict, memo.rationale, signature.person.get_username(), signature.signed_at
    )


def waived(model_name: str, now: datetime) -> SearchWaiver | None:
    """The newest waiver that is still good; it lasts as long as a search would."""
    waivers = SearchWaiver.objects.filter(model_name=model_name, given_at__gte=now - VALID, given_at__lte=now)
    return waivers.order_by("-given_at").first()


def required(packs: Sequence[Pack]) -> bool:
    """Whether one of the packs in force lets nobody waive the search."""
    return any(pack.lda == "required" for pack in packs)


def missing(model_name: str, packs: Sequence[Pack], now: datetime) -> str:
    """What keeps this model from going live under these packs, in words; "" where nothing does (T-LDA-03)."""
    found = newest(model_name)
    if found is not None and found.valid(now):
        return ""
    gap = (
        f"{model_name} has no signed search for less discriminatory alternatives"
        if found is None
        else f"the search for less discriminatory alternatives to {model_name} was signed more than twelve months ago, "
        f"on {found.signed_at:%d %B %Y}"
    )
    demanding = [pack.title for pack in packs if pack.lda == "required"]
    if demanding:
        return f"{gap}; {' and '.join(demanding)} {'require' if len(demanding) > 1 else 'requires'} one"
    if waived(model_name, now) is not None:
        return ""
    return f"{gap}; compliance may waive it with a reason"
