"""Where each feature group and attribute stands in a vector, derived from the register; it packs nothing itself.

A value is the number of its steps (`RESOLUTION`) from its lower bound on, counted from 1, a category the place of its
choice; 0 is not known. Each takes as many bits as its bounds need and lies within one 64-bit word. An open vocabulary
or a set is one bit, which says that its text is known.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from offers.register import ATTRIBUTES, GROUPS, RESOLUTION, SESSION_GROUP, Attribute, Group

FORMAT = 1
SINCE = "since__"  # with a group's name: since when it is true, in epoch seconds
_WORD, _LATEST = 64, 2**32 - 1  # bits; the last second that 32 bits can tell

Kind = Literal["since", "number", "integer", "table", "text"]


@dataclass(frozen=True, slots=True)
class Slot:
    """One value's place: bits `shift` and up of a word, the codes 1 to `highest`. A number is `(code + low) / scale`, a
    boolean or category `table[code]`."""

    name: str
    kind: Kind
    highest: int
    low: int = 0
    scale: int = 1
    table: tuple[Any, ...] = ()
    word: int = 0
    shift: int = 0

    @property
    def bits(self) -> int:
        return self.highest.bit_length()

    @property
    def mask(self) -> int:
        return (1 << self.bits) - 1


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """One group's slots as plain tuples, because they are gone through for every decision."""

    name: str
    since: tuple[int, int]  # word, shift
    numbers: tuple[tuple[str, int, int, int, int, int], ...]  # name, word, shift, mask, low, scale
    integers: tuple[tuple[str, int, int, int, int], ...]  # name, word, shift, mask, low
    tables: tuple[tuple[str, int, int, int, tuple[Any, ...]], ...]  # name, word, shift, mask, table
    texts: tuple[tuple[str, int, int, int, bool], ...]  # name, word, shift, place among the texts, whether a set


@dataclass(frozen=True)
class Schema:
    """All of it. Equal declarations give equal places and one fingerprint in every process."""

    groups: tuple[Group, ...]
    attributes: tuple[Attribute, ...]

    @cached_property
    def fingerprint(self) -> int:
        """32 bits of a hash of whatever changes what the bytes mean."""
        content = [
            FORMAT,
            [(group.name, group.version) for group in self.groups],
            [(a.name, a.type, a.group, RESOLUTION.get(a.unit), a.bounds, a.choices) for a in self.attributes],
        ]
        return int.from_bytes(hashlib.blake2b(repr(content).encode(), digest_size=4).digest(), "big")

    @cached_property
    def slots(self) -> Mapping[str, Slot]:
        """By name of the attribute or of the column that says since when; each in the first word with room for it."""
        wanted = [Slot(SINCE + group.name, "since", _LATEST) for group in self.groups]
        wanted += [_slot(attribute) for attribute in self.attributes]
        used: list[int] = []
        placed: dict[str, Slot] = {}
        for slot in sorted(wanted, key=lambda slot: -slot.bits):
            word = next((at for at, bits in enumerate(used) if bits + slot.bits <= _WORD), len(used))
            used += [0] * (word == len(used))
            placed[slot.name] = replace(slot, word=word, shift=used[word])
            used[word] += slot.bits
        return placed

    @cached_property
    def words(self) -> struct.Struct:
        """The words of one row, little-endian."""
        return struct.Struct(f"<{1 + max(slot.word for slot in self.slots.values())}Q")

    @cached_property
    def texts(self) -> tuple[Attribute, ...]:
        """The attributes that follow as text, in their order."""
        return tuple(attribute for attribute in self.attributes if is_text(attribute))

    @cached_property
    def plans(self) -> tuple[GroupPlan, ...]:
        return tuple(_plan(self, group) for group in self.groups)


def is_text(attribute: Attribute) -> bool:
    return attribute.type == "set" or (attribute.type == "category" and not attribute.choices)


def declared(groups: Iterable[Group], attributes: Iterable[Attribute]) -> Schema:
    """The schema of these declarations, without the session: it belongs to a moment and is precomputed for nobody."""
    return Schema(
        tuple(group for group in groups if group.name != SESSION_GROUP),
        tuple(attribute for attribute in attributes if attribute.group != SESSION_GROUP),
    )


def _slot(attribute: Attribute) -> Slot:
    name = attribute.name
    if is_text(attribute):
        return Slot(name, "text", 1)
    if attribute.type == "boolean":
        return Slot(name, "table", 2, table=(None, False, True))
    if attribute.type == "category":
        return Slot(name, "table", len(attribute.choices), table=(None, *attribute.choices))
    assert attribute.bounds is not None  # every number of the register has them (a test)
    scale = round(1 / RESOLUTION[attribute.unit])
    low, high = (round(bound * scale) for bound in attribute.bounds)
    return Slot(name, "number" if attribute.type == "number" else "integer", high - low + 1, low - 1, scale)


def _plan(schema: Schema, group: Group) -> GroupPlan:
    since = schema.slots[SINCE + group.name]
    own = [schema.slots[attribute.name] for attribute in schema.attributes if attribute.group == group.name]
    place = {attribute.name: (at, attribute.type == "set") for at, attribute in enumerate(schema.texts)}
    return GroupPlan(
        group.name,
        (since.word, since.shift),
        tuple((s.name, s.word, s.shift, s.mask, s.low, s.scale) for s in own if s.kind == "number"),
        tuple((s.name, s.word, s.shift, s.mask, s.low) for s in own if s.kind == "integer"),
        tuple((s.name, s.word, s.shift, s.mask, s.table) for s in own if s.kind == "table"),
        tuple((s.name, s.word, s.shift, *place[s.name]) for s in own if s.kind == "text"),
    )


SCHEMA = declared(GROUPS.values(), ATTRIBUTES.values())
