"""What a command prints: a table on a terminal, and JSON, CSV or Markdown for programs.

Only data goes to standard output. On a terminal users' text can't do more than be read: its control characters are shown.
"""

from __future__ import annotations

import contextlib
import csv
import functools
import io
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import click

from pytest_mltraq.cli.table import Report, Table, Text, compact, is_numeric, plain
from pytest_mltraq.errors import StorageError
from pytest_mltraq.report.text import markdown, visible

_FROM_8_BITS: Final = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""What JSON leaves as it is, and a terminal obeys."""


def printed(command: Callable[..., Table | Report]) -> Callable[..., None]:
    """Decorate a command that returns a table or a report: adds the option `--format`, and prints it."""

    @click.option(
        "--format",
        "form",
        type=click.Choice(list(WRITERS)),
        default="table",
        show_default=True,
        help="How it is printed.",
    )
    @functools.wraps(command)
    def run(*arguments: Any, form: str, **options: Any) -> None:
        _check_open()
        result = command(*arguments, **options)
        write(WRITERS[form](result))
        for part in _parts(result):
            if isinstance(part, Table) and part.note:
                say(part.note)
        if isinstance(result, Report) and result.exit_status:
            click.get_current_context().exit(result.exit_status)

    return run


def write(text: str) -> None:
    """Write to standard output; text may have lone surrogates, which no output takes."""
    with _written():
        # With `color` what is stored goes into a pipe as it is; else click would take escapes out of it.
        click.echo(text.encode("utf-8", "backslashreplace").decode(), nl=False, color=True)


@contextlib.contextmanager
def _written() -> Iterator[None]:
    """Say that standard output takes nothing, such as a file on a disk that is full; who reads a pipe may leave."""
    try:
        yield
    except BrokenPipeError:
        raise  # the command ends quietly
    except OSError as error:
        # Else Python would try again when it ends.
        sys.stdout = None
        message = f"standard output can't be written: {error.strerror}"
        raise StorageError(message) from error


def _check_open() -> None:
    # A program that was started with `>&-` has none.
    if sys.stdout is None:
        message = "standard output can't be written: it is closed"
        raise StorageError(message)


class _Terminal:
    """Shows what is written to it, line by line."""

    def write(self, data: bytes, /) -> None:
        write("".join(map(_visible_line, data.decode().splitlines(keepends=True))))

    def flush(self) -> None:
        """Nothing is waiting."""


class _Pipe:
    """Takes what is written to it as it is."""

    def write(self, data: bytes, /) -> None:
        with _written():
            sys.stdout.buffer.write(data)

    def flush(self) -> None:
        with _written():
            sys.stdout.buffer.flush()


def standard_output() -> _Terminal | _Pipe:
    """Return what takes bytes: standard output, or a terminal that shows control characters and doesn't obey them."""
    _check_open()
    return _Terminal() if sys.stdout.isatty() else _Pipe()


def say(text: str) -> None:
    """Write a line to standard error: what is no data."""
    click.echo(visible(text), err=True)


def _parts(result: Table | Report) -> Sequence[Table | Text]:
    return [result] if isinstance(result, Table) else result.parts


def _write_table(result: Table | Report) -> str:
    from pytest_mltraq.cli.terminal import render

    return render(_parts(result), sys.stdout)


def _write_json(result: Table | Report) -> str:
    document = result.document if isinstance(result, Report) else _objects(result)
    text = json.dumps(plain(document), indent=2, ensure_ascii=False, allow_nan=False)
    return _FROM_8_BITS.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def _objects(table: Table) -> list[dict[str, Any]]:
    first = {name: at for at, name in reversed(list(enumerate(table.columns)))}
    names = [name if first[name] == at else f"{name}_{at}" for at, name in enumerate(table.columns)]
    return [dict(zip(names, row, strict=True)) for row in table.rows]


def _write_csv(result: Table | Report) -> str:
    table = result if isinstance(result, Table) else result.flat
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([table.columns, *(map(_csv_cell, row) for row in table.rows)])
    # A program gets what is stored, whatever it is; a terminal is shown it.
    return (
        "".join(map(_visible_line, text.getvalue().splitlines(keepends=True)))
        if sys.stdout.isatty()
        else text.getvalue()
    )


def _visible_line(line: str) -> str:
    return visible(line.rstrip("\n")) + "\n"


def _csv_cell(value: Any) -> Any:
    if isinstance(value, float):
        return repr(value)
    value = plain(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, bool | dict | list) else value


def _write_markdown(result: Table | Report) -> str:
    return "\n".join("".join(_markdown_lines(part)) for part in _parts(result))


def _markdown_lines(part: Table | Text) -> Iterable[str]:
    if part.title:
        yield f"### {markdown(part.title)}\n\n"
    if isinstance(part, Text):
        # As many backquotes as nowhere in the text, of which none ends it then.
        fence = "`" * max(
            3, 1 + max((len(found) for line in part.lines for found in re.findall("`+", line)), default=0)
        )
        yield f"{fence}text\n"
        yield from (f"{visible(line)}\n" for line in part.lines)
        yield f"{fence}\n"
        return
    right = [is_numeric(column) for column in zip(*part.rows, strict=True)] or [False] * len(part.columns)
    yield _markdown_row(map(markdown, part.columns) if part.has_header else [""] * len(part.columns))
    yield _markdown_row("---:" if numeric else "---" for numeric in right)
    for row in part.rows:
        yield _markdown_row(markdown(compact(value)) for value in row)


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


WRITERS: Final[dict[str, Callable[[Table | Report], str]]] = {
    "table": _write_table,
    "json": _write_json,
    "csv": _write_csv,
    "md": _write_markdown,
}
