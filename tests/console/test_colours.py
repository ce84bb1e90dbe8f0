"""The stylesheet's colours keep the contrast that WCAG 2.2 AA asks for, in light and in dark."""

import re
from itertools import combinations
from pathlib import Path

import pytest

CSS = (Path(__file__).parents[2] / "static" / "css" / "console.css").read_text()
PAIRS = dict(re.findall(r"--([\w-]+): light-dark\(((?:#\w{6}), (?:#\w{6}))\)", CSS))
SCHEMES = ("light", "dark")
TEXT_ON = [
    *((ink, ground) for ink in ("ink", "ink-2", "ink-3", "accent") for ground in ("bg", "surface", "raised")),
    *((tone, f"{tone}-soft") for tone in ("good", "warn", "bad", "accent")),
    *((tone, "surface") for tone in ("good", "warn", "bad")),
    ("ink", "good-soft"), ("ink", "warn-soft"), ("ink", "bad-soft"),
    ("accent-ink", "accent"),
]  # fmt: skip
SERIES = [name for name in PAIRS if name.startswith("series-")]


def _rgb(name: str, scheme: str) -> tuple[float, float, float]:
    code = PAIRS[name].split(", ")[SCHEMES.index(scheme)].lstrip("#")
    red, green, blue = (int(code[start : start + 2], 16) / 255 for start in (0, 2, 4))
    return red, green, blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4


def _luminance(rgb: tuple[float, float, float]) -> float:
    red, green, blue = (_linear(channel) for channel in rgb)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str, scheme: str) -> float:
    dark, light = sorted((_luminance(_rgb(one, scheme)), _luminance(_rgb(other, scheme))))
    return (light + 0.05) / (dark + 0.05)


def _deuteranope(rgb: tuple[float, float, float]) -> tuple[float, float, float]:
    """As seen without the middle cones (Machado, Oliveira and Fernandes 2009, severity 1), in linear light."""
    red, green, blue = (_linear(channel) for channel in rgb)
    return (
        0.367322 * red + 0.860646 * green - 0.227968 * blue,
        0.280085 * red + 0.672501 * green + 0.047413 * blue,
        -0.011820 * red + 0.042940 * green + 0.968881 * blue,
    )


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("ink", "ground"), TEXT_ON)
def test_text_reaches_four_and_a_half_to_one(ink: str, ground: str, scheme: str) -> None:
    assert _contrast(ink, ground, scheme) >= 4.5


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", [*SERIES, "line-strong", "accent"])
def test_what_is_drawn_or_operated_reaches_three_to_one(name: str, scheme: str) -> None:
    assert _contrast(name, "surface", scheme) >= 3


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_series_stay_apart_for_colour_blind_people(scheme: str) -> None:
    seen = {name: _deuteranope(_rgb(name, scheme)) for name in SERIES}
    for one, other in combinations(SERIES, 2):
        distance = sum((a - b) ** 2 for a, b in zip(seen[one], seen[other], strict=True)) ** 0.5
        assert distance > 0.08, (one, other, distance)
