"""Releases: all of them, what was live at a moment, what one changed, the difference of any two, as files, and the way
back to an earlier one."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_POST

from console import differences
from console.access import SignedInRequest, allowed
from console.forms import CatalogueFileForm
from console.paging import paged
from console.proposing import propose, submitted
from decisioning import activity
from offers import files, roles, snapshot
from offers.catalog import InvalidContent
from offers.models import KINDS, Release

SHOWN = 200  # items of a difference


@allowed("see:releases")
def index(request: SignedInRequest) -> HttpResponse:
    return _list(request, CatalogueFileForm())


def _list(request: SignedInRequest, form: CatalogueFileForm) -> HttpResponse:
    rows = Release.objects.select_related("change__author", "change__checker", "evidence").defer(
        "content", "change__items", "evidence__content"
    )
    page = paged(rows, request, "number")
    live = Release.objects.order_by("-number").values_list("number", flat=True).first()
    moment = _moment(request.GET.get("at", ""))
    return render(
        request,
        "releases/list.html",
        {
            "releases": [_row(release, release.number == live) for release in page.rows],
            "page": page,
            "at": request.GET.get("at", ""),
            "moment": moment,
            "then": _then(moment) if moment else None,
            "may_import": roles.may(request.user, "propose:catalogue"),
            "import_form": form,
        },
    )


def _row(release: Release, live: bool) -> dict[str, Any]:
    return {
        "number": release.number,
        "published_at": release.published_at,
        "live": live,
        "title": release.change.title,
        "kind": release.change.kind,
        "href": reverse("release", args=[release.number]),
        "review_href": reverse("review", args=[release.change_id]),
        "author": release.change.author.get_username(),
        "checker": release.change.checker.get_username() if release.change.checker else "",
        "content_hash": release.content_hash,
        "verdict": release.evidence.verdict,
        "justified": bool(release.change.justification),
    }


def _moment(text: str) -> datetime | None:
    """A moment as a field sends it, in UTC; None where it is none."""
    try:
        found = parse_datetime(text)
        if found is None:
            return None
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # no such day, or one that is beyond the calendar in UTC
        return None


def _then(moment: datetime) -> dict[str, Any]:
    """The release that was in force at a moment, or that none was."""
    row = snapshot.live_at(moment)
    if row is None:
        return {"number": None}
    until = Release.objects.filter(number=row.number + 1).values_list("published_at", flat=True).first()
    return {"number": row.number, "since": row.published_at, "until": until, "title": row.change.title}


@allowed("see:releases")
def detail(request: SignedInRequest, number: int) -> HttpResponse:
    rows = Release.objects.select_related("change__author", "change__checker", "evidence")
    release = get_object_or_404(rows.defer("change__items", "evidence__content"), number=number)
    following = Release.objects.filter(number=number + 1).values_list("published_at", flat=True).first()
    before = Release.objects.filter(number=number - 1).first()
    made = activity.made_between(release.published_at, following)
    return render(
        request,
        "releases/detail.html",
        {
            "release": _row(release, following is None),
            "until": following,
            "hash_holds": snapshot.content_hash(release.content) == release.content_hash,
            "sizes": [(kind, len(release.content[kind])) for kind in KINDS if release.content.get(kind)],
            "decisions": min(made, activity.COUNTED),
            "more_decisions": made > activity.COUNTED,
            "may_see_decisions": roles.may(request.user, "see:decisions"),
            "may_roll_back": following is not None and roles.may(request.user, "propose:rollback"),
            **_difference(before.content if before else snapshot.EMPTY, release.content),
        },
    )


def _difference(old: snapshot.Content, new: snapshot.Content) -> dict[str, Any]:
    found = differences.between(old, new)
    return {"items": found[:SHOWN], "more": max(0, len(found) - SHOWN)}


@allowed("see:releases")
def difference(request: SignedInRequest) -> HttpResponse:
    """What differs between any two releases."""
    numbers = [request.GET.get(name, "") for name in ("old", "new")]
    context: dict[str, Any] = {"old": numbers[0], "new": numbers[1], "items": [], "more": 0}
    if all(number.isdecimal() and len(number) < 10 for number in numbers):
        found = Release.objects.in_bulk([int(number) for number in numbers])
        if len(found) == len(set(numbers)):
            old, new = (found[int(number)] for number in numbers)
            context |= {"compared": True, **_difference(old.content, new.content)}
        else:
            missing = [number for number in numbers if int(number) not in found]
            context["fault"] = f"There is no release {' and no '.join(missing)}."
    elif any(numbers):
        context["fault"] = "Name two releases by their numbers."
    return render(request, "releases/difference.html", context)


@require_POST
@allowed("propose:rollback")
def roll_back(request: SignedInRequest, number: int) -> HttpResponse:
    """Propose that what stood in this release stands again; the way back takes a second person like any other."""
    wanted, live = get_object_or_404(Release, number=number), snapshot.live_row()
    assert live is not None  # the one that is wanted is there
    items = snapshot.between(live.content, wanted.content)
    if not items:
        messages.info(request, f"What is live is what release {number} was.")
        return redirect("release", number=number)
    try:
        change = propose(
            kind="rollback", key=str(number), title=f"Back to release {number}", items=items, author=request.user,
            rationale=request.POST.get("rationale", ""), now=timezone.now(),
        )  # fmt: skip
    except InvalidContent as refused:
        messages.error(request, f"Nothing was proposed: {refused.faults[0].path}: {refused.faults[0].message}.")
        return redirect("release", number=number)
    return submitted(request, change)


@allowed("see:releases")
def download(request: SignedInRequest, number: int) -> HttpResponse:
    """The release as files in one archive."""
    release = get_object_or_404(Release, number=number)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path, content in files.exported(release).items():
            # The same release gives the same bytes, whenever it is asked for.
            packed.writestr(zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0)), content)
    headers = {"Content-Disposition": f'attachment; filename="release-{number}.zip"'}
    return HttpResponse(archive.getvalue(), content_type="application/zip", headers=headers)


@require_POST
@allowed("propose:catalogue")
def upload(request: SignedInRequest) -> HttpResponse:
    """Propose what the files of an archive say, as a whole catalogue."""
    form = CatalogueFileForm(request.POST, request.FILES)
    if not form.is_valid():
        messages.error(request, "Nothing was proposed: see below.")
        return _list(request, form)
    live = snapshot.live_row()
    try:
        items = files.imported(form.unpacked, live.content if live else snapshot.EMPTY)
        if not items:
            messages.info(request, "This is what is live already.")
            return redirect("releases")
        change = propose(
            kind="catalogue", key="files", title=form.cleaned_data["title"], items=items, author=request.user,
            rationale="", now=timezone.now(),
        )  # fmt: skip
    except InvalidContent as refused:
        first, more = refused.faults[0], len(refused.faults) - 1
        rest = f" And {more} more." if more else ""
        messages.error(request, f"Nothing was proposed: {first.path}: {first.message}.{rest}")
        return _list(request, form)
    return submitted(request, change)
