"""The engine as this process holds it, for pages; the versions come from Postgres, so a page never shows a guess."""

from __future__ import annotations

from django.db.models import Subquery

from decisioning import runtime
from decisioning.features.online import Versions
from decisioning.models import PosteriorHead
from offers.models import Release, StopEpoch


def engine() -> runtime.Engine | None:
    """The live engine, or None before the first release. One small query when nothing has changed."""
    release, posterior, stop_epoch = StopEpoch.objects.values_list(
        Subquery(Release.objects.order_by("-number").values("number")[:1]),
        Subquery(PosteriorHead.objects.values("position")[:1]),
        "epoch",
    ).get()
    if release is None:
        return None
    # Credentials are the REST door's business.
    return runtime.engine(Versions(release, posterior, stop_epoch, credentials=0))
