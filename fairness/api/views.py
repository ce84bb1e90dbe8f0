"""The endpoint that says why a customer is not offered a card; it translates, fairness.explanations answers."""

from __future__ import annotations

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
from fairness.api.serializers import WhyNotAnswer, WhyNotQuestion
from fairness.explanations.why_not import UnknownOffer, why_not

SCOPES = frozenset({"decide", "profile"})
_PROBLEMS = {
    code: OpenApiResponse(Problem, description=text)
    for code, text in {
        400: "does not validate", 401: "no such key", 403: "without the scope", 404: "unknown customer or offer",
        503: "no release is live",
    }.items()
}  # fmt: skip


class EitherScope(BasePermission):
    """The key has one of the scopes: a channel that decides may say why, and so may one that reads profiles."""

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
        """Decide as now on the key's channel, without a trace, and say what keeps this offer from the customer."""
        given = {**request.query_params.dict(), "customer_id": customer_id, "offer": offer}
        question = WhyNotQuestion(data=given)
        question.is_valid(raise_exception=True)
        asked = question.validated_data
        try:
            answer = why_not(
                asked["customer_id"], asked["offer"], channel=self.credential.channel, now=timezone.now(),
                placement=asked.get("placement", ""),
            )  # fmt: skip
        except UnknownOffer:
            return problems.problem(404, f"There is no offer {offer}.")
        return Response(answer)
