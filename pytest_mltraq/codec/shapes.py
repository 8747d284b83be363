"""Shapes: the names and types of values that JSON says exactly.

The runs of an experiment mostly have the same one: so most of what there is to check is checked once, and the rest for all
values at once.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable
from typing import Any, Final

from pytest_mltraq.codec.encoder import are_plain
from pytest_mltraq.codec.forms import EXACT, KINDS, MAX_BIGINT, Columns

MANY: Final = 64
"""How many shapes are remembered."""

_known: Final[dict[Any, Shape]] = {}
"""The newest shape by its first name, which tells params from fields."""


class Shape:
    """The names and types of values that JSON says exactly.

    Attributes:
        names: the names, in their order.
        types: the type of each value, one of `EXACT`.
        columns: the names by kind.
        has_text: whether a value is text.
    """

    __slots__ = ("_floats", "_integers", "columns", "has_text", "names", "types")

    def __init__(self, names: list[str], types: list[type]) -> None:
        self.names, self.types = names, types
        self.columns = group(zip(names, map(KINDS.__getitem__, types), strict=True))
        self.has_text = str in types
        self._floats, self._integers = _Some(types, float), _Some(types, int)

    def is_exact(self, values: Collection[Any]) -> bool:
        """Whether JSON and databases say the numbers too; may say no of huge ones, which costs only time.

        Integers below those of 64 bits are left to what writes the JSON, which refuses them.
        """
        if self._floats.are_there and not math.isfinite(sum(self._floats.among(values))):
            return False
        return not self._integers.are_there or max(self._integers.among(values)) < MAX_BIGINT


class _Some:
    """Those of the values that are of one type."""

    __slots__ = ("_marks", "are_there")

    def __init__(self, types: list[type], wanted: type) -> None:
        count = types.count(wanted)
        self.are_there = count > 0
        self._marks = None if count == len(types) else [found is wanted for found in types]

    def among(self, values: Collection[Any]) -> Iterable[Any]:
        return values if self._marks is None else itertools.compress(values, self._marks)


def find_shape(values: dict[Any, Any]) -> Shape | None:
    """Return the shape of values; None where one of them is of another type, or a name is no ordinary text.

    A name may still be of a subclass of `str`, which what writes the JSON refuses.
    """
    types, names = [*map(type, dict.values(values))], [*values]
    first = names[0] if names else None
    known = _known.get(first)
    if known is not None and known.types == types and known.names == names:
        return known
    if not EXACT.issuperset(types) or not are_plain(names):
        return None
    if len(_known) >= MANY:
        _known.clear()
    shape = _known[first] = Shape(names, types)
    return shape


def group(kinds: Iterable[tuple[str, str]]) -> Columns:
    """Group names by their kind."""
    groups: dict[str, list[str]] = {}
    for name, kind in kinds:
        groups.setdefault(kind, []).append(name)
    return tuple((kind, tuple(names)) for kind, names in groups.items())
