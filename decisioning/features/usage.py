"""Which rules, boosts, arms and models use each attribute, from the live release and the stored models; no customer's
value comes in."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from django.db.models import Q

from decisioning import runtime
from decisioning.models import ModelVersion
from decisioning.propensity.encoding import Encoder
from decisioning.propensity.scoring import PropensityModel, UnreadableModel
from offers.conditions import attributes_of
from offers.models import Release as ReleaseRow
from offers.register import ATTRIBUTES
from offers.types import Release

logger = logging.getLogger(__name__)

NEWEST_CHALLENGERS = 5  # one is trained every night; older ones wait for nobody

Kind = Literal["rule", "boost", "arm", "model"]
Status = ModelVersion.Status


@dataclass(frozen=True, slots=True)
class User:
    """What uses an attribute. `key` is its key in the catalogue, the model's name, or "ranking" for the arms' context,
    which is part of the ranking; `detail` says what a rule or boost covers, how the context reads the value, or whether
    the model is champion."""

    kind: Kind
    key: str
    title: str
    detail: str


def used_by() -> Mapping[str, tuple[User, ...]]:
    """For each attribute of the register what uses it, in the order rules, boosts, arms, models; empty where nothing
    does. Without a live release only models are listed."""
    found: dict[str, list[User]] = defaultdict(list)
    release = _live()
    for name, user in (*_of_release(release), *_of_models(release)):
        found[name].append(user)
    return {name: tuple(found[name]) for name in ATTRIBUTES}


def models() -> list[ModelVersion]:
    """The champion and the newest challengers, without their bytes."""
    newest = ModelVersion.objects.filter(status=Status.CHALLENGER).order_by("-id").values("pk")[:NEWEST_CHALLENGERS]
    found = ModelVersion.objects.filter(Q(status=Status.CHAMPION) | Q(pk__in=newest)).order_by("-id")
    return sorted(found.only("name", "sha256", "status"), key=lambda model: model.status != Status.CHAMPION)


def model_inputs(encoder: Encoder, families: frozenset[str]) -> frozenset[str]:
    """The register's attributes behind a model's columns, those of customer and offer together included; `families` are
    of the offers that it scores."""
    columns = encoder.columns
    names = {column.name for column in columns if column.source == "customer"}
    pairs = {column.name for column in columns if column.source == "pair"}
    if "viewed_this_offer" in pairs:
        names.add("cards_viewed")
    if "affinity_of_family" in pairs:
        names |= {f"affinity_{family.replace('-', '_')}" for family in families}
    return frozenset(names & ATTRIBUTES.keys())


def _live() -> Release | None:
    number = ReleaseRow.objects.order_by("-number").values_list("number", flat=True).first()
    return None if number is None else runtime.plan(number).release


def _of_release(release: Release | None) -> Iterator[tuple[str, User]]:
    if release is None:
        return
    for rule in release.rules.values():
        for name in attributes_of(rule.when):
            yield name, User("rule", rule.key, rule.title, rule.target or "every offer")
    for boost in release.boosts.values():
        for name in attributes_of(boost.when):
            yield name, User("boost", boost.key, boost.title, f"×{boost.factor:g} on {boost.target or 'every offer'}")
    for term in release.ranking.context:
        detail = (
            f"is {term.equals}" if term.equals is not None else f"against {term.centre:g}, in steps of {term.scale:g}"
        )
        yield term.attribute, User("arm", "ranking", "every arm, as context", detail)
    yield from _of_mandates(release)


def _of_mandates(release: Release) -> Iterator[tuple[str, User]]:
    for arm in release.arms.values():
        for name in arm.mandate.never_explore if arm.mandate else ():
            yield name, User("arm", arm.key, arm.key, "whoever holds it is never explored on")


def _of_models(release: Release | None) -> Iterator[tuple[str, User]]:
    families = frozenset(offer.family for offer in release.offers.values()) if release else frozenset()
    for model in models():
        encoder = _encoder(model.sha256)
        if encoder is not None:
            for name in model_inputs(encoder, families):
                yield name, User("model", model.name, model.name, model.status)


@lru_cache(maxsize=4 * NEWEST_CHALLENGERS)
def _encoder(sha256: str) -> Encoder | None:
    """The columns of a stored model; a model's bytes never change under its hash. None if they cannot be read."""
    content = ModelVersion.objects.filter(sha256=sha256).values_list("content", flat=True).get()
    try:
        return PropensityModel.from_bytes(bytes(content)).encoder
    except UnreadableModel as error:
        logger.error("what the model %s uses is not shown: %s", sha256, error)
        return None
