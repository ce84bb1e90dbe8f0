"""The files of an examiner pack in a ZIP, each hashed while it is written: tables that no spreadsheet runs, records,
and the manifest; never more of them in memory than a row."""

from __future__ import annotations

import csv
import hashlib
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import IO, Any, Final, Protocol

import orjson

from offers import canonical

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""How a text begins that a spreadsheet would take for a formula."""


class Writes(Protocol):
    def write(self, data: bytes, /) -> object: ...


class Hashed:
    """A stream that knows the SHA-256 and the length of what went through it."""

    def __init__(self, stream: Writes) -> None:
        self._stream, self._digest, self.size = stream, hashlib.sha256(), 0

    def write(self, data: bytes) -> None:
        self._digest.update(data)
        self.size += len(data)
        self._stream.write(data)

    @property
    def entry(self) -> dict[str, Any]:
        """What the manifest says of it."""
        return {"sha256": self._digest.hexdigest(), "bytes": self.size}


class _Text:
    """What csv.writer writes to."""

    def __init__(self, stream: Hashed) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        self._stream.write(text.encode())


class Archive:
    """A pack in the making. `files` is the manifest of what it holds so far."""

    def __init__(self, target: IO[bytes], made_at: datetime) -> None:
        self._zip = zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6)
        self._date = made_at.timetuple()[:6]
        self.files: dict[str, dict[str, Any]] = {}

    @contextmanager
    def _open(self, name: str) -> Iterator[Hashed]:
        info = zipfile.ZipInfo(name, self._date)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o644 << 16
        with self._zip.open(info, "w", force_zip64=True) as stream:
            hashed = Hashed(stream)
            yield hashed
        self.files[name] = hashed.entry

    def bytes(self, name: str, content: bytes) -> None:
        with self._open(name) as stream:
            stream.write(content)

    def table(self, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        """A CSV with a header; the number of its rows."""
        count = 0
        with self._open(name) as stream:
            writer = csv.writer(_Text(stream), lineterminator="\r\n")
            writer.writerow(columns)
            for row in rows:
                writer.writerow([cell(value) for value in row])
                count += 1
        self.files[name]["rows"] = count
        return count

    def records(self, name: str, rows: Iterable[Mapping[str, Any]]) -> int:
        """JSON, one object a line."""
        count = 0
        with self._open(name) as stream:
            for row in rows:
                stream.write(orjson.dumps(dict(row)) + b"\n")
                count += 1
        self.files[name]["rows"] = count
        return count

    def close(self, manifest: Mapping[str, Any]) -> None:
        """Write the manifest of all files, and end."""
        content = orjson.dumps({**manifest, "files": self.files}, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
        self._zip.writestr(zipfile.ZipInfo("manifest.json", self._date), content, zipfile.ZIP_DEFLATED)
        self._zip.close()


def cell(value: Any) -> Any:
    """What a CSV holds: moments in ISO 8601, structures as JSON, and no text that begins like a formula. A number may
    be negative: it is none."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, list | dict):
        value = canonical.dumps(value).decode()
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value
