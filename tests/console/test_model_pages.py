"""The pages of model risk: what each role does there, and what is refused in words (T-GOV-21, T-GOV-22, T-GOV-25)."""

from __future__ import annotations

from http import HTTPStatus

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from fairness.governance import fields, inventory, validation
from fairness.models import ModelMeasurement, ModelRecord, ModelValidation
from offers import roles, stopping
from offers.models import ChangeRequest, Stop
from tests.factories import clause, make_model, make_user, propose, rule

pytestmark = pytest.mark.django_db
NAME = "challenger"


@pytest.fixture(autouse=True)
def _model() -> None:
    make_model(NAME, "spend_share_travel")


def signed_in(role: str, name: str = "") -> Client:
    client = Client()
    client.force_login(make_user(role, name or role))
    return client


def stated(**changes: str) -> dict[str, str]:
    row = inventory.keep(NAME, timezone.now())
    return {**{field.name: row.content[field.name] for field in fields.STATED}, "note": "As agreed.", **changes}


def test_the_inventory_is_edited_by_who_may_and_every_version_is_kept() -> None:
    address = reverse("model_edit", args=[NAME])
    assert signed_in(roles.AUDITOR).post(address, stated()).status_code == HTTPStatus.FORBIDDEN
    came = signed_in(roles.RISK_AUTHOR).post(address, stated(owner="Head of cards"), follow=True)
    html = came.content.decode()
    assert "<ins>Head of cards</ins>" in html
    assert ModelRecord.objects.filter(model__name=NAME).count() == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"tier": "1"}, "say why it is of another"), ({"owner": " "}, "This field is required"),
     ({"note": ""}, "This field is required"), ({"developer": "nobody"}, "There is no account with this name"),
     ({"purpose_class": "magic"}, "Select a valid choice")],
)  # fmt: skip
def test_what_is_not_stated_well_is_said(changes: dict[str, str], said: str) -> None:
    came = signed_in(roles.RISK_AUTHOR).post(reverse("model_edit", args=[NAME]), stated(**changes))
    assert came.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert said in came.content.decode()
    assert ModelRecord.objects.filter(model__name=NAME).count() == 1


def test_a_validation_goes_from_its_beginning_to_two_signatures() -> None:
    validator, officer = signed_in(roles.MODEL_RISK), signed_in(roles.COMPLIANCE)
    assert officer.post(reverse("validation_begin", args=[NAME])).status_code == HTTPStatus.FORBIDDEN
    validator.post(reverse("validation_begin", args=[NAME]))
    made = ModelValidation.objects.get()
    write = reverse("validation_write", args=[NAME, made.pk])
    report = dict.fromkeys(fields.SECTIONS, "Looked at.") | {"conclusion": "approved", "sign": "1"}
    assert "Have it trained again and measured first." in _said(validator.post(write, report, follow=True))
    overall = {"rows": 900, "accepted": 90, "expected": 91.0, "auc": 0.7, "low": 0.6, "high": 0.8}
    again = {"identical": True, "same_data": True, "rows_then": 900, "rows_now": 900}
    measured = {"overall": overall, "out_of_time": True, "replication": again}
    ModelMeasurement.objects.create(model_id=NAME, made_at=timezone.now(), content=measured)
    other = signed_in(roles.MODEL_RISK, "another validator")
    assert other.post(write, report).status_code == HTTPStatus.FORBIDDEN
    assert "Signed." in _said(validator.post(write, report, follow=True))
    countersign = reverse("validation_countersign", args=[NAME, made.pk])
    assert validator.post(countersign).status_code == HTTPStatus.FORBIDDEN
    assert "Countersigned." in _said(officer.post(countersign, follow=True))
    assert "this validation is signed" in _said(validator.post(write, report, follow=True)).lower()


def test_a_developer_is_told_that_somebody_else_validates() -> None:
    developer = signed_in(roles.MODEL_RISK, "mona")
    stated = inventory.Statement({}, "She trained it.", developer=make_user(roles.MODEL_RISK, "mona"))
    inventory.revise(NAME, stated, author=make_user(roles.RISK_AUTHOR, "documenter"), now=timezone.now())
    assert "so somebody else validates it" in _said(developer.get(reverse("validation", args=[NAME])))
    assert developer.post(reverse("validation_begin", args=[NAME])).status_code == HTTPStatus.FORBIDDEN
    with pytest.raises(validation.Developed):
        validation.begin(NAME, validator=make_user(roles.MODEL_RISK, "mona"), now=timezone.now())


def test_a_card_is_taken_along_as_pdf_and_json() -> None:
    auditor = signed_in(roles.AUDITOR)
    assert auditor.get(reverse("model_card_pdf", args=[NAME])).content.startswith(b"%PDF")
    told = auditor.get(reverse("model_card_json", args=[NAME])).json()
    assert (told["name"], told["tier"], len(told["stated"])) == (NAME, 2, len(fields.STATED))
    assert auditor.get(reverse("model", args=["nowhere"])).status_code == HTTPStatus.NOT_FOUND


def test_every_override_stands_with_its_reason() -> None:
    officer = make_user(roles.COMPLIANCE, "officer")
    with transaction.atomic():
        stopping.stop(scope="all", target="", reason="Wrong letter", officer=officer, now=timezone.now())
    html = _said(signed_in(roles.AUDITOR).get(reverse("overrides")))
    assert "1 override in twelve months" in html
    assert "Wrong letter" in html


@pytest.mark.parametrize("reason", ["", "  "])
def test_no_override_without_a_reason_by_page_or_sql(reason: str) -> None:
    officer = make_user(roles.COMPLIANCE, roles.COMPLIANCE)
    signed_in(roles.COMPLIANCE).post(reverse("stop_make"), {"target": "all:", "comment": reason})
    assert not Stop.objects.exists()
    with pytest.raises(IntegrityError, match="takes a reason"), transaction.atomic():
        Stop.objects.create(scope="all", reason=reason, stopped_by=officer, stopped_at=timezone.now())
    change = propose([rule("age-21", clause("is_21_or_over", "is", True))], author=make_user(roles.RISK_AUTHOR, "a"))
    for signature in ({"broken_by": officer}, {"justified_by": officer}):
        with pytest.raises(IntegrityError, match="take a reason"), transaction.atomic():
            ChangeRequest.objects.filter(pk=change.pk).update(**signature)


def _said(came: object) -> str:
    return str(getattr(came, "content", b"").decode())
