"""The endpoints of channels: decisions with their record, explanation and replay, signals and outcomes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, cast
from uuid import UUID

import orjson
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers as drf
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from decisioning import (
    credentials,
    customer_signals,
    decision_log,
    explanation,
    idempotency,
    outcomes,
    replay,
    runtime,
    serve,
    tasks,
)
from decisioning.api import answers, problems, serializers
from decisioning.api.access import ApiKeyAuthentication, Scoped
from decisioning.events import Accepted, Rejection
from decisioning.models import Customer, Presentation
from decisioning.models import Decision as DecisionRow

_HEADER = "Idempotency-Key"
_IDEMPOTENCY = OpenApiParameter(_HEADER, str, OpenApiParameter.HEADER)
_PROBLEMS = {
    code: OpenApiResponse(serializers.Problem, description=text)
    for code, text in {
        400: "does not validate", 401: "no such key", 403: "another channel's key, or without the scope",
        404: "unknown", 409: "the key came with another body", 503: "cannot be committed now",
    }.items()
}  # fmt: skip


class ChannelView(APIView):
    """A view for a channel's key. `scope` is what the key must have."""

    authentication_classes = (ApiKeyAuthentication,)
    permission_classes = (Scoped,)
    renderer_classes = (problems.Renderer,)
    parser_classes = (problems.Parser,)
    scope: ClassVar[str]

    def get_exception_handler(self) -> Callable[..., Any]:
        return problems.handle

    @property
    def credential(self) -> credentials.Credential:
        return cast(credentials.Credential, self.request.user)

    def once(self, request: Request, work: Callable[[], Response]) -> Response:
        """Run a write under its Idempotency-Key, if it has one."""
        key = request.headers.get(_HEADER)
        if not key:
            return work()
        if len(key) > 120:
            raise drf.ValidationError({_HEADER: "At most 120 characters."})
        body = request.path.encode() + b"\n" + orjson.dumps(request.data, option=orjson.OPT_SORT_KEYS)
        try:
            # One at a time: of two that come at once with different bodies, the second must find that out before it
            # has done its work.
            with idempotency.alone(self.credential.prefix, key):
                stored = idempotency.earlier(self.credential.prefix, key, body)
                if stored is None:
                    response = work()
                    if response.status_code >= 300:
                        return response
                    answer = orjson.dumps(response.data)
                    stored = idempotency.keep(
                        self.credential.prefix, key, body, response.status_code, answer, timezone.now()
                    )
        except idempotency.KeyConflict as error:
            return problems.problem(409, str(error))
        return Response(orjson.loads(stored.answer), status=stored.status)


class Decisions(ChannelView):
    scope = "decide"

    @extend_schema(
        request=serializers.DecisionQuestion,
        responses={201: serializers.DecisionAnswer, 200: serializers.DecisionAnswer, **_PROBLEMS},
        parameters=[_IDEMPOTENCY],
    )
    def post(self, request: Request) -> Response:
        """Decide which offers a customer sees, or give the session's decision again."""
        question = serializers.DecisionQuestion(data=request.data)
        question.is_valid(raise_exception=True)
        fields = question.validated_data
        if fields["channel"] != self.credential.channel:
            raise PermissionDenied(f"This API key belongs to the channel {self.credential.channel}.")
        asked = serve.Ask(**{"context": {}, **fields})
        return self.once(request, lambda: self._answer(asked))

    def _answer(self, asked: serve.Ask) -> Response:
        answer = serve.ask(asked, timezone.now())
        made = not answer.reused and not asked.dry_run
        return Response(answers.decision(asked, answer), status=201 if made else 200)


class OneDecision(ChannelView):
    """What the resources of one decision share: the row, if this channel had a part in it."""

    scope = "decide"

    @property
    def reads_profiles(self) -> bool:
        return "profile" in self.credential.scopes

    def row(self, decision_id: UUID) -> DecisionRow:
        row = decision_log.get(decision_id)
        channel = self.credential.channel
        if (
            row.channel != channel
            and not Presentation.objects.filter(
                customer_id=row.customer_id, decision_id=row.id, channel=channel
            ).exists()
        ):
            raise PermissionDenied("This decision was never given to this API key's channel.")
        return row


