"""How each attribute comes about, in words: who tells it and is believed, what is counted, or which sentence defines
it; what it is worth to anybody is not said here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from console.templatetags.console import listed, words
from console.wording import attribute_name
from decisioning.features.derived import RAW_INPUTS, derived
from decisioning.features.derived.column import Derived
from decisioning.features.groups import IMPLEMENTATIONS
from decisioning.features.groups.implementation import Implementation
from decisioning.features.measures import Aggregate, Measure, Members, Reported
from decisioning.ingest.precedence import SOURCES_BY_GROUP
from offers.register import ATTRIBUTES

# The forest that tells unusual activity is another matter than what it is told from.
_DERIVED: Final[Mapping[str, Derived]] = derived()
_EXTREME: Final = {"max": "the newest", "min": "the first"}


@dataclass(frozen=True, slots=True)
class How:
    """`kind` is "given", "aggregated", "derived" or "momentary"; `definition` and `inputs` are for people to read."""

    kind: str
    definition: str
    inputs: tuple[str, ...] = ()


def how(name: str) -> How:
    """How the attribute of this name is implemented."""
    implementation = IMPLEMENTATIONS[ATTRIBUTES[name].group]
    at_once = "; a signal changes it at once" if name in implementation.momentary else ""
    if name in implementation.derived:
        return _derived(name)
    if name in implementation.aggregated:
        return How("aggregated", _aggregated(implementation.aggregated[name]) + at_once)
    if name in implementation.given:
        return How("given", _believed(implementation) + at_once)
    return How("momentary", "from the last signals and the request itself")


def _derived(name: str) -> How:
    found = _DERIVED.get(name)
    if found is None:
        return How("derived", "")
    inputs = (attribute_name(each) if each in ATTRIBUTES else RAW_INPUTS[each] for each in found.inputs)
    # What an input is where it is missing is for who reads the code.
    return How("derived", found.definition, tuple(each.partition(";")[0] for each in inputs))


def _believed(implementation: Implementation) -> str:
    order = SOURCES_BY_GROUP.get(implementation.group, ())
    if not order:
        return "as the source says that spoke last"
    return f"as {', then '.join(map(words, order))} say, then the source that spoke last"


def _aggregated(found: Aggregate | Reported | Members) -> str:
    if isinstance(found, Members):
        return f"from {words(found.type)} signals, of each {words(found.key)} the newest {words(found.value)}"
    if isinstance(found, Reported):
        return f"the newer of what sources and {words(found.type)} signals say"
    return f"from {listed([_measure(measure) for measure in found.over])}; where there is none, as a source says"


def _measure(measure: Measure) -> str:
    """A measure in words: "the number of signals (complaint) of the last 30 days"."""
    of = f"{measure.source}{_condition(measure)}"
    if measure.days:
        of += f" of the last {f'{measure.days} days' if measure.days > 1 else '24 hours'}"
    if measure.how == "count":
        return f"the number of {of}"
    column = words(measure.column.removesuffix("_units"))
    if measure.column == "occurred_at":
        column = "opening" if measure.source == "accounts" else "moment"
    return f"the sum of {column} over {of}" if measure.how == "sum" else f"{_EXTREME[measure.how]} {column} of {of}"


def _condition(measure: Measure) -> str:
    """Which facts count, by the name of the condition; that a column is told at all goes without saying."""
    name = measure.where.__name__ if measure.where else "told_"
    return "" if name.startswith("told_") else f" ({words(name.removeprefix('of_').removesuffix('_signalled'))})"
