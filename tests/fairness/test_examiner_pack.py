"""The examiner pack proves itself, holds what the pages show, and runs nothing in a spreadsheet (R-GOV-8, T-GOV-24)."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from decisioning.models import Decision as DecisionRow
from fairness import small_groups
from fairness.governance import inventory
from fairness.governance.examiner import pack, scope, tables, verify
from fairness.governance.examiner.archive import FORMULA, cell
from fairness.models import CubeComparison, CubeCount, ExaminerPack, FairnessAudit
from offers import audit, roles, stopping
from offers.models import AuditEvent, ChangeRequest, Release
from tests import factories, living_bank
from tests.living_bank import LivingBank

PERIOD = (date(2020, 1, 1), date(2099, 12, 31))


def formula(text: str) -> str:
    return f'=HYPERLINK("http://x.example","{text}")'


@pytest.fixture
def bank(db: None) -> LivingBank:
    bank = living_bank.make(60, 20)
    now = datetime.now(UTC)
    with transaction.atomic():
        officer = bank.people[roles.COMPLIANCE]
        stopping.stop(scope="offer", target="student", reason=formula("stop"), officer=officer, now=now)
    inventory.keep(factories.make_model("challenger", "spend_share_travel").name, now)
    return bank


def written(asked: scope.Scope) -> zipfile.ZipFile:
    target = io.BytesIO()
    pack.write(asked, target, by="an auditor", now=datetime.now(UTC))
    return zipfile.ZipFile(target)


def table(packed: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(packed.read(f"tables/{name}.csv").decode())))


def run_verify(where: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """As an examiner does: the script of the pack, isolated from this project."""
    return subprocess.run(
        [sys.executable, "-I", str(folder / "verify.py"), *([str(where)] if where != folder else [])],
        capture_output=True, text=True, check=False, cwd="/",
    )  # fmt: skip


@pytest.mark.usefixtures("bank")
def test_a_pack_verifies_with_nothing_but_python(tmp_path: Path) -> None:
    made = pack.make(scope.of(*PERIOD), by="an auditor", now=datetime.now(UTC))
    archive = tmp_path / "pack.zip"
    archive.write_bytes(b"".join(pack.content(made)))
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(tmp_path / "pack")
    for where in (archive, tmp_path / "pack"):
        came = run_verify(where, tmp_path / "pack")
        assert (came.returncode, came.stdout) == (
            0, "The pack is whole: every hash, every count and the chain hold.\n"
        )  # fmt: skip


@pytest.mark.usefixtures("bank")
@pytest.mark.parametrize(
    ("name", "fault"),
    [("tables/changes.csv", "is not what the manifest says"), ("summary.pdf", "is not what the manifest says"),
     ("records/audit_trail.jsonl", "the chain breaks at event 2")],
)  # fmt: skip
def test_what_was_changed_afterwards_is_found(tmp_path: Path, name: str, fault: str) -> None:
    with written(scope.of(*PERIOD)) as packed:
        packed.extractall(tmp_path)
    content = (tmp_path / name).read_bytes()
    lines = content.splitlines(keepends=True)
    lines[1] = lines[1].replace(b'"actor":"', b'"actor":"e', 1) if name.endswith(".jsonl") else b"e" + lines[1]
    (tmp_path / name).write_bytes(b"".join(lines))
    assert (tmp_path / name).read_bytes() != content
    came = run_verify(tmp_path, tmp_path)
    assert came.returncode == 1
    assert fault in came.stdout
    (tmp_path / "tables" / "stops.csv").unlink()
    (tmp_path / "extra.csv").write_text("x")
    came = run_verify(tmp_path, tmp_path)
    assert "tables/stops.csv is missing" in came.stdout
    assert "extra.csv is not in the manifest" in came.stdout


def test_an_altered_event_with_a_new_hash_breaks_the_chain_or_its_head(bank: LivingBank, tmp_path: Path) -> None:
    """Whoever also adapts the manifest's hash of the file still does not meet the head that was published."""
    del bank
    with written(scope.of(*PERIOD)) as packed:
        packed.extractall(tmp_path)
    path = tmp_path / verify.TRAIL
    events = [json.loads(line) for line in path.read_text().splitlines()]
    events[1]["actor"] = "somebody else"
    for before, event in pairwise(events):
        event["previous_hash"] = before["hash"]
        event["hash"] = verify.link(event)
    path.write_text("".join(f"{json.dumps(event, ensure_ascii=False)}\n" for event in events))
    came = run_verify(tmp_path, tmp_path)
    assert "the chain does not end at the head that the manifest names" in came.stdout