class Record(OneDecision):
    @extend_schema(responses={200: drf.DictField(), **_PROBLEMS})
    def get(self, request: Request, decision_id: UUID) -> Response:
        """The stored record."""
        row = self.row(decision_id)
        external_id = Customer.objects.filter(pk=row.customer_id).values_list("external_id", flat=True).first()
        release = runtime.plan(row.release).release
        return Response(
            answers.record(row, external_id, decision_log.result(row), release, profile=self.reads_profiles)
        )


class Explanation(OneDecision):
    @extend_schema(responses={200: drf.DictField(), **_PROBLEMS})
    def get(self, request: Request, decision_id: UUID) -> Response:
        """The whole trace: every offer with the stage that ended it, clause by clause, and the scores; what else the
        bank knew of the customer only for a key with the scope `profile`."""
        row = self.row(decision_id)
        release = runtime.plan(row.release).release
        return Response(answers.explained(explanation.explain(row), release, profile=self.reads_profiles))


class Replay(OneDecision):
    @extend_schema(request=None, responses={200: drf.DictField(), **_PROBLEMS})
    def post(self, request: Request, decision_id: UUID) -> Response:
        """Run the decision again from its recorded inputs and compare the bytes."""
        result = replay.replay(self.row(decision_id))
        differences = [{"path": path, "recorded": old, "replayed": new} for path, old, new in result.differences]
        return Response(
            {
                "identical": result.identical,
                "intact": result.intact,
                "differences": differences,
                "machine": result.machine,
            }
        )


class EventsView(ChannelView):
    """A batch of events: each is validated by itself, and good ones are kept when others are not."""

    def post(self, request: Request) -> Response:
        return self.once(request, lambda: self._answer(request))

    def _answer(self, request: Request) -> Response:
        batch = serializers.Batch(data=request.data)
        batch.is_valid(raise_exception=True)
        return Response(answers.batch(self.take(batch.validated_data["events"])), status=202)

    @abstractmethod
    def take(self, batch: Sequence[Any]) -> Accepted:
        """Hand the events, as they came, to the domain."""


class Signals(EventsView):
    scope = "signal"

    @extend_schema(
        request=serializers.SignalBatch,
        responses={202: serializers.BatchAnswer, **_PROBLEMS},
        parameters=[_IDEMPOTENCY],
    )
    def post(self, request: Request) -> Response:
        """Up to 1,000 events of what customers did; the next decision knows them."""
        return super().post(request)

    def take(self, batch: Sequence[Any]) -> Accepted:
        taken = customer_signals.take_json(enumerate(batch), timezone.now())
        customer_signals.refresh(taken)
        tasks.wake_materialiser()
        return taken


class Outcomes(EventsView):
    scope = "outcome"

    @extend_schema(
        request=serializers.OutcomeBatch,
        responses={202: serializers.BatchAnswer, **_PROBLEMS},
        parameters=[_IDEMPOTENCY],
    )
    def post(self, request: Request) -> Response:
        """Up to 1,000 events of what came of decisions; the bandit learns from them within a second."""
        return super().post(request)

    def take(self, batch: Sequence[Any]) -> Accepted:
        good, rejected = self._valid(batch)
        taken = outcomes.take(good, timezone.now(), channel=self.credential.channel)
        outcomes.refresh(taken.customers)
        tasks.wake_learner()
        return taken.joined(Accepted(rejected=rejected))

    def _valid(self, batch: Sequence[Any]) -> tuple[list[tuple[int, outcomes.Event]], list[Rejection]]:
        good, rejected = [], []
        for index, raw in enumerate(batch):
            event = serializers.OutcomeEvent(data=raw)
            if event.is_valid():
                good.append((index, outcomes.Event(**{"value": None, **event.validated_data})))
            else:
                rejected.append(Rejection(index, "INVALID", _sentence(event)))
        return good, rejected


def _sentence(event: serializers.Strict) -> str:
    """Every wrong field of one event, in one line."""
    faults = problems.faults("", drf.ValidationError(event.errors).get_full_details())
    return "; ".join(f"{fault['field']}: {fault['message']}" for fault in faults)


def nothing_here(request: HttpRequest) -> HttpResponse:
    """An address that the contract does not have: a problem in JSON too, not a page."""
    body = problems.body(404, f"There is nothing at {request.path}.")
    return HttpResponse(orjson.dumps(body), status=404, content_type=problems.PROBLEM)
