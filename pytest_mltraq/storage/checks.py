"""What may be in a record that comes from a file: as strict as the tables are, on any database."""

from __future__ import annotations

import base64
import datetime
import math
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from pytest_mltraq.codec import load_json
from pytest_mltraq.codec.text import odd_text
from pytest_mltraq.record import to_text

Check = Callable[[Any], bool]

OUTCOMES: Final = ("passed", "failed", "skipped", "error", "crashed", "interrupted")
ORIGINS: Final = ("pytest", "python", "mltraq", "mlflow")

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


def check_values(values: Mapping[str, Any], expected: Mapping[str, tuple[str, Check]]) -> None:
    """Check the values of a record.

    Raises:
        ValueError: one is missing, unknown or not what is expected.
    """
    if values.keys() != expected.keys():
        names = ", ".join(sorted(values.keys() ^ expected.keys()))
        message = f"missing or unknown: {names}"
        raise ValueError(message)
    for name, (what, is_right) in expected.items():
        if not is_right(values[name]):
            message = f"expected {what} as {name}, found {repr(values[name])[:60]}"
            raise ValueError(message)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not odd_text(value)


def _is_id(value: Any) -> bool:
    try:
        return isinstance(value, str) and str(uuid.UUID(value)) == value
    except ValueError:
        return False


def _is_time(value: Any) -> bool:
    try:
        return isinstance(value, str) and to_text(datetime.datetime.fromisoformat(value)) == value
    except ValueError:
        return False


def _is_integer(bits: int) -> Check:
    limit = 2 ** (bits - 1)
    return lambda value: type(value) is int and -limit <= value < limit


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _is_json(kind: type) -> Check:
    def is_right(value: Any) -> bool:
        try:
            found = load_json(value, "") if _is_text(value) and "\\u0000" not in value else None
        except ValueError:
            return False
        # A view casts the values at the top; one that is out of range would fail all of its readers.
        values = found.values() if isinstance(found, dict) else ()
        return type(found) is kind and all(math.isfinite(item) for item in values if type(item) is float)

    return is_right


def _is_base64(value: Any) -> bool:
    try:
        return isinstance(value, str) and base64.b64encode(base64.b64decode(value)).decode("ascii") == value
    except ValueError:
        return False


def _optional(known: tuple[str, Check]) -> tuple[str, Check]:
    what, is_right = known
    return f"{what} or null", lambda value: value is None or is_right(value)


def _one_of(*values: str) -> tuple[str, Check]:
    return f"one of {', '.join(values)}", lambda value: value in values


_TEXT: Final = "text", _is_text
_ID: Final = "a UUID", _is_id
_TIME: Final = "a time", _is_time
_SHORT: Final = "an integer of 32 bits", _is_integer(32)
_LONG: Final = "an integer of 64 bits", _is_integer(64)
_NUMBER: Final = "a number", _is_number
_OBJECT: Final = "a JSON object", _is_json(dict)
_LIST: Final = "a JSON list", _is_json(list)
_BOOLEAN: Final[tuple[str, Check]] = "true or false", lambda value: type(value) is bool

KINDS: Final[Mapping[str, Mapping[str, tuple[str, Check]]]] = {
    "session": {
        "id": _ID,
        "started_at": _TIME,
        "finished_at": _optional(_TIME),
        "exit_status": _optional(_SHORT),
        "origin": _one_of(*ORIGINS),
        "tags": _LIST,
        "commit": _optional(_TEXT),
        "branch": _optional(_TEXT),
        "dirty": _optional(_BOOLEAN),
        "ci": _optional(_OBJECT),
        "python": _TEXT,
        "platform": _TEXT,
        "host": _TEXT,
        "packages": _OBJECT,
        "command": _TEXT,
        "process": _optional(_TEXT),
    },
    "object": {
        "digest": ("a digest", lambda value: isinstance(value, str) and _DIGEST.fullmatch(value) is not None),
        "family": _TEXT,
        "data": ("base64", _is_base64),
    },
    "experiment": {
        "id_experiment": _ID,
        "name": _TEXT,
        "nodeid": _optional(_TEXT),
        "doc": _optional(_TEXT),
        "fields": _OBJECT,
        "config": _OBJECT,
        "types": _optional(_OBJECT),
        "code": _LIST,
        "created_at": _TIME,
        "metrics": _optional(_LIST),
    },
    "run": {
        "id_experiment": _ID,
        "id_run": _ID,
        "position": _SHORT,
        "nodeid": _optional(_TEXT),
        "outcome": _optional(_one_of(*OUTCOMES)),
        "seed": _LONG,
        "params": _OBJECT,
        "fields": _OBJECT,
        "types": _optional(_OBJECT),
        "steps": _LIST,
        "error": _optional(_OBJECT),
        "started_at": _optional(_TIME),
        "duration_s": _optional(_NUMBER),
        "worker": _optional(_TEXT),
        "attempts": _SHORT,
    },
}
"""For each kind of record what is expected, by name: what it is called, and what tells it."""
