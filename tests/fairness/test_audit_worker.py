"""AIF360 beside the closed forms, and the process that keeps AIF360 away from everybody else."""

import logging
import multiprocessing
import os
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fairness import metrics
from fairness.audit_worker import AuditCell, AuditFailed, audit_cells, run_isolated
from fairness.counts import ConfusionCounts, GroupCounts, table

GERMAN = Path(os.environ.get("CANDOR_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")) / "german_credit"
UNDER_25 = AuditCell("age", GroupCounts("25 and under", 190, 110), GroupCounts("over 25", 810, 590))


def random_cells(seed: int, number: int) -> list[AuditCell]:
    rng = np.random.default_rng(seed)
    sides = rng.integers(1, 10_000, size=(number, 2, 4)).tolist()
    return [AuditCell("x", ConfusionCounts("u", *ours), ConfusionCounts("p", *theirs)) for ours, theirs in sides]


def test_aif360_and_the_closed_forms_agree_on_two_hundred_random_tables() -> None:
    results = audit_cells(random_cells(3, 200))
    assert all(len(result.metrics) >= 10 for result in results)
    assert all(value is not None for result in results for value in result.metrics.values())
    assert max(result.largest_difference for result in results) <= 1e-12


def test_decisions_alone_are_audited_with_the_published_numbers() -> None:
    adult = AuditCell("sex", GroupCounts("female", 14695, 1669), GroupCounts("male", 30527, 9539))
    for cell, ratio, difference in [(UNDER_25, 0.794826, -0.149448), (adult, 0.363470, -0.198901)]:
        [result] = audit_cells([cell])
        assert result.metrics == pytest.approx(
            {"disparate_impact": ratio, "statistical_parity_difference": difference}, abs=1e-6
        )
        assert result.largest_difference <= 1e-12


def test_weighted_cells_give_the_same_metrics_as_rows() -> None:
    counts = ConfusionCounts("u", 31, 12, 44, 7), ConfusionCounts("p", 58, 23, 60, 19)
    [result] = audit_cells([AuditCell("sex", *counts)])
    from aif360.datasets import BinaryLabelDataset
    from aif360.metrics import ClassificationMetric

    rows = [
        (side, float(decided), float(actual))
        for side, c in enumerate(counts)
        for decided, actual, people in (
            (1, 1, c.true_positives),
            (1, 0, c.false_positives),
            (0, 0, c.true_negatives),
            (0, 1, c.false_negatives),
        )
        for _ in range(int(people))
    ]
    frame = pd.DataFrame(rows, columns=["side", "decided", "actual"], dtype=float)
    actual, decided = (
        BinaryLabelDataset(df=frame[["side", name]], label_names=[name], protected_attribute_names=["side"])
        for name in ("actual", "decided")
    )
    predicted = actual.copy()
    predicted.labels = decided.labels
    by_rows = ClassificationMetric(actual, predicted, [{"side": 0.0}], [{"side": 1.0}])
    assert result.metrics == pytest.approx({name: getattr(by_rows, name)() for name in result.metrics}, abs=1e-12)


def test_undefined_metrics_are_none_on_both_sides_and_the_rest_is_audited() -> None:
    nobody = AuditCell("sex", GroupCounts("u", 50, 5), GroupCounts("p", 50, 0))
    empty = AuditCell("sex", GroupCounts("u", 0, 0), GroupCounts("p", 50, 10))
    no_negatives = AuditCell("sex", ConfusionCounts("u", 5, 0, 0, 5), ConfusionCounts("p", 5, 5, 5, 5))
    first, second, third = audit_cells([nobody, empty, no_negatives])
    assert first.metrics == {"disparate_impact": None, "statistical_parity_difference": pytest.approx(0.1)}
    assert set(second.metrics.values()) == {None}
    assert third.metrics["false_positive_rate_difference"] is None
    assert third.metrics["equalized_odds_difference"] is None
    assert third.metrics["equal_opportunity_difference"] == 0


