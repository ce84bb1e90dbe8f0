"""A real card mailing through the product's own code, from its file to its audit; alone, and beside a living bank."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from decisioning import credentials, decision_log, learn, outcomes, rebuild, replay, reward_log, runtime, serve
from decisioning.features import scores
from decisioning.models import Customer, Decision, LoggedDecision, ModelVersion, PrecomputedScore, RewardLog
from fairness import audit, evidence, gate, tasks
from fairness.models import FairnessAudit
from offers import approvals, roles, snapshot
from offers.catalog import Item
from offers.models import ChangeRequest, Evidence, Release
from tests import bank, factories
from tests.exports import MAILING, count_known, load, loaded, names_of_known_values, needs

CUSTOMERS, ACCEPTED = 12_546, 695
ASKED = 300
MAILED = ("air-miles", "cash-back", "points")
ARMS = [f"{offer}/{mailer}" for offer in MAILED for mailer in ("letter", "postcard")]

pytestmark = pytest.mark.usefixtures("live_db")


@pytest.fixture(autouse=True)
def _fresh_process(live_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What an earlier test left in this process's memory is gone, and the worker's task runs at once in it."""
    monkeypatch.setattr(tasks.compute_evidence, "delay", tasks.compute_evidence)
    for module in (runtime, credentials, learn):
        module.forget()
    yield
    for module in (runtime, credentials, learn):
        module.forget()


@dataclass(frozen=True)
class Staff:
    marketer: User
    risk: User
    risk_2: User
    compliance: User


def _staff() -> Staff:
    names = {
        "maya": roles.MARKETING_AUTHOR, "rosa": roles.RISK_APPROVER, "ravi": roles.RISK_APPROVER,
        "clara": roles.COMPLIANCE,
    }  # fmt: skip
    people = [factories.make_user(role, name) for name, role in names.items()]
    for officer in people[1:3]:  # who may approve the model, each that of the other
        officer.groups.add(Group.objects.get_or_create(name=roles.COMPLIANCE)[0])
    return Staff(*people)


@dataclass(frozen=True)
class Mailed:
    """One line of the mailing as the bank wrote it."""

    income: str
    arm: str
    accepted: bool


def _read_mailing() -> dict[str, Mailed]:
    """By customer id, read without the product's own reader."""
    with (MAILING / "card_offers.csv").open(encoding="utf-8-sig", newline="") as file:
        return {
            f"M-{row['Customer Number']}": Mailed(
                row["Income Level"].lower(),
                f"{row['Reward'].lower().replace(' ', '-')}/{row['Mailer Type'].lower()}",
                row["Offer Accepted"] == "Yes",
            )
            for row in csv.DictReader(file)
        }


@needs(MAILING)
def test_the_mailing_is_loaded_approved_trained_decided_learned_from_and_audited(tmp_path: Path) -> None:
    staff, mailed = _staff(), _read_mailing()
    _load_twice(tmp_path, staff, mailed)
    _approve_the_catalogue(staff)
    learn.run(timezone.now())
    rebuild.rebuild()
    model = _promote_a_model(staff)
    answers = _decide(model, mailed)
    _learn(answers, mailed)
    _replay()
    _score(model)
    _audit(mailed)


def _load_twice(tmp_path: Path, staff: Staff, mailed: dict[str, Mailed]) -> None:
    load("card_offers", MAILING, tmp_path, staff.marketer)
    before = loaded()
    load("card_offers", MAILING, tmp_path, staff.risk)
    assert loaded() == before
    assert (tmp_path / "rejects.csv").read_text().splitlines() == ["file,row,column,reason"]
    names = dict(Customer.objects.values_list("pk", "external_id"))
    rows = LoggedDecision.objects.all()
    logged = {names[row.customer_id]: (row.arm, row.reward > 0, row.action_probability) for row in rows}
    assert logged == {name: (row.arm, row.accepted, 1 / 6) for name, row in mailed.items()}
    assert (len(logged), sum(row.accepted for row in mailed.values())) == (CUSTOMERS, ACCEPTED)
    # The protected attribute is in the vault and in nothing that a decision can read.
    assert Counter(value for _, name, value in before["vault"] if name == "income_level") == Counter(
        row.income for row in mailed.values()
    )
    assert "income_level" not in names_of_known_values()
    # Some rows lack balances; they are loaded without.
    states = [values for _, group, values in before["features"] if group == "account_state"]
    assert 0 < sum("average_balance" not in values for values in states) < 100