@given(st.text(max_size=40), st.text(max_size=40), st.integers(0, 10**12))
def test_the_script_computes_the_hash_of_the_trail(actor: str, detail: str, sequence: int) -> None:
    """The script has no orjson: both must write the same bytes, whatever the text."""
    actor, detail = (text.encode("utf-8", "ignore").decode() for text in (actor, detail))
    at = datetime(2026, 11, 22, 18, 4, 5, 123456, UTC)
    event = {
        "previous_hash": audit.GENESIS, "sequence": sequence, "at": at.isoformat(), "actor": actor, "action": "a",
        "subject": "s", "detail": detail,
    }  # fmt: skip
    assert verify.link(event) == audit._hash(audit.GENESIS, sequence, at, actor, "a", "s", detail)


def test_the_tables_hold_what_the_pages_count(bank: LivingBank) -> None:
    with written(scope.of(*PERIOD)) as packed:
        decisions = table(packed, "decisions")
        assert sum(int(row["decisions"]) for row in decisions) == DecisionRow.objects.count() == len(bank.decisions)
        changes = {row["change"]: (row["maker"], row["checker"]) for row in table(packed, "changes")}
        assert changes == {
            str(change.pk): (change.author.username, change.checker.username if change.checker else "")
            for change in ChangeRequest.objects.select_related("author", "checker")
        }
        assert [int(row["release"]) for row in table(packed, "releases")] == list(
            Release.objects.order_by("number").values_list("number", flat=True)
        )
        stored = [
            (str(found.pk), row["subject"], row["group"], *_shown(row), row["verdict"])
            for found in FairnessAudit.objects.order_by("pk")
            for row in found.comparisons
        ]
        stored += [
            (str(row.audit_id), row.offer, row.group, *_shown(vars(row)), row.verdict)
            for row in CubeComparison.objects.order_by("pk")
        ]
        compared = [
            (row["audit"], row["offer"], row["group"], row["total"], row["favourable"], row["verdict"])
            for row in table(packed, "fairness_comparisons")
        ]
        assert compared == stored
        assert compared
        trail = table(packed, "audit_trail")
        assert [row["hash"] for row in trail] == list(
            AuditEvent.objects.order_by("sequence").values_list("hash", flat=True)
        )
        assert [row["model"] for row in table(packed, "models")] == ["spare", "challenger"]
        manifest = json.loads(packed.read("manifest.json"))
        assert manifest["files"]["tables/decisions.csv"]["rows"] == len(decisions)
        assert packed.read("summary.pdf").startswith(b"%PDF")


def _shown(row: Mapping[str, Any]) -> tuple[str, str]:
    few = min(row["total"], row["reference_total"]) < small_groups.FLOOR
    return ("", "") if few else (str(row["total"]), str(row["favourable"]))


