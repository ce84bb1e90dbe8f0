"""Every release, with the change that made it and who agreed."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse

from console.access import SignedInRequest, allowed
from console.paging import paged
from offers.models import Release


@allowed("see:releases")
def index(request: SignedInRequest) -> HttpResponse:
    rows = Release.objects.select_related("change__author", "change__checker", "evidence").defer(
        "content", "change__items", "evidence__content"
    )
    page = paged(rows, request, "number")
    live = Release.objects.order_by("-number").values_list("number", flat=True).first()
    releases = [
        {
            "number": release.number,
            "published_at": release.published_at,
            "live": release.number == live,
            "title": release.change.title,
            "kind": release.change.kind,
            "href": reverse("review", args=[release.change_id]),
            "author": release.change.author.get_username(),
            "checker": release.change.checker.get_username() if release.change.checker else "",
            "content_hash": release.content_hash,
            "verdict": release.evidence.verdict,
        }
        for release in page.rows
    ]
    return render(request, "releases/list.html", {"releases": releases, "page": page})
