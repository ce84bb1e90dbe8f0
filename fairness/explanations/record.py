"""Everything that the blocks of one explanation are read from: the row, its replay and the state of its ranking, each
fetched once and only if a block asks; nothing is worded here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np

from decisioning import decision_log, explanation, replay, reward_log
from decisioning.bandit.action_probability import first_probabilities
from decisioning.bandit.posterior import Posterior
from decisioning.case import Case
from decisioning.explanation import Asked
from decisioning.models import Decision as DecisionRow
from decisioning.plan import complete
from decisioning.replay import Replay
from decisioning.types import Choice, DecisionRequest
from offers import packs
from offers.types import Offer, Pack


@dataclass(frozen=True)
class Record:
    """One decision as it is explained at `now`."""

    row: DecisionRow
    now: datetime

    @cached_property
    def of(self) -> Asked:
        return explanation.asked(self.row)

    @cached_property
    def request(self) -> DecisionRequest:
        return decision_log.inputs(self.row)[0]

    @cached_property
    def first(self) -> Choice | None:
        """What was ranked first, None where nothing was."""
        return next(iter(self.of.decision.choices), None)

    @property
    def offer(self) -> Offer | None:
        return self.of.plan.release.offers[self.first.offer] if self.first else None

    @cached_property
    def chosen(self) -> dict[str, Any] | None:
        """The trace of the offer that was ranked first, with what moved its score."""
        return explanation.offer(self.first.offer, self.of) if self.first else None

    @cached_property
    def order(self) -> list[str]:
        """Every offer, the chosen first, then by score, then by how far it came."""
        return explanation.in_order(self.of.plan, self.of.decision)

    @cached_property
    def posterior(self) -> Posterior | None:
        return reward_log.rebuilt(self.row.posterior)

    @cached_property
    def beliefs(self) -> Posterior:
        """The posterior with every arm of the release in it."""
        return complete(self.posterior, self.of.plan)

    @cached_property
    def replayed(self) -> Replay:
        return replay.replay(self.row, self.posterior)

    @cached_property
    def case(self) -> Case:
        """The ranking as the recorded inputs make it again."""
        return explanation.case(self.row, self.posterior)

    @cached_property
    def learning_share(self) -> float | None:
        """How often such a decision shows an arm that does not have the best expected score; None without a ranking."""
        case = self.case
        if not len(case.location):
            return None
        chances = case.share if len(case.share) else first_probabilities(case.location, case.scale)
        return float(max(0.0, 1.0 - chances[int(np.argmax(case.location))]))

    @property
    def place(self) -> tuple[str, str]:
        """Country and state of residence as recorded, empty where they were not known; the register's states are those
        of the United States."""
        known = self.of.known.attributes
        state = str(known.get("state") or "")
        return str(known.get("country") or ("US" if state else "")), state

    @cached_property
    def pack(self) -> Pack:
        """What the law asked for where the customer lived, on the day of the decision."""
        return packs.for_place(self.of.plan.release, *self.place, self.row.made_at.date())
