"""Which inputs a gap in the score comes from (T-AUD-04), and which of them tell of a group (T-AUD-10)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from console.bank import world
from decisioning.propensity.encoding import Column, offer_row
from fairness.causes import drivers, leak
from fairness.causes.drivers import DoesNotAddUp
from fairness.dataset import Grouping
from offers.conditions.vectorise import columns_from_rows
from tests.fairness import synthetic


@pytest.fixture(scope="module")
def explained() -> drivers.Explained:
    """The first 2,000 customers and one travel card."""
    bank = synthetic.bank()
    columns = columns_from_rows(bank.rows[:2_000], sorted(bank.model.encoder.attributes & bank.rows[0].keys()))
    prepared = bank.model.prepare([offer_row(world.release().offers["travel-gold"])])
    return drivers.explained(bank.model, bank.model.encoder.matrix_many(columns, prepared, 0, 2_000))


def test_the_gaps_of_the_inputs_add_up_to_the_gap_of_the_score(explained: drivers.Explained) -> None:
    # T-AUD-04
    bank = synthetic.bank()
    for region in ("Heartland", "South-East", "Islands"):
        found = drivers.drivers(explained, bank.mask(region)[:2_000], bank.mask("Metro")[:2_000])
        assert sum(driver.gap for driver in found.inputs) == pytest.approx(found.gap, abs=1e-9)
        assert sum(gap for _, gap in found.families) == pytest.approx(found.gap, abs=1e-9)
        assert found.gap == pytest.approx(
            explained.raw[bank.mask(region)[:2_000]].mean() - explained.raw[bank.mask("Metro")[:2_000]].mean()
        )


def test_contributions_of_other_scores_are_refused(explained: drivers.Explained) -> None:
    masks = synthetic.bank().mask("Heartland")[:2_000], synthetic.bank().mask("Metro")[:2_000]
    raw = np.where(masks[0], explained.raw + 0.01, explained.raw)
    with pytest.raises(DoesNotAddUp):
        drivers.drivers(replace(explained, raw=raw), *masks)


def test_the_proxy_planted_in_the_synthetic_bank_drives_the_gap_and_leads_the_screen(
    explained: drivers.Explained,
) -> None:
    """console/bank/response.py plants it: the network's delay takes the Heartland's clicks, the commute zone gives the
    region away, and nothing else that the model reads does."""
    bank = synthetic.bank()
    gap = drivers.drivers(explained, bank.mask("Heartland")[:2_000], bank.mask("Metro")[:2_000])
    assert gap.gap < 0
    assert gap.inputs[0].name == "commute_zone"
    assert gap.inputs[0].gap < 3 * min(driver.gap for driver in gap.inputs[1:])
    encoder = bank.model.encoder
    matrix = np.stack([encoder.customer_row(row) for row in bank.rows])
    score = np.concatenate([explained.raw, np.zeros(len(matrix) - 2_000)])
    columns = encoder.columns[: encoder.customer_width]
    found = {one.group: one for one in leak.screen(columns, matrix, score, "region", bank.region)}
    for one in found.values():
        assert one.inputs[0][0] == "commute_zone", one
        assert one.inputs[1][1] < 0.6
    assert found["Heartland"].red() == ("commute_zone",)
    assert found["Heartland"].all_inputs >= found["Heartland"].inputs[0][1] - 0.02


def test_a_protected_column_that_was_copied_under_another_name_is_caught() -> None:
    # T-AUD-10
    bank, random = synthetic.bank(), np.random.default_rng(3)
    encoder = bank.model.encoder
    matrix = np.stack([encoder.customer_row(row) for row in bank.rows])
    codes = random.integers(-1, 2, len(matrix)).astype(np.int16)  # unrelated to everything, a third not recorded
    gender = Grouping(codes, ("female", "male"))
    columns = [*encoder.columns[: encoder.customer_width], Column("x17", "customer", "number", "x17")]
    planted = np.column_stack([matrix, np.where(codes == 0, 0.31, 0.74)])
    score = random.random(len(matrix))
    for found in leak.screen(columns, planted, score, "gender", gender):
        assert found.inputs[0][0] == "x17"
        assert found.inputs[0][1] == pytest.approx(1.0)
        assert found.all_inputs == pytest.approx(1.0)
        assert found.red() == ("x17",)
        assert found.score < 0.55
    for clean in leak.screen(columns[:-1], matrix, score, "gender", gender):
        assert clean.red() == ()
        assert clean.all_inputs < 0.55


def test_what_is_not_known_of_a_group_tells_of_it_as_well() -> None:
    random = np.random.default_rng(5)
    codes = random.integers(0, 2, 1_000).astype(np.int16)
    values = np.where((codes == 1) & (random.random(1_000) < 0.9), np.nan, random.random(1_000))
    (first, _) = leak.screen(
        [Column("income", "customer", "number", "Income")], values[:, np.newaxis], random.random(1_000), "gender",
        Grouping(codes, ("female", "male")),
    )  # fmt: skip
    assert dict(first.inputs)["income"] > 0.9


def test_a_group_of_a_few_people_is_not_screened() -> None:
    codes = np.array([0] * 30 + [1] * 970, dtype=np.int16)
    columns = [Column("income", "customer", "number", "Income")]
    values = np.arange(1_000.0)
    assert not list(leak.screen(columns, values[:, np.newaxis], values, "gender", Grouping(codes, ("x", "y"))))
