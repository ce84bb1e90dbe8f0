"""The inventory of models and what keeps one from going live, through the domain and through SQL (T-GOV-21, T-GOV-22,
T-LEG-13)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, IntegrityError, connections, transaction
from pytest_django import DjangoAssertNumQueries

from decisioning.models import ModelVersion
from fairness import evidence, gate
from fairness.governance import fields, inventory, readiness
from fairness.governance.inventory import Statement
from fairness.models import ModelRecord, ModelValidation
from offers import canonical, packs, roles, snapshot
from offers.approvals import NoReason
from offers.catalog import Item
from offers.models import AuditEvent, ChangeRequest, Evidence, Release
from tests.factories import NOW, approve_content, author_of_anything, make_bank, make_model, make_user, propose

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(days=1)
CONFIRMED = {name: text.removeprefix(fields.DEFAULT) or "Written." for name, text in fields.DEFAULTS.items()}
"""The inventory as somebody of the bank has written it."""


@pytest.fixture
def name() -> str:
    make_model("challenger", "spend_share_travel")
    return "challenger"


def state(name: str, author: User | None = None, **changes: Any) -> ModelRecord:
    stated = Statement(note="As agreed.", **{"content": {}, **changes})
    return inventory.revise(name, stated, author=author or make_user(roles.RISK_AUTHOR, "documenter"), now=NOW)


def go_live(name: str) -> Release:
    """Through the gate, as the present flow of a promotion does it."""
    sha256 = ModelVersion.objects.get(name=name).sha256
    item = Item("model", name, {"title": name, "sha256": sha256})
    change = propose([item], author=make_user(roles.RISK_AUTHOR, "proposer"))
    evidence.compute(change, NOW)
    officer = make_user(roles.COMPLIANCE, "releaser")
    return gate.approve(change.pk, checker=officer, content_hash=change.content_hash, now=NOW)


def validate(name: str, conclusion: str = "approved", *, countersigned: bool = True) -> ModelValidation:
    made = ModelValidation.objects.create(
        model_id=name, record=inventory.keep(name, NOW), validator=make_user(roles.MODEL_RISK, "validator"),
        started_at=NOW, signed_at=NOW, conclusion=conclusion, valid_until=date(2099, 1, 1),
    )  # fmt: skip
    if countersigned:
        made.countersigned_by, made.countersigned_at = make_user(roles.COMPLIANCE, "second"), NOW
        made.save()
    return made


def test_a_row_is_filled_in_by_itself_and_names_what_nobody_wrote(name: str) -> None:
    row = inventory.keep(name, NOW)
    assert (row.version, row.tier, row.author) == (1, 2, None)
    assert fields.blank(row.content) == []
    assert row.content["owner"].startswith(fields.DEFAULT)
    assert row.content["developed_by"] == "Candor's nightly retraining"
    assert inventory.keep(name, NOW) == row


def test_every_version_is_kept_with_what_changed(name: str) -> None:
    first = inventory.keep(name, NOW)
    second = state(name, content={"owner": "Head of cards"})
    assert inventory.differences(second, first) == [("Owner", first.content["owner"], "Head of cards")]
    assert [row.version for row in inventory.history(name)] == [2, 1]
    assert AuditEvent.objects.filter(action="model.recorded", subject=f"model {name}").count() == 2
    with pytest.raises(DatabaseError), transaction.atomic():
        ModelRecord.objects.update(tier=3)


def test_a_statement_says_why_and_names_only_what_there_is(name: str) -> None:
    documenter = make_user(roles.RISK_AUTHOR, "documenter")
    with pytest.raises(NoReason):
        inventory.revise(name, Statement({}, " "), author=documenter, now=NOW)
    with pytest.raises(inventory.UnknownField):
        state(name, content={"colour": "red"})
    with pytest.raises(inventory.UnknownField):
        state(name, content={"purpose_class": "magic"})
    with pytest.raises(roles.NotAllowed):
        inventory.revise(name, Statement({}, "x"), author=make_user(roles.AUDITOR, "auditor"), now=NOW)


@pytest.mark.parametrize(
    ("purpose", "customers", "tier"),
    [("marketing_ranking", 1_000_000, 2), ("marketing_ranking", 5_000_000, 1), ("credit_decision", 10, 1),
     ("pricing", 10, 1), ("analysis", 10, 3), ("analysis", 5_000_000, 2)],
)  # fmt: skip
def test_a_tier_follows_from_purpose_and_exposure(purpose: str, customers: int, tier: int) -> None:
    assert fields.tier(purpose, customers) == tier


def test_another_tier_needs_its_reason_and_a_lighter_one_model_risk(name: str) -> None:
    with pytest.raises(inventory.NoRationale):
        state(name, tier=1)
    assert state(name, tier=1, rationale="The board asked for it.").tier == 1
    with pytest.raises(roles.NotAllowed):
        state(name)
    assert state(name, make_user(roles.MODEL_RISK, "risk")).tier == 2


def test_sql_gives_no_lighter_tier_without_model_risk(name: str) -> None:
    state(name, tier=1, rationale="The board asked for it.")
    row = inventory.keep(name, NOW)
    with pytest.raises(IntegrityError, match="validate:models"), transaction.atomic():
        ModelRecord.objects.create(
            model_id=name, version=row.version + 1, tier=3, content=row.content, note="x", at=NOW,
            author=make_user(roles.RISK_AUTHOR, "documenter"),
        )  # fmt: skip


def test_sql_leaves_no_gap_between_versions_that_would_hide_a_heavier_tier(name: str) -> None:
    state(name, tier=1, rationale="The board asked for it.")
    row = inventory.keep(name, NOW)
    with pytest.raises(IntegrityError, match="does not follow"), transaction.atomic():
        ModelRecord.objects.create(
            model_id=name, version=row.version + 2, tier=3, content=row.content, note="x", at=NOW,
            author=make_user(roles.RISK_AUTHOR, "documenter"),
        )  # fmt: skip


def test_the_database_knows_the_mandatory_fields() -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT prosrc FROM pg_proc WHERE proname = 'candor_guard_documented'")
        (source,) = cursor.fetchone()
    assert "{" + ",".join(fields.MANDATORY) + "}" in source
    assert f"'{fields.DEFAULT}'" in source


def test_a_model_goes_live_with_a_row_that_filled_itself_in(name: str) -> None:
    approve_content()
    assert go_live(name).content["model"].keys() == {name}
    row = inventory.newest(name)
    assert row is not None
    assert row.developer == User.objects.get(username="proposer")


@pytest.mark.parametrize("blank", [name for name in fields.MANDATORY if name != "purpose_class"])
def test_a_blank_mandatory_field_keeps_a_model_from_going_live(name: str, blank: str) -> None:
    approve_content()
    state(name, content={blank: " "})
    with pytest.raises(readiness.NotReady, match="leaves blank"):
        go_live(name)


def test_a_declared_default_is_blank_to_a_model_of_tier_one_and_to_no_other(name: str) -> None:
    approve_content()
    inventory.keep(name, NOW)
    assert readiness.missing(name, NOW) == []
    state(name, content={"owner": "Head of cards"}, tier=1, rationale="The board asked for it.")
    missing = readiness.missing(name, NOW)
    assert "nobody has confirmed the declared default: limitations" in missing
    assert "nobody has confirmed the declared default: owner" not in missing
    validate(name)
    with pytest.raises(readiness.NotReady, match="nobody has confirmed"):
        go_live(name)


def test_tier_one_goes_live_with_a_signed_and_countersigned_approval_alone(name: str) -> None:
    approve_content()
    state(name, content=CONFIRMED, tier=1, rationale="The board asked for it.")
    with pytest.raises(readiness.NotReady, match="no validation approves it"):
        go_live(name)
    made = validate(name, countersigned=False)
    assert readiness.missing(name, NOW) == ["it is of tier 1 and its validation waits for a second signature"]
    made.countersigned_by, made.countersigned_at = make_user(roles.COMPLIANCE, "second"), NOW
    made.save()
    assert readiness.missing(name, NOW) == []
    validate(name, "rejected")
    with pytest.raises(readiness.NotReady):
        go_live(name)


def test_sql_makes_no_release_of_a_model_that_is_not_ready(name: str) -> None:
    live = approve_content()

    def refused() -> str:
        """Why a whole release, approved and with evidence, is refused because of its model."""
        content = {**live.content, "model": {name: {"title": name, "sha256": "x"}}}
        digest = canonical.digest(content)
        change = propose([Item("model", name, {"title": name, "sha256": "0" * 64})], author=author_of_anything())
        found = Evidence.objects.create(
            change=change, content_hash=change.content_hash, candidate_hash=digest, base=live.number, verdict="pass",
            population=1, content={}, computed_at=NOW,
        )  # fmt: skip
        ChangeRequest.objects.filter(pk=change.pk).update(
            status="approved", approved_hash=change.content_hash, checker=make_user(roles.MODEL_RISK, "checker-2")
        )
        with pytest.raises(IntegrityError) as refusal, transaction.atomic(), connections["default"].cursor() as cursor:
            cursor.execute(
                "INSERT INTO offers_release (number, content, content_hash, change_id, evidence_id, published_at)"
                " VALUES (%s, %s, %s, %s, %s, %s)",
                [live.number + 1, canonical.dumps(content).decode(), digest, change.pk, found.pk, NOW],
            )
        return str(refusal.value)

    assert "is not in the inventory" in refused()
    state(name, content={"owner": ""})
    assert "leaves owner blank" in refused()
    state(name, content={"owner": "Head of cards"}, tier=1, rationale="The board asked for it.")
    assert "leaves business_user blank" in refused()
    state(name, content=CONFIRMED, tier=1, rationale="The board asked for it.")
    assert "no approved validation" in refused()
    validate(name, "rejected")
    assert "no approved validation" in refused()


@pytest.mark.parametrize("how", ["named", "by role", "proposed it", "second account"])
def test_who_developed_a_model_does_not_validate_it(name: str, how: str) -> None:
    validator = make_user(roles.MODEL_RISK, "validator")
    if how == "named":
        state(name, developer=validator)
    elif how == "by role":
        state(name, developer_role=roles.MODEL_RISK)
    elif how == "proposed it":
        propose([Item("model", name, {"title": name, "sha256": "0" * 64})], author=validator, key="champion")
    else:
        other = make_user(roles.RISK_AUTHOR, "other-account")
        User.objects.filter(pk=other.pk).update(email="Jo@bank.example")
        User.objects.filter(pk=validator.pk).update(email="jo@bank.example")
        state(name, developer=other)
    with pytest.raises(IntegrityError, match=r"developed|validator_is_not_developer"), transaction.atomic():
        validate(name, countersigned=False)


def test_neither_who_validated_nor_who_developed_countersigns(name: str) -> None:
    made = validate(name, countersigned=False)
    for person in (made.validator, make_user(roles.RISK_APPROVER, "nobody")):
        with pytest.raises(IntegrityError), transaction.atomic():
            ModelValidation.objects.filter(pk=made.pk).update(countersigned_by=person, countersigned_at=NOW)
    developer = make_user(roles.COMPLIANCE, "developer")
    state(name, developer=developer)
    with pytest.raises(IntegrityError, match="developed"), transaction.atomic():
        ModelValidation.objects.filter(pk=made.pk).update(countersigned_by=developer, countersigned_at=NOW)


def test_who_validated_a_model_becomes_not_its_developer(name: str) -> None:
    made = validate(name)
    with pytest.raises(inventory.Validated):
        state(name, developer=made.validator)


def test_a_signed_validation_stays_as_it_is(name: str) -> None:
    made = validate(name)
    for change in ({"conclusion": "rejected"}, {"valid_until": date(2100, 1, 1)}, {"signed_at": None}):
        with pytest.raises(IntegrityError), transaction.atomic():
            ModelValidation.objects.filter(pk=made.pk).update(**change)
    with pytest.raises(DatabaseError), transaction.atomic():
        made.delete()


def test_only_model_risk_validates(name: str) -> None:
    make_bank(1)
    with pytest.raises(IntegrityError, match="holds no role"), transaction.atomic():
        ModelValidation.objects.create(
            model_id=name, record=inventory.keep(name, NOW), validator=make_user(roles.COMPLIANCE, "c"), started_at=NOW
        )


def test_what_was_live_at_a_moment_takes_one_query_with_its_rules_packs_and_model(
    name: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """T-GOV-26."""
    approve_content(now=NOW)
    sha256 = ModelVersion.objects.get(name=name).sha256
    approve_content([Item("model", name, {"title": "Challenger", "sha256": sha256})], now=LATER)
    with django_assert_num_queries(1):
        then = snapshot.live_at(NOW)
    with django_assert_num_queries(1):
        now = snapshot.live_at(LATER)
    assert then is not None
    assert now is not None
    assert (then.content["model"], now.content["model"].keys()) == ({}, {"challenger"})
    for release in (then, now):
        read = snapshot.read(release.number, release.content)
        assert "score-670" in read.rules
        assert packs.in_force(release.content, NOW.date())
