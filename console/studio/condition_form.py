"""A condition as form fields and back, so that nested groups are edited without JavaScript; the language itself is
offers.conditions.

A node's fields are named by its place: `c.0.joiner` is the root group's, `c.0-1.attribute` its second part's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Final

from offers.conditions.grammar import KNOWN_OPERATORS, MAX_DEPTH, OPERATORS, Fault, Operator
from offers.register import ATTRIBUTES, GROUPS, Attribute, Use, attributes

Tree = dict[str, Any]

JOINERS: Final = (("all", "all of"), ("any", "any of"), ("none", "none of"))
LABELS: Final[Mapping[Operator, str]] = {
    "=": "is",
    "!=": "is not",
    "<": "is below",
    "<=": "is at most",
    ">": "is above",
    ">=": "is at least",
    "between": "is between",
    "is": "is",
    "in": "is one of",
    "not_in": "is none of",
    "contains": "include",
    "contains_none_of": "include none of",
    "contains_any_of": "include any of",
    "contains_all_of": "include all of",
    "is_known": "is known",
    "is_missing": "is not known",
}
_LISTS: Final = ("in", "not_in", "contains_none_of", "contains_any_of", "contains_all_of")
_FIRST: Final = "credit_score"
START: Final[Tree] = {"all": [{"attribute": _FIRST, "op": ">=", "value": 680}]}
START_OF_BOOST: Final[Tree] = {"all": [{"attribute": "tenure_months", "op": ">=", "value": 12}]}


@dataclass(frozen=True, slots=True)
class Node:
    """One node as the page shows it: a group where `parts` is a list, a clause where it is None."""

    path: str
    joiner: str = ""
    parts: list[Node] | None = None
    attribute: str = ""
    op: str = ""
    operators: list[tuple[str, str]] = field(default_factory=list)
    kind: str = ""  # "none", "choice", "number" or "text"
    choices: list[tuple[str, str]] = field(default_factory=list)
    value: str = ""
    placeholder: str = ""
    fault: str = ""


def attribute_choices(use: Use) -> list[tuple[str, list[tuple[str, str]]]]:
    """What a rule (or a boost) may read, by group: (name, meaning)."""
    return [
        (group.meaning, [(declared.name, declared.meaning) for declared in attributes(use=use, group=name)])
        for name, group in GROUPS.items()
        if attributes(use=use, group=name)
    ]


def read(posted: Mapping[str, str], path: str = "0") -> Tree:
    """The tree that was posted. A value that cannot be read stays a text, for the grammar to refuse by name."""
    joiner = posted.get(f"c.{path}.joiner")
    # One group more than the grammar takes, for it to say so; what is nested beyond that nobody has written here.
    if joiner in ("all", "any", "none") and path.count("-") <= MAX_DEPTH:
        return {joiner: [read(posted, part) for part in _parts(posted, path)]}
    name = posted.get(f"c.{path}.attribute", _FIRST)
    declared = ATTRIBUTES.get(name, ATTRIBUTES[_FIRST])
    op = _operator(declared, posted.get(f"c.{path}.op", ""))
    if op in KNOWN_OPERATORS:
        return {"attribute": declared.name, "op": op}
    return {"attribute": declared.name, "op": op, "value": _value(declared, op, posted.get(f"c.{path}.value", ""))}


def _parts(posted: Mapping[str, str], path: str) -> list[str]:
    places = {
        int(found[1])
        for name in posted
        if (found := re.match(rf"c\.{re.escape(path)}-(\d{{1,4}})[.-]", name)) is not None
    }
    return [f"{path}-{place}" for place in sorted(places)]


def _operator(declared: Attribute, op: str) -> Operator:
    """The operator asked for, or the type's own first where the attribute was just changed to another type."""
    return next((known for known in OPERATORS[declared.type] if known == op), OPERATORS[declared.type][0])


