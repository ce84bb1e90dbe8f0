"""R-IND-1, a leak test: turn every protected column of the source data over, run ingest, features and decision again,
and count the decisions that differ. Nothing of it stays: each run is rolled back, and Redis hears of none."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from django.db import transaction

from decisioning import impact, records, runtime
from decisioning.decide import decide
from decisioning.features import materialise, online
from decisioning.impact.simulation import keys_for
from decisioning.ingest.reading import read_export
from decisioning.ingest.references import resolve
from decisioning.ingest.store import store
from decisioning.known import known as known_of
from decisioning.types import DecisionRequest
from fairness import findings, vault
from fairness.individual import source
from fairness.individual.source import Column, Export
from fairness.models import IndividualCheck
from offers import audit
from offers.register import ATTRIBUTES

CUSTOMERS: Final = 10_000
CHUNK: Final = 500
LIMIT: Final = 3
STORED: Final = "stored"  # in place of a mapping's name, where none was tested
NOT_TESTED: Final = "What is stored is turned over; the bank's own mapping is checked with --export."
_SEED: Final = 20_261_122
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Made:
    """What became of one customer: the decision, byte for byte, what it could read, and the legal flags among that."""

    decision: bytes
    attributes: Mapping[str, Any]

    @property
    def flags(self) -> Mapping[str, Any]:
        return {name: v for name, v in self.attributes.items() if ATTRIBUTES[name].basis_class == "age_special"}


@dataclass(slots=True)
class Arm:
    """One column turned over. `crossed` are customers whose legal flag the turn changes: by law their decisions may
    differ, and they are counted apart. `moved` are the attributes that changed, with how many customers each."""

    column: Column
    differing: int = 0
    crossed: int = 0
    crossed_differing: int = 0
    moved: Counter[str] = field(default_factory=Counter)

    def compare(self, before: Mapping[int, Made], after: Mapping[int, Made]) -> None:
        for customer, old in before.items():
            new = after[customer]
            differs = old.decision != new.decision
            if old.flags != new.flags:
                self.crossed += 1
                self.crossed_differing += differs
                continue
            self.differing += differs
            names = old.attributes.keys() | new.attributes.keys()
            self.moved.update(name for name in names if old.attributes.get(name) != new.attributes.get(name))

    def to_json(self) -> dict[str, Any]:
        return {
            "column": self.column.name, "attributes": list(self.column.attributes), "differing": self.differing,
            "crossed": self.crossed, "crossed_differing": self.crossed_differing,
            "moved": dict(sorted(self.moved.items())),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Flipped:
    customers: int
    arms: list[Arm]

    @property
    def differing(self) -> int:
        """The decisions of all turns that differ: none should."""
        return sum(arm.differing for arm in self.arms)


def check(
    now: datetime, *, export: Export | None = None, most: int = CUSTOMERS, progress: Progress | None = None
) -> IndividualCheck:
    """Run it on an export, or on what is stored of the last customers, keep the counts, and open a finding on a leak.
    What is stored has been through the bank's mapping already: only an export can show that the mapping leaks.

    Raises NoRelease and UnreadableSource."""
    found = run(now, export=export, most=most, progress=progress)
    with transaction.atomic():
        kept = IndividualCheck.objects.create(
            kind=IndividualCheck.Kind.FLIP, customers=found.customers, differing=found.differing, computed_at=now,
            figures={"arms": [arm.to_json() for arm in found.arms],
                     "source": export.mapping.name if export else STORED},
        )  # fmt: skip
        audit.record(
            actor="candor", action="individuals.flipped", subject=f"check {kept.pk}",
            detail={"customers": kept.customers, "differing": kept.differing, "source": kept.figures["source"]},
            now=now,
        )  # fmt: skip
    if found.differing:
        worst = max(found.arms, key=lambda arm: arm.differing)
        findings.breach(
            kind="leak", subject="attribute flip", title=f"{worst.differing} decisions hang on {worst.column.name}",
            severity="high", cause=", ".join(worst.moved) or "the decision itself", evidence=kept.figures, now=now,
        )  # fmt: skip
    return kept


def run(
    now: datetime, *, export: Export | None = None, most: int = CUSTOMERS, progress: Progress | None = None
) -> Flipped:
    """The same without keeping anything."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if export:
            whole = source.beginning(source.customers_alone(export), most, folder / "export")
        else:
            whole = source.stored(most, folder / "stored", now)
        arms, customers = [Arm(column) for column in source.protected_columns(whole.mapping)], 0
        total = min(most, source.size(whole))
        for start in range(0, total, CHUNK):
            customers += _chunk(whole, arms, range(start, min(total, start + CHUNK)), folder / f"from-{start}", now)
            if progress:
                progress(min(total, start + CHUNK), total)
    return Flipped(customers, arms)


def _chunk(whole: Export, arms: list[Arm], rows: range, folder: Path, now: datetime) -> int:
    """Some customers as they are, then each column turned over on top of that; how many there were. In one transaction,
    so that customers who are new here keep their keys, and in small parts, since it holds their rows meanwhile."""
    with _undone():
        before = _decided(source.flipped(whole, None, folder / "as-they-are", rows), now)
        for place, arm in enumerate(arms):
            with _undone():
                arm.compare(before, _decided(source.flipped(whole, arm.column, folder / str(place), rows), now))
    return len(before)


@contextmanager
def _undone() -> Iterator[None]:
    """Whatever is written in here, to the tables or to the vault, never was."""
    with transaction.atomic(), transaction.atomic(using=vault.ALIAS):
        yield
        transaction.set_rollback(True)
        transaction.set_rollback(True, using=vault.ALIAS)


def _decided(export: Export, now: datetime) -> dict[int, Made]:
    """Ingest an export, compute features, decide."""
    return _of(_ingested(export, now), now)


def _ingested(export: Export, now: datetime) -> list[int]:
    as_of, surrogates = export.mapping.as_of or now, dict[str, int]()
    for batch in read_export(export.mapping, export.folder, as_of, now):
        known = resolve(batch, export.mapping)
        if batch.empty():
            continue
        known = store(batch, export.mapping, known, as_of)
        told = [(known[record.key], record.protected) for record in batch.customers]
        vault.write(
            (vault.Entry(customer, name, str(value)) for customer, values in told for name, value in values.items()),
            source=export.mapping.name, now=as_of,
        )  # fmt: skip
        surrogates.update({record.key: known[record.key] for record in batch.customers})
    return sorted(surrogates.values())


def _of(customers: list[int], now: datetime) -> dict[int, Made]:
    """Each decision with the same key in every run. Nightly scores are left out: they were made of what was known
    before, and would hide a leak."""
    materialise.customers(customers, now, to_redis=False)
    engine = runtime.engine(online.versions_in_postgres())
    scene = impact.scene_for([engine.plan])
    ids = np.array(customers, dtype=np.int64)
    keys = dict(zip(customers, keys_for(ids, _SEED).tolist(), strict=True))
    made = {}
    for customer, read in online.many_committed(customers, now).items():
        request = DecisionRequest(customer, "flip", scene.channel, scene.placement, LIMIT, now)
        known = replace(known_of(read, engine, {}, now), precomputed={})
        decision = decide(request, known, engine.plan, engine.posterior, keys[customer])
        made[customer] = Made(records.result_to_bytes(decision), known.attributes)
    return made
