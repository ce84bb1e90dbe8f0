"""Each night's proof that decisions replay, and what becomes of one that does not (T-EXP-06, R-RPL-2)."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from decisioning.models import Decision as DecisionRow
from fairness import tasks
from fairness.governance import readiness, replays
from fairness.models import Finding
from tests.fairness.explanations import bank as explained

pytestmark = pytest.mark.django_db


def decided() -> DecisionRow:
    explained.make(trained=explained.model())
    explained.decide("C-2", "s-2")
    return explained.decide()


def slip_in(row: DecisionRow) -> None:
    """A decision that nobody made: the result of one under an id, and so with the draws, of half a second later."""
    row.id = UUID(int=row.id.int + (500 << 80) ^ 1)
    row.save(force_insert=True)


def test_decisions_replay_and_no_finding_opens() -> None:
    row = decided()
    assert replays.nightly(timezone.now() + timedelta(seconds=1)) == 2
    assert replays.open_finding() is None
    assert not [text for text in readiness.missing(row.model, timezone.now()) if "replay" in text]


def test_a_decision_that_does_not_replay_is_a_finding_and_keeps_models_from_going_live() -> None:
    row = decided()
    model = row.model
    slip_in(row)
    for _ in range(2):
        assert replays.nightly(timezone.now() + timedelta(seconds=1)) == 3
    finding = Finding.objects.get(kind="replay")
    assert (finding.title, finding.severity, finding.times_seen) == ("1 of 3 decisions do not replay", "high", 2)
    assert finding.evidence["decisions"] == [str(row.id)]
    assert f"finding {finding.pk} is open: {finding.title}" in readiness.missing(model, timezone.now())
    with pytest.raises(readiness.NotReady, match="do not replay"):
        readiness.require(model, timezone.now())


@pytest.mark.parametrize("inputs", [b"{", b'{"request": 1}'])
def test_a_record_that_cannot_even_be_read_is_a_finding_and_hides_no_other(inputs: bytes) -> None:
    """T-EXP-06: whatever was done to one record, the others are still looked at."""
    row = decided()
    slip_in(row)
    other = row.id
    row.id, row.inputs = UUID(int=row.id.int + (700 << 80)), inputs
    row.save(force_insert=True)
    assert replays.nightly(timezone.now() + timedelta(seconds=2)) == 4
    finding = Finding.objects.get(kind="replay")
    assert finding.title == "2 of 4 decisions do not replay"
    assert set(finding.evidence["decisions"]) == {str(other), str(row.id)}


def test_a_night_whose_replay_broke_off_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    row = decided()
    monkeypatch.setattr(replays, "_drawn", lambda now: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        tasks.replay_decisions()
    assert [text for text in readiness.missing(row.model, timezone.now()) if "did not come to its end" in text]
    monkeypatch.undo()
    tasks.replay_decisions()
    assert not [text for text in readiness.missing(row.model, timezone.now()) if "did not come to its end" in text]
