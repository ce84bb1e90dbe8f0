"""The addresses of the arms' pages: the leaderboard, one arm, and what can be proposed of it."""

from django.urls import URLPattern, URLResolver, path

from console.views import arm, arm_changes, arms

arm_pages: list[URLPattern | URLResolver] = [
    path("arms/", arms.leaderboard, name="arms"),
    path("arms/new/", arm_changes.new, name="arm_new"),
    path("arms/<slug:offer>/<slug:name>/", arm.detail, name="arm"),
    path("arms/<slug:offer>/<slug:name>/draws/", arm.draws, name="arm_draws"),
    path("arms/<slug:offer>/<slug:name>/change/", arm_changes.change, name="arm_change"),
    path("arms/<slug:offer>/<slug:name>/<slug:action>/", arm_changes.act, name="arm_act"),
]
