"""The endpoint that says why a customer is not offered a card; it translates, fairness.explanations answers."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from decisioning import credentials
from decisioning.api import problems
from decisioning.api.serializers import Problem
from decisioning.api.views import ChannelView
from decisioning.models import Customer
from fairness.api.serializers import WhyNotAnswer, WhyNotQuestion
from fairness.explanations.why_not import UnknownOffer, for_channel, why_not
from offers import audit

SCOPES = frozenset({"decide", "profile"})
_PROBLEMS = {
    code: OpenApiResponse(Problem, description=text)
    for code, text in {
        400: "does not validate", 401: "no such key", 403: "without the scope", 404: "unknown customer or offer",
        503: "no release is live",
    }.items()
}  # fmt: skip


class EitherScope(BasePermission):
    """The key has one of the scopes: a channel that decides may say why, and one that reads profiles also reads the
    customer's values."""

    message = f"This API key has neither the scope {' nor '.join(sorted(SCOPES))}."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.user, credentials.Credential) and bool(SCOPES & set(request.user.scopes))


class WhyNot(ChannelView):
    def get_permissions(self) -> list[BasePermission]:
        return [EitherScope()]

    @extend_schema(
        parameters=[OpenApiParameter("placement", str, description="by default the first that the offer may stand on")],
        responses={200: WhyNotAnswer, **_PROBLEMS},
    )
    def get(self, request: Request, customer_id: str, offer: str) -> Response:
        """Decide as now on the key's channel, without a trace, and say what keeps this offer from the customer;
        what the bank holds of her only for a key with the scope `profile`."""
        given = {**request.query_params.dict(), "customer_id": customer_id, "offer": offer}
        question = WhyNotQuestion(data=given)
        question.is_valid(raise_exception=True)
        asked, now = question.validated_data, timezone.now()
        self._record(asked["customer_id"], offer, now)
        try:
            answer = why_not(
                asked["customer_id"], asked["offer"], channel=self.credential.channel, now=now,
                placement=asked.get("placement", ""),
            )  # fmt: skip
        except UnknownOffer:
            return problems.problem(404, f"There is no offer {offer}.")
        return Response(for_channel(answer, profile="profile" in self.credential.scopes))

    def _record(self, customer_id: str, offer: str, now: datetime) -> None:
        """That a key asked is in the audit trail, as where a person does."""
        key, channel = self.credential.prefix, self.credential.channel
        customer = Customer.objects.filter(external_id=customer_id).values_list("pk", flat=True).first()
        if customer is not None:
            with transaction.atomic():
                audit.record(
                    actor=f"API key {key}", action="profile.asked_why_not", subject=f"customer {customer}",
                    detail={"offer": offer, "channel": channel}, now=now,
                )  # fmt: skip
