"""The addresses of the catalogue's pages: offers, their messages, where they stand and of which products they are."""

from django.urls import URLPattern, URLResolver, path

from console.views import creatives, offer_calendar, offer_compare, offer_edit, offer_wizard, offers, placements

catalogue: list[URLPattern | URLResolver] = [
    path("offers/", offers.index, name="offers"),
    path("offers/new/", offer_wizard.start, name="offer_new"),
    path("offers/new/<slug:draft>/<slug:step>/", offer_wizard.step, name="offer_step"),
    path("offers/chosen/", offers.chosen, name="offers_chosen"),
    path("offers/compare/", offer_compare.compare, name="offer_compare"),
    path("offers/calendar/", offer_calendar.index, name="offer_calendar"),
    path("offers/<slug:key>/", offers.detail, name="offer"),
    path("offers/<slug:key>/edit/", offer_edit.edit, name="offer_edit"),
    path("offers/<slug:key>/duplicate/", offer_edit.duplicate, name="offer_duplicate"),
    path("offers/<slug:key>/terms/", offer_edit.terms, name="offer_terms"),
    path("offers/<slug:key>/creatives/", creatives.index, name="creatives"),
    path("offers/<slug:key>/creatives/new/", creatives.edit, name="creative_new"),
    path("offers/<slug:key>/creatives/<slug:name>/edit/", creatives.edit, name="creative_edit"),
    path("messages/<slug:channel>/preview/", offer_edit.preview, name="message_preview"),
    path("placements/", placements.index, name="placements"),
    path("placements/<slug:key>/edit/", placements.edit, name="placement_edit"),
    path("products/", placements.products, name="products"),
]
