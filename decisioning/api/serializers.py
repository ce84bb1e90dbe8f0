"""The shapes of requests; an unknown field is an error, and so is a number that is no number."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils.dateparse import parse_datetime
from rest_framework import serializers

from decisioning import outcomes
from decisioning.signal_shapes import PAYLOADS
from offers.register import ATTRIBUTES
from offers.types import CHANNELS

MOST_EVENTS = 1000
LARGEST_LIMIT = 10


class Strict(serializers.Serializer[Any]):
    """A serializer that names unknown fields instead of passing over them."""

    def to_internal_value(self, data: Any) -> Any:
        names = sorted(set(data) - set(self.fields)) if isinstance(data, Mapping) else []
        unknown = {name: [serializers.ErrorDetail("This field is not known.", "unknown")] for name in names}
        try:
            value = super().to_internal_value(data)
        except serializers.ValidationError as error:
            if not unknown or not isinstance(error.detail, dict):
                raise
            raise serializers.ValidationError({**error.detail, **unknown}) from error
        if unknown:
            raise serializers.ValidationError(unknown)
        return value


class Number(serializers.FloatField):
    """A JSON number, finite and in range; text that looks like one is not."""

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool) or not isinstance(data, int | float) or not math.isfinite(data):
            self.fail("invalid")
        return super().to_internal_value(data)


class Text(serializers.CharField):
    """JSON text; a number is not text, and NUL cannot be stored."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Moment(serializers.DateTimeField):
    """RFC 3339 with an offset: a time without one is ambiguous."""

    def to_internal_value(self, value: Any) -> datetime:
        parsed = None
        with contextlib.suppress(ValueError):  # well formed, but no such day or hour
            parsed = parse_datetime(value) if isinstance(value, str) else None
        if parsed is None or parsed.tzinfo is None:
            raise serializers.ValidationError("Write the time as RFC 3339 with an offset.", "invalid")
        return parsed


def _key(**kwargs: Any) -> Text:
    return Text(min_length=1, max_length=64, **kwargs)


class Transaction(Strict):
    amount = Number(min_value=-1e9, max_value=1e9, required=False)
    mcc = Text(max_length=8, required=False)
    channel = Text(max_length=20, required=False)


class Context(Strict):
    entry_point = serializers.ChoiceField(ATTRIBUTES["entry_point"].choices, required=False)
    device_type = serializers.ChoiceField(ATTRIBUTES["device_type"].choices, required=False)
    cards_viewed = serializers.ListField(child=_key(), max_length=100, required=False)
    seconds_on_cards_page = Number(min_value=0, max_value=86400, required=False)
    session_risk_score = Number(min_value=0, max_value=1, required=False)
    transaction = Transaction(required=False)


class DecisionQuestion(Strict):
    customer_id = _key()
    session_id = Text(min_length=1, max_length=200)
    channel = serializers.ChoiceField(CHANNELS)
    placement = Text(min_length=1, max_length=60)
    limit = serializers.IntegerField(min_value=1, max_value=LARGEST_LIMIT, default=1)
    dry_run = serializers.BooleanField(default=False)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """As a class attribute, `context` would hide the serializer's own."""
        return {**super().get_fields(), "context": Context(required=False)}


class SignalEvent(Strict):
    """For the schema: `signal_shapes` checks the same for every adapter, which a test compares."""

    event_id = _key()
    customer_id = _key()
    type = serializers.ChoiceField(tuple(PAYLOADS))
    occurred_at = Moment()
    payload = serializers.DictField()


class OutcomeEvent(Strict):
    event_id = _key()
    decision_id = serializers.UUIDField()
    offer = _key()
    type = serializers.ChoiceField(outcomes.TYPES)
    occurred_at = Moment()
    value = Number(min_value=-1e9, max_value=1e9, required=False, allow_null=True)
    reason = serializers.RegexField(
        r"^[A-Z][A-Z0-9_]{2,39}\Z", required=False,
        help_text="Of a decline: the reason code of the rule that is not met. A firm offer takes one of its own rules.",
    )  # fmt: skip

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "reason" in attrs and attrs["type"] != outcomes.DECLINE:
            raise serializers.ValidationError({"reason": "Only a decline has a reason."})
        return attrs


class Events(serializers.Field[Any, Any, Any, Any]):
    """An array of 1 to 1,000 of whatever the sender holds for events; null too is an event to reject by its index."""

    default_error_messages = {
        "not_a_list": "Send an array of events.",
        "min_length": "Send at least one event.",
        "max_length": f"Send at most {MOST_EVENTS} events.",
    }

    def to_internal_value(self, data: Any) -> list[Any]:
        if not isinstance(data, list):
            self.fail("not_a_list")
        if not data:
            self.fail("min_length")
        if len(data) > MOST_EVENTS:
            self.fail("max_length")
        return data


class Batch(Strict):
    """The envelope; each event is validated by itself, so that good ones are kept when others are not."""

    events = Events()


class SignalBatch(serializers.Serializer[Any]):
    """For the schema: what a good event of the envelope looks like."""

    events = SignalEvent(many=True)


class OutcomeBatch(serializers.Serializer[Any]):
    """For the schema: what a good event of the envelope looks like."""

    events = OutcomeEvent(many=True)


class OfferAnswer(serializers.Serializer[Any]):
    rank = serializers.IntegerField()
    offer = serializers.CharField()
    arm = serializers.CharField()
    format = serializers.CharField()
    headline = serializers.CharField()
    body = serializers.CharField()
    call_to_action = serializers.CharField()
    disclosure = serializers.CharField()
    action_probability = serializers.FloatField()
    why = serializers.CharField()


class DecisionAnswer(serializers.Serializer[Any]):
    """For the schema only: the answer is built by decisioning.api.answers."""

    decision_id = serializers.UUIDField(allow_null=True)
    customer_id = serializers.CharField()
    session_id = serializers.CharField()
    made_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    reused = serializers.BooleanField()
    offers = OfferAnswer(many=True)
    reason = serializers.CharField(allow_null=True)
    degraded = serializers.ListField(child=serializers.CharField())
    withheld = serializers.ListField(child=serializers.CharField())
    release = serializers.IntegerField()
    model = serializers.CharField()
    posterior = serializers.IntegerField()


class RejectionAnswer(serializers.Serializer[Any]):
    index = serializers.IntegerField()
    code = serializers.CharField()
    message = serializers.CharField()


class BatchAnswer(serializers.Serializer[Any]):
    accepted = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    rejected = RejectionAnswer(many=True)


class FaultAnswer(serializers.Serializer[Any]):
    field = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


class Problem(serializers.Serializer[Any]):
    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """As a class attribute, `errors` would hide the serializer's own."""
        return {**super().get_fields(), "errors": FaultAnswer(many=True)}
