"""A search for less discriminatory alternatives from protocol to signature, and what keeps a model from going live
without one; on the real database, with few and small candidates."""

from __future__ import annotations

import ast
import inspect
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connections, transaction

from decisioning import runtime
from decisioning.models import FeatureRow, LoggedDecision, ModelVersion
from fairness.alternatives import candidates, measuring, memo, pdf, protocol, record, report, rule_thresholds, search
from fairness.alternatives.protocol import InvalidProtocol, Settings
from fairness.counts import GroupCounts
from fairness.models import (
    Candidate,
    DecisionMemo,
    IndividualCheck,
    Search,
    SearchRun,
    SearchSignature,
    SearchWaiver,
)
from fairness.thresholds import DEFAULT, compare_all
from offers import packs, roles
from offers.catalog import Item
from offers.models import Evidence, Release
from tests.factories import NOW, approve_content, clause, make_bank, make_user, rule, small_catalogue

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(days=20)
FEW = Settings(trials=8, offer_rate=0.3, smallest_group=20, tolerance=0.05)


@pytest.fixture
def author() -> User:
    return make_user(roles.MODEL_RISK, "modeller")


@pytest.fixture
def officer() -> User:
    return make_user(roles.COMPLIANCE, "signing")


def history(people: int = 500) -> ModelVersion:
    """A campaign over ten days that people with a high score accept, a model of it, and fewer high scores on the
    Islands."""
    random = np.random.default_rng(5)
    customers = make_bank(people, seed=5, missing=0.0)
    scores = dict(
        FeatureRow.objects.filter(group="credit_risk", customer_id__in=customers)
        .values_list("customer_id", "values__credit_score")
    )  # fmt: skip
    LoggedDecision.objects.bulk_create(
        LoggedDecision(
            customer_id=customer, decision_key=f"d{place}-{at}", source="campaign", arm=f"{offer}/plain", channel="web",
            action_probability=0.5, reward=float(random.random() < 1 / (1 + np.exp(-(scores[customer] - 690) / 25))),
            occurred_at=NOW + timedelta(days=10 * place / people, seconds=at), known_at=NOW,
        )
        for place, customer in enumerate(random.permutation(customers).tolist())
        for at, offer in enumerate(("student", "travel-plus"))
        if at == 0 or random.random() < 0.3
    )  # fmt: skip
    report = {
        "source": "campaign", "columns": ["credit_score", "debt_to_income"], "gain": {"credit_score": 9.0},
        "parameters": {"num_leaves": 3, "learning_rate": 0.05, "min_data_in_leaf": 50, "lambda_l2": 5.0},
    }  # fmt: skip
    return ModelVersion.objects.create(
        name="propensity-1", sha256="0" * 64, content=b"", report=report, trained_at=NOW
    )  # fmt: skip


def frozen(author: User, settings: Settings = FEW) -> Search:
    approve_content()
    history()
    return protocol.freeze_model_search("propensity-1", settings, author=author, now=LATER)


def chosen(run: SearchRun) -> Candidate:
    found = run.candidates.filter(pareto=True, content__isnull=False).order_by("-worst_ratio").first()
    assert found is not None
    return found


def written_by_hand(statement: str, parameters: list[Any]) -> None:
    with transaction.atomic(), connections["default"].cursor() as cursor:
        cursor.execute(statement, parameters)


# --- The protocol, before the run ----------------------------------------------------------------------------------


def test_the_protocol_is_hashed_before_it_runs_and_stays_as_it_is(author: User) -> None:
    """T-LDA-01."""
    asked = frozen(author)
    assert protocol.intact(asked)
    assert asked.protocol["periods"]["train"][1] == asked.protocol["periods"]["out_of_time"][0][0]
    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
        Search.objects.filter(pk=asked.pk).update(protocol={})
    with pytest.raises(DatabaseError, match="before its protocol was frozen"), transaction.atomic():
        SearchRun.objects.create(search=asked, started_at=LATER - timedelta(seconds=1), ended_at=LATER, facts={})