def _approve_the_catalogue(staff: Staff) -> None:
    """Products, offers and arms by the marketer, the ranking by a risk officer; each approved by somebody else."""
    catalogue, ranking = ChangeRequest.objects.order_by("pk")
    assert (catalogue.author, ranking.author) == (staff.marketer, staff.risk)
    seen = _submit_on_its_page(catalogue)
    assert (seen["population"], seen["attributes"]) == (CUSTOMERS, ["income_level"])
    assert {row["offer"]: row["after"] for row in seen["reach"]} == dict.fromkeys(MAILED, CUSTOMERS)
    groups = {row["group"]: row["after"]["total"] for row in seen["parity"] if row["subject"] == evidence.ANY_OFFER}
    assert groups == {"high": 3_175, "low": 3_131}
    with pytest.raises(roles.NotAllowed):
        _approve(catalogue, staff.marketer)
    _approve(catalogue, staff.risk)
    _submit_on_its_page(ranking)
    with pytest.raises(approvals.SelfApproval):
        _approve(ranking, staff.risk)
    release = _approve(ranking, staff.risk_2)
    assert sorted(release.content["arm"]) == ARMS


def _submit_on_its_page(change: ChangeRequest) -> dict[str, Any]:
    """Its author finds the draft in the inbox and submits it; the evidence is then computed without being asked for."""
    browser = Client()
    browser.force_login(change.author)
    assert change.title in browser.get("/reviews/?state=mine").content.decode()
    assert browser.post(f"/reviews/{change.pk}/submit/").status_code == 302
    return dict(Evidence.objects.get(change=change).content)


def _approve(change: ChangeRequest, checker: User) -> Release:
    return factories.approve(change, checker, now=timezone.now())


def _justify(change: ChangeRequest, officer: User, why: str) -> None:
    factories.justify(change, officer, why, now=timezone.now())


def _promote_a_model(staff: Staff) -> str:
    call_command("retrain", "--source", "card_offers", "--author", staff.risk.get_username(), verbosity=0)
    model = ModelVersion.objects.get()
    assert model.status == ModelVersion.Status.CHALLENGER
    report = model.report
    assert (report["rows"], report["positives"], report["source"]) == (CUSTOMERS, ACCEPTED, "card_offers")
    assert 0.70 < report["auc"] < 0.78
    # The creatives say how the offer was mailed, so the model is one of arms; what is protected is no input of it.
    assert {"mailer", "credit_rating"} <= set(report["columns"])
    assert "income_level" not in report["columns"]
    change = ChangeRequest.objects.get(kind="model")
    seen = _submit_on_its_page(change)
    assert seen["score"] == {"sample": CUSTOMERS, "scored": CUSTOMERS}
    assert {(row["subject"], row["attribute"]) for row in seen["parity"]} >= {(evidence.SCORE, "income_level")}
    with pytest.raises(approvals.SelfApproval):
        _approve(change, staff.risk)
    release = _approve(change, staff.risk_2)
    model.refresh_from_db()
    assert model.status == ModelVersion.Status.CHAMPION
    assert release.content["model"][model.name]["sha256"] == model.sha256
    held = runtime.model(model.sha256)
    assert held is not None
    assert held.per_arm
    return model.name


