"""Make a trained model the champion; only fairness.gate imports this, since a model goes live with a release."""

from __future__ import annotations

from decisioning.models import ModelVersion
from decisioning.propensity.scoring import PropensityModel

Status = ModelVersion.Status


class UnknownModel(LookupError):
    """No stored model has this name and these bytes."""


def promote(name: str, sha256: str) -> None:
    """The champion retires and this model takes its place; a retired one may come back. Call inside a transaction.

    Raises UnknownModel, or OtherGroupVersion where it was trained on feature groups that mean something else now.
    """
    chosen = ModelVersion.objects.select_for_update().filter(name=name, sha256=sha256).first()
    if chosen is None:
        raise UnknownModel(f"there is no model {name} with sha256 {sha256}")
    PropensityModel.from_bytes(bytes(chosen.content)).require_current()
    ModelVersion.objects.filter(status=Status.CHAMPION).exclude(pk=chosen.pk).update(status=Status.RETIRED)
    ModelVersion.objects.filter(pk=chosen.pk).update(status=Status.CHAMPION)


def retire() -> None:
    """No champion: the engine degrades to the offers' base rates."""
    ModelVersion.objects.filter(status=Status.CHAMPION).update(status=Status.RETIRED)
