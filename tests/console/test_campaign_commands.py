"""The commands that take a loaded campaign further: what they refuse, and what they leave for a second person."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from decisioning import retraining
from decisioning.models import LoggedDecision, ModelVersion
from offers import roles
from offers.models import ChangeRequest
from tests import factories

pytestmark = pytest.mark.django_db


def test_retraining_on_a_campaign_says_what_is_missing_of_it() -> None:
    factories.approve_content()
    with pytest.raises(CommandError, match="no decision was loaded from mailing"):
        call_command("retrain", "--source", "mailing")
    LoggedDecision.objects.create(
        customer_id=1, decision_key="d", source="mailing", arm="points/letter", action_probability=0.5, reward=0,
        channel="direct_mail", occurred_at=factories.NOW, known_at=factories.NOW,
    )  # fmt: skip
    with pytest.raises(CommandError, match="no arm of mailing is live: its catalogue has to be approved first"):
        call_command("retrain", "--source", "mailing")


def test_who_may_not_propose_a_model_is_told_before_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    factories.make_user(roles.MARKETING_AUTHOR, "maya")

    def trained(*_: object) -> str:
        raise AssertionError("the training began")

    monkeypatch.setattr(retraining, "retrain", trained)
    with pytest.raises(CommandError, match="maya may not propose model"):
        call_command("retrain", "--author", "maya")
    with pytest.raises(CommandError, match="there is no user nobody"):
        call_command("retrain", "--author", "nobody")


def test_a_challenger_is_drafted_with_its_report_and_nothing_else_happens() -> None:
    risk = factories.make_user(roles.RISK_APPROVER, "rosa")
    model = factories.make_model("propensity-1", "spend_share_travel")
    stored = ModelVersion.objects.get()
    stored.report = {**model.report, "source": "mailing"}
    stored.save()
    change = retraining.propose("propensity-1", author=risk, now=timezone.now())
    assert change.status == ChangeRequest.Status.DRAFT
    assert [(item["kind"], item["content"]["sha256"]) for item in change.items] == [("model", model.sha256)]
    assert "rows of mailing" in change.rationale
    assert ModelVersion.objects.get().status == ModelVersion.Status.CHALLENGER


def test_scoring_without_a_model_is_refused() -> None:
    factories.approve_content()
    with pytest.raises(CommandError, match="no model is live"):
        call_command("score")


def test_an_audit_of_what_was_never_loaded_is_refused() -> None:
    with pytest.raises(CommandError, match="no decision was loaded from mailing"):
        call_command("audit_fairness", "--source", "mailing")


def test_a_catalogue_that_needs_what_somebody_else_brings_in_is_not_drafted(tmp_path: Path) -> None:
    shipped = Path("decisioning/ingest/mappings/card_offers.toml").read_text()
    mapping = tmp_path / "with_rule.toml"
    mapping.write_text(
        shipped
        + """
[catalogue.rule.low-risk]
title = "Low risk"
scope = "product"
target = "reward-card"
when = { attribute = "credit_rating", op = "in", value = ["high"] }
reason_code = "RATING_TOO_LOW"
basis = "Credit policy"
"""
    )
    factories.make_user(roles.RISK_APPROVER, "rosa")
    folder = tmp_path / "export"
    folder.mkdir()
    header = (
        "Customer Number,Offer Accepted,Reward,Mailer Type,Income Level,# Bank Accounts Open,Overdraft Protection,"
        "Credit Rating,# Credit Cards Held,# Homes Owned,Household Size,Own Your Home,Average Balance,Q1 Balance,"
        "Q2 Balance,Q3 Balance,Q4 Balance"
    )
    (folder / "card_offers.csv").write_text(f"{header}\n1,No,Points,Letter,High,1,No,Low,2,1,4,Yes,5,1,2,3,4\n")
    command = ["load", str(mapping), str(folder), "--rejects", str(tmp_path / "rejects.csv"), "--author", "rosa"]
    with pytest.raises(CommandError, match="there is no product reward-card"):
        call_command(*command)
    assert not ChangeRequest.objects.exists()