def _decide(model: str, mailed: dict[str, Mailed]) -> dict[str, serve.Answer]:
    """Every 41st customer, one session each; and one more over HTTP."""
    names = list(mailed)[:: len(mailed) // ASKED][:ASKED]
    answers = {name: serve.ask(_question(name, "mailing"), timezone.now()) for name in names}
    assert {(answer.model, answer.degraded, answer.withheld) for answer in answers.values()} == {(model, (), ())}
    chosen = Counter(answer.presented.shown[0].choice.arm for answer in answers.values())
    assert set(chosen) <= set(ARMS)
    assert len(chosen) > 1  # the bandit is undecided between arms
    for answer in answers.values():
        assert answer.presented.shown[0].text.format == answer.presented.shown[0].choice.arm.partition("/")[2]
    again = serve.ask(_question(names[0], "another session"), timezone.now())
    assert again.presented.reason == "CAPPED"  # the mailing's policy: one a day
    body = bank.body(list(mailed)[1], channel="direct_mail", placement="mailing", context={})
    letter = _post(body, bank.key("direct_mail"))
    assert (letter.status_code, letter.json()["model"]) == (201, model)
    assert letter.json()["offers"][0]["arm"] in ARMS
    assert _post(body, bank.key("web")).status_code == 403
    return answers


def _question(customer: str, session: str) -> serve.Ask:
    return serve.Ask(customer, session, "direct_mail", "mailing", 1, {})


def _post(body: bytes, key: str) -> Any:
    return Client().post(
        "/api/v1/decisions", body, content_type="application/json", headers={"authorization": f"Api-Key {key}"}
    )


def _learn(answers: dict[str, serve.Answer], mailed: dict[str, Mailed]) -> None:
    """Where the arm is the one that was really mailed, what the customer really did is its outcome."""
    met = {name: answer for name, answer in answers.items() if _arm(answer) == mailed[name].arm}
    events = [
        outcomes.Event(f"{kind}-{name}", _id(answer), mailed[name].arm.partition("/")[0], kind, timezone.now(), None)
        for name, answer in met.items()
        for kind in ("impression", *(["application"] if mailed[name].accepted else []))
    ]
    before = reward_log.rebuilt()
    for taken in (len(events), 0):  # the second delivery of the same events adds nothing
        assert outcomes.take(list(enumerate(events)), timezone.now()).accepted == taken
        assert learn.run(timezone.now()) == taken
    rewards = RewardLog.objects.filter(type=reward_log.REWARD)
    assert len(met) > ASKED / 20  # of about a sixth
    assert Counter(rewards.filter(trial=True).values_list("arm", flat=True)) == Counter(map(_arm, met.values()))
    assert sum(rewards.values_list("reward", flat=True)) == sum(mailed[name].accepted for name in met)
    after = reward_log.rebuilt()
    assert before is not None
    assert after is not None
    assert after.version == before.version + rewards.count()
    assert serve.ask(_question(list(mailed)[2], "mailing"), timezone.now()).posterior == after.version


def _arm(answer: serve.Answer) -> str:
    return answer.presented.shown[0].choice.arm


def _id(answer: serve.Answer) -> UUID:
    assert answer.decision_id
    return answer.decision_id


def _replay() -> None:
    rows = list(Decision.objects.all())
    assert len(rows) == ASKED + 3
    assert all(found.identical for found in replay.replay_all(rows))


def _score(model: str) -> None:
    """The nightly run gives every customer the very propensities that a decision of theirs was made with."""
    call_command("score", verbosity=0)
    stored = {row.customer_id: row for row in PrecomputedScore.objects.select_related("layout")}
    assert len(stored) == CUSTOMERS
    assert {row.layout.model for row in stored.values()} == {model}
    decided = [(row.customer_id, decision_log.result(row).scored) for row in Decision.objects.filter(reason=None)]
    assert len(decided) == ASKED + 2
    for customer, scored in decided:
        assert {row.arm: row.propensity for row in scored} == scores.decode(bytes(stored[customer].content)).by


def _audit(mailed: dict[str, Mailed]) -> None:
    said = StringIO()
    call_command("audit_fairness", "--source", "card_offers", stdout=said)
    assert "any_offer, income_level: high 3.7% against medium 5.0%, impact ratio 0.73" in said.getvalue()
    stored = FairnessAudit.objects.get()
    assert (stored.stage, stored.source, stored.population) == (audit.ACCEPTED, "card_offers", CUSTOMERS)
    assert stored.largest_difference <= 1e-12
    assert {row["attribute"] for row in stored.comparisons} == {"income_level"}
    sent, took = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for row in mailed.values():
        for subject in (audit.ANY, row.arm):
            sent[subject, row.income] += 1
            took[subject, row.income] += row.accepted
    assert Counter(row["subject"] for row in stored.comparisons) == dict.fromkeys([audit.ANY, *ARMS], 2)
    for row in stored.comparisons:
        group, reference = (row["subject"], row["group"]), (row["subject"], row["reference"])
        assert (row["total"], row["favourable"]) == (sent[group], took[group])
        assert (row["reference_total"], row["reference_favourable"]) == (sent[reference], took[reference])
        ratio = took[group] / sent[group] / (took[reference] / sent[reference])
        assert row["ratio"] == pytest.approx(ratio, abs=1e-12)
        assert row["aif360"]["disparate_impact"] == pytest.approx(ratio, abs=1e-12)
        assert row["aif360"]["statistical_parity_difference"] == pytest.approx(row["difference"], abs=1e-12)


@needs(MAILING)
def test_beside_a_living_bank_a_mailing_adds_its_offers_and_what_is_not_known_stays_ineligible(tmp_path: Path) -> None:
    now = timezone.now()
    own = factories.make_bank(200, now=now)
    factories.approve_content(now=now)
    learn.run(timezone.now())
    rebuild.rebuild()
    _ask_own_customer()
    before = snapshot.live_row()
    assert before is not None
    staff, folder = _staff(), _part_of_the_mailing(tmp_path / "part", 400)
    load("card_offers", folder, tmp_path, staff.marketer)
    load("card_offers", folder, tmp_path, staff.risk)
    change = ChangeRequest.objects.get(author=staff.marketer)
    assert not ChangeRequest.objects.filter(author=staff.risk).exists()  # the bank keeps its own ranking and caps
    reach = {row["offer"]: row["after"] for row in _submit_on_its_page(change)["reach"]}
    of_age = count_known(own, "is_21_or_over", True)
    assert [reach[offer] for offer in MAILED] == [of_age] * 3  # nobody who was loaded
    # The loaded customers are a group without gender and region, of whom nobody is eligible: that fails the gate.
    with pytest.raises(gate.FairnessFailed):
        _approve(change, staff.risk)
    _justify(change, staff.compliance, "The rule on age is the bank's own and goes to its own product next.")
    release = _approve(change, staff.risk)
    _assert_only_added(before.content, release.content)
    learn.run(timezone.now())
    assert RewardLog.objects.filter(type=reward_log.RESET).count() == 1  # what was learned before stays

    refused = serve.ask(_question("M-1", "1"), timezone.now())
    assert refused.presented.reason == "NO_ELIGIBLE_OFFER"
    refusals = decision_log.result(decision_log.get(_id(refused))).refusals
    assert {(row.reason, row.by) for row in refusals if row.offer in MAILED} == {("DATA_MISSING", "age-21")}
    # What opens the mailing is a rule that is meant for the bank's own product, agreed by two people.
    rule = {**release.content["rule"]["age-21"], "scope": "product", "target": "card"}
    narrowed = factories.propose([Item("rule", "age-21", rule)], author=staff.risk, now=timezone.now())
    assert evidence.compute(narrowed, timezone.now()).content["any_offer"]["gain"] >= 400
    _approve(narrowed, staff.risk_2)
    opened = serve.ask(_question("M-2", "1"), timezone.now())
    assert opened.presented.shown[0].choice.arm in ARMS
    assert _ask_own_customer(session="2").presented.shown
    assert all(found.identical for found in replay.replay_all(Decision.objects.all()))


def _ask_own_customer(session: str = "1") -> serve.Answer:
    name = Customer.objects.filter(source="").order_by("pk").values_list("external_id", flat=True)[0]
    assert name
    return serve.ask(serve.Ask(name, session, "mobile_app", "home", 2, {}), timezone.now())


def _part_of_the_mailing(folder: Path, rows: int) -> Path:
    folder.mkdir()
    with (MAILING / "card_offers.csv").open(encoding="utf-8-sig") as whole:
        (folder / "card_offers.csv").write_text("".join(line for line, _ in zip(whole, range(rows + 1), strict=False)))
    return folder


def _assert_only_added(before: dict[str, Any], after: dict[str, Any]) -> None:
    added = {kind: sorted(after[kind].keys() - before[kind].keys()) for kind in after}
    assert {kind: keys for kind, keys in added.items() if keys} == {
        "product": ["reward-card"], "offer": list(MAILED), "creative": ARMS, "arm": ARMS,
        "placement": ["mailing"],
    }  # fmt: skip
    for kind, values in before.items():
        assert {key: after[kind][key] for key in values} == values
