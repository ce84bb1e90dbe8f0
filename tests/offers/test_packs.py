"""What the law of a place asks for on a day: read from content, the most specific wins, none is the strict default."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offers import packs, snapshot
from offers.catalog import Item, faults_of
from offers.types import STALE_AFTER, Bands, Pack

TODAY = date(2026, 11, 22)
SHIPPED = {key: packs.read(key, content) for key, content in packs.shipped().items()}


def content(*keys: str) -> snapshot.Content:
    return snapshot.apply(snapshot.EMPTY, [Item("pack", key, packs.shipped()[key]) for key in keys])


def changed(key: str = "us-federal-from-2026-07", **changes: Any) -> Item:
    return Item("pack", key, {**packs.shipped()[key], **changes})


AMERICAN = ("us-federal-until-2026-07", "us-federal-from-2026-07", "us-new-jersey")


@pytest.mark.parametrize("key", packs.shipped())
def test_what_is_shipped_is_content_that_two_people_can_approve(key: str) -> None:
    assert faults_of(Item("pack", key, packs.shipped()[key])) == []


def test_the_strict_default_states_the_lines_that_stand_where_no_pack_says_others() -> None:
    assert packs.strict_default().bands == Bands()


def test_the_day_changes_the_pack_its_words_and_what_it_asks_before_going_live() -> None:
    """T-LEG-02."""
    before = packs.for_place(content(*AMERICAN), "US", "CA", date(2026, 7, 20))
    after = packs.for_place(content(*AMERICAN), "US", "CA", date(2026, 7, 22))
    assert (before.key, before.lda) == ("us-federal-until-2026-07", "required")
    assert (after.key, after.lda) == ("us-federal-from-2026-07", "waivable")
    assert before.summary != after.summary


def test_the_last_day_of_a_pack_is_the_one_before_its_end() -> None:
    old = SHIPPED["us-federal-until-2026-07"]
    assert old.in_force(date(2026, 7, 20))
    assert not old.in_force(date(2026, 7, 21))
    assert SHIPPED["us-federal-from-2026-07"].in_force(date(2026, 7, 21))


def test_a_state_asks_for_what_its_country_does_not() -> None:
    """T-LEG-03."""
    assert packs.for_place(content(*AMERICAN), "US", "NJ", TODAY).lda == "required"
    assert packs.for_place(content(*AMERICAN), "US", "NY", TODAY).lda == "waivable"


def test_a_place_and_a_day_without_a_pack_have_the_strict_default() -> None:
    assert packs.for_place(content(*AMERICAN), "CZ", "", TODAY) == packs.strict_default()
    assert packs.in_force({}, TODAY) == (packs.strict_default(),)
    assert packs.for_place(content("eu"), "CZ", "", date(2026, 11, 19)) == packs.strict_default()


def in_force(**place: Any) -> tuple[Pack, ...]:
    """What is in force where the one mild pack of a bank covers this place."""
    mild = changed(place=place, bands={"fail_ratio": 0.1}, mitigations={
        "reweighing": "allowed", "group_aware_decision_time": "forbidden",
    })  # fmt: skip
    return packs.in_force(snapshot.apply(snapshot.EMPTY, [mild]), TODAY)


@pytest.mark.parametrize("place", [{"countries": ["JP"]}, {"countries": ["US"], "states": ["NJ"]}, {"states": ["NY"]}])
def test_a_pack_for_one_place_leaves_the_strict_default_in_force_elsewhere(place: dict[str, Any]) -> None:
    """Its lines, its search and what it forbids hold the whole bank to them."""
    together = packs.strictest(in_force(**place))
    strict = packs.strict_default()
    assert in_force(**place)[-1] == strict
    assert (together.bands.fail_ratio, together.lda) == (strict.bands.fail_ratio, "required")
    assert together.mitigations["reweighing"] == "forbidden"


@pytest.mark.parametrize("place", [{}, {"countries": ["US"]}, {"countries": ["CA", "US"]}])
def test_a_pack_for_the_whole_of_home_takes_the_strict_defaults_place(place: dict[str, Any]) -> None:
    (alone,) = in_force(**place)
    assert (alone.bands.fail_ratio, alone.lda) == (0.1, "waivable")


def test_several_packs_pause_what_each_of_them_pauses() -> None:
    def pausing(scope: str) -> Pack:
        monitors = {**packs.shipped()["eu"]["monitors"], "pause": scope}
        return packs.read(scope, {**packs.shipped()["eu"], "monitors": monitors})

    together = packs.strictest([pausing("none"), pausing("arm"), pausing("model")])
    assert together.monitors.pauses == {"arm", "model"}
    assert pausing("none").monitors.pauses == frozenset()


def test_race_is_not_estimated_in_the_union() -> None:
    both = content("eu", "us-federal-from-2026-07")
    assert "race" in packs.for_place(both, "US", "NY", TODAY).proxies
    assert packs.for_place(both, "DE", "", TODAY).proxies == frozenset()


def test_two_packs_of_one_place_apply_together() -> None:
    second = {**packs.shipped()["us-federal-from-2026-07"], "lda": "required", "retention": {"decision": 84}}
    both = snapshot.apply(content("us-federal-from-2026-07"), [Item("pack", "us-bank-policy", second)])
    found = packs.for_place(both, "US", "NY", TODAY)
    assert (found.lda, found.retention["decision"], found.retention["firm_offer"]) == ("required", 84, 37)


lines = st.fixed_dictionaries({}, optional={
    "fail_ratio": st.floats(0.5, 0.89), "material_shortfall": st.integers(1, 50), "proxy_strong": st.floats(0.7, 0.9),
    "smallest_cell": st.integers(5, 40), "significance": st.floats(0.01, 0.2),
})  # fmt: skip


@given(st.lists(lines, min_size=2, max_size=4))
def test_the_strictest_of_packs_is_in_no_line_milder_than_any(stated: list[dict[str, Any]]) -> None:
    key = "us-federal-from-2026-07"
    found = [packs.read(f"pack-{place}", {**packs.shipped()[key], "bands": one}) for place, one in enumerate(stated)]
    together = packs.strictest(found).bands
    for name in packs.LINES:
        all_of_it = [getattr(pack.bands, name) for pack in found]
        assert getattr(together, name) == (max if name in packs.STRICTER_ABOVE else min)(all_of_it)


def test_a_method_that_a_pack_does_not_name_is_forbidden_beside_one_that_allows_it() -> None:
    mild, strict = SHIPPED["us-new-jersey"], SHIPPED["strict-default"]
    assert packs.strictest([mild, strict]).mitigations == {
        "reweighing": "forbidden", "group_aware_decision_time": "forbidden",
    }  # fmt: skip


def test_a_pack_that_nobody_verified_for_ninety_days_is_stale() -> None:
    """T-LEG-19."""
    pack = SHIPPED["eu"]
    assert not pack.stale(pack.verified_on + STALE_AFTER)
    assert pack.stale(pack.verified_on + timedelta(days=91))


@pytest.mark.parametrize("pack", SHIPPED.values(), ids=list(SHIPPED))
def test_every_notice_and_ruling_names_its_law_and_every_notice_its_version(pack: Pack) -> None:
    """T-LEG-20."""
    for notice in pack.notices:
        assert notice.version
        assert notice.text
    for cited in [*(notice.citation for notice in pack.notices), *(one.citation for one in pack.rulings)]:
        assert cited.text
        assert cited.url.startswith("https://")


@pytest.mark.parametrize("missing", ["version", "citation", "url", "text"])
def test_a_notice_without_its_law_or_version_is_refused(missing: str) -> None:
    notice = dict(packs.shipped()["eu"]["notices"][0])
    del notice[missing]
    assert [fault.code for fault in faults_of(changed("eu", notices=[notice]))] == ["required"]


@pytest.mark.parametrize(
    ("changes", "path", "code"),
    [
        ({"effective_until": "2026-07-01"}, "/effective_until", "empty_range"),
        ({"citations": []}, "/citations", "minItems"),
        ({"bands": {"fail_ratio": 0.95}}, "/bands/fail_ratio", "unordered"),
        ({"bands": {"parity_watch": 0.2}}, "/bands/parity_fail", "unordered"),
        ({"bands": {"four_fifths": 0.8}}, "/bands", "additionalProperties"),
        ({"bands": {"age_bands": [{"name": "a", "lower": 0, "upper": 40, "basis": "b"},
                                  {"name": "c", "lower": 50, "basis": "b"}]}}, "/bands/age_bands/1/lower", "gap"),
        ({"verified_on": "2026-02-30"}, "/verified_on", "format"),
        ({"place": {"countries": ["DE"], "states": ["NJ"]}}, "/place/states", "misplaced"),
        ({"metrics": ["M19"]}, "/metrics/0", "enum"),
        ({"lda": "optional"}, "/lda", "enum"),
        ({"retention": {"decision": 0}}, "/retention/decision", "minimum"),
    ],
)  # fmt: skip
def test_a_pack_that_contradicts_itself_is_refused_with_its_place(
    changes: dict[str, Any], path: str, code: str
) -> None:
    item = changed(**changes)
    assert [(fault.path, fault.code) for fault in faults_of(item)] == [(f"/pack/{item.key}{path}", code)]


@pytest.mark.parametrize("place", [{"countries": ["US"]}, {"states": ["NJ"]}, {}])
def test_no_pack_allows_decisions_by_group_where_americans_live(place: dict[str, Any]) -> None:
    """R-MIT-1, T-LDA-04."""
    mitigations = {"reweighing": "flagged", "group_aware_decision_time": "flagged"}
    codes = [fault.code for fault in faults_of(changed(place=place, mitigations=mitigations))]
    assert codes == ["unlawful"]


def test_content_from_before_there_were_packs_keeps_its_hash() -> None:
    old: snapshot.Content = {kind: {} for kind in snapshot.EMPTY}
    assert snapshot.content_hash(snapshot.apply(old, [])) == snapshot.content_hash(old)
    packed = content("eu")
    back = snapshot.apply(packed, snapshot.between(packed, old))
    assert snapshot.content_hash(back) == snapshot.content_hash(old)