def _comparisons(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every comparison within a JSON value."""
    if isinstance(value, dict):
        if "reference_total" in value:
            yield value
        yield from (found for one in value.values() for found in _comparisons(one))
    if isinstance(value, list):
        yield from (found for one in value for found in _comparisons(one))


FIGURES = ("total", "favourable", "reference_total", "reference_favourable", "ratio", "p", "q", "shortfall")


@pytest.mark.usefixtures("bank")
def test_no_row_of_a_pack_shows_a_group_of_fewer_than_twenty() -> None:
    row = CubeComparison.objects.order_by("pk").first()
    assert row is not None
    row.pk, row.group, row.total, row.favourable = None, "A few", 19, 7
    row.save()
    assert any(
        0 < people < 20 for count in CubeCount.objects.filter(channel="", segment="") for people in count.reached
    )
    with written(scope.of(*PERIOD)) as packed:
        compared: list[Mapping[str, Any]] = list(table(packed, "fairness_comparisons"))
        people = [int(row["people"]) for row in table(packed, "stages") if row["people"]]
        for name in packed.namelist():
            if name.endswith(".jsonl"):
                compared += [
                    found for line in packed.read(name).splitlines() for found in _comparisons(json.loads(line))
                ]
    assert min(people, default=20) >= 20
    small = [row for row in compared if row["total"] in ("", None)]
    assert row.group in {one["group"] for one in small}
    assert not [row for row in small for figure in FIGURES if row[figure] not in ("", None)]
    large = [row for row in compared if row not in small]
    assert large
    assert min(min(float(row["total"]), float(row["reference_total"])) for row in large) >= 20


@pytest.mark.usefixtures("bank")
def test_a_pack_from_the_middle_of_a_month_holds_the_month_of_the_cube() -> None:
    month = CubeComparison.objects.latest("month").month
    with written(scope.of(month.replace(day=15), month.replace(day=28))) as packed:
        assert {row["period"] for row in table(packed, "fairness_comparisons")} >= {month.isoformat()}
        assert {row["month"] for row in table(packed, "stages")} == {month.isoformat()}


def test_a_text_that_a_spreadsheet_would_run_is_only_text(bank: LivingBank) -> None:
    del bank
    with written(scope.of(*PERIOD)) as packed:
        (stop,) = table(packed, "stops")
        assert stop["reason"] == f"'{formula('stop')}"
        for name in packed.namelist():
            if name.endswith(".csv"):
                for row in csv.reader(io.StringIO(packed.read(name).decode())):
                    assert not any(text.startswith(FORMULA) and not _number(text) for text in row)


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_a_cell_that_begins_like_a_formula_gets_an_apostrophe(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize(("value", "expected"), [(-1.5, -1.5), ("a=1", "a=1"), (None, None), (["=1"], '["=1"]')])
def test_what_is_no_formula_stays(value: Any, expected: Any) -> None:
    assert cell(value) == expected


def test_a_campaign_has_what_concerns_it(bank: LivingBank) -> None:
    del bank
    with written(scope.of(*PERIOD, "travel-plus")) as packed:
        assert {row["offer"] for row in table(packed, "decisions")} <= {"travel-plus"}
        asked = [change for change in ChangeRequest.objects.all() if "travel-plus" in json.dumps(change.items)]
        assert {row["change"] for row in table(packed, "changes")} == {str(change.pk) for change in asked}
        assert len(table(packed, "audit_trail")) == AuditEvent.objects.count()  # a chain has no gap


def test_what_was_not_in_the_period_is_not_in_the_pack(bank: LivingBank) -> None:
    del bank
    yesterday = datetime.now(UTC).date() - timedelta(days=30)
    with written(scope.of(yesterday, yesterday)) as packed:
        for name in ("decisions", "changes", "releases", "audit_trail"):
            assert table(packed, name) == []
        assert json.loads(packed.read("manifest.json"))["chain"]["first"] == 0


@pytest.mark.django_db
def test_what_cannot_be_asked_for_is_said() -> None:
    with pytest.raises(scope.NoPeriod):
        scope.of(PERIOD[1], PERIOD[0])
    with pytest.raises(scope.NoPeriod, match="to: 9999-12-31"):
        scope.of(PERIOD[0], date(9999, 12, 31))
    with pytest.raises(scope.NoPeriod, match="from: 0001-01-01"):
        scope.of(date(1, 1, 1), PERIOD[1])
    with pytest.raises(scope.UnknownCampaign, match="nowhere"):
        scope.of(*PERIOD, "nowhere")
    with pytest.raises(CommandError, match="nowhere"):
        call_command("examiner_pack", "--from=2026-01-01", "--to=2026-12-31", "--campaign=nowhere", "--out=/tmp/x.zip")


def test_the_command_writes_what_it_keeps(bank: LivingBank, tmp_path: Path) -> None:
    del bank
    target = tmp_path / "pack.zip"
    out = io.StringIO()
    call_command("examiner_pack", "--from=2020-01-01", "--to=2099-12-31", f"--out={target}", stdout=out)
    made = ExaminerPack.objects.get()
    assert made.sha256 in out.getvalue()
    assert target.stat().st_size == made.size
    assert AuditEvent.objects.filter(action="pack.made", subject=f"pack {made.pk}").exists()
    assert verify.main(str(target)) == 0


def test_every_table_is_named_and_titled_once() -> None:
    assert len({table.name for table in tables.TABLES}) == len({table.title for table in tables.TABLES}) == 14