def _value(declared: Attribute, op: Operator, text: str) -> Any:
    text = text.strip()
    if declared.type == "boolean":
        return text != "false"
    if op in _LISTS:
        return [item.strip() for item in text.split(",") if item.strip()]
    if op == "between":
        return [number_of(part) for part in re.split(r"\s+(?:and|to)\s+|[,;]", text)]
    if declared.type in ("number", "integer"):
        return number_of(text)
    return text if not declared.choices or text in declared.choices else declared.choices[0]


def number_of(text: str) -> float | int | str:
    """A number as people write it: "40 %" is 0.4."""
    bare = text.strip()
    share = bare.endswith("%")
    try:
        number = float(bare.rstrip("% \u202f"))
    except ValueError:
        return bare
    number = number / 100 if share else number
    return int(number) if number.is_integer() else number


def edited(tree: Tree, command: str) -> Tree:
    """The tree after one command: "clause:PATH" and "group:PATH" add to a group, "remove:PATH" takes a node away."""
    verb, _, path = command.partition(":")
    if not re.fullmatch(r"0(-\d{1,4})*", path):
        return tree
    tree, places = deepcopy(tree), [int(place) for place in path.split("-")[1:]]
    if verb == "remove" and places:
        group = _at(tree, places[:-1])
        if group is not None and places[-1] < len(group) and len(group) > 1:
            del group[places[-1]]
    elif verb in ("clause", "group"):
        group = _at(tree, places)
        if group is not None:
            clause = {"attribute": _FIRST, "op": ">=", "value": 680}
            group.append(clause if verb == "clause" else {"any": [clause]})
    return tree


def _at(tree: Tree, places: list[int]) -> list[Tree] | None:
    """The parts of the group at a place; None where there is no group."""
    node = tree
    for place in places:
        parts = _group(node)
        if parts is None or place >= len(parts):
            return None
        node = parts[place]
    return _group(node)


def _group(node: Tree) -> list[Tree] | None:
    return next((node[joiner] for joiner, _ in JOINERS if joiner in node), None)


def as_group(tree: Tree) -> Tree:
    """The editor's root is a group, so that a condition can always be added to."""
    return tree if _group(tree) is not None else {"all": [tree]}


def node(tree: Tree, faults: tuple[Fault, ...] = (), path: str = "0", pointer: str = "") -> Node:
    """The tree as the page shows it, with each fault at the clause that it belongs to."""
    for joiner, _ in JOINERS:
        if joiner in tree:
            parts = [
                node(part, faults, f"{path}-{place}", f"{pointer}/{joiner}/{place}")
                for place, part in enumerate(tree[joiner])
            ]
            return Node(path, joiner=joiner, parts=parts)
    declared = ATTRIBUTES.get(tree["attribute"], ATTRIBUTES[_FIRST])
    op = _operator(declared, tree["op"])
    messages = [fault.message for fault in faults if fault.path == pointer or fault.path.startswith(f"{pointer}/")]
    return Node(
        path,
        attribute=declared.name,
        op=op,
        operators=[(known, LABELS[known]) for known in OPERATORS[declared.type]],
        value=_text(tree.get("value")),
        fault="; ".join(messages),
        **_input(declared, op),
    )


def _input(declared: Attribute, op: Operator) -> dict[str, Any]:
    """Which field takes the value, and what it suggests."""
    if op in KNOWN_OPERATORS:
        return {"kind": "none"}
    if declared.type == "boolean":
        return {"kind": "choice", "choices": [("true", "true"), ("false", "false")]}
    if op in _LISTS:
        return {"kind": "text", "placeholder": ", ".join(declared.choices[:3]) or "one, another"}
    if declared.choices:
        return {"kind": "choice", "choices": [(choice, choice.replace("_", " ")) for choice in declared.choices]}
    if declared.type in ("number", "integer"):
        hint = "0.4 or 40 %" if declared.unit == "ratio" else declared.unit if declared.unit != "none" else ""
        return {"kind": "number", "placeholder": f"{hint} and {hint}" if op == "between" else hint}
    return {"kind": "text"}


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ", ".join(_text(item) for item in value)
    return str(value)
