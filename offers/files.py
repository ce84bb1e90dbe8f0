"""A catalogue as files for review in git, one JSON file an item, and back as the items of a change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from offers import snapshot, storable
from offers.catalog import InvalidContent, Item
from offers.conditions.grammar import Fault
from offers.models import KINDS
from offers.models import Release as ReleaseRow

ABOUT: Final = "release.json"
MOST_BYTES: Final = 50_000_000  # of all files together


def exported(release: ReleaseRow) -> dict[str, bytes]:
    """Path to bytes: `rule/travel-age.json` and so on, and `release.json` with number, hash, moment and what
    the law adds, which is no item of anybody's."""
    about = {
        "number": release.number, "content_hash": release.content_hash,
        "published_at": release.published_at.isoformat(),
        **{name: value for name, value in release.content.items() if name == snapshot.LAW},
    }  # fmt: skip
    files = {
        f"{kind}/{key}.json": _text(content)
        for kind in KINDS
        for key, content in sorted(release.content.get(kind, {}).items())
    }
    return {ABOUT: _text(about), **files}


def _text(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def imported(files: Mapping[str, bytes], live: snapshot.Content) -> list[Item]:
    """What turns the live content into the catalogue that these files are, whole: what has no file is retired.

    Raises InvalidContent, with each file that is none.
    """
    wanted: snapshot.Content = {kind: {} for kind in KINDS}
    faults = []
    if sum(map(len, files.values())) > MOST_BYTES:
        raise InvalidContent([Fault("/", "too_large", f"a catalogue has at most {MOST_BYTES // 1_000_000} MB")])
    for path, content in sorted(files.items()):
        if path == ABOUT:
            continue
        found = _read(path, content)
        if isinstance(found, Fault):
            faults.append(found)
        else:
            wanted[found.kind][found.key] = found.content
    if faults:
        raise InvalidContent(faults)
    return snapshot.between(live, wanted)


def _read(path: str, content: bytes) -> Item | Fault:
    """The item of one file, or why it is none."""
    kind, _, name = path.partition("/")
    place = f"/{storable.escaped(path)}"
    if kind not in KINDS or PurePosixPath(name).suffix != ".json":
        return Fault(place, "unknown_file", f"a file is KIND/KEY.json, with {', '.join(KINDS)}")
    try:
        value = json.loads(content)
    except RecursionError:
        return Fault(place, "no_json", "it is nested too deeply")
    except ValueError as error:  # no UTF-8, no JSON, or a whole number of thousands of digits
        return Fault(place, "no_json", str(error))
    if not isinstance(value, dict):
        return Fault(place, "no_json", "an item is an object")
    odd = next(storable.faults(value, place), None)
    return odd or Item(kind, name.removesuffix(".json"), value)