def test_what_is_written_of_a_search_stays_for_the_owner_of_the_database_too() -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'append_only' AND tgenabled = 'O'"
            " AND tgrelid::regclass::text LIKE 'fairness_%%'"
        )
        guarded = {row[0] for row in cursor.fetchall()}
    models = (Search, SearchRun, Candidate, DecisionMemo, SearchSignature, SearchWaiver, IndividualCheck)
    assert {model._meta.db_table for model in models} <= guarded


def test_a_protocol_that_was_changed_behind_the_database_is_not_run(author: User) -> None:
    asked = frozen(author)
    asked.protocol = {**asked.protocol, "tolerance": 1.0}
    with pytest.raises(search.NotIntact):
        search.run(asked, LATER)


def test_outcomes_of_one_moment_or_too_few_give_no_search() -> None:
    with pytest.raises(InvalidProtocol, match="at least 200"):
        protocol.periods([NOW] * 20)
    with pytest.raises(InvalidProtocol, match="one moment"):
        protocol.periods([NOW] * 500)


def test_groups_in_training_take_a_pack_that_allows_them(author: User) -> None:
    approve_content()
    history()
    with pytest.raises(InvalidProtocol, match="forbids the use of groups"):
        protocol.freeze_model_search("propensity-1", Settings(reweighing=(0.5,)), author=author, now=LATER)


def test_what_makes_candidates_is_handed_no_group_and_may_ask_for_none() -> None:
    source = Path(inspect.getfile(candidates)).read_text()
    imported = {
        name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom)
        for name in (str(node.module), *(f"{node.module}.{one.name}" for one in node.names))
    }
    assert not imported & {"fairness", "fairness.dataset", "fairness.vault", "fairness.counts"}
    assert list(inspect.signature(candidates.fit).parameters) == [
        "name", "recipe", "examples", "space", "per_arm", "weights"
    ]  # fmt: skip


# --- The run -------------------------------------------------------------------------------------------------------


def test_the_same_seeds_give_the_same_table(author: User) -> None:
    """T-LDA-05, and what every candidate says."""
    asked = frozen(author)
    again = Search.objects.create(
        kind=asked.kind, subject=asked.subject, protocol=asked.protocol, sha256=asked.sha256, reweighing=False,
        author=author, frozen_at=LATER,
    )  # fmt: skip
    tables = [
        list(search.run(one, LATER).candidates.values("number", "generator", "parameters", "performance", "worst_ratio",
                                                      "figures", "pareto", "model_sha256", "refused"))
        for one in (asked, again)
    ]  # fmt: skip
    assert tables[0] == tables[1]
    first, *others = tables[0]
    assert first["generator"] == "in use today"
    assert len(first["figures"]["windows"]) == protocol.WINDOWS
    assert len({row["model_sha256"] for row in others if row["model_sha256"]}) > 1
    assert any(row["pareto"] for row in tables[0])


def test_a_run_tells_how_far_parity_is_and_never_adopts_it(author: User) -> None:
    """T-LDA-04: thresholds by group, which give everybody the same rate, are analysed and refused at each door."""
    run = search.run(frozen(author), LATER)
    bound = run.candidates.get(uses_group_at_decision=True, parameters__attribute="region")
    assert not bound.pareto
    rates = [row["ratio"] for row in bound.figures["comparisons"] if row["attribute"] == "region"]
    assert rates == pytest.approx([1.0], abs=0.05)
    with pytest.raises(memo.NotAdoptable, match="looks at groups"):
        memo.decide(run, bound, "It is fair.", author=author, now=LATER)
    with pytest.raises(DatabaseError, match="may be adopted"):
        written_by_hand(
            "INSERT INTO fairness_decisionmemo (run_id, verdict, candidate_id, rationale, figures, model_name,"
            " author_id, written_at) VALUES (%s, 'adopt', %s, 'It is fair.', '{}', '', %s, now())",
            [run.pk, bound.pk, author.pk],
        )  # fmt: skip


def marked(author: User, **uses: bool) -> str:
    """A model that a candidate says of how it uses groups; its hash."""
    sha256 = "a" * 64
    run = SearchRun.objects.create(
        search=Search.objects.create(
            kind="model", subject="m", protocol={"space": {}}, sha256="b" * 64, reweighing=False, author=author,
            frozen_at=NOW,
        ), started_at=NOW, ended_at=NOW, facts={},
    )  # fmt: skip
    given = {"uses_group_at_training": False, "uses_group_at_decision": False} | uses
    Candidate.objects.create(
        run=run, number=1, generator="x", parameters={}, figures={}, pareto=False, model_sha256=sha256, **given
    )  # fmt: skip
    return sha256


