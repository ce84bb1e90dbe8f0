"""The calendar: what ends soon, where nothing will stand, and every product's offers by month."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone

from console.access import SignedInRequest, allowed
from console.catalogue import offer_calendar
from console.catalogue.offer_calendar import MONTHS, Scale, shifted
from console.paging import paged
from offers.models import Product


@allowed("see:offers")
def index(request: SignedInRequest) -> HttpResponse:
    """Six months from `?from=2027-03` on, or from this one; products by key, `?product=` for one alone."""
    now = timezone.now()
    scale = Scale(offer_calendar.month_of(request.GET.get("from", ""), now.date()))
    products = Product.objects.filter(live=True)
    one = request.GET.get("product", "")
    page = paged(products.filter(key=one) if one else products, request, "key", descending=False, size=8)
    return render(
        request,
        "offers/calendar.html",
        {
            "ending": offer_calendar.ending(now),
            "gaps": offer_calendar.gaps(scale, now),
            "scale": scale,
            "months": scale.months,
            "grid": scale.grid,
            "today": scale.place(now) if scale.starts <= now < scale.ends else None,
            "products": offer_calendar.rows_of(scale, page.rows),
            "page": page,
            "earlier": f"{shifted(scale.first, -MONTHS):%Y-%m}",
            "later": f"{shifted(scale.first, MONTHS):%Y-%m}",
        },
    )
