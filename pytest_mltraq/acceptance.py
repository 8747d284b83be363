"""Accepted changes of metrics: a text file beside the code, so that accepting one is reviewed like any other change.

An entry says that from here on a metric is compared with what it was in one session. It has the values of that session, so
that nothing else is needed to judge by it. The file is written by `pytest-mltraq accept` and read when metrics are judged.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from pytest_mltraq.errors import ConfigurationError
from pytest_mltraq.groups import label_params

FILE_NAME: Final = "mltraq-baseline.toml"

ROOTS: Final = (
    "pytest.toml",
    "pytest.ini",
    ".pytest.ini",
    "pyproject.toml",
    "tox.ini",
    "setup.cfg",
    "setup.py",
    ".git",
)
"""What is in the root folder of a project; the first folder upwards that has one of them is it."""

_encode = json.JSONEncoder(sort_keys=True).encode

_HEAD: Final = """\
# Accepted changes of metrics: each is compared with the values here, and with what sessions since then measured.
# Written by `pytest-mltraq accept`; to take a change back, remove its entry.
"""


class Acceptance(NamedTuple):
    """An accepted change of a metric in one group of runs.

    Attributes:
        experiment: the experiment's name.
        metric: the metric's name.
        params: of the group.
        old: the mean before; None where there was none.
        new: the accepted mean; None where it is accepted that no run has these params any more.
        reason: why.
        by: who accepted it.
        at: the date, ISO 8601.
        commit: full hash of the session's commit, or None.
        session: id of the session that measured it.
        values: the metric by replicate, such as `{"seed:0": 0.91}`.
    """

    experiment: str
    metric: str
    params: dict[str, Any]
    old: float | None
    new: float | None
    reason: str
    by: str | None
    at: str
    commit: str | None
    session: str
    values: dict[str, float]

    @property
    def is_removal(self) -> bool:
        """Whether it says that the group is gone."""
        return self.new is None

    @property
    def key(self) -> tuple[str, str, str]:
        """What there is one entry for: experiment, metric and params."""
        return key_of(self.experiment, self.metric, self.params)


def key_of(experiment: str, metric: str, params: Mapping[str, Any]) -> tuple[str, str, str]:
    """Name a metric of a group of runs."""
    return experiment, metric, _encode(dict(params))


def find_file(folder: Path) -> Path:
    """Return where the file of a project is, or would be.

    Args:
        folder: in the project.
    """
    folders = [folder, *folder.parents]
    root = next((parent for parent in folders if any((parent / name).exists() for name in ROOTS)), folder)
    return next((parent for parent in folders if (parent / FILE_NAME).is_file()), root) / FILE_NAME


def read_acceptances(file: Path) -> dict[tuple[str, str, str], Acceptance]:
    """Read the accepted changes; a file that isn't there has none.

    Raises:
        ConfigurationError: the file can't be read, or an entry is wrong.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        message = f"{file}: can't be read: {error}"
        raise ConfigurationError(message) from error
    try:
        entries = tomllib.loads(text).get("accepted", [])
    except tomllib.TOMLDecodeError as error:
        message = f"{file}: expected TOML as `pytest-mltraq accept` writes it, found {error}; was it merged by hand?"
        raise ConfigurationError(message) from error
    if not isinstance(entries, list):
        message = f"{file}: expected entries [[accepted]], found {type(entries).__name__}"
        raise ConfigurationError(message)
    found: dict[tuple[str, str, str], Acceptance] = {}
    for entry in entries:
        acceptance = _read_entry(entry, file)
        if acceptance.key in found:
            message = (
                f"{file}: {acceptance.metric} of {acceptance.experiment} [{label_params(acceptance.params)}] is accepted "
                f"twice: keep the entry that is meant"
            )
            raise ConfigurationError(message)
        found[acceptance.key] = acceptance
    return found


def write_acceptances(file: Path, acceptances: Iterable[Acceptance]) -> None:
    """Write the file anew, its entries in a stable order, so that a change of one is a change of its lines alone."""
    entries = sorted(acceptances, key=lambda acceptance: acceptance.key)
    text = "\n".join([_HEAD, *map(_entry, entries)])
    temporary = file.with_name(f"{file.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(file)


def _read_entry(entry: Any, file: Path) -> Acceptance:
    kinds: dict[str, Any] = {
        "experiment": str,
        "metric": str,
        "params": str,
        "reason": str,
        "at": str,
        "session": str,
    }
    known = entry if isinstance(entry, dict) else {}
    is_removal = known.get("removed") is True
    if not is_removal:
        kinds |= {"new": int | float, "values": dict}
    for name, kind in kinds.items():
        if not isinstance(known.get(name), kind):
            where = " of ".join(str(known[name]) for name in ("metric", "experiment") if name in known) or "an entry"
            message = f"{file}: {where}: expected {name!r}, found {known.get(name)!r}"
            raise ConfigurationError(message)
    params = _read_params(known["params"])
    if params is None:
        message = (
            f"{file}: {known['metric']} of {known['experiment']}: expected params as JSON, found {known['params']!r}"
        )
        raise ConfigurationError(message)
    values = {} if is_removal else known["values"]
    if not all(isinstance(value, int | float) for value in values.values()):
        message = f"{file}: {known['metric']} of {known['experiment']}: expected numbers as values, found {values!r}"
        raise ConfigurationError(message)
    return Acceptance(
        known["experiment"],
        known["metric"],
        params,
        known.get("old"),
        None if is_removal else float(known["new"]),
        known["reason"],
        known.get("by"),
        known["at"],
        known.get("commit"),
        known["session"],
        {replicate: float(value) for replicate, value in values.items()},
    )


def _read_params(text: str) -> dict[str, Any] | None:
    try:
        params = json.loads(text)
    except ValueError:
        return None
    return params if isinstance(params, dict) else None


def _entry(acceptance: Acceptance) -> str:
    lines = ["[[accepted]]"]
    values = acceptance._asdict() | {"params": json.dumps(acceptance.params, ensure_ascii=False)}
    if acceptance.is_removal:
        values = {("removed" if name == "new" else name): value for name, value in values.items() if name != "values"}
        values["removed"] = True
    for name, value in values.items():
        if value is not None:
            lines.append(f"{name} = {_toml(value)}")
    return "".join(f"{line}\n" for line in lines)


def _toml(value: str | float | Mapping[str, float]) -> str:
    """Write a value as TOML 1.0 has it."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_text(name)} = {_toml(item)}" for name, item in value.items()) + "}"
    if value is True:
        return "true"
    return repr(value)  # of infinities and NaN too


def _text(text: str) -> str:
    """Write a basic string: TOML's escapes are JSON's, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