@pytest.mark.parametrize(
    ("pack", "allowed"),
    [(None, False), ("us-federal-from-2026-07", False), ("us-new-jersey", False), ("open", True), ("JP", False),
     ("US", True)],
)  # fmt: skip
def test_no_release_names_a_model_that_looks_at_groups_where_a_pack_forbids_it(
    author: User, pack: str | None, allowed: bool
) -> None:
    """T-LDA-04, whoever writes the row: without a pack for the whole of home the strict default is in force."""
    live = approve_content()
    sha256 = marked(author, uses_group_at_decision=True)
    content: dict[str, Any] = {"model": {"m": {"title": "M", "sha256": sha256}}, "pack": {}}
    if pack in ("open", "JP", "US"):
        place = {} if pack == "open" else {"place": {"countries": [pack]}}
        mild = {"effective_from": "2020-01-01", "mitigations": {"group_aware_decision_time": "allowed"}}
        content["pack"] = {"mild": mild | place}
    elif pack:
        content["pack"] = {pack: dict(packs.shipped()[pack])}
    evidence = Evidence.objects.create(
        change=live.change, content_hash=live.change.content_hash, candidate_hash="c" * 64, verdict="pass",
        population=0, content={}, computed_at=NOW, base=live.number,
    )  # fmt: skip
    with pytest.raises(DatabaseError) as refusal, transaction.atomic():
        Release.objects.create(
            number=live.number + 1, content=content, content_hash="c" * 64, change=live.change, evidence=evidence,
            published_at=NOW,
        )  # fmt: skip
    # Where this is allowed, the row is refused by what comes after: its change has made a release already.
    assert ("looks at groups when it decides" in str(refusal.value)) != allowed


def test_a_threshold_of_a_rule_is_searched_on_value_and_impact(author: User) -> None:
    kept_before = small_catalogue()
    strict = rule("strict", clause("credit_score", ">=", 690), "everyday-cash")
    tests = [
        {"name": "at the limit", "customer": {"credit_score": 690.0}, "expect": "eligible"},
        {"name": "just below", "customer": {"credit_score": 689.0}, "expect": "refused"},
    ]
    kept_before.append(Item("rule", "strict", {**(strict.content or {}), "tests": tests}))
    make_bank(400, seed=3, missing=0.0)
    approve_content(kept_before)
    runtime.forget()
    asked = protocol.freeze_rule_search("strict", FEW, author=author, now=NOW)
    run = search.run(asked, NOW)
    rows = list(run.candidates.all())
    assert [row.parameters["threshold"] for row in rows] == asked.protocol["space"]["thresholds"]
    assert rows[0].parameters["threshold"] == 690
    lower = min(rows, key=lambda row: row.parameters["threshold"])
    assert lower.figures["eligible"] > rows[0].figures["eligible"]
    assert lower.worst_ratio is not None
    assert rows[0].worst_ratio is not None
    assert lower.worst_ratio > rows[0].worst_ratio
    risk = make_user(roles.RISK_APPROVER, "risk")
    made = memo.decide(run, lower, "The same value, a smaller gap.", author=risk, now=NOW)
    with transaction.atomic():
        change = memo.propose_threshold(made, author=risk, now=NOW)
    assert change.items[0]["content"]["when"]["value"] == lower.parameters["threshold"]
    assert [one["name"] for one in change.items[0]["content"]["tests"]] == ["at the limit"]
    assert change.rationale.endswith("Without the tests that held under the old threshold alone: just below.")


