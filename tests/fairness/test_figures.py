"""Figures: what the page's script gets is valid for Plotly and carries the table's numbers."""

from __future__ import annotations

import json
from datetime import date
from math import log
from typing import Any

import plotly.graph_objects
import pytest

from fairness import figures
from fairness.counts import GroupCounts
from fairness.cube import drift
from fairness.thresholds import compare_all


def _rows() -> list[dict[str, Any]]:
    groups = {
        "Metro": GroupCounts("Metro", 2000, 1000),
        "Islands": GroupCounts("Islands", 2000, 600),
        "Suburban": GroupCounts("Suburban", 2000, 1010),
        "Rural": GroupCounts("Rural", 8, 4),
    }
    nobody = {"a": GroupCounts("a", 50, 0), "b": GroupCounts("b", 60, 0)}
    return [{"subject": "any_offer", **row.to_json()} for row in compare_all({"region": groups, "x": nobody})]


def test_a_figure_is_valid_and_shows_each_ratio_in_its_interval() -> None:
    rows = _rows()
    figure = figures.ratios(rows)
    plotly.graph_objects.Figure(figure)  # raises on a property that Plotly does not know
    json.dumps(figure, allow_nan=False)
    shown = {
        (trace["name"], label): (x, x - low, x + high)
        for trace in figure["data"]
        for label, x, low, high in zip(
            trace["y"], trace["x"], trace["error_x"]["arrayminus"], trace["error_x"]["array"], strict=True
        )
    }
    expected = {row["group"]: (row["ratio"], *row["ratio_interval"]) for row in rows if row["ratio"] is not None}
    assert shown[("fails", "Islands to Metro")] == pytest.approx(expected["Islands"])
    assert shown[("passes", "Suburban to Metro")] == pytest.approx(expected["Suburban"])
    assert shown[("too little data", "Rural to Metro")] == pytest.approx(expected["Rural"])
    assert len(shown) == 3  # no ratio, no mark
    assert [shape["x0"] for shape in figure["layout"]["shapes"]] == [0.8, 1.0]


def test_the_line_of_a_trend_is_where_the_packs_of_the_month_say_that_a_ratio_fails() -> None:
    months = [date(2026, month, 1) for month in (1, 2, 3)]
    groups = GroupCounts("a", 900, 300), GroupCounts("b", 900, 400)
    chart = drift.chart([drift.Point(month, *groups, None) for month in months])
    assert chart
    figure = figures.trend(chart, 0.75)
    plotly.graph_objects.Figure(figure)
    assert [shape["y0"] for shape in figure["layout"]["shapes"]] == [log(0.75), 0.0]


def test_a_verdict_keeps_its_place_so_that_its_colour_does_not_change() -> None:
    everything, one = figures.ratios(_rows()), figures.ratios(_rows()[:1])
    assert [trace["name"] for trace in everything["data"]] == [trace["name"] for trace in one["data"]]
    assert "template" not in one["layout"]
    assert figures.ratios([], template={"layout": {"font": {"size": 12}}})["layout"]["template"]
