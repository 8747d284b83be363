"""Plain values and entries of `types` to values, one by one. What an entry names is looked up in fixed tables."""

from __future__ import annotations

import copy
import struct
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from pytest_mltraq.bunch import Bunch, FrozenBunch, Later
from pytest_mltraq.codec.bundle import unpack
from pytest_mltraq.codec.families import find_family
from pytest_mltraq.codec.forms import NOWHERE, OBJECT_KINDS, Buffer, Home, Path, Plain, Source, Stored, UnknownFormError
from pytest_mltraq.codec.plugins import decode_plugin_value
from pytest_mltraq.errors import CorruptDataError, StorageError

T = TypeVar("T", list[Any], dict[str, Any])
Restorer = Callable[["Decoder", Plain, list[Any], Path], Any]

_OTHER_FAULTS: Final = (CorruptDataError, StorageError, MemoryError, Warning)
"""What restoring may raise that says nothing of the data: of a database that can't be read, a full memory, a user's filters."""


class Decoder:
    """Restores values one by one.

    Args:
        load: returns the object of a name that `Encoder.add` gave.
        source: where the objects are, for values that are stored again as they are.
        home: the database, where it is not the source's.
        outer: restores the value whose parts these are.
    """

    def __init__(
        self,
        load: Callable[[Any], Stored],
        source: Source | None = None,
        *,
        home: Home = NOWHERE,
        outer: Decoder | None = None,
    ) -> None:
        self.load = load
        self.source = source
        self.home = home if source is None else source.home
        self._outer = outer

    def decode(self, plain: Plain, entry: Any, path: Path) -> Any:
        """Restore a value.

        Raises:
            CorruptDataError: its entry or its object can't be read.
        """
        if entry is None:
            return plain
        if type(entry) is not list or not entry or type(entry[0]) is not str:
            message = f"expected a type entry, found {str(entry)[:40]!r}"
            raise CorruptDataError(path, message)
        try:
            return _restorer(entry[0])(self, plain, entry[1:], path)
        except _OTHER_FAULTS:
            raise
        except UnknownFormError as error:
            raise CorruptDataError(path, str(error)) from error
        except ModuleNotFoundError as error:
            message = f"reading what is stored as {entry[0]!r} needs {error.name}, which is not installed"
            raise CorruptDataError(path, message) from error
        except Exception as error:  # the one place that knows the path; libraries raise anything for damaged data
            message = f"expected the stored form of {entry[0]!r}, found damaged data ({type(error).__name__}: {error})"
            raise CorruptDataError(path, message) from error

    def bundle(self, reference: Any, path: Path) -> dict[str, Any]:
        """Restore the parts of what `Encoder.bundle` encoded."""
        plain, entries, segments = unpack(self.data(reference, "bundle"))
        unread = dict(enumerate(segments))  # each is read once: none can be multiplied
        parts = Decoder(unread.pop, home=self.home, outer=self).named(plain, entries, path)
        if unread:
            message = f"nothing refers to {len(unread)} of its {len(segments)} segments"
            raise ValueError(message)
        return parts

    def linked(self, reference: Any, kind: str) -> Buffer:
        """Return the bytes of what `Encoder.link` added."""
        return self.data(reference, kind) if self._outer is None else self._outer.linked(reference, kind)

    def data(self, reference: Any, kind: str) -> Buffer:
        """Return the bytes of an object, which must be of this kind."""
        stored = self.load(reference)
        if stored.kind != kind:
            if stored.kind not in OBJECT_KINDS:
                what = "kind of object"
                raise UnknownFormError(what, stored.kind)
            message = f"expected an object of kind {kind!r}, found {stored.kind!r}"
            raise ValueError(message)
        return stored.data

    def items(self, plain: list[Plain], entries: dict[str, Any], path: Path) -> list[Any]:
        """Restore the items of a list."""
        values = _copied(plain, list)
        for at, entry in entries.items():
            values[int(at)] = self.decode(plain[int(at)], entry, f"{path}[{at}]")
        return values

    def named(self, plain: dict[str, Plain], entries: dict[str, Any], path: Path) -> dict[str, Any]:
        """Restore the values of a mapping."""
        values = _copied(plain, dict)
        for key, entry in entries.items():
            values[key] = self.decode(plain[key], entry, f"{path}[{key!r}]")
        return values


def _copied(plain: Plain, kind: type[T]) -> T:
    if type(plain) is not kind:  # a list would be made of a text's characters too
        message = f"expected a {kind.__name__}, found {type(plain).__name__}"
        raise TypeError(message)
    copied: T = kind(plain)
    return copied


class StoredValue(Later):
    """A value that is restored when it is used first.

    Attributes:
        decoder: restores it.
        plain: what the document says.
        entry: what JSON lost.
        path: where it is, for errors.
    """

    __slots__ = ("decoder", "entry", "path", "plain")

    def __init__(self, decoder: Decoder, plain: Plain, entry: Any, path: Path) -> None:
        self.decoder, self.plain, self.entry, self.path = decoder, plain, entry, path

    def make(self) -> Any:
        """Restore the value.

        Raises:
            CorruptDataError: its entry or its object can't be read.
            StorageError: the database was in memory, and is closed.
        """
        return self.decoder.decode(self.plain, self.entry, self.path)

    def copied(self) -> StoredValue:
        """Return what restores an equal value."""
        return StoredValue(self.decoder, copy.deepcopy(self.plain), self.entry, self.path)


def _restorer(name: str) -> Restorer:
    restorer = _RESTORERS.get(name) or _family_restorer(name)
    if restorer is None:
        what = "type"
        raise UnknownFormError(what, name)
    return restorer


def _decode_mapping(decoder: Decoder, plain: Plain, arguments: list[Any], path: Path) -> dict[Any, Any]:
    if len(arguments) == 1:
        return decoder.named(plain, arguments[0], path)
    entries, plain_keys, key_entries = arguments
    keys = decoder.items(plain_keys, key_entries, path)
    values = decoder.items(list(plain.values()), entries, path)
    return dict(zip(keys, values, strict=True))


_RESTORERS: Final[dict[str, Restorer]] = {
    "float": lambda decoder, plain, arguments, path: struct.unpack("<d", bytes.fromhex(arguments[0]))[0],
    "int": lambda decoder, plain, arguments, path: int(arguments[0], 16),
    "list": lambda decoder, plain, arguments, path: decoder.items(plain, arguments[0], path),
    "tuple": lambda decoder, plain, arguments, path: tuple(decoder.items(plain, arguments[0], path)),
    "set": lambda decoder, plain, arguments, path: set(decoder.items(plain, arguments[0], path)),
    "frozenset": lambda decoder, plain, arguments, path: frozenset(decoder.items(plain, arguments[0], path)),
    "dict": _decode_mapping,
    "Bunch": lambda decoder, plain, arguments, path: Bunch(_decode_mapping(decoder, plain, arguments, path)),
    "FrozenBunch": lambda decoder, plain, arguments, path: FrozenBunch(
        _decode_mapping(decoder, plain, arguments, path)
    ),
    "plugin": decode_plugin_value,
}


def _family_restorer(name: str) -> Restorer | None:
    """Find the restorer of a name in its family, and remember it."""
    family, dot, _ = name.partition(".")
    restorers: Mapping[str, Restorer] = find_family(family if dot else "").RESTORERS
    restorer = restorers.get(name)
    if restorer is not None:
        _RESTORERS[name] = restorer
    return restorer
