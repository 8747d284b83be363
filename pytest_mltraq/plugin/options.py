"""Options, ini keys and the environment variable, and what they say together."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import pytest

DATABASE_VARIABLE = "MLTRAQ_DB"
ARTIFACTS_VARIABLE = "MLTRAQ_ARTIFACTS"
GATES = ("fail", "warn")


class Settings(NamedTuple):  # a dataclass costs every pytest that starts 3 ms more
    """What the command line, the environment and the ini file say, in this order of precedence.

    Attributes:
        awake: whether experiments are collected and run.
        db: the database's path or URL; None stores nothing.
        artifacts: the folder or URL where artifacts are kept; None takes the folder beside the database.
        config: what `run.config` is set to.
        tags: names of this session.
        resume: whether runs that passed in an earlier session are not executed again.
        metrics: what is judged of experiments, a line each, beside what their markers say.
        baseline: what metrics are compared with.
        gate: `fail`, or `warn` where a regressed metric doesn't fail the session.
        confirm: with how many fresh seeds the groups are run again that would fail; 0 looks once.
        reports: paths of the reports that are written when the session ended.
        files: patterns of experiment files.
        functions: patterns of experiment functions.
        classes: patterns of classes of experiments.
    """

    awake: bool
    db: str | None
    artifacts: str | None
    config: dict[str, Any]
    tags: tuple[str, ...]
    resume: bool
    metrics: tuple[str, ...]
    baseline: str
    gate: str
    confirm: int
    reports: tuple[str, ...]
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
        "--mltraq-artifacts",
        metavar="PATH or URL",
        dest="mltraq_artifacts",
        help="where artifacts are kept: a folder, or a URL that fsspec knows; else the folder <db>.artifacts "
        f"(also: ${ARTIFACTS_VARIABLE})",
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
    group.addoption(
        "--mltraq-baseline",
        metavar="SPEC",
        dest="mltraq_baseline",
        help="what metrics are compared with: auto (the default), last, window:20[@branch], branch:NAME, tag:NAME, commit:SHA, "
        "merge-base:NAME, session:ID or best, each with @PATH or @URL for another database",
    )
    group.addoption(
        "--mltraq-gate",
        metavar="fail or warn",
        dest="mltraq_gate",
        help="whether a regressed metric fails the session (the default), or is only said",
    )
    group.addoption(
        "--mltraq-confirm",
        metavar="N",
        dest="mltraq_confirm",
        help="run the groups again that would fail, with N fresh seeds, before it is said that they do",
    )
    group.addoption(
        "--mltraq-report",
        metavar="PATH",
        action="append",
        dest="mltraq_report",
        help="write a report when the session ended: .html, .md, .json, or .metrics (OpenMetrics, for GitLab) by suffix (repeatable)",
    )
    parser.addini("mltraq", "collect and run experiments always", type="bool", default=False)
    parser.addini("mltraq_db", "where runs are stored; a relative path is meant from the ini file's folder")
    parser.addini("mltraq_artifacts", "where artifacts are kept; a relative path is meant from the ini file's folder")
    parser.addini("mltraq_config", "KEY=VALUE, one per line: sets run.config.KEY", type="linelist")
    parser.addini("mltraq_tag", "names of each session, one per line", type="linelist")
    parser.addini("mltraq_resume", "don't execute what passed in an earlier session", type="bool", default=False)
    parser.addini("mltraq_metrics", "metrics, one per line: [EXPERIMENT:] NAME [KEY=VALUE ...]", type="linelist")
    parser.addini("mltraq_baseline", "what metrics are compared with", default="auto")
    parser.addini("mltraq_gate", "fail, or warn: whether a regressed metric fails the session", default="fail")
    parser.addini("mltraq_confirm", "with how many fresh seeds groups are run again that would fail", default="0")
    parser.addini("mltraq_report", "reports, one path per line, meant from the ini file's folder", type="linelist")
    parser.addini("mltraq_files", "patterns of experiment files", type="args", default=["experiment_*.py"])
    parser.addini("mltraq_functions", "patterns of experiment functions", type="args", default=["experiment_*"])
    parser.addini("mltraq_classes", "patterns of classes of experiments", type="args", default=["Experiment*"])


def resolve(config: pytest.Config) -> Settings:
    """Join command line, environment and ini file.

    Raises:
        pytest.UsageError: one of them is wrong.
    """
    db = _place(config, "mltraq_db", DATABASE_VARIABLE)
    resume = bool(config.getoption("mltraq_resume") or config.getini("mltraq_resume"))
    if resume and db is None:
        message = "--mltraq-resume: expected a database with earlier sessions, found none: name it with --mltraq-db"
        raise pytest.UsageError(message)
    files = tuple(config.getini("mltraq_files"))
    return Settings(
        awake=bool(db or config.getoption("mltraq") or config.getini("mltraq") or _names_experiments(config, files)),
        db=db,
        artifacts=_place(config, "mltraq_artifacts", ARTIFACTS_VARIABLE),
        config=_read_config([*config.getini("mltraq_config"), *(config.getoption("mltraq_config") or ())]),
        tags=tuple(config.getoption("mltraq_tag") or config.getini("mltraq_tag")),
        resume=resume,
        metrics=tuple(config.getini("mltraq_metrics")),
        baseline=str(config.getoption("mltraq_baseline") or config.getini("mltraq_baseline")),
        gate=_gate(config),
        confirm=_confirm(config),
        reports=_reports(config),
        files=files,
        functions=tuple(config.getini("mltraq_functions")),
        classes=tuple(config.getini("mltraq_classes")),
    )


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether a name matches one of the patterns."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _gate(config: pytest.Config) -> str:
    gate = str(config.getoption("mltraq_gate") or config.getini("mltraq_gate"))
    if gate not in GATES:
        message = f"--mltraq-gate: expected fail or warn, found {gate!r}"
        raise pytest.UsageError(message)
    return gate


def _confirm(config: pytest.Config) -> int:
    count = str(config.getoption("mltraq_confirm") or config.getini("mltraq_confirm"))
    if not count.isdecimal():
        message = f"--mltraq-confirm: expected a number of seeds, 0 or more, found {count!r}"
        raise pytest.UsageError(message)
    return int(count)


def _reports(config: pytest.Config) -> tuple[str, ...]:
    paths = config.getoption("mltraq_report")
    if paths:
        return tuple(map(str, paths))
    folder = Path() if config.inipath is None else config.inipath.parent
    return tuple(str(folder / path) for path in config.getini("mltraq_report"))


def _place(config: pytest.Config, name: str, variable: str) -> str | None:
    """Return a path or URL from an option, an environment variable or an ini key, in this order."""
    option = config.getoption(name)
    if option is not None:
        if not option:
            message = f"--{name.replace('_', '-')}: expected a path or URL, found nothing"
            raise pytest.UsageError(message)
        return str(option)
    if found := os.environ.get(variable):
        return found
    ini = str(config.getini(name))
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
