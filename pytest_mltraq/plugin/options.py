"""Options, ini keys and the environment variable, and what they say together."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

DATABASE_VARIABLE = "MLTRAQ_DB"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line, the environment and the ini file say, in this order of precedence.

    Attributes:
        awake: whether experiments are collected and run.
        db: the database's path or URL; None stores nothing.
        config: what `run.config` is set to.
        tags: names of this session.
        resume: whether runs that passed in an earlier session are not executed again.
        files: patterns of experiment files.
        functions: patterns of experiment functions.
        classes: patterns of classes of experiments.
    """

    awake: bool
    db: str | None
    config: dict[str, Any]
    tags: tuple[str, ...]
    resume: bool
    files: tuple[str, ...]
    functions: tuple[str, ...]
    classes: tuple[str, ...]


SETTINGS = pytest.StashKey[Settings]()


def add_options(parser: pytest.Parser) -> None:
    """Add the options and their ini keys."""
    group = parser.getgroup("mltraq", "machine-learning experiments (pytest-mltraq)")
    group.addoption(
        "--mltraq",
        action="store_true",
        default=None,
        dest="mltraq",
        help="collect and run experiments; without --mltraq-db nothing is stored",
    )
    group.addoption(
        "--mltraq-db",
        metavar="PATH or URL",
        dest="mltraq_db",
        help=f"where runs are stored: a SQLite file, or a URL such as postgresql://user@host/name (also: ${DATABASE_VARIABLE})",
    )
    group.addoption(
        "--mltraq-config",
        metavar="KEY=VALUE",
        action="append",
        dest="mltraq_config",
        help="set run.config.KEY; the value is read as a Python literal, else as text (repeatable)",
    )
    group.addoption(
        "--mltraq-tag",
        metavar="NAME",
        action="append",
        dest="mltraq_tag",
        help="name this session (repeatable)",
    )
    group.addoption(
        "--mltraq-resume",
        action="store_true",
        default=None,
        dest="mltraq_resume",
        help="don't execute what passed in an earlier session with the same params, config and step code: its fields are copied",
    )
    parser.addini("mltraq", "collect and run experiments always", type="bool", default=False)
    parser.addini("mltraq_db", "where runs are stored; a relative path is meant from the ini file's folder")
    parser.addini("mltraq_config", "KEY=VALUE, one per line: sets run.config.KEY", type="linelist")
    parser.addini("mltraq_tag", "names of each session, one per line", type="linelist")
    parser.addini("mltraq_resume", "don't execute what passed in an earlier session", type="bool", default=False)
    parser.addini("mltraq_files", "patterns of experiment files", type="args", default=["experiment_*.py"])
    parser.addini("mltraq_functions", "patterns of experiment functions", type="args", default=["experiment_*"])
    parser.addini("mltraq_classes", "patterns of classes of experiments", type="args", default=["Experiment*"])


def resolve(config: pytest.Config) -> Settings:
    """Join command line, environment and ini file.

    Raises:
        pytest.UsageError: one of them is wrong.
    """
    db = _database(config)
    resume = bool(config.getoption("mltraq_resume") or config.getini("mltraq_resume"))
    if resume and db is None:
        message = "--mltraq-resume: expected a database with earlier sessions, found none: name it with --mltraq-db"
        raise pytest.UsageError(message)
    files = tuple(config.getini("mltraq_files"))
    return Settings(
        awake=bool(db or config.getoption("mltraq") or config.getini("mltraq") or _names_experiments(config, files)),
        db=db,
        config=_read_config([*config.getini("mltraq_config"), *(config.getoption("mltraq_config") or ())]),
        tags=tuple(config.getoption("mltraq_tag") or config.getini("mltraq_tag")),
        resume=resume,
        files=files,
        functions=tuple(config.getini("mltraq_functions")),
        classes=tuple(config.getini("mltraq_classes")),
    )


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether a name matches one of the patterns."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _database(config: pytest.Config) -> str | None:
    option = config.getoption("mltraq_db")
    if option is not None:
        if not option:
            message = "--mltraq-db: expected a path or URL, found nothing"
            raise pytest.UsageError(message)
        return str(option)
    if variable := os.environ.get(DATABASE_VARIABLE):
        return variable
    ini = str(config.getini("mltraq_db"))
    if ini and "://" not in ini and config.inipath is not None:
        return str(config.inipath.parent / Path(ini).expanduser())
    return ini or None


def _names_experiments(config: pytest.Config, files: Iterable[str]) -> bool:
    """Whether an experiment file is named on the command line; the arguments may be node ids."""
    names = [Path(str(argument).partition("::")[0]) for argument in config.args]
    return any(matches(path.name, files) and (config.invocation_params.dir / path).is_file() for path in names)


def _read_config(entries: Iterable[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for entry in entries:
        key, equals, value = entry.partition("=")
        if not equals or not key.strip().isidentifier():
            message = f"--mltraq-config: expected KEY=VALUE, where KEY is a name, found {entry!r}"
            raise pytest.UsageError(message)
        found[key.strip()] = _literal(value.strip())
    return found


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text
