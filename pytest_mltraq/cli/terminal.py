"""Tables for people: aligned in a pipe, and with lines and colours, within the width, on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, TextIO

from pytest_mltraq.cli.table import Table, Text, compact, is_numeric
from pytest_mltraq.report.text import visible

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

NARROWEST: Final = 16
"""Columns are folded to this width where a table doesn't fit [characters]; where that is not enough, each row is a block."""

STYLES: Final = {
    **dict.fromkeys(("passed", "improved"), "green"),
    **dict.fromkeys(("failed", "error", "crashed", "regressed"), "red"),
    **dict.fromkeys(("interrupted", "running", "undecided", "missing", "skipped"), "yellow"),
}
"""Words that stand out, where a cell is nothing else."""


def render(parts: Sequence[Table | Text], output: TextIO) -> str:
    """Return tables and texts as they are written to an output."""
    if not output.isatty():
        return "\n".join("".join(_lines(part)) for part in parts)
    from rich.console import Console

    console = Console(file=output, highlight=False, markup=False, emoji=False, soft_wrap=False)
    with console.capture() as captured:
        for at, part in enumerate(parts):
            if at:
                console.print()
            console.print(_renderable(part, console) if isinstance(part, Table) else _paragraph(part))
    return captured.get()


def _cells(table: Table) -> tuple[list[str], list[list[str]], list[bool]]:
    """Return header and rows as text, and which columns are numbers."""
    columns = list(map(visible, table.columns))
    rows = [[visible(compact(value)) for value in row] for row in table.rows]
    numeric = [is_numeric(column) for column in zip(*table.rows, strict=True)] or [False] * len(columns)
    return columns, rows, numeric


def _lines(part: Table | Text) -> Iterable[str]:
    if part.title:
        yield f"{visible(part.title)}\n"
    if isinstance(part, Text):
        yield from (f"{visible(line)}\n" for line in part.lines)
        return
    columns, rows, numeric = _cells(part)
    rows = [*([columns] if part.has_header else []), *([cell or "-" for cell in row] for row in rows)]
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            " " * (room - width(cell)) + cell if right else cell + " " * (room - width(cell))
            for cell, room, right in zip(row, widths, numeric, strict=True)
        ]
        yield "  ".join(cells).rstrip() + "\n"


def width(text: str) -> int:
    """Return how many columns of a terminal a text takes: two for each wide character."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _renderable(table: Table, console: Console) -> RenderableType:
    from rich import box
    from rich.table import Table as RichTable

    columns, rows, numeric = _cells(table)
    widths = [max(map(width, column)) for column in zip(columns, *rows, strict=True)]
    title = visible(table.title) if table.title else None
    if sum(min(room, NARROWEST) for room in widths) + 2 * len(widths) > console.width:
        return _blocks(title, columns, rows)
    shown = RichTable(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        title=title,
        title_justify="left",
        title_style="bold",
        show_header=table.has_header,
    )
    for column, right in zip(columns, numeric, strict=True):
        shown.add_column(column, justify="right" if right else "left", overflow="fold")
    for row in rows:
        shown.add_row(*map(_styled, row))
    return shown


def _blocks(title: str | None, columns: list[str], rows: list[list[str]]) -> RenderableType:
    """Show each row as a block of lines `name  value`."""
    from rich.console import Group
    from rich.table import Table as RichTable
    from rich.text import Text as RichText

    parts: list[RenderableType] = [RichText(title, "bold")] if title else []
    for row in rows:
        block = RichTable(box=None, show_header=False, padding=(0, 2, 0, 0))
        block.add_column(overflow="fold", style="bold")
        block.add_column(overflow="fold")
        for name, cell in zip(columns, row, strict=True):
            block.add_row(name, _styled(cell))
        parts += [block, RichText("")]
    return Group(*parts[:-1] if rows else parts)


def _paragraph(part: Text) -> RenderableType:
    from rich.text import Text as RichText

    lines = "".join(f"\n{visible(line)}" for line in part.lines)
    return RichText.assemble((visible(part.title), "bold"), lines)


def _styled(cell: str) -> Any:
    from rich.text import Text as RichText

    return RichText(cell, STYLES.get(cell, ""))
