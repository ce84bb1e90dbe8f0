"""Conditions in plain English, for the page on which somebody approves them; never evaluated from here."""

import re
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, cast

from offers.conditions.evaluate import ClauseResult
from offers.conditions.grammar import Clause, Combination, Condition, Operator
from offers.register import ATTRIBUTES, OFFER_FACTS, Attribute, OfferFact, attribute

# What a value must be, and what it must be under `none`; it follows "is", "include" or "needs".
_NEEDS: dict[Operator, tuple[str, str]] = {
    "=": ("{}", "other than {}"),
    "!=": ("other than {}", "{}"),
    "<": ("below {}", "at least {}"),
    "<=": ("at most {}", "above {}"),
    ">": ("above {}", "at most {}"),
    ">=": ("at least {}", "below {}"),
    "between": ("between {}", "outside {}"),
    "in": ("one of {}", "none of {}"),
    "not_in": ("none of {}", "one of {}"),
    "contains": ("{}", "none of {}"),
    "contains_none_of": ("none of {}", "at least one of {}"),
    "contains_any_of": ("at least one of {}", "none of {}"),
    "contains_all_of": ("all of {}", "not all of {}"),
}
_LISTED_IN_SENTENCE = 6


class ClauseLine(NamedTuple):
    """One line of a condition: a clause, or the head of a group ("any of") whose lines follow one deeper."""

    depth: int
    joiner: str  # of the group that the line stands in; empty for the first line
    text: str


class DiffLine(NamedTuple):
    """One line of a difference; `old_text` is None when added, `new_text` is None when removed."""

    kind: Literal["same", "added", "removed", "changed"]
    joiner: str
    depth: int
    old_text: str | None
    new_text: str | None


def sentence(condition: Condition) -> str:
    """Return the condition as one sentence without capital and full stop; long lists are cut ("and 27 more")."""
    return _sentence(condition, wanted=True, depth=0)


def clause_lines(condition: Condition) -> list[ClauseLine]:
    """Return the condition line by line, in full."""
    return _lines(condition, "", 0)


def difference(old: Condition | None, new: Condition) -> list[DiffLine]:
    """Return what changes line by line. The order of parts means nothing and is no change."""
    if old is None:
        return [_added(line) for line in clause_lines(new)]
    if isinstance(old, Combination) != isinstance(new, Combination):
        # A single clause reads as a group of one, so that adding a second clause shows as an addition.
        old, new = _as_group(old), _as_group(new)
    return _difference(old, new, "", 0)


def would_pass_if(result: ClauseResult) -> str:
    """Return what the clause asks and what the customer has: "needs at least 680, has 655"."""
    needs, held = asked_and_held(result)
    return f"needs {needs}, which is not known" if held is None else f"needs {needs}, has {held}"


def asked_and_held(result: ClauseResult) -> tuple[str, str | None]:
    """Return what the clause asks ("at least 680") and what the customer has ("655"; None where it is not known)."""
    declared = attribute(result.attribute)
    if result.op in ("is_known", "is_missing"):
        needs = "a known value" if (result.op == "is_known") == result.wanted else "no value"
    elif declared.type == "boolean":
        needs = "yes" if bool(result.threshold) == result.wanted else "no"
    else:
        needs = _needs(Clause(result.attribute, result.op, result.threshold), result.wanted)
    return needs, None if result.value is None else _held(result, declared)


def value_in_words(name: str, value: Any) -> str:
    """Return a value of an attribute or of an offer fact as the sentences of this module write it: "42 %", "yes"."""
    declared = ATTRIBUTES.get(name) or OFFER_FACTS.get(name)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(sorted(map(str, value))) or "none"
    if not isinstance(declared, Attribute | OfferFact):
        return f"{value:,.6g}" if isinstance(value, int | float) else str(value)
    shown = round(value, 4 if declared.unit == "ratio" else 2) if isinstance(value, int | float) else value
    return _value_text(shown, declared)


def _sentence(condition: Condition, *, wanted: bool, depth: int) -> str:
    if isinstance(condition, Clause):
        return _clause_text(condition, wanted=wanted, cut=True)
    # "None of A, B" reads "not A and not B"; "not all of A, B" reads "not A or not B".
    together = condition.joiner == "all" if wanted else condition.joiner != "all"
    if condition.joiner == "none":
        together, wanted = wanted, not wanted
    parts = [_sentence(part, wanted=wanted, depth=depth + 1) for part in condition.parts]
    if len(parts) == 1:
        return parts[0]
    nested = any(isinstance(part, Combination) for part in condition.parts)
    text = _joined(parts, "and" if together else "or", comma=nested or any(", " in part for part in parts))
    if depth == 0:
        return text
    return f"({text})" if together else f"(either {text})" if depth > 1 else f"either {text}"


def _joined(parts: Sequence[str], word: str, *, comma: bool) -> str:
    if len(parts) == 1:
        return parts[0]
    return f"{', '.join(parts[:-1])}{',' if comma else ''} {word} {parts[-1]}"


def _clause_text(clause: Clause, *, wanted: bool = True, cut: bool = False) -> str:
    declared = attribute(clause.attribute)
    verb = "are" if declared.type == "set" else "is"
    if clause.op in ("is_known", "is_missing"):
        known = (clause.op == "is_known") == wanted
        return f"{declared.meaning} {verb} {'known' if known else 'not known'}"
    if declared.statements:
        return declared.statements[0 if bool(clause.value) == wanted else 1]
    needs = _needs(clause, wanted, cut=cut)
    if declared.type != "set":
        return f"{declared.meaning} is {needs}"
    if len(_values(clause)) == 1 and needs.startswith("none of "):
        return f"{declared.meaning} do not include {needs.removeprefix('none of ')}"
    return f"{declared.meaning} include {needs}"


