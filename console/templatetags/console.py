"""How the console writes numbers, ages, times and states, and draws intervals and meters; never a query.

Geometry is computed here and written as SVG attributes, because the content security policy refuses style attributes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from django import template
from django.utils import timezone
from django.utils.html import format_html

if TYPE_CHECKING:
    from decisioning.features.freshness import Ages

register = template.Library()

NONE: Final = "–"
NOT_KNOWN: Final = "not known"
NARROW_SPACE: Final = "\u202f"
MINUS: Final = "−"

# One colour a state, everywhere; a state that is not listed is neutral. Text always says it too.
TONES: Final[Mapping[str, str]] = {
    "live": "live",
    "shown": "good",
    "chosen": "good",
    "pass": "good",
    "approved": "good",
    "identical": "good",
    "eligible": "good",
    "champion": "good",
    "learning": "good",
    "granted": "good",
    "up": "good",
    "done": "good",
    "closed": "good",
    "remedied": "warn",
    "open": "warn",
    "high": "bad",
    "medium": "warn",
    "submitted": "warn",
    "in review": "warn",
    "watch": "warn",
    "paused": "warn",
    "starved": "warn",
    "degraded": "warn",
    "cold": "warn",
    "running": "warn",
    "too_little_data": "warn",
    "not evaluable": "warn",
    "undefined": "warn",
    "fresh": "good",
    "green": "good",
    "stable": "good",
    "passes": "good",
    "accepted": "good",
    "stale": "warn",
    "late": "warn",
    "withheld": "warn",
    "waits": "warn",
    "shifted": "bad",
    "red": "bad",
    "fails": "bad",
    "fail": "bad",
    "rejected": "bad",
    "stopped": "bad",
    "different": "bad",
    "not eligible": "bad",
    "failed": "bad",
    "down": "bad",
}
WORDS: Final[Mapping[str, str]] = {
    "submitted": "in review",
    "undefined": "not defined",
    "mobile_app": "mobile app",
    "email": "e-mail",
    "sms": "SMS",
    "call_centre": "call centre",
    "direct_mail": "letter",
    "crm": "CRM",
    "NOT_JSON": "not JSON",
}


@register.filter
def words(code: object) -> str:
    """A code as words: "SCORE_BELOW_FLOOR" as "score below floor", "580_669" as "580 to 669"."""
    if code is None or code == "":
        return NONE
    text = str(code)
    if text in WORDS:
        return WORDS[text]
    text = re.sub(r"(?<=\d)_(?=\d)", " to ", text)
    return (text.lower() if text.isupper() else text).replace("_", " ")


@register.filter
def sentence(text: object) -> str:
    """A phrase or a code as a sentence: first letter large, a full stop at the end."""
    phrase = words(text).strip()
    if phrase in ("", NONE):
        return ""
    return phrase[0].upper() + phrase[1:] + ("" if phrase.endswith((".", "?", "!")) else ".")


@register.filter
def listed(items: Iterable[object]) -> str:
    """Items as "a, b and c"."""
    texts = [words(item) for item in items]
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts) or NONE


@register.filter
def tone(state: object) -> str:
    """The colour class of a state, empty for a neutral one."""
    return TONES.get(str(state), "")


@register.filter
def percent(value: float | None, digits: int = 1) -> str:
    """A share as per cent: 0.0412 as "4.1 %"."""
    return NONE if value is None else _minus(f"{value * 100:.{digits}f}{NARROW_SPACE}%")


@register.filter
def points(value: float | None) -> str:
    """A difference of two shares in percentage points, signed: -0.05 as "−5.0 pp"."""
    if value is None:
        return NONE
    text = f"{value * 100:+.1f}"
    return _minus(f"{'0' if float(text) == 0 else text}{NARROW_SPACE}pp")  # a hair below zero reads "−0.0" else


@register.filter
def probability(value: float | None) -> str:
    """A probability or score with three digits; a positive one never reads as zero."""
    if value is None:
        return NONE
    return "<0.001" if 0 < value < 0.0005 else _minus(f"{value:.3f}")


@register.filter
def ratio(value: float | None) -> str:
    return NONE if value is None else _minus(f"{value:.2f}")


@register.filter
def amount(value: float | None) -> str:
    """A count or a sum: thousands apart, two decimals only where there are any."""
    if value is None:
        return NONE
    return _minus(f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}")


@register.filter
def whole(value: float | None) -> str:
    """A count that arithmetic may have left with a fraction, to the nearest whole."""
    return NONE if value is None else _minus(f"{value:,.0f}")


@register.filter
def signed(value: float | None) -> str:
    """A change of a count, with its sign; zero has none."""
    if value is None:
        return NONE
    value = round(value, 2)  # else a hair below zero reads "−0.00"
    return "0" if value == 0 else _minus(f"{value:+,.0f}" if float(value).is_integer() else f"{value:+,.2f}")


@register.filter
def milliseconds(microseconds: float | None) -> str:
    return NONE if microseconds is None else f"{microseconds / 1000:.1f}{NARROW_SPACE}ms"


@register.filter
def ago(seconds: float | None) -> str:
    """An age in words, in a unit that leaves a number one can picture: 72 as "1 min", 1700000 as "19 days"."""
    if seconds is None:
        return "never"
    seconds = max(0.0, float(seconds))
    if seconds < 60:
        return f"{seconds:.1f}{NARROW_SPACE}s" if seconds < 10 else f"{seconds:.0f}{NARROW_SPACE}s"
    if seconds < 3_600:
        return f"{seconds // 60:.0f}{NARROW_SPACE}min"
    if seconds < 48 * 3_600:
        return f"{seconds // 3_600:.0f}{NARROW_SPACE}h"
    days = seconds // 86_400
    if days < 90:
        return f"{days:.0f}{NARROW_SPACE}days"
    return f"{days // 30:.0f}{NARROW_SPACE}months" if days < 730 else f"{days // 365:.0f}{NARROW_SPACE}years"


@register.filter
def since(moment: datetime | None) -> str:
    """How long ago a moment was, in words."""
    return "never" if moment is None else ago((timezone.now() - moment).total_seconds())


@register.filter
def local_time(moment: datetime | None, precision: str = "minutes") -> str:
    """A moment in the site's time zone, as a <time>: "today 10:42", "yesterday 16:02", "1 March 2027 14:03".

    `precision` is "minutes", "milliseconds" or "day".
    """
    if moment is None:
        return NONE
    local = timezone.localtime(moment)
    clock = {"minutes": f" {local:%H:%M}", "milliseconds": f" {local:%H:%M:%S}.{local.microsecond // 1000:03d}"}
    return format_html(
        '<time datetime="{}" title="{}">{}{}</time>',
        moment.isoformat(),
        f"{local:%Y-%m-%d %H:%M:%S %Z}",
        _day(local.date(), timezone.localdate()),
        clock.get(precision, ""),
    )


@register.filter
def item_id(place: int) -> str:
    """The id of the nth item of a page."""
    return f"item-{place}"


@register.filter
def day_of(text: str | None) -> str:
    """The day of a moment that a content holds as text: "1 March 2027", "" for none."""
    return _day(datetime.fromisoformat(text).date(), timezone.localdate()) if text else ""


@register.filter
def short_hash(text: str) -> str:
    """A content hash as its first and last four digits; the page gives the whole in a title."""
    return text if len(text) <= 12 else f"{text[:4]}…{text[-4:]}"


@register.inclusion_tag("partials/chip.html")
def chip(state: object, text: str = "", colour: str | None = None) -> dict[str, str]:
    """A state as a chip: its words (or `text`) in its colour (or `colour`)."""
    return {"text": text or words(state), "tone": tone(state) if colour is None else colour}


@register.inclusion_tag("partials/interval.html")
def interval(
    lo: float | None,
    mid: float | None,
    hi: float | None,
    mark: float | None = None,
    scale_lo: float = 0.0,
    scale_hi: float = 1.0,
    unit: str = "percent",
    colour: str = "",
) -> dict[str, object]:
    """A point with its interval on a scale, and a reference line at `mark`; `unit` is "percent" or "ratio".

    What lies beyond the scale is cut and drawn with an open end. Without all three values there is only a dash.
    """
    if lo is None or mid is None or hi is None or scale_hi <= scale_lo:
        return {"missing": True}

    def place(value: float) -> float:
        return round(min(1.0, max(0.0, (value - scale_lo) / (scale_hi - scale_lo))) * 100, 2)

    write = ratio if unit == "ratio" else percent
    label = f"{write(mid)}, interval {write(lo)} to {write(hi)}"
    return {
        "left": place(lo),
        "width": max(0.8, round(place(hi) - place(lo), 2)),
        "mid": place(mid),
        "mark": None if mark is None else place(mark),
        "cut_left": lo < scale_lo,
        "cut_right": hi > scale_hi,
        "title": label if mark is None else f"{label}, line at {write(mark)}",
        "tone": colour,
    }


@register.inclusion_tag("partials/meter.html")
def meter(value: float | None, label: str = "", colour: str = "") -> dict[str, object]:
    """A share of a whole as a bar, 0 to 1."""
    share = min(1.0, max(0.0, value or 0.0))
    return {"width": round(share * 100, 2), "title": label or percent(value), "tone": colour}


@register.inclusion_tag("partials/contribution.html")
def contribution(value: float, scale: float) -> dict[str, object]:
    """A signed contribution as a bar from the middle: to the right for, to the left against; `scale` is the largest."""
    width = round(min(1.0, abs(value) / scale) * 50, 2) if scale else 0.0
    return {
        "x": 50 if value >= 0 else round(50 - width, 2),
        "width": width,
        "side": "for" if value >= 0 else "against",
        "title": _minus(f"{value:+.3f} in log odds"),
    }


@register.inclusion_tag("partials/contribution.html")
def shift(value: float, scale: float) -> dict[str, object]:
    """A change of a count as a bar from the middle: to the right more, to the left fewer; `scale` is the largest."""
    return {**contribution(value, scale), "title": f"{signed(value)}"}


@register.inclusion_tag("partials/age.html")
def age(ages: Ages | None, limit: float) -> dict[str, object]:
    """How old something is, in seconds, on a scale with its limit as a line: a bar to the 95th percentile, in it the
    median. Past the limit the bar warns."""
    if ages is None:
        return {"missing": True}
    scale = max(limit, ages.p95) * 1.08
    return {
        "median": round(ages.median / scale * 100, 2),
        "width": max(0.8, round(ages.p95 / scale * 100, 2)),
        "limit": round(limit / scale * 100, 2),
        "title": f"half are under {ago(ages.median)} old, 95 of 100 under {ago(ages.p95)}; the limit is {ago(limit)}",
        "tone": "warn" if ages.p95 > limit else "",
    }


@register.inclusion_tag("partials/distribution.html")
def distribution(
    now: Sequence[tuple[str, float]], before: Sequence[tuple[str, float]] = (), colour: str = ""
) -> dict[str, object]:
    """Shares (label, 0 to 1) as bars, over the same bins at another time behind them; and the same in words. What is
    not known is drawn apart."""
    tallest = max((share for _, share in (*now, *before)), default=0.0)

    def height(share: float) -> float:
        return round(share / tallest * 36, 2) if tallest else 0.0

    behind: list[float | None] = [share for _, share in before] or [None] * len(now)
    bars = [
        {
            "x": 10 * place,
            "now": height(share),
            "now_y": 38 - height(share),
            "before": None if then is None else height(then),
            "before_y": 38 - height(then or 0.0),
            "unknown": label == NOT_KNOWN,
        }
        for place, ((label, share), then) in enumerate(zip(now, behind, strict=True))
    ]
    words_of = [
        f"{label} {percent(share)}" + ("" if then is None else f" (before {percent(then)})")
        for (label, share), then in zip(now, behind, strict=True)
    ]
    return {"bars": bars, "width": 10 * max(1, len(bars)), "title": "; ".join(words_of), "tone": colour}


@register.inclusion_tag("partials/history.html")
def history(runs: Sequence[tuple[float, bool]], label: str) -> dict[str, object]:
    """The last runs (failed share, passed), the oldest first, as columns as high as the share that failed, with a dot
    where nothing did."""
    tallest = max((share for share, _ in runs), default=0.0)
    # The smallest share that failed must still be seen.
    heights = [round(max(3.0, share / tallest * 20), 2) if share else 2.0 for share, _ in runs]
    columns = [
        {"x": 6 * place, "y": round(22 - height, 2), "height": height, "tone": _run_tone(share, passed)}
        for place, ((share, passed), height) in enumerate(zip(runs, heights, strict=True))
    ]
    return {"columns": columns, "width": 6 * max(1, len(columns)), "title": label}


def _run_tone(share: float, passed: bool) -> str:
    if not passed:
        return "failed"
    return "allowed" if share else "passed"


@register.simple_tag(takes_context=True)
def with_query(context: template.Context, **changes: object) -> str:
    """The page's query string with some parameters set or, where the value is None, dropped."""
    query = context["request"].GET.copy()
    for name, value in changes.items():
        query.pop(name, None)
        if value is not None:
            query[name] = str(value)
    return f"?{query.urlencode()}"


def _minus(text: str) -> str:
    return text.replace("-", MINUS, 1) if text.startswith("-") else text


def _day(day: date, today: date) -> str:
    if day == today:
        return "today"
    if day == today - timedelta(days=1):
        return "yesterday"
    return f"{day.day} {day:%B}" if day.year == today.year else f"{day.day} {day:%B %Y}"
