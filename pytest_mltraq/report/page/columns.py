"""Columns of cells, as short as JSON allows: a page has thousands of them.

A column is one of these, which `data.js` reads:

* ``{"all": [...]}``: its cells;
* ``{"of": [...], "at": [...]}``: its distinct cells, and the index of each; without ``at`` the column has one cell, everywhere;
* ``{"head": ..., "hex": ..., "n": ...}``: UUIDs without their dashes: what they begin with, the rest of all of them in one text.

A cell is a number, a text or a truth value; null where there is none; and a list for what JSON has not: ``["None"]``,
``["nan"]``, ``["inf"]``, ``["-inf"]``, ``["more", index]``.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any, Final

Cell = Any
Column = dict[str, Any]

NONE: Final = ["None"]
NAN: Final = ["nan"]
INFINITY: Final = ["inf"]
NEGATIVE_INFINITY: Final = ["-inf"]

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def encode_column(cells: Sequence[Cell]) -> Column:
    """Encode a column."""
    places: dict[tuple[type, Any], int] = {}
    at = []
    for cell in cells:
        # 1, 1.0 and True are equal; a list can't be a key.
        key = (list, tuple(cell)) if type(cell) is list else (type(cell), cell)
        at.append(places.setdefault(key, len(places)))
    if len(places) > len(cells) // 2 and len(places) != 1:
        return {"all": list(cells)}
    distinct = [list(value) if kind is list else value for kind, value in places]
    return {"of": distinct} if len(places) <= 1 else {"of": distinct, "at": at}


def encode_ids(ids: Sequence[str]) -> Column:
    """Encode a column of UUIDs; those of one session begin alike."""
    if len(ids) < 2 or not all(map(_UUID.fullmatch, ids)):  # noqa: PLR2004 - one has nothing in common with others
        return encode_column(ids)
    digits = [value.replace("-", "") for value in ids]
    same = (len(set(place)) == 1 for place in zip(*digits, strict=True))
    head = digits[0][: sum(itertools.takewhile(bool, same))]
    return {"head": head, "hex": "".join(value[len(head) :] for value in digits), "n": len(ids)}


def encode_rows(rows: Sequence[dict[str, Cell]]) -> dict[str, Column]:
    """Encode rows that have the same names."""
    names = rows[0] if rows else {}
    return {name: encode_column([row[name] for row in rows]) for name in names}


def rounded(value: float | None, digits: int) -> Cell:
    """Round to significant digits."""
    if value is None:
        return None
    return odd_number(value) or float(f"{value:.{digits}g}")


def odd_number(value: float) -> list[str] | None:
    """Return the cell of a number that JSON has not; None for others."""
    if value != value:  # noqa: PLR0124 - NaN
        return NAN
    if value in (float("inf"), float("-inf")):
        return INFINITY if value > 0 else NEGATIVE_INFINITY
    return None
