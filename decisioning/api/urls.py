"""The addresses of the REST contract that this package answers."""

from django.urls import path, re_path

from decisioning.api import views

urlpatterns = [
    path("decisions", views.Decisions.as_view(), name="decisions"),
    path("decisions/<uuid:decision_id>", views.Record.as_view(), name="decision_record"),
    path("decisions/<uuid:decision_id>/explanation", views.Explanation.as_view(), name="decision_explanation"),
    path("decisions/<uuid:decision_id>/replay", views.Replay.as_view(), name="decision_replay"),
    path("signals", views.Signals.as_view(), name="signals"),
    path("outcomes", views.Outcomes.as_view(), name="outcomes"),
    re_path("", views.nothing_here),
]