@pytest.mark.parametrize(("metro", "islands", "worst"), [(0, 30, 0.0), (0, 0, None)])
def test_a_threshold_that_shuts_out_the_reference_group_is_not_called_fairer(
    author: User, monkeypatch: pytest.MonkeyPatch, metro: int, islands: int, worst: float | None
) -> None:
    """Whether others are chosen or nobody is; the ratios that are left would make it the fairest of all."""

    def measured(threshold: float, metro: int, islands: int) -> rule_thresholds.Measured:
        region = {"Metro": GroupCounts("Metro", 200, metro), "Islands": GroupCounts("Islands", 100, islands)}
        gender = {"male": GroupCounts("male", 150, 60), "female": GroupCounts("female", 150, 60)}
        rows = compare_all({"region": region, "gender": gender}, {"region": "Metro", "gender": "male"})
        ratios = measuring.ratios(rows, 30)
        return rule_thresholds.Measured(threshold, 9.0, 8.0, 10.0, metro + islands, rows, ratios)

    approve_content([*small_catalogue(), rule("strict", clause("credit_score", ">=", 690), "everyday-cash")])
    make_bank(60, seed=3, missing=0.0)
    asked = protocol.freeze_rule_search("strict", FEW, author=author, now=NOW)
    found = [measured(690, 100, 40), measured(700, metro, islands)]
    monkeypatch.setattr(rule_thresholds, "measure", lambda protocol, now: found)
    today, other = search.run(asked, NOW).candidates.all()
    assert today.pareto
    assert today.worst_ratio == pytest.approx(0.8)
    assert (other.pareto, other.worst_ratio, other.figures["closer"]) == (False, worst, [])


# --- The decision, and what follows from it ------------------------------------------------------------------------


def test_an_adopted_candidate_is_a_challenger_whose_record_stands_once_it_is_signed(
    author: User, officer: User
) -> None:
    """T-LDA-03: required under New Jersey's pack, waivable under the federal one."""
    run = search.run(frozen(author), LATER)
    candidate = chosen(run)
    made = memo.decide(run, candidate, "Closer to parity within the tolerance.", author=author, now=LATER)
    model = ModelVersion.objects.get(name=made.model_name)
    assert (model.sha256, model.status) == (candidate.model_sha256, ModelVersion.Status.CHALLENGER)
    assert made.figures["swap"]["enters"] == made.figures["swap"]["leaves"]
    jersey, federal = ([packs.read(key, packs.shipped()[key])] for key in ("us-new-jersey", "us-federal-from-2026-07"))
    for in_force in (jersey, federal):
        assert "has no signed search" in record.missing(model.name, in_force, LATER)
    with pytest.raises(roles.NotAllowed):
        memo.sign(run.search, SearchSignature.Purpose.MEMO, person=author, now=LATER)
    memo.sign(run.search, SearchSignature.Purpose.MEMO, person=officer, now=LATER)
    found = record.newest(model.name)
    assert found is not None
    assert (found.search, found.signed_by) == (run.search_id, "signing")
    assert record.missing(model.name, jersey, LATER) == ""
    old = LATER + timedelta(days=366)
    assert "more than twelve months ago" in record.missing(model.name, jersey, old)
    memo.waive(model.name, "A change of seed; the search of last year still holds.", federal, person=officer, now=old)
    assert record.missing(model.name, federal, old) == ""
    assert "requires one" in record.missing(model.name, jersey, old)
    with pytest.raises(memo.NothingToSign, match="cannot be waived"):
        memo.waive(model.name, "Because.", jersey, person=officer, now=old)


def test_what_the_holdout_says_against_an_adopted_candidate_is_said_to_who_signs(author: User) -> None:
    run = search.run(frozen(author), LATER)
    made = memo.decide(run, chosen(run), "Closer to parity.", author=author, now=LATER)

    def told(auc: float | None, ratio: float | None) -> list[str]:
        made.figures = {
            "today": {"auc": [0.8, 0.7, 0.9], "worst_ratio": 0.7},
            "candidate": {"auc": None if auc is None else [auc, 0.5, 0.9], "worst_ratio": ratio},
        }
        return memo.disappointments(made)

    assert told(0.75, 0.7) == []  # at the tolerance of 0.05, and as it is today
    assert told(0.74, 0.7) == ["On the holdout it performs worse than the protocol tolerates."]
    assert told(0.8, 0.65) == ["On the holdout its worst ratio is lower than today's: 0.650, and 0.700 today."]
    assert len(told(0.6, 0.6)) == 2
    assert told(None, None) == [
        "The holdout is too small to tell how it performs.",
        "The holdout does not tell its impact ratios: too few people, or nobody chosen.",
    ]


