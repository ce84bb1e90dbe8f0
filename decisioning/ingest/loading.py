"""Loads an export batch by batch, so that a killed load continues where it stopped; the vault's writer is handed in."""

from __future__ import annotations

import csv
import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError

from decisioning import jobs
from decisioning.features import stored
from decisioning.ingest.files import paths_of
from decisioning.ingest.mapping import BankMapping
from decisioning.ingest.reading import Batch, read_export
from decisioning.ingest.store import store
from decisioning.models import Job

KIND = "load"
REJECT_COLUMNS = ("file", "row", "column", "reason")

logger = logging.getLogger(__name__)

Protected = Iterable[tuple[int, Mapping[str, Any]]]
Protect = Callable[[Protected, datetime], None]


@dataclass(slots=True)
class Loaded:
    """What the export held. `resumed` batches were written by an earlier, killed run; they count here too."""

    as_of: datetime
    customers: int = 0
    accounts: int = 0
    transactions: int = 0
    decisions: int = 0
    rejects: int = 0
    resumed: int = 0

    def add(self, batch: Batch) -> None:
        self.customers += len(batch.customers)
        self.accounts += len(batch.accounts)
        self.transactions += len(batch.transactions)
        self.decisions += len(batch.decisions)
        self.rejects += len(batch.rejects)


def load(
    mapping: BankMapping,
    folder: Path,
    *,
    protect: Protect,
    rejects: Path,
    now: datetime,
    progress: Callable[[str, Loaded], None],
) -> Loaded:
    """Everything of the export into the tables, what is protected to `protect`, bad rows to the CSV file `rejects`.

    The same files loaded again change nothing: they keep the day of their first load where they tell no day. Raises
    UnreadableSource or AlreadyRunning.
    """
    fingerprint = fingerprint_of(mapping, folder)
    before = Job.objects.filter(kind=KIND, argument__fingerprint=fingerprint).order_by("-id").first()
    as_of = mapping.as_of or (datetime.fromisoformat(before.argument["as_of"]) if before else now)
    argument: dict[str, object] = {"mapping": mapping.name, "fingerprint": fingerprint, "as_of": as_of.isoformat()}
    with jobs.running(KIND, argument, now) as job, _rejects_file(rejects) as note_rejects:
        # Read again only now: the lock is ours, so whoever wrote the row has ended.
        if before:
            before.refresh_from_db()
            job.done = 0 if before.status == Job.Status.DONE else before.done
        loaded, start = Loaded(as_of), job.done
        for batch in read_export(mapping, folder, as_of):
            if batch.number <= start:
                loaded.resumed += 1
            else:
                _write(batch, mapping, as_of, protect)
                job.done = batch.number
                job.save(update_fields=["done"])
            note_rejects(batch)
            loaded.add(batch)
            progress(batch.file, loaded)
        job.total = job.done
        job.message = f"{loaded.customers} customers, {loaded.decisions} decisions, {loaded.rejects} rejects"
    return loaded


def _write(batch: Batch, mapping: BankMapping, as_of: datetime, protect: Protect) -> None:
    """The tables first, then the vault; a kill in between is mended by writing the batch again."""
    if not (batch.customers or batch.accounts or batch.transactions or batch.decisions):
        return
    surrogates = store(batch, mapping, as_of)
    protect(((surrogates[record.key], record.protected) for record in batch.customers if record.protected), as_of)
    try:
        stored.refresh([surrogates[record.key] for record in batch.customers])
    except RedisError as error:
        logger.warning("redis was not told of the loaded customers: %s", error)


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
        yield lambda batch: writer.writerows(astuple(reject) for reject in batch.rejects)
    part.replace(path)
