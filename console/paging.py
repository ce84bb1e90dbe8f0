"""Pages by key instead of by number: as fast on the last of a million rows as on the first, and stable meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Field, Model, QuerySet
from django.http import HttpRequest

SIZE = 50

M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """`next_key` and `previous_key` are the keys to go on from, None at an end."""

    rows: list[M]
    next_key: Any
    previous_key: Any

    @property
    def shown(self) -> int:
        return len(self.rows)


def paged(
    rows: QuerySet[M], request: HttpRequest, field: str = "id", *, descending: bool = True, size: int = SIZE
) -> Page[M]:
    """The page of `rows` that `?after=` or `?before=` asks for, in the order of `field`, which must be unique.

    A key that is none is ignored: a mistyped address shows the first page.
    """
    after, before = (_key(rows, field, request.GET.get(name)) for name in ("after", "before"))
    backwards = before is not None
    step = "gt" if descending == backwards else "lt"
    bound = before if backwards else after
    if bound is not None:
        rows = rows.filter(**{f"{field}__{step}": bound})
    ascending = descending == backwards
    found = list(rows.order_by(field if ascending else f"-{field}")[: size + 1])
    more, found = len(found) > size, found[:size]
    if backwards:
        found.reverse()
    ends = (getattr(found[0], field), getattr(found[-1], field)) if found else (None, None)
    return Page(
        found,
        ends[1] if more or backwards else None,
        ends[0] if (more if backwards else after is not None) else None,
    )


def _key(rows: QuerySet[M], field: str, raw: str | None) -> Any:
    if not raw:
        return None
    column = rows.model._meta.get_field(field)
    assert isinstance(column, Field)
    try:
        return column.to_python(raw)
    except (ValidationError, ValueError):
        return None
