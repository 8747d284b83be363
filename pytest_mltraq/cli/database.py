"""Which database a command works on."""

from __future__ import annotations

import functools
import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from pytest_mltraq.errors import ConfigurationError, NotFoundError

if TYPE_CHECKING:
    from pytest_mltraq.storage import Database

VARIABLE: Final = "MLTRAQ_DB"
ARTIFACTS_VARIABLE: Final = "MLTRAQ_ARTIFACTS"
KEY: Final = "mltraq_db"
ARTIFACTS_KEY: Final = "mltraq_artifacts"

INI_FILES: Final = (
    ("pytest.toml", ("pytest",)),
    (".pytest.toml", ("pytest",)),
    ("pytest.ini", ("pytest",)),
    (".pytest.ini", ("pytest",)),
    ("pyproject.toml", ("tool.pytest.ini_options", "tool.pytest")),
    ("tox.ini", ("pytest",)),
    ("setup.cfg", ("tool:pytest",)),
)
"""Files that pytest reads, in its order, and their sections. Source: pytest's documentation, "Configuration file formats"."""


def on_database(*, may_be_new: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that adds the option `--db`, and hands the open database to the command as its first argument.

    Args:
        may_be_new: whether the command works on a database in which nothing is stored, too.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @click.option(
            "--db",
            type=click.Path(),
            metavar="PATH or URL",
            help=f"The database; else ${VARIABLE}, else {KEY} of pytest's ini file.",
        )
        @functools.wraps(command)
        def run(*arguments: Any, db: str | None, **options: Any) -> Any:
            database = open_database(db, may_be_new=may_be_new)
            try:
                return command(database, *arguments, **options)
            finally:
                database.close()

        return run

    return decorate


def open_database(named: str | None, *, may_be_new: bool = False) -> Database:
    """Open the database that is named by an option, the environment or the project's ini file.

    Raises:
        click.UsageError: none is named.
        NotFoundError: nothing is stored there.
        MltraqError: it can't be opened.
    """
    where = named or os.environ.get(VARIABLE) or find_in_ini(Path.cwd(), KEY)
    if where is None:
        message = f"expected a database: --db PATH or URL, ${VARIABLE}, or {KEY} in the project's pytest.ini or pyproject.toml"
        raise click.UsageError(message)
    from pytest_mltraq.storage import Database

    database = Database(where, find_artifacts())
    if not may_be_new and database.is_empty():
        message = f"{database}: nothing is stored there"
        raise NotFoundError(message)
    return database


def find_artifacts() -> str | None:
    """Return where artifacts are kept: what the environment says or the project's ini file; None for beside the database.

    Raises:
        ConfigurationError: the file can't be read.
    """
    return os.environ.get(ARTIFACTS_VARIABLE) or find_in_ini(Path.cwd(), ARTIFACTS_KEY)


def find_in_ini(folder: Path, key: str) -> str | None:
    """Return the path or URL that a key of the project's ini file says; the file is the nearest one upward, as for pytest.

    Raises:
        ConfigurationError: the file can't be read.
    """
    for place in (folder, *folder.parents):
        for name, sections in INI_FILES:
            file = place / name
            if not file.is_file():
                continue
            values = _read_section(file, sections)
            if values is None:
                continue
            where = str(values.get(key) or "")
            if where and "://" not in where:
                return str(place / Path(where).expanduser())
            return where or None
    return None


def _read_section(file: Path, sections: tuple[str, ...]) -> dict[str, Any] | None:
    """Read what an ini file says to pytest; None where it says nothing to it."""
    read = _read_toml if file.suffix == ".toml" else _read_ini
    try:
        found = read(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        message = f"{file} can't be read: {error}"
        raise ConfigurationError(message) from error
    values = next((found[name] for name in sections if name in found), None)
    # A pytest.ini is pytest's whatever is in it.
    return {} if values is None and file.stem.endswith("pytest") else values


def _read_toml(text: str) -> dict[str, dict[str, Any]]:
    tables = tomllib.loads(text)
    found = {"pytest": tables.get("pytest")}
    if tool := tables.get("tool", {}).get("pytest"):
        found |= {"tool.pytest.ini_options": tool.get("ini_options"), "tool.pytest": tool}
    return {name: table for name, table in found.items() if isinstance(table, dict)}


def _read_ini(text: str) -> dict[str, dict[str, Any]]:
    import iniconfig

    try:
        return {section.name: dict(section.items()) for section in iniconfig.IniConfig("", text)}
    except iniconfig.ParseError as error:
        message = f"line {error.lineno + 1}: {error.msg}"
        raise ValueError(message) from error
