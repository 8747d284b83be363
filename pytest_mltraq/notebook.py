"""What a notebook shows of sessions, experiments, runs and sequences: a heading and a small table, whatever their size.

Names and values are users' text: it is escaped, and never markup. Colours are the notebook's own, light or dark.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

from pytest_mltraq.counting import counted
from pytest_mltraq.describing import describe

MAX_ROWS: Final = 20
"""Rows that are shown; the others are counted."""

MAX_COLUMNS: Final = 10
LONGEST: Final = 100
"""Characters of a cell."""

_CELL: Final = "padding: 0.1em 0.8em 0.1em 0; text-align: left; vertical-align: top"
_NUMBER: Final = f"{_CELL}; text-align: right"
_FAINT: Final = "opacity: 0.7"
_RULE: Final = "border-bottom: 1px solid"
_TABLE: Final = "border-collapse: collapse; margin: 0 0 0.5em 0"
"""JupyterLab would set it to the right."""


def heading(kind: str, name: str, *facts: str | None) -> str:
    """Return the first line: what it is, its name, and what is said of it.

    Args:
        kind: such as `Experiment`.
        name: set in bold.
        *facts: None is left out.
    """
    # In <bdi> a text that runs from right to left turns nothing around but itself.
    said = "".join(f" · <bdi>{escape(fact)}</bdi>" for fact in facts if fact is not None)
    name = f"<b><bdi>{_cut(name)}</bdi></b>"
    return f'<div><span style="{_FAINT}">{escape(kind)}</span> {name}<span style="{_FAINT}">{said}</span></div>'


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], total: int, *, has_header: bool = True) -> str:
    """Return a table.

    Args:
        columns: names; as many as there is room for are shown.
        rows: values, `MAX_ROWS` at most.
        total: how many rows there are.
        has_header: whether the names of the columns are shown.
    """
    shown = [row[:MAX_COLUMNS] for row in rows]
    kinds = [set(map(type, cells)) - {type(None)} for cells in zip(*shown, strict=True)] or [set()] * MAX_COLUMNS
    styles = [_NUMBER if kind and kind <= {int, float} else _CELL for kind in kinds]
    head = "".join(
        f'<th style="{style}; {_RULE}">{_cut(name)}</th>' for name, style in zip(columns, styles, strict=False)
    )
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in shown)
    left_out = []
    if total > len(shown):
        left_out.append(counted(total - len(shown), "more row"))
    if len(columns) > MAX_COLUMNS:
        left_out.append(counted(len(columns) - MAX_COLUMNS, "more column"))
    more = f'<div style="{_FAINT}">and {" and ".join(left_out)}</div>' if left_out else ""
    head = f"<thead><tr>{head}</tr></thead>" if has_header else ""
    return f'<table style="{_TABLE}">{head}<tbody>{body}</tbody></table>{more}'


def values_table(title: str, values: Mapping[str, Any]) -> str:
    """Return a table of names and values; nothing where there are none."""
    if not values:
        return ""
    # Not `values.items()`: a field may be called `items`.
    items = list(dict(values).items())
    rows = [(name, value) for name, value in items[:MAX_ROWS]]
    return f'<div style="{_FAINT}">{escape(title)}</div>{table(("", ""), rows, len(items), has_header=False)}'


def page(*parts: str) -> str:
    """Join the parts of what is shown."""
    return f"<div>{''.join(parts)}</div>"


def _cell(value: Any) -> str:
    if value is None:
        return f'<td style="{_CELL}"></td>'
    if type(value) is float:
        return f'<td style="{_NUMBER}">{value:.6g}</td>'
    if type(value) is int:
        return f'<td style="{_NUMBER}">{_cut(describe(value))}</td>'
    return f'<td style="{_CELL}">{_cut(describe(value))}</td>'


def _cut(text: str) -> str:
    return escape(text if len(text) <= LONGEST else f"{text[:LONGEST]}...")
