"""Check an examiner pack, with nothing but Python 3.11: every file against the manifest, the rows of the tables, and
the slice of the audit trail against its hash chain. Run it in the unpacked folder, or: verify.py PACK.zip"""

import csv
import hashlib
import io
import json
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

TRAIL = "records/audit_trail.jsonl"
OPEN = Callable[[str], IO[bytes]]


def main(where: str) -> int:
    """0 where everything holds; what does not is printed."""
    faults = list(folder(Path(where)) if Path(where).is_dir() else archive(where))
    for fault in faults:
        print(f"FAULT  {fault}")
    print(f"{len(faults)} faults" if faults else "The pack is whole: every hash, every count and the chain hold.")
    return 1 if faults else 0


def folder(root: Path) -> Iterator[str]:
    names = {str(path.relative_to(root).as_posix()) for path in root.rglob("*") if path.is_file()}
    yield from check(names, lambda name: (root / name).open("rb"))


def archive(path: str) -> Iterator[str]:
    with zipfile.ZipFile(path) as packed:
        yield from check(set(packed.namelist()), lambda name: packed.open(name))


def check(names: set[str], read: OPEN) -> Iterator[str]:
    if "manifest.json" not in names:
        yield "there is no manifest.json"
        return
    with read("manifest.json") as stream:
        manifest = json.load(stream)
    listed = manifest["files"]
    yield from (f"{name} is missing" for name in sorted(set(listed) - names))
    yield from (f"{name} is not in the manifest" for name in sorted(names - set(listed) - {"manifest.json"}))
    for name in sorted(set(listed) & names):
        yield from _file(name, listed[name], read)
    if TRAIL in names:
        yield from _chain(manifest, read)


def _file(name: str, expected: dict[str, Any], read: OPEN) -> Iterator[str]:
    digest, size = hashlib.sha256(), 0
    with read(name) as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
            size += len(block)
    if (digest.hexdigest(), size) != (expected["sha256"], expected["bytes"]):
        yield f"{name} is not what the manifest says"
    if "rows" in expected and _rows(name, read) != expected["rows"]:
        yield f"{name} does not hold {expected['rows']} rows"


def _rows(name: str, read: OPEN) -> int:
    with read(name) as stream:
        if name.endswith(".csv"):
            return sum(1 for _ in csv.reader(io.TextIOWrapper(stream, encoding="utf-8", newline=""))) - 1
        return sum(1 for _ in stream)


def link(event: dict[str, Any]) -> str:
    """The hash of one event, over the hash before it."""
    parts = [event[key] for key in ("previous_hash", "sequence", "at", "actor", "action", "subject", "detail")]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def _chain(manifest: dict[str, Any], read: OPEN) -> Iterator[str]:
    """Walk the slice from the hash before it to its head."""
    chain = manifest["chain"]
    previous, place = chain["previous"], chain["first"]
    anchors = {anchor["sequence"]: anchor["hash"] for anchor in chain["anchors"]}
    with read(TRAIL) as stream:
        for line in stream:
            found = _hash(line, place, previous)
            if found is None:
                yield f"the chain breaks at event {place}"
                return
            if anchors.get(place, found) != found:
                yield f"event {place} is not what was anchored"
            previous, place = found, place + 1
    if previous != chain["head"]:
        yield "the chain does not end at the head that the manifest names"


def _hash(line: bytes, place: int, previous: str) -> str | None:
    """Of the event in a line, None where it does not follow."""
    try:
        event = json.loads(line)
        fits = (event["sequence"], event["previous_hash"], event["hash"]) == (place, previous, link(event))
        return str(event["hash"]) if fits else None
    except (ValueError, KeyError, TypeError):
        return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else str(Path(__file__).parent)))
