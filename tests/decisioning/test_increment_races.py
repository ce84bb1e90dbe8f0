"""A read of history that another process overtook, with real commits: nothing of it is missing in Redis."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import pytest
from django.db import OperationalError
from django.utils import timezone

from decisioning import store
from decisioning.features import materialise, momentary, stored
from tests.decisioning.test_increment import in_history, in_redis, newcomer, surrogate, take, tell

CARD, EXPERIMENT = ("card_view", {"card": "gold"}), ("experiment_assigned", {"experiment": "hero", "variant": "a"})


def test_a_read_that_was_overtaken_by_a_signal_laid_on_is_made_again(
    live_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    name = newcomer(now)
    take(name, now, [("mine", 60, CARD)])
    moments = stored.moments

    def overtaken(customers: Collection[int], moment: datetime) -> list[stored.Moment]:
        monkeypatch.setattr(stored, "moments", moments)
        found = moments(customers, moment)
        tell(name, now, [("theirs", 50, EXPERIMENT)])  # of a later snapshot, over what Redis holds without mine
        return found

    monkeypatch.setattr(stored, "moments", overtaken)
    momentary.refresh({surrogate(name)}, timezone.now())
    then = timezone.now()
    assert in_redis(name, then) == in_history(name, then)
    assert in_redis(name, then)["session_context"][1]["cards_viewed"] == ["gold"]


def test_customers_whose_vectors_could_not_be_made_are_still_owed_them(
    live_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    name = newcomer(now)
    tell(name, now, [("e", 5, ("life_event", {"event": "new_mortgage"}))])

    def down(customers: Collection[int], moment: datetime) -> int:
        raise OperationalError("the server is restarted")

    with monkeypatch.context() as patch:
        patch.setattr(materialise, "customers", down)
        with pytest.raises(OperationalError):
            momentary.catch_up(now)
    assert store.client().smembers(store.BEHIND) == {str(surrogate(name)).encode()}
    assert momentary.catch_up(timezone.now()) == 1
    assert momentary.owed() == 0
