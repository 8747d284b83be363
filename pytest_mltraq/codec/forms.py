"""What the codec speaks of: plain values, entries of `types`, objects; their JSON and their digests."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final, NamedTuple

import orjson

from pytest_mltraq.codec.text import odd_text
from pytest_mltraq.errors import CorruptDataError

Plain = Any
"""A value that JSON can say."""
Entry = list[Any] | None
"""What `types` says of a value: the name of a restorer and its arguments; None for what JSON says exactly."""
Path = str
Pair = tuple[Plain, Entry]
Columns = tuple[tuple[str, tuple[str, ...]], ...]
"""The scalar values of a document by kind: `(("number", ("loss", "accuracy")), ("text", ("model",)))`."""


class Stored(NamedTuple):
    """An object as it is stored: what it is, and its bytes."""

    kind: str
    data: bytes


Objects = dict[str, Stored]
"""Objects by digest."""


MAX_BIGINT: Final = 2**63
"""The first integer that a database's column of integers can't hold."""

INT64: Final = range(-(2**63), 2**64)
"""Integers that orjson writes and reads exactly."""

KINDS: Final[dict[type, str]] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "text",
    type(None): "null",
}
EXACT: Final = frozenset(KINDS)
"""Types whose values JSON says exactly, as long as they are finite, short enough and ordinary text."""


def dump_json(value: Any) -> str:
    """Write plain values as JSON.

    Raises:
        TypeError: a text has lone surrogates.
    """
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        # orjson nests 254 deep at most; the types of a value take two levels for each of its own.
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        if odd_text(text):
            raise
        return text


def load_json(text: str, path: Path) -> Any:
    """Read JSON.

    Raises:
        CorruptDataError: the text is no JSON.
    """
    try:
        return orjson.loads(text)
    except (orjson.JSONDecodeError, TypeError) as error:
        message = f"expected a JSON document, found {str(text)[:40]!r}: {error}"
        raise CorruptDataError(path, message) from error


def digest_object(stored: Stored) -> str:
    """Name an object by its content: BLAKE2b-256 of its kind and bytes, in hexadecimal digits."""
    digest = hashlib.blake2b(stored.kind.encode() + b"\0", digest_size=32)
    digest.update(stored.data)
    return digest.hexdigest()