def test_a_cell_needs_the_same_kind_of_counts_on_both_sides() -> None:
    with pytest.raises(ValueError, match="actual outcomes"):
        AuditCell("sex", GroupCounts("u", 50, 5), ConfusionCounts("p", 1, 2, 3, 4))


def test_audit_in_process_leaves_the_root_logger_as_it_was() -> None:
    before = list(logging.getLogger().handlers), logging.root.manager.disable
    audit_cells([UNDER_25])
    assert (list(logging.getLogger().handlers), logging.root.manager.disable) == before


def test_a_fresh_process_gets_neither_handler_nor_notice_from_the_import() -> None:
    script = (
        "import logging; from fairness.audit_worker import audit_cells; audit_cells([])\n"
        "import sys; assert 'aif360.metrics' in sys.modules; print(logging.getLogger().handlers)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_isolated_audit_gives_the_same_results_and_imports_nothing_here() -> None:
    script = (
        "import sys; from fairness.audit_worker import *; from fairness.counts import GroupCounts\n"
        "cell = AuditCell('age', GroupCounts('25 and under', 190, 110), GroupCounts('over 25', 810, 590))\n"
        "[result] = run_isolated([cell]); assert 'aif360' not in sys.modules; print(result.metrics['disparate_impact'])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    assert float(done.stdout) == pytest.approx(0.794826, abs=1e-6)


def test_isolated_audit_equals_the_audit_in_process() -> None:
    cells = [UNDER_25, *random_cells(5, 3), AuditCell("sex", GroupCounts("ü", 0, 0), GroupCounts("p", 50, 10))]
    assert run_isolated(cells) == audit_cells(cells)


def _audit_from_a_daemon(answer: Connection) -> None:
    answer.send(run_isolated([UNDER_25])[0].largest_difference)


def test_isolated_audit_runs_inside_a_daemonic_worker_process() -> None:
    # Celery's prefork workers are daemonic, and multiprocessing refuses children to those.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    worker = context.Process(target=_audit_from_a_daemon, args=(theirs,), daemon=True)
    worker.start()
    assert ours.poll(60)
    assert ours.recv() <= 1e-12
    worker.join(10)


def test_a_late_or_broken_audit_process_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AuditFailed, match=r"no result within 0\.01 s for 1 comparisons"):
        run_isolated([UNDER_25], timeout=0.01)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(AuditFailed, match="ended with 1"):
        run_isolated([UNDER_25])
    monkeypatch.setattr(sys, "executable", "/bin/echo")
    with pytest.raises(AuditFailed, match="no readable answer"):
        run_isolated([UNDER_25])


@pytest.mark.skipif(not GERMAN.exists(), reason=f"no German credit data under {GERMAN}")
def test_german_credit_tutorial_split_before_and_after_reweighing() -> None:
    audit_cells([])  # imports AIF360 with its notices contained
    from aif360.algorithms.preprocessing import Reweighing
    from aif360.datasets import BinaryLabelDataset

    rows = [line.split() for line in (GERMAN / "german.data").read_text().splitlines()]
    frame = pd.DataFrame({"age": [float(row[12]) >= 25 for row in rows], "good": [row[20] == "1" for row in rows]})
    data = BinaryLabelDataset(df=frame.astype(float), label_names=["good"], protected_attribute_names=["age"])
    train, _ = data.split([0.7], shuffle=True, seed=0)
    groups = {"unprivileged_groups": [{"age": 0.0}], "privileged_groups": [{"age": 1.0}]}
    weighed = Reweighing(**groups).fit_transform(train)
    for part, weights, expected in [(train, None, -0.169905), (weighed, weighed.instance_weights, 0.0)]:
        names = np.where(part.protected_attributes[:, 0] == 1, "25 and over", "under 25").astype(object)
        counts = table(names, part.labels[:, 0] == 1, weights)
        young, older = counts["under 25"], counts["25 and over"]
        [result] = audit_cells([AuditCell("age", young, older)])
        assert result.metrics["statistical_parity_difference"] == pytest.approx(expected, abs=1e-6)
        assert metrics.statistical_parity_difference(young, older) == pytest.approx(expected, abs=1e-6)
        assert result.largest_difference <= 1e-12
