"""The engine as this process holds it, for pages; the versions come from Postgres, so a page never shows a guess."""

from __future__ import annotations

from decisioning import runtime
from decisioning.features.online import Versions
from decisioning.models import PosteriorHead
from offers.models import Release, StopEpoch


def engine() -> runtime.Engine | None:
    """The live engine, or None before the first release. Three small queries when nothing has changed."""
    number = Release.objects.order_by("-number").values_list("number", flat=True).first()
    if number is None:
        return None
    return runtime.engine(
        Versions(
            release=number,
            posterior=PosteriorHead.objects.get(pk=1).position,
            stop_epoch=StopEpoch.objects.get(pk=1).epoch,
            credentials=0,  # only the REST door looks at it
        )
    )
