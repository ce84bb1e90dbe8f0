"""The shapes of the requests and answers of this package; an unknown parameter is an error."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from decisioning.api.serializers import Strict, Text


class WhyNotQuestion(Strict):
    customer_id = Text(min_length=1, max_length=64)
    offer = Text(min_length=1, max_length=120)
    placement = Text(min_length=1, max_length=60, required=False)


class ClauseAnswer(serializers.Serializer[Any]):
    attribute = serializers.CharField()
    meaning = serializers.CharField()
    operator = serializers.CharField()
    threshold = serializers.JSONField()
    value = serializers.JSONField(allow_null=True)
    needs = serializers.CharField()
    has = serializers.CharField(allow_null=True)
    would_pass_if = serializers.CharField()


class RuleAnswer(serializers.Serializer[Any]):
    rule = serializers.CharField()
    title = serializers.CharField()
    basis = serializers.CharField()
    reason = serializers.CharField()
    clauses = ClauseAnswer(many=True)


class ChangeAnswer(serializers.Serializer[Any]):
    attribute = serializers.CharField()
    meaning = serializers.CharField()
    before = serializers.JSONField(allow_null=True)
    after = serializers.JSONField()
    text = serializers.CharField()
    why = serializers.CharField()


class ChangesAnswer(serializers.Serializer[Any]):
    chosen = serializers.BooleanField()
    changes = ChangeAnswer(many=True)


class WhyNotAnswer(serializers.Serializer[Any]):
    """For the schema only: the answer is built by fairness.explanations.why_not."""

    customer_id = serializers.CharField()
    offer = serializers.CharField()
    name = serializers.CharField()
    asked_at = serializers.DateTimeField()
    channel = serializers.CharField()
    placement = serializers.CharField()
    release = serializers.IntegerField()
    model = serializers.CharField()
    shown = serializers.BooleanField()
    stage = serializers.CharField(allow_null=True)
    reason = serializers.CharField(allow_null=True)
    by = serializers.CharField(allow_blank=True)
    why = serializers.CharField()
    rules = RuleAnswer(many=True)
    chance = serializers.FloatField(allow_null=True)
    would_change = ChangesAnswer(allow_null=True)
    degraded = serializers.ListField(child=serializers.CharField())
    withheld = serializers.ListField(child=serializers.CharField())