def test_the_paper_draws_each_group_and_puts_its_ratios_beside_those_of_today(author: User) -> None:
    """R-LDA-2: the chart by group, the table of those that no other beats."""
    run = search.run(frozen(author), LATER)
    found = list(run.candidates.all())
    drawn = list(pdf.fronts(found, run.search.protocol, DEFAULT))
    heads, *rows = pdf.by_group(found, DEFAULT)
    compared = report.comparisons(found[0], DEFAULT)
    assert len(drawn) == len([row for row in compared if row["ratio"] is not None])
    assert heads[:2] == ["Group, beside", "In use"]
    assert {int(head.removeprefix("No. ")) for head in heads[2:]} <= {one.number for one in found if one.pareto}
    assert not {int(head.removeprefix("No. ")) for head in heads[2:]} & {
        one.number for one in found if one.uses_group_at_decision
    }
    assert [row[1].partition(" (")[0] for row in rows] == [
        "too few people" if row["few"] else f"{row['ratio']:.3f}" for row in compared
    ]
    assert pdf.paper(run.search, LATER).startswith(b"%PDF")
    refused = Candidate(number=0, generator="in use today", figures={}, performance=None)
    assert not list(pdf.fronts([refused], run.search.protocol, DEFAULT))


def test_keeping_what_is_in_use_is_on_record_for_it(author: User, officer: User) -> None:
    run = search.run(frozen(author, Settings(trials=2)), LATER)
    with pytest.raises(memo.NoReason):
        memo.decide(run, None, "  ", author=author, now=LATER)
    memo.decide(run, None, "Nothing within the tolerance is closer to parity.", author=author, now=LATER)
    memo.sign(run.search, SearchSignature.Purpose.MEMO, person=officer, now=LATER)
    found = record.newest("propensity-1")
    assert found is not None
    assert found.verdict == "keep"


def test_nobody_signs_a_search_or_a_memo_of_his_own(officer: User) -> None:
    run = search.run(frozen(officer, Settings(trials=2)), LATER)
    with pytest.raises(memo.NothingToSign):
        memo.sign(run.search, SearchSignature.Purpose.MEMO, person=officer, now=LATER)
    memo.decide(run, None, "Nothing is better.", author=make_user(roles.MODEL_RISK, "other"), now=LATER)
    with pytest.raises(memo.OwnWork):
        memo.sign(run.search, SearchSignature.Purpose.MEMO, person=officer, now=LATER)
    insert = (
        "INSERT INTO fairness_searchsignature (search_id, purpose, person_id, comment, signed_at)"
        " VALUES (%s, 'memo', %s, '', now())"
    )
    with pytest.raises(DatabaseError, match="does not sign it"):
        written_by_hand(insert, [run.search_id, officer.pk])
    with pytest.raises(DatabaseError, match="holds no role"):
        written_by_hand(insert, [run.search_id, make_user(roles.RISK_APPROVER, "risk").pk])


def test_a_search_that_uses_groups_in_training_waits_for_its_signature(
    author: User, officer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packs, "live", lambda on: (packs.read("eu", packs.shipped()["eu"]),))
    approve_content()
    history()
    permission = packs.shipped()["eu"]["mitigations"].get("reweighing")
    if permission == "forbidden":
        pytest.fail("no shipped pack allows reweighing any more: take another one here")
    settings = Settings(trials=4, reweighing=(1.0,), smallest_group=20)
    asked = protocol.freeze_model_search("propensity-1", settings, author=author, now=LATER)
    with pytest.raises(search.NotSigned):
        search.run(asked, LATER)
    with pytest.raises(DatabaseError, match="nobody has signed that"), transaction.atomic():
        SearchRun.objects.create(search=asked, started_at=LATER, ended_at=LATER, facts={})
    memo.sign(asked, SearchSignature.Purpose.REWEIGHING, person=officer, now=LATER)
    run = search.run(asked, LATER)
    assert run.candidates.filter(uses_group_at_training=True).exists()


def test_equal_scores_are_not_broken_by_who_came_first() -> None:
    customers = np.arange(1, 1001)
    picked = measuring.chosen_of(np.full(1000, 0.5), customers, 0.3)
    assert picked.sum() == 300
    assert 100 < picked[:500].sum() < 200
