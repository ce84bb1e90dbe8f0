"""How the console writes numbers, ages and states, and where its small charts put things."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.template.loader import render_to_string
from django.utils import timezone

from console.templatetags import console as tags
from console.wording import attribute_name, channels, side_by_side, terms
from offers.types import CHANNELS


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (tags.percent(0.0412), "4.1\u202f%"),
        (tags.percent(-0.5, 0), "−50\u202f%"),
        (tags.percent(None), "–"),
        (tags.points(-0.05), "−5.0\u202fpp"),
        (tags.probability(0.00001), "<0.001"),
        (tags.probability(0.0), "0.000"),
        (tags.amount(1234567), "1,234,567"),
        (tags.amount(12.5), "12.50"),
        (tags.signed(-41676), "−41,676"),
        (tags.signed(0), "0"),
        (tags.whole(312.4), "312"),
        (tags.words("SCORE_BELOW_FLOOR"), "score below floor"),
        (tags.words("direct_mail"), "letter"),
        (tags.sentence("the customer is 21 or over"), "The customer is 21 or over."),
        (tags.listed(["web", "sms", "email"]), "web, SMS and e-mail"),
        (tags.short_hash("3f9a" * 16), "3f9a…3f9a"),
    ],
)
def test_values_are_written_for_people(written: str, expected: str) -> None:
    assert written == expected


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.42, "0.4 s"), (42, "42 s"), (72, "1 min"), (9 * 3600, "9 h"), (47 * 3600, "47 h"), (19 * 86400, "19 days"),
     (100 * 86400, "3 months"), (800 * 86400, "2 years"), (-5, "0.0 s")],
)  # fmt: skip
def test_ages_are_said_in_a_unit_one_can_picture(seconds: float, said: str) -> None:
    assert tags.ago(seconds) == said.replace(" ", "\u202f")


@pytest.mark.parametrize(("back", "said"), [(0, "today"), (1, "yesterday")])
def test_recent_days_are_named(back: int, said: str) -> None:
    moment: datetime = timezone.now() - timedelta(days=back)
    assert f">{said} " in tags.local_time(moment)


def drawn(*arguments: Any, **options: Any) -> str:
    return render_to_string("partials/interval.html", tags.interval(*arguments, **options))


def test_an_interval_is_drawn_to_scale_with_words_for_who_cannot_see_it() -> None:
    html = drawn(0.7, 0.8, 0.9, mark=0.8, scale_lo=0.5, scale_hi=1.5, unit="ratio")
    assert '<rect class="range" x="20.0" y="6" width="20.0"' in html
    assert "0.80, interval 0.70 to 0.90, line at 0.80" in html


def test_what_lies_beyond_the_scale_is_cut_and_says_so() -> None:
    html = drawn(-0.2, 0.5, 2.0)
    assert 'x="0.0"' in html
    assert 'width="100.0"' in html
    assert html.count("<path") == 2


def test_an_interval_without_values_is_a_dash() -> None:
    assert "svg" not in drawn(None, None, None)


def test_two_contents_stand_side_by_side_changed_fields_first() -> None:
    before = {"title": "Gold", "facts": {"rate": 0.199, "fee": 95}, "when": {"all": []}}
    after = {**before, "facts": {"rate": 0.189, "fee": 95}}
    rows = side_by_side(before, after)
    assert (rows[0].label, rows[0].before, rows[0].after) == ("annual percentage rate", "19.9\u202f%", "18.9\u202f%")
    assert [row.changed for row in rows] == [True, False, False]
    assert all("when" not in row.label for row in rows)


def test_a_content_reads_in_the_words_of_its_forms_and_never_in_keys() -> None:
    rows = side_by_side(
        None,
        {
            "decisions_per_day": 4, "propensity_weight": 0.6, "next_review": "2037-03-01",
            "context": [{"attribute": "device_type", "equals": "app"}], "texts": {"sms": {"headline": "A_b"}},
        },
    )  # fmt: skip
    assert [(row.label, row.after) for row in rows] == [
        ("offers to one customer a day", "4"),
        ("weight of the propensity", "60.0\u202f%"),
        ("next review", "1 March 2037"),
        ("context 1", f"{attribute_name('device_type')} is app"),
        ("SMS, headline", "A_b"),
    ]


def test_a_change_of_a_hair_has_no_sign() -> None:
    assert tags.signed(-0.0004) == "0"


@pytest.mark.parametrize(
    ("left_out", "said"),
    [((), "every channel"), (("sms",), "every channel but SMS"), (CHANNELS[2:], "mobile app and web")],
)
def test_channels_are_said_in_a_few_words(left_out: tuple[str, ...], said: str) -> None:
    assert channels([channel for channel in CHANNELS if channel not in left_out]) == said


def test_the_price_of_an_offer_reads_in_a_line() -> None:
    assert terms({"facts": {"rate": 0.199, "fee": 0, "bonus": 600}}) == "19.9\u202f% a year, no fee, bonus 600"
