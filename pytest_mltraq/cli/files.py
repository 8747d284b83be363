"""Rows into files: CSV, Parquet and JSON lines, some rows at a time, each column of one type."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Protocol

from pytest_mltraq.cli.columns import Column, as_json
from pytest_mltraq.cli.table import plain
from pytest_mltraq.errors import ConfigurationError

if TYPE_CHECKING:
    import pyarrow as pa


class Target(Protocol):
    """What is written to."""

    def write(self, data: bytes, /) -> object:
        """Write bytes."""


class Writer(Protocol):
    """Writes rows to a file that is open."""

    def __init__(self, file: Target, columns: Sequence[Column]) -> None: ...

    def write(self, rows: Sequence[Sequence[Any]]) -> None:
        """Write rows, a value for each column."""

    def close(self) -> None:
        """Write what comes after the last row."""


class CsvWriter:
    """Writes CSV: RFC 4180 but for lines that end with a newline alone; what is missing is empty."""

    def __init__(self, file: Target, columns: Sequence[Column]) -> None:
        self._file = file
        self._texts: list[Callable[[Any], Any]] = [_CSV_TEXTS.get(column.kind, str) for column in columns]
        self._lines: list[str] = []
        self._writer = csv.writer(_Lines(self._lines), lineterminator="\n")
        self._writer.writerow([column.name for column in columns])
        self._flush()

    def write(self, rows: Sequence[Sequence[Any]]) -> None:
        """Write rows."""
        for row in rows:
            cells = zip(self._texts, row, strict=True)
            self._writer.writerow(["" if value is None else text(value) for text, value in cells])
        self._flush()

    def close(self) -> None:
        """Nothing comes after the last row."""

    def _flush(self) -> None:
        self._file.write(_encoded("".join(self._lines)))
        self._lines.clear()


class JsonLinesWriter:
    """Writes an object in each line; what JSON doesn't say is null."""

    def __init__(self, file: Target, columns: Sequence[Column]) -> None:
        self._file, self._names = file, [column.name for column in columns]

    def write(self, rows: Sequence[Sequence[Any]]) -> None:
        """Write rows."""
        for row in rows:
            values = {name: plain(value) for name, value in zip(self._names, row, strict=True)}
            self._file.write(_encoded(json.dumps(values, ensure_ascii=False) + "\n"))

    def close(self) -> None:
        """Nothing comes after the last row."""


class ParquetWriter:
    """Writes Parquet, a row group for each `write`."""

    def __init__(self, file: Target, columns: Sequence[Column]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        types: dict[str, pa.DataType] = {
            "boolean": pa.bool_(),
            "integer": pa.int64(),
            "number": pa.float64(),
            "timestamp": pa.timestamp("us", tz="UTC"),
            "datetime": pa.timestamp("us"),
            "date": pa.date32(),
            "bytes": pa.binary(),
            "numbers": pa.list_(pa.float64()),
        }
        self._kinds = [column.kind for column in columns]
        self._schema = pa.schema([(_readable(column.name), types.get(column.kind, pa.string())) for column in columns])
        self._writer = pq.ParquetWriter(file, self._schema)

    def write(self, rows: Sequence[Sequence[Any]]) -> None:
        """Write rows."""
        import pyarrow as pa

        columns = zip(*rows, strict=True)
        arrays = [
            pa.array([_for_arrow(value, kind) for value in column], type=field.type)
            for column, kind, field in zip(columns, self._kinds, self._schema, strict=True)
        ]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))

    def close(self) -> None:
        """Write what Parquet has at its end."""
        self._writer.close()


WRITERS: Final[dict[str, type[Writer]]] = {"csv": CsvWriter, "parquet": ParquetWriter, "jsonl": JsonLinesWriter}


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing that is in its place when the context ends well, and not there at all otherwise.

    Raises:
        ConfigurationError: it can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:50]}-", dir=path.parent)
    except OSError as error:
        message = f"{path} can't be written: {error.strerror}"
        raise ConfigurationError(message) from error
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, 0o666 & ~_umask())
            yield file
        Path(name).replace(path)
    except OSError as error:
        message = f"{path} can't be written: {error.strerror or error}"
        raise ConfigurationError(message) from error
    finally:
        Path(name).unlink(missing_ok=True)


def _umask() -> int:
    """Return which permissions new files don't get; temporary ones have fewer."""
    found = os.umask(0o077)
    os.umask(found)
    return found


class _Lines:
    """A file that keeps what is written as a list."""

    def __init__(self, lines: list[str]) -> None:
        self.write = lines.append


_CSV_TEXTS: Final[dict[str, Callable[[Any], Any]]] = {
    "boolean": lambda value: "true" if value else "false",
    "number": repr,
    "timestamp": plain,
    "datetime": plain,
    "bytes": plain,
    "numbers": as_json,
    "json": as_json,
}


def _for_arrow(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == "json":
        return _readable(as_json(value))
    return _readable(value) if isinstance(value, str) else value


def _readable(text: str) -> str:
    """Write lone surrogates as escapes; UTF-8 has none."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")
