"""What the codec speaks of: plain values, entries of `types`, objects; their JSON and their digests."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeVar

import orjson

from pytest_mltraq.codec.text import odd_text
from pytest_mltraq.errors import CorruptDataError

if TYPE_CHECKING:
    from pytest_mltraq.artifact_store import ArtifactStore
    from pytest_mltraq.hook_callers import Hooks

T = TypeVar("T")

Plain = Any
"""A value that JSON can say."""
Entry = list[Any] | None
"""What `types` says of a value: the name of a restorer and its arguments; None for what JSON says exactly."""
Path = str
Pair = tuple[Plain, Entry]
Columns = tuple[tuple[str, tuple[str, ...]], ...]
"""The scalar values of a document by kind: `(("number", ("loss", "accuracy")), ("text", ("model",)))`."""


Buffer = bytes | bytearray | memoryview


class Stored:
    """An object as it is stored: what it is, and its bytes.

    Attributes:
        kind: the form of its bytes; each form has a name of its own for ever.
        buffers: the bytes, one after another; of an object that is not stored yet they may be those of the value itself.
    """

    __slots__ = ("buffers", "kind")

    def __init__(self, kind: str, *buffers: Buffer) -> None:
        self.kind = kind
        self.buffers = buffers

    @property
    def data(self) -> Buffer:
        """The bytes in one buffer. A bytearray is of this object alone."""
        return self.buffers[0] if len(self.buffers) == 1 else b"".join(self.buffers)

    def detached(self) -> Stored:
        """Return the object with bytes of its own, which no later change of the value reaches."""
        return Stored(self.kind, b"".join(self.buffers))

    @property
    def size(self) -> int:
        """The number of bytes."""
        return sum(map(len, self.buffers))


class TooLargeError(Exception):
    """An object has more bytes than a database takes."""


class UnknownFormError(ValueError):
    """What is stored has a form that this version doesn't know."""

    def __init__(self, what: str, name: object) -> None:
        super().__init__(
            f"unknown {what} {str(name)[:40]!r}: a newer version of pytest-mltraq wrote it, which "
            f"'pip install --upgrade pytest-mltraq' installs, or the data is damaged"
        )


def look_up(table: Mapping[str, T], name: Any, what: str) -> T:
    """Return what a table has for a name that stored data says.

    Raises:
        UnknownFormError: it has nothing.
    """
    if type(name) is not str or name not in table:
        raise UnknownFormError(what, name)
    return table[name]


IN_PLACE: Final = Stored("")
"""An object that the database has already, where it must still be."""

Objects = dict[str, Stored]
"""Objects by digest."""


class Home(NamedTuple):
    """Where values are stored.

    Attributes:
        identity: names the database, which has the objects that were loaded from it.
        artifacts: where artifacts are kept; None where nothing is: then they are only looked at.
        hooks: those of other plugins; None where there are no plugins.
    """

    identity: str | None = None
    artifacts: ArtifactStore | None = None
    hooks: Hooks | None = None


NOWHERE: Final = Home()
"""Where nothing is stored: values are only looked at."""


class Source(Protocol):
    """Where objects were loaded from.

    Attributes:
        home: the database.
    """

    home: Home

    def known(self, digests: Iterable[str]) -> set[str]:
        """Return those of the digests whose objects are there."""

    def load(self, digest: str) -> Stored:
        """Return an object."""


def references(types: str) -> Iterator[str]:
    """Yield the digests that a JSON text of type entries refers to.

    Whatever looks like a digest counts, also in entries that a newer version or another plugin wrote. A text of the
    user's that looks like one keeps an object at most; a reference is never overlooked.
    """
    yield from _REFERENCE.findall(types)


def check_type(value: Any, kinds: type | tuple[type, ...], what: str) -> None:
    """Check a part of a stored value before anything is made of it.

    Raises:
        TypeError: it is of another type.
    """
    if not isinstance(value, kinds):
        names = " or ".join(kind.__name__ for kind in (kinds if isinstance(kinds, tuple) else (kinds,)))
        message = f"expected {names} as {what}, found {type(value).__name__}"
        raise TypeError(message)


OBJECT_KINDS: Final = frozenset({"arrow", "artifact", "bundle", "bytes", "npy"})
"""The forms of objects. A form is never changed: what would be another one gets another name."""

MAX_WITHOUT_BYTES: Final = 2**20
"""The most items that a value may declare without any byte for each, where reading it writes them out."""

MAX_BIGINT: Final = 2**63
"""The first integer that a database's column of integers can't hold."""

_REFERENCE: Final = re.compile(r'"([0-9a-f]{64})"')
"""What the name of an object looks like in the JSON of `types`, whatever the entry says around it."""

MAX_OBJECT: Final = 10**9 - 2**16
"""The largest object [bytes]: SQLite takes rows of 1 GB."""

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


def load_object(text: str, path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        CorruptDataError: the text is none.
    """
    return _load(text, path, dict, "a JSON object")


def load_list(text: str, path: Path) -> list[Any]:
    """Read a JSON list.

    Raises:
        CorruptDataError: the text is none.
    """
    return _load(text, path, list, "a JSON list")


def _load(text: str, path: Path, kind: type[T], expected: str) -> T:
    found = load_json(text, path)
    if type(found) is not kind:
        message = f"expected {expected}, found {type(found).__name__}"
        raise CorruptDataError(path, message)
    return found


def load_types(text: str | None, of: str, path: Path) -> dict[str, Entry]:
    """Read what JSON lost of one of the documents of a row.

    Raises:
        CorruptDataError: the text is no JSON object, or has none for this document.
    """
    found = {} if text is None else load_object(text, path).get(of, {})
    if type(found) is not dict:
        message = f"expected a JSON object for {of}, found {type(found).__name__}"
        raise CorruptDataError(path, message)
    return found


def digest_object(stored: Stored) -> str:
    """Name an object by its content: BLAKE2b-256 of its kind and bytes, in hexadecimal digits."""
    digest = hashlib.blake2b(stored.kind.encode() + b"\0", digest_size=32)
    for buffer in stored.buffers:
        digest.update(buffer)
    return digest.hexdigest()
