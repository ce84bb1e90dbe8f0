"""Which source is believed where several speak: declared order, then the latest, and attribute by attribute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from decisioning.ingest.precedence import SOURCES_BY_GROUP, Statement, rank, resolve
from offers.register import GROUPS

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
GROUP = "credit_risk"
LIMIT = timedelta(seconds=GROUPS[GROUP].freshness_seconds)


def said(source: str, days: float, known_days: float | None = None, **values: Any) -> Statement:
    known = days if known_days is None else known_days
    return Statement(source, NOW - timedelta(days=days), NOW - timedelta(days=known), values)


def values(group: str, *statements: Statement) -> dict[str, Any]:
    return {name: found.value for name, found in resolve(group, statements, NOW).items()}


def test_a_source_that_is_believed_first_wins_over_a_later_word_of_another() -> None:
    statements = said("bureau", 20, credit_score=700.0), said("application", 1, credit_score=640.0)
    found = resolve(GROUP, statements, NOW)["credit_score"]
    assert (found.value, found.source, found.others) == (700.0, "bureau", {"application": 640.0})


def test_a_source_that_says_nothing_of_an_attribute_hides_nobody_elses_value() -> None:
    statements = said("bureau", 20, credit_score=700.0), said("application", 1, credit_score=640.0, debt_to_income=0.3)
    assert values(GROUP, *statements) == {"credit_score": 700.0, "debt_to_income": 0.3}


def test_past_its_freshness_even_the_best_source_gives_way_and_its_other_values_go_with_it() -> None:
    old = said("bureau", LIMIT.days + 1, credit_score=700.0, credit_rating="high")
    assert values(GROUP, old, said("application", 1, credit_score=640.0)) == {"credit_score": 640.0}
    assert values(GROUP, old) == {"credit_score": 700.0, "credit_rating": "high"}  # the reader sees its age


def test_a_group_that_keeps_its_last_value_takes_what_is_missing_from_a_stale_statement() -> None:
    old, new = said("core_banking", 9, balance=5.0, state="NY"), said("crm", 0.1, state="CA")
    assert GROUPS["account_state"].when_stale == "last"
    found = resolve("account_state", [old, new], NOW)
    assert {name: one.value for name, one in found.items()} == {"state": "CA", "balance": 5.0}


def test_of_each_source_its_latest_statement_counts_as_a_whole() -> None:
    assert values(
        GROUP, said("bureau", 9, credit_score=700.0, credit_rating="high"), said("bureau", 2, credit_score=690.0)
    ) == {"credit_score": 690.0}


def test_among_sources_without_a_rank_the_latest_wins_and_of_equals_the_first_by_name() -> None:
    assert values(GROUP, said("a_list", 3, credit_score=1.0), said("b_list", 2, credit_score=2.0)) == {
        "credit_score": 2.0
    }
    assert values(GROUP, said("b_list", 2, credit_score=2.0), said("a_list", 2, credit_score=1.0)) == {
        "credit_score": 1.0
    }


def test_what_was_not_known_yet_or_had_not_happened_yet_is_not_taken() -> None:
    backfilled = said("bureau", 5, known_days=-1, credit_score=700.0)
    announced = said("bureau", -1, known_days=3, credit_score=800.0)
    assert values(GROUP, backfilled, announced, said("application", 9, credit_score=640.0)) == {"credit_score": 640.0}


def test_every_group_with_an_order_is_in_the_register_and_names_each_source_once() -> None:
    for group, sources in SOURCES_BY_GROUP.items():
        assert group in GROUPS
        assert [rank(group, source) for source in sources] == list(range(len(sources)))
        assert rank(group, "anybody") == len(sources)


_NAMES = st.sampled_from(["bureau", "core_banking", "application", "a_list", "b_list"])
_STATEMENTS = st.lists(
    st.builds(
        lambda source, days, later, told: said(source, days, days - later, **told),
        _NAMES,
        st.integers(0, 80),
        st.integers(0, 3),
        st.dictionaries(st.sampled_from(["credit_score", "debt_to_income", "credit_rating"]), st.integers(0, 3)),
    ),
    max_size=6,
)


@given(_STATEMENTS, st.randoms())
def test_the_order_in_which_statements_arrive_changes_nothing(statements: list[Statement], random: Any) -> None:
    moments = {(one.source, one.occurred_at, one.known_at): one for one in statements}
    once = list(moments.values())
    shuffled = random.sample(once, len(once))
    assert resolve(GROUP, once, NOW) == resolve(GROUP, shuffled, NOW)


@given(_STATEMENTS)
def test_no_value_is_made_up_and_a_fresh_one_is_never_given_up_for_a_stale_one(statements: list[Statement]) -> None:
    for name, found in resolve(GROUP, statements, NOW).items():
        tellers = [one for one in statements if one.source == found.source and one.occurred_at == found.occurred_at]
        assert any(one.values.get(name) == found.value for one in tellers)
        if NOW - found.occurred_at > LIMIT:
            latest = {s: max(o.occurred_at for o in statements if o.source == s and o.known_at <= NOW)
                      for s in {o.source for o in statements if o.known_at <= NOW}}  # fmt: skip
            assert all(NOW - moment > LIMIT for moment in latest.values())
