"""A catalogue as files for review in git, one JSON file an item, and back as the items of a change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from offers import snapshot
from offers.catalog import InvalidContent, Item
from offers.conditions.grammar import Fault
from offers.models import KINDS
from offers.models import Release as ReleaseRow

ABOUT: Final = "release.json"
MOST_BYTES: Final = 50_000_000  # of all files together


def exported(release: ReleaseRow) -> dict[str, bytes]:
    """Path to bytes: `rule/travel-age.json` and so on, and `release.json` with number, hash and moment."""
    about = {
        "number": release.number, "content_hash": release.content_hash,
        "published_at": release.published_at.isoformat(),
    }  # fmt: skip
    files = {
        f"{kind}/{key}.json": _text(content) for kind in KINDS for key, content in sorted(release.content[kind].items())
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
        kind, _, name = path.partition("/")
        if path == ABOUT:
            continue
        if kind not in KINDS or PurePosixPath(name).suffix != ".json":
            faults.append(Fault(f"/{path}", "unknown_file", f"a file is KIND/KEY.json, with {', '.join(KINDS)}"))
            continue
        try:
            value = json.loads(content)
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            faults.append(Fault(f"/{path}", "no_json", str(error)))
            continue
        if not isinstance(value, dict):
            faults.append(Fault(f"/{path}", "no_json", "an item is an object"))
            continue
        wanted[kind][name.removesuffix(".json")] = value
    if faults:
        raise InvalidContent(faults)
    return snapshot.between(live, wanted)
