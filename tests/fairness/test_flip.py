"""The attribute flip (R-IND-1, T-AUD-10): no decision hangs on a protected column, and one that does is found wherever
it leaks."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from hypothesis import given
from hypothesis import strategies as st

from decisioning.ingest.cells import Cell
from decisioning.ingest.declared import BankMapping, CustomerColumn
from decisioning.ingest.mapping import load_mapping
from decisioning.models import Consent, Customer, FeatureRow, FeatureVector
from fairness import tasks, vault
from fairness.individual import flip, source
from fairness.individual.source import Export
from fairness.models import Finding, IndividualCheck
from offers.catalog import Item
from offers.models import AuditEvent
from tests.factories import NOW, approve_content, clause, make_bank, make_model, rule, small_catalogue

pytestmark = pytest.mark.django_db

MAPPING = """
name = "people"
as_of = 2026-11-19

[source.people]
file = "people.csv"

[customers]
source = "people"
key = "id"

[consents]
marketing = ["mobile_app", "web"]
personalisation = "advanced"

[attributes]
credit_score = { column = "score" }
debt_to_income = { column = "debt" }
is_21_or_over = { column = "born", type = "date", at_least_years = 21 }

[protected]
birth_date = { column = "born", type = "date" }
gender = { column = "sex", values = { F = "female", M = "male" } }
"""


def people(folder: Path, count: int = 60) -> Export:
    """An export in which everybody differs, and every tenth is under 21."""
    lines = ["id,score,debt,born,sex,x17"]
    for number in range(count):
        born, sex = 2008 if number % 10 == 0 else 1950 + number % 50, "FM"[number % 2]
        debt = (number * 7 % 60) / 100
        lines.append(f"P{number},{600 + number * 3},{debt},{born}-0{1 + number % 9}-15,{sex},{sex}")
    (folder / "people.csv").write_text("\n".join(lines))
    (folder / "people.toml").write_text(MAPPING)
    return Export(load_mapping(str(folder / "people.toml")), folder)


def leaking(export: Export, name: str, cell: Cell, *, years: int | None = None) -> Export:
    """A mapping into which somebody wrote an attribute that a protected column feeds."""
    attributes = {**export.mapping.attributes, name: CustomerColumn(name, cell, at_least_years=years)}
    mapping: BankMapping = replace(export.mapping, attributes=attributes)
    return Export(mapping, export.folder)


def catalogue_with(*rules: tuple[str, str, object]) -> None:
    extra = [rule(f"r-{name}", clause(name, op, value), "first-card") for name, op, value in rules]
    approve_content([*small_catalogue(), *extra])


def test_no_decision_hangs_on_a_protected_column(tmp_path: Path) -> None:
    """Birth dates that cross a legal age are counted apart: the law asks for that difference."""
    catalogue_with(("credit_score", ">=", 690))
    found = flip.run(NOW, export=people(tmp_path))
    assert (found.customers, found.differing) == (60, 0)
    born, sex = found.arms
    assert (born.column.name, sex.column.name) == ("born", "sex")
    assert born.crossed >= 6
    assert born.crossed_differing > 0
    assert (sex.crossed, dict(sex.moved)) == (0, {})


def test_a_protected_column_that_is_copied_into_an_attribute_is_found(tmp_path: Path) -> None:
    """T-AUD-10: a copy that the mapping makes of the protected column itself, under another name."""
    catalogue_with(("overdraft_protection", "is", True))
    x17 = Cell("flag", column="sex", values={"F": True, "M": False})
    found = flip.run(NOW, export=leaking(people(tmp_path), "overdraft_protection", x17))
    sex = next(arm for arm in found.arms if arm.column.name == "sex")
    assert sex.differing == 54  # those under 21 are offered nothing either way
    assert sex.moved["overdraft_protection"] == found.customers


def test_a_feature_that_is_made_from_a_birth_date_is_no_legal_flag(tmp_path: Path) -> None:
    catalogue_with(("owns_home", "is", True))
    export = people(tmp_path)
    found = flip.run(
        NOW, export=leaking(export, "owns_home", export.mapping.attributes["is_21_or_over"].cell, years=45)
    )
    born = next(arm for arm in found.arms if arm.column.name == "born")
    assert born.differing > 0
    assert set(born.moved) == {"owns_home"}


def test_a_leak_opens_a_finding_and_a_clean_run_does_not(tmp_path: Path) -> None:
    catalogue_with(("overdraft_protection", "is", True))
    export = people(tmp_path)
    clean = flip.check(NOW, export=export)
    assert (clean.differing, clean.customers) == (0, 60)
    assert not Finding.objects.filter(kind="leak").exists()
    x17 = Cell("flag", column="sex", values={"F": True, "M": False})
    flip.check(NOW, export=leaking(export, "overdraft_protection", x17))
    finding = Finding.objects.get(kind="leak")
    assert "sex" in finding.title
    assert finding.cause == "overdraft_protection"
    assert IndividualCheck.objects.count() == 2
    assert AuditEvent.objects.filter(action="individuals.flipped").count() == 2


def test_the_weekly_check_turns_the_columns_of_the_last_loaded_export_over(tmp_path: Path) -> None:
    """Of what is stored nothing is left of the mapping that made it."""
    catalogue_with(("credit_score", ">=", 690))
    export = people(tmp_path)
    call_command("load", str(tmp_path / "people.toml"), str(export.folder), rejects=tmp_path / "rejects.csv")
    tasks.check_individuals()
    kept = IndividualCheck.objects.filter(kind=IndividualCheck.Kind.FLIP).latest("pk")
    assert kept.figures["source"] == "people"
    assert [arm["column"] for arm in kept.figures["arms"]] == ["born", "sex"]


def test_an_export_that_is_gone_is_not_said_to_have_been_tested(tmp_path: Path) -> None:
    approve_content()
    export = people(tmp_path)
    call_command("load", str(tmp_path / "people.toml"), str(export.folder), rejects=tmp_path / "rejects.csv")
    loaded = source.last_loaded()
    assert loaded is not None
    assert loaded.folder == tmp_path.resolve()
    (tmp_path / "people.csv").unlink()
    assert source.last_loaded() is None
    assert flip.check(NOW, export=source.last_loaded(), most=10).figures["source"] == flip.STORED


def test_no_more_of_an_export_is_read_than_is_turned_over(tmp_path: Path) -> None:
    export = source.customers_alone(people(tmp_path))
    assert source.size(source.beginning(export, 7, tmp_path / "first")) == 7


def test_nothing_of_a_run_stays(tmp_path: Path) -> None:
    approve_content()
    ids = make_bank(40)
    before = [list(model.objects.order_by("pk").values()) for model in (Customer, FeatureRow, FeatureVector, Consent)]
    held = list(vault.read(ids))
    flip.run(NOW + timedelta(hours=1), export=people(tmp_path))
    flip.run(NOW + timedelta(hours=1))
    after = [list(model.objects.order_by("pk").values()) for model in (Customer, FeatureRow, FeatureVector, Consent)]
    assert after == before
    assert list(vault.read(ids)) == held


def test_customers_who_came_without_an_export_are_turned_over_as_they_are_stored() -> None:
    """With a model that decides: nightly scores, made before the turn, may not hide a leak."""
    make_bank(120)
    model = make_model("propensity-1", "spend_share_travel")
    items = [*small_catalogue(), rule("old", clause("is_21_or_over", "is", True), "first-card")]
    approve_content([*items, Item("model", model.name, {"title": "M", "sha256": model.sha256})])
    found = flip.run(NOW + timedelta(minutes=1))
    assert (found.customers, found.differing) == (120, 0)
    assert {name for arm in found.arms for name in arm.column.attributes} == {"birth_date", "gender", "region"}


@given(st.lists(st.sampled_from(["a", "b", "c", "", "NA"]), max_size=20))
def test_every_known_cell_changes_and_stays_a_value_of_the_column(values: list[str]) -> None:
    known = {value for value in values if value not in ("", "NA")}
    for old, new in zip(values, source.turned(values, ("NA",)), strict=True):
        if old in known and len(known) > 1:
            assert new != old
            assert new in known
        else:
            assert new == old
