"""The addresses of the REST contract that this package answers; they stand before decisioning's, which answers for
every address that nobody has."""

from django.urls import path

from fairness.api import views

urlpatterns = [
    path("customers/<str:customer_id>/offers/<str:offer>/why-not", views.WhyNot.as_view(), name="why_not"),
]
