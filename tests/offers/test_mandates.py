"""What a mandate may ask, refused by field where it may not, and how it reads."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from offers import mandates
from offers.catalog import InvalidContent
from offers.types import Mandate
from tests import catalogue

ARM = "offer-0/c0"
ROOT = f"/arm/{ARM}/mandate"


def refused(mandate: dict[str, Any], arm: str = ARM) -> list[tuple[str, str]]:
    content = catalogue.content()
    content["arm"][arm]["mandate"] = mandate
    with pytest.raises(InvalidContent) as error:
        catalogue.release(content)
    return [(fault.path, fault.message) for fault in error.value.faults]


def test_a_minimum_above_the_maximum_is_refused() -> None:
    assert refused({"min_share": 0.5, "max_share": 0.4})[0][0] == f"{ROOT}/min_share"


def test_a_maximum_of_nothing_is_a_pause_and_no_mandate() -> None:
    assert refused({"max_share": 0.0})[0][0] == f"{ROOT}/max_share"


def test_a_fallback_has_no_share() -> None:
    assert refused({"min_share": 0.5}, "all-cards/c0")[0][0] == "/arm/all-cards/c0/mandate"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("vulnerability", "FG21/1"),
        ("gender", "1691(a)(1)"),
        ("is_vulnerable", "protected"),
        ("shoe_size", "not in the register"),
        ("credit_score", "may not be used to spare"),
        ("state", "may not be used to spare"),
    ],
)
def test_only_declared_shields_spare_anybody_and_a_protected_one_is_refused_with_its_law(name: str, said: str) -> None:
    path, message = refused({"never_explore": ["complaint_30d", name]})[0]
    assert path == f"{ROOT}/never_explore/1"
    assert said in message


def test_every_shield_is_a_boolean_that_no_law_protects() -> None:
    assert {declared.name for declared in mandates.shields()} >= {"payment_hardship", "cash_flow_shortfall_30d"}
    for declared in mandates.shields():
        assert (declared.type, declared.basis_class) == ("boolean", "ok")


@pytest.mark.parametrize(
    ("mandate", "said"),
    [
        (None, "Merit alone decides."),
        (Mandate(), "Merit alone decides."),
        (Mandate(0.1), "Comes first in at least 10\u202f% of the decisions in which it competes."),
        (Mandate(0.0, 0.255), "Comes first in at most 25.5\u202f% of the decisions in which it competes."),
        (Mandate(0.2, 0.2), "Comes first in exactly 20\u202f% of the decisions in which it competes."),
        (
            Mandate(0.05, 0.3, 2000, datetime(2027, 3, 1, tzinfo=UTC), ("complaint_30d", "payment_hardship")),
            "Comes first in at least 5\u202f% and at most 30\u202f% of the decisions in which it competes. Chosen to "
            "learn at most 2,000 times a day while another arm promises more. Never explored on whoever has, or may "
            "have, complaint in the last 30 days or payment hardship. Until 1 March 2027, 00:00 UTC.",
        ),
        (Mandate(learning_budget=1), "Chosen to learn at most once a day while another arm promises more."),
        (Mandate(learning_budget=0), "Never chosen to learn."),
    ],
)
def test_a_mandate_reads_as_a_sentence(mandate: Mandate | None, said: str) -> None:
    assert mandates.sentence(mandate) == said