def _needs(clause: Clause, wanted: bool, *, cut: bool = False) -> str:
    """Return what the value of a clause must be ("at least 680"), or must be under `none` ("below 680")."""
    declared = attribute(clause.attribute)
    template = _NEEDS[clause.op][0 if wanted else 1]
    values = [_value_text(value, declared) for value in _values(clause)]
    if clause.op == "between":
        return template.format(f" {'and' if wanted else 'to'} ".join(values))
    if cut and len(values) > _LISTED_IN_SENTENCE:
        shown = _LISTED_IN_SENTENCE - 2
        return template.format(f"{', '.join(values[:shown])} and {len(values) - shown} more")
    return template.format(", ".join(values))


def _values(clause: Clause) -> tuple[object, ...]:
    return clause.value if isinstance(clause.value, tuple) else (clause.value,)


def _held(result: ClauseResult, declared: Attribute) -> str:
    """Return the customer's value, rounded unless rounding would hide why the clause failed."""
    if isinstance(result.value, tuple):
        return ", ".join(str(item) for item in result.value) or "none"
    if declared.type == "boolean":
        return "yes" if result.value else "no"
    if not isinstance(result.value, int | float):
        return _value_text(result.value, declared)
    limits = {_value_text(limit, declared) for limit in _values(Clause(declared.name, result.op, result.threshold))}
    rounded = _value_text(round(result.value, 4 if declared.unit == "ratio" else 2), declared)
    return _value_text(result.value, declared) if rounded in limits else rounded


def _value_text(value: object, declared: Attribute | OfferFact) -> str:
    if not isinstance(value, int | float):
        text = str(value)
        # A choice is a name of the register ("580_669", "at_risk"); other texts are somebody's keys and stay.
        choices = declared.choices if isinstance(declared, Attribute) else ()
        return re.sub(r"(?<=\d)_(?=\d)", " to ", text).replace("_", " ") if text in choices else text
    if declared.unit == "ratio":
        return f"{value * 100:,.10g} %"
    number = f"{value:,.12g}"
    if declared.unit in ("months", "days", "seconds"):
        return f"{number} {declared.unit[:-1] if value == 1 else declared.unit}"
    return number


def _lines(condition: Condition, joiner: str, depth: int) -> list[ClauseLine]:
    if isinstance(condition, Clause):
        return [ClauseLine(depth, joiner, _clause_text(condition))]
    head = ClauseLine(depth, joiner, f"{condition.joiner} of")
    return [head, *(line for part in condition.parts for line in _lines(part, condition.joiner, depth + 1))]


def _added(line: ClauseLine) -> DiffLine:
    return DiffLine("added", line.joiner, line.depth, None, line.text)


def _removed(line: ClauseLine) -> DiffLine:
    return DiffLine("removed", line.joiner, line.depth, line.text, None)


def _as_group(condition: Condition) -> Combination:
    return condition if isinstance(condition, Combination) else Combination("all", (condition,))


def _difference(old: Condition, new: Condition, joiner: str, depth: int) -> list[DiffLine]:
    """Compare two conditions that stand in each other's place."""
    if isinstance(old, Combination) and isinstance(new, Combination):
        head = _changed(f"{old.joiner} of", f"{new.joiner} of", joiner, depth)
        return [head, *_parts_difference(old, new, depth + 1)]
    if isinstance(old, Clause) and isinstance(new, Clause) and old.attribute == new.attribute:
        return [_changed(_clause_text(old), _clause_text(new), joiner, depth)]
    removed = [_removed(line) for line in _lines(old, joiner, depth)]
    return removed + [_added(line) for line in _lines(new, joiner, depth)]


def _changed(old: str, new: str, joiner: str, depth: int) -> DiffLine:
    return DiffLine("same" if old == new else "changed", joiner, depth, old, new)


def _parts_difference(old: Combination, new: Combination, depth: int) -> list[DiffLine]:
    """Pair the parts, then list them in the new order, each removed part before what stood after it."""
    pairs = _paired(old.parts, new.parts)
    removed = [index for index in range(len(old.parts)) if index not in pairs.values()]
    lines: list[DiffLine] = []

    def remove_before(end: int) -> None:
        while removed and removed[0] < end:
            part = old.parts[removed.pop(0)]
            lines.extend(_removed(line) for line in _lines(part, old.joiner, depth))

    for index, part in enumerate(new.parts):
        if index in pairs:
            remove_before(pairs[index])
            lines += _difference(old.parts[pairs[index]], part, new.joiner, depth)
        else:
            lines += [_added(line) for line in _lines(part, new.joiner, depth)]
    remove_before(len(old.parts))
    return lines


def _paired(old: Sequence[Condition], new: Sequence[Condition]) -> dict[int, int]:
    """Return which old part each new part continues: an equal one, else one alike, each old part at most once."""
    pairs: dict[int, int] = {}
    for alike in (_equal, _same_attribute_and_operator, _same_attribute, _both_groups):
        for index, part in enumerate(new):
            taken = set(pairs.values())
            free = (place for place, other in enumerate(old) if place not in taken and alike(other, part))
            place = None if index in pairs else next(free, None)
            if place is not None:
                pairs[index] = place
    return pairs


def _equal(old: Condition, new: Condition) -> bool:
    return old == new


def _same_attribute_and_operator(old: Condition, new: Condition) -> bool:
    return _same_attribute(old, new) and cast(Clause, old).op == cast(Clause, new).op


def _same_attribute(old: Condition, new: Condition) -> bool:
    return isinstance(old, Clause) and isinstance(new, Clause) and old.attribute == new.attribute


def _both_groups(old: Condition, new: Condition) -> bool:
    return isinstance(old, Combination) and isinstance(new, Combination) and old.joiner == new.joiner
