"""Loads an export batch by batch, so that a killed load continues where it stopped; the vault's writer is handed in."""

from __future__ import annotations

import csv
import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from decisioning import jobs
from decisioning.features import materialise
from decisioning.ingest.declared import BankMapping
from decisioning.ingest.files import paths_of
from decisioning.ingest.reading import read_export
from decisioning.ingest.records import Batch
from decisioning.ingest.references import resolve
from decisioning.ingest.store import store, withhold
from decisioning.ingest.tally import Tally
from decisioning.models import Job
from decisioning.quality import results

KIND = "load"
REJECT_COLUMNS = ("file", "row", "column", "reason")

Protected = Iterable[tuple[int, Mapping[str, Any]]]
Protect = Callable[[Protected, datetime], None]


@dataclass(slots=True)
class Loaded:
    """What the export held. `resumed` batches were written by an earlier, killed run; they count here too.

    `withheld` posts were not kept, since their customers had not agreed to it. `seconds` are those of reading and
    writing, before vectors are computed. `touched` are the customers whom the export told something of.
    """

    as_of: datetime
    known_from: datetime | None = None
    customers: int = 0
    accounts: int = 0
    transactions: int = 0
    decisions: int = 0
    posts: int = 0
    withheld: int = 0
    rejects: int = 0
    resumed: int = 0
    seconds: float = 0.0
    touched: set[int] = field(default_factory=set, repr=False)

    def add(self, batch: Batch) -> None:
        self.customers += len(batch.customers)
        self.accounts += len(batch.accounts)
        self.transactions += len(batch.transactions)
        self.decisions += len(batch.decisions)
        self.posts += len(batch.posts)
        self.rejects += len(batch.rejects)

    def records(self) -> int:
        return self.customers + self.accounts + self.transactions + self.decisions + self.posts


def load(
    mapping: BankMapping,
    folder: Path,
    *,
    protect: Protect,
    rejects: Path,
    now: datetime,
    progress: Callable[[str, Loaded], None],
    declared: str = "",
) -> Loaded:
    """Everything of the export into the tables, what is protected to `protect`, bad rows to the CSV file `rejects`, and
    what the export was held against to the data-quality results. `declared` is where the mapping is read from, kept for
    whoever reads the export again.

    The same files loaded again change nothing: they keep the day of their first load where they tell no day. Raises
    UnreadableSource or AlreadyRunning.
    """
    fingerprint = fingerprint_of(mapping, folder)
    before = Job.objects.filter(kind=KIND, argument__fingerprint=fingerprint).order_by("-id").first()
    as_of = mapping.as_of or (datetime.fromisoformat(before.argument["as_of"]) if before else now)
    known_from = _known_from(mapping, before, now)
    argument: dict[str, object] = {
        "mapping": mapping.name, "fingerprint": fingerprint, "as_of": as_of.isoformat(),
        "known_from": known_from.isoformat() if known_from else None,
        "folder": str(folder.resolve()), "declared": declared,
    }  # fmt: skip
    with jobs.running(KIND, argument, now) as job, _rejects_file(rejects) as note_rejects:
        # Read again only now: the lock is ours, so whoever wrote the row has ended.
        if before:
            before.refresh_from_db()
            job.done = 0 if before.status == Job.Status.DONE else before.done
        loaded, tally, start = Loaded(as_of, known_from), Tally(mapping), job.done
        began = time.monotonic()
        for batch in read_export(mapping, folder, as_of, now):
            _take(batch, mapping, loaded, start, protect)
            if batch.number > start:
                job.done = batch.number
                job.save(update_fields=["done"])
            note_rejects(batch)
            loaded.add(batch)
            tally.add(batch)
            loaded.seconds = time.monotonic() - began
            if batch.file:
                progress(batch.file, loaded)
        results.record(mapping.name, tally.findings(as_of, now, _records_before(mapping)), now)
        materialise.customers(loaded.touched, now)
        _sum_up(job, mapping, loaded, tally)
    return loaded


def _known_from(mapping: BankMapping, before: Job | None, now: datetime) -> datetime | None:
    """Since when this export is known: None for the first of its source, whose history was known as it happened; the
    same for the same files again. What a later one adds to the past was not known to the decisions made meanwhile."""
    if before:
        told = before.argument.get("known_from")
        return datetime.fromisoformat(told) if told else None
    earlier = Job.objects.filter(kind=KIND, argument__mapping=mapping.name, status=Job.Status.DONE)
    return now if earlier.exists() else None


def _sum_up(job: Job, mapping: BankMapping, loaded: Loaded, tally: Tally) -> None:
    """What the next load of this mapping and the nightly checks compare with."""
    job.argument |= {"records": dict(tally.records), "limits": asdict(mapping.limits)}
    job.total = job.done
    job.message = f"{loaded.customers} customers, {loaded.decisions} decisions, {loaded.rejects} rejects"


def _take(batch: Batch, mapping: BankMapping, loaded: Loaded, start: int, protect: Protect) -> None:
    """Resolve a batch, and write it if no earlier run has. The tables first, then the vault: a kill in between is
    mended by writing the batch again."""
    surrogates = resolve(batch, mapping)
    loaded.withheld += withhold(batch, surrogates)
    if batch.number <= start:
        loaded.resumed += 1
    elif not batch.empty():
        surrogates = store(batch, mapping, surrogates, loaded.as_of, loaded.known_from)
        protected = [(surrogates[record.key], record.protected) for record in batch.customers if record.protected]
        protect(protected, loaded.as_of)
    loaded.touched.update(surrogates.values())


def _records_before(mapping: BankMapping) -> Mapping[str, int] | None:
    """What the last load of this mapping that came to its end held."""
    job = Job.objects.filter(kind=KIND, argument__mapping=mapping.name, status=Job.Status.DONE).order_by("-id").first()
    return job.argument.get("records") if job else None


def fingerprint_of(mapping: BankMapping, folder: Path) -> str:
    """SHA-256 over the mapping and every file: what makes two loads the same."""
    digest = hashlib.sha256(mapping.digest.encode())
    for source in mapping.sources.values():
        for path in paths_of(source, folder):
            with path.open("rb") as file:
                digest.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


@contextmanager
def _rejects_file(path: Path) -> Iterator[Callable[[Batch], None]]:
    """A CSV file of every rejected row; it takes its name when the load is through, so that it is never half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(REJECT_COLUMNS)
        yield lambda batch: writer.writerows(
            (r.file, r.row, r.column, r.reason) for r in sorted(batch.rejects, key=lambda r: r.row)
        )
    part.replace(path)
