"""Values to plain values and entries of `types`, one by one; containers and what JSON nearly says."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from pytest_mltraq.bunch import Bunch, FrozenBunch, LazyBunch, LazyFrozenBunch
from pytest_mltraq.codec.bundle import pack
from pytest_mltraq.codec.code import describe_code
from pytest_mltraq.codec.decoder import StoredValue
from pytest_mltraq.codec.families import find_family
from pytest_mltraq.codec.forms import EXACT, INT64, NOWHERE, Buffer, Home, Pair, Path, Plain, Stored, dump_json
from pytest_mltraq.codec.plugins import PluginValue, encode_by_plugin, encode_plugin_value
from pytest_mltraq.codec.text import odd_text, readable
from pytest_mltraq.errors import UnsupportedTypeError

Writer = Callable[["Encoder", Any, Path], Pair]

ARTIFACT: Final = "pytest_mltraq.artifact"
"""What `types` calls an artifact."""

MAX_DEPTH: Final = 128
"""How deep containers may be nested: encoding and decoding take four calls a level, Python's stack has a thousand."""


class Encoder:
    """Encodes values one by one.

    Args:
        add: takes an object (its kind and what makes its bytes) and returns what to call it.
        describe: whether code is kept as its description (params, config) or refused (fields).
        inside: ids of the containers that the values are in.
        keep: takes a stored value as it is, unread, and returns it encoded; None reads it.
        home: where the values are going to be stored.
        outer: encodes the value whose parts these are.
    """

    def __init__(
        self,
        add: Callable[[str, Callable[[], Iterable[Buffer]]], Any],
        *,
        describe: bool = False,
        inside: set[int] | None = None,
        keep: Callable[[StoredValue], Pair] | None = None,
        home: Home = NOWHERE,
        outer: Encoder | None = None,
    ) -> None:
        self.add = add
        self.keep = keep
        self.home = home
        self._outer = outer
        self._linked: list[Any] = []
        self.describe = describe
        self._inside: set[int] = set() if inside is None else inside

    def encode(self, value: Any, path: Path) -> Pair:
        """Encode a value.

        Raises:
            UnsupportedTypeError: it can't be stored, or holds a value that can't.
        """
        kind = type(value)
        if kind is int:
            return (value, None) if value in INT64 else _encode_large_int(value)
        if kind is float:
            return (value, None) if math.isfinite(value) else (None, ["float", struct.pack("<d", value).hex()])
        if kind in EXACT and not (kind is str and odd_text(value)):
            return value, None
        writer = _WRITERS.get(kind) or _family_writer(kind)
        if writer is not None:
            return writer(self, value, path)
        if self.describe and (description := describe_code(value)) is not None:
            return description, None
        if (found := encode_by_plugin(self, value, path)) is not None:
            return found
        raise self.unsupported(value, path)

    def unsupported(self, value: Any, path: Path) -> UnsupportedTypeError:
        """Make the error for a value that can't be stored."""
        name = f"{type(value).__module__}.{type(value).__qualname__}"
        message = (
            f"values of type {name} can't be stored: keep it in run.state or run.vars, store what you need of it as numbers, text, "
            f"arrays or tables, save it to a file and store an Artifact of that, or have the hook pytest_mltraq_encode take it"
        )
        return UnsupportedTypeError(path, message)

    def bundle(self, name: str, parts: dict[str, Any], path: Path, owner: Any) -> Pair:
        """Encode a value that is made of other values as one object, with its arrays inside.

        Args:
            name: the restorer's name.
            parts: the values that it is made of; the restorer gets them back by `Decoder.bundle`. The objects that they `link` are
                in the entry, so that the database knows of them.
            path: where the value is.
            owner: the value.
        """
        segments: list[tuple[str, Callable[[], Iterable[Buffer]]]] = []

        def add(kind: str, data: Callable[[], Iterable[Buffer]]) -> int:
            segments.append((kind, data))
            return len(segments) - 1

        inner = Encoder(add, inside=self._inside, home=self.home, outer=self)
        with _Visit(self._inside, owner, path):
            plain, entries = inner.named(parts, path)

        def packed() -> list[Buffer]:
            return pack(plain, entries, [Stored(kind, *data()) for kind, data in segments])

        entry = [name, self.add("bundle", packed)]
        return None, [*entry, inner._linked] if inner._linked else entry

    def link(self, name: str, kind: str, data: Callable[[], Iterable[Buffer]]) -> list[Any]:
        """Add an object that is one of the database's, also where the value that refers to it is part of another object.

        Returns:
            The value's entry, of the restorer's name and what to call the object.
        """
        if self._outer is None:
            return [name, self.add(kind, data)]
        entry = self._outer.link(name, kind, data)
        self._linked.append(entry)
        return entry

    def inner(self, value: Any, path: Path, owner: Any) -> Pair:
        """Encode what another value is made of."""
        with _Visit(self._inside, owner, path):
            return self.encode(value, path)

    def items(self, values: Iterable[Any], path: Path, owner: Any) -> tuple[list[Plain], dict[str, Any]]:
        """Encode the items of a container, in their order."""
        with _Visit(self._inside, owner, path):
            plain, entries = [], {}
            for at, value in enumerate(values):
                item, entry = self.encode(value, f"{path}[{at}]")
                plain.append(item)
                if entry is not None:
                    entries[str(at)] = entry
            return plain, entries

    def named(self, values: dict[str, Any], path: Path) -> tuple[dict[str, Plain], dict[str, Any]]:
        """Encode the values of a mapping whose keys are text."""
        with _Visit(self._inside, values, path):
            plain, entries = {}, {}
            for key, value in dict.items(values):  # a Bunch may have an item called `items`
                at = member_path(path, key) if isinstance(values, Bunch) else f"{path}[{key!r}]"
                plain[key], entry = self.encode(value, at)
                if entry is not None:
                    entries[key] = entry
            return plain, entries


class _Visit:
    """Notices a container that holds itself, or is nested too deep."""

    def __init__(self, inside: set[int], owner: Any, path: Path) -> None:
        if id(owner) in inside:
            message = "a container that holds itself can't be stored"
            raise UnsupportedTypeError(path, message)
        if len(inside) >= MAX_DEPTH:
            message = f"containers can be nested {MAX_DEPTH} deep at most"
            raise UnsupportedTypeError(path, message)
        self.inside, self.owner = inside, id(owner)

    def __enter__(self) -> None:
        self.inside.add(self.owner)

    def __exit__(self, *exc: object) -> None:
        self.inside.discard(self.owner)


def _encode_large_int(value: int) -> Pair:
    try:
        nearest: float | None = float(value)
    except OverflowError:
        nearest = None
    return nearest, ["int", hex(value)]


def _encode_list(encoder: Encoder, value: list[Any], path: Path) -> Pair:
    kinds = set(map(type, value))
    if kinds <= {float, bool, type(None)} and is_finite(value, kinds):
        return value, None
    plain, entries = encoder.items(value, path, value)
    return plain, ["list", entries] if entries else None


def _encode_tuple(encoder: Encoder, value: tuple[Any, ...], path: Path) -> Pair:
    plain, entries = encoder.items(value, path, value)
    return plain, ["tuple", entries]


def _encode_set(encoder: Encoder, value: set[Any] | frozenset[Any], path: Path) -> Pair:
    """Encode a set's items in the order of their encoded forms, so that equal sets have equal documents."""
    plain, entries = encoder.items(value, path, value)
    pairs = [(item, entries.get(str(at))) for at, item in enumerate(plain)]
    pairs.sort(key=dump_json)
    sorted_entries = {str(at): entry for at, (_, entry) in enumerate(pairs) if entry is not None}
    return [item for item, _ in pairs], [type(value).__name__, sorted_entries]


def _encode_dict(encoder: Encoder, value: dict[Any, Any], path: Path) -> Pair:
    if not are_plain(value):
        return _encode_other_keys(encoder, value, path)
    plain, entries = encoder.named(value, path)
    return plain, ["dict", entries] if entries else None


def _encode_other_keys(encoder: Encoder, value: dict[Any, Any], path: Path) -> Pair:
    """Encode a mapping whose keys are not all text: the document has them as text, `types` as they are."""
    own_keys = list(dict.keys(value))
    items, entries = encoder.items(dict.values(value), path, value)
    keys, key_entries = encoder.items(own_keys, f"{path}.keys()", own_keys)
    plain: dict[str, Plain] = {}
    for key, item in zip(own_keys, items, strict=True):
        text = _key_text(key)
        while text in plain:
            text += "'"
        plain[text] = item
    return plain, [_mapping_name(value), entries, keys, key_entries]


def _key_text(key: Any) -> str:
    """Write a key as text, for readers of the document."""
    text = hex(key) if type(key) is int and key not in INT64 else describe_code(key) or str(key)
    return readable(text)


def _encode_bunch(encoder: Encoder, value: Bunch, path: Path) -> Pair:
    if not are_plain(value):
        return _encode_other_keys(encoder, value, path)
    plain, entries = encoder.named(value, path)
    return plain, [_mapping_name(value), entries]


def _mapping_name(value: dict[Any, Any]) -> str:
    """Return the name of a mapping's restorer; a lazy bunch comes back as any other."""
    if not isinstance(value, Bunch):
        return "dict"
    return "FrozenBunch" if isinstance(value, FrozenBunch) else "Bunch"


def _encode_frozen(encoder: Encoder, value: FrozenBunch, path: Path) -> Pair:
    described, encoder.describe = encoder.describe, True
    try:
        return _encode_bunch(encoder, value, path)
    finally:
        encoder.describe = described


def _encode_stored(encoder: Encoder, value: StoredValue, path: Path) -> Pair:
    """Encode a value that was loaded and not used since: as it is stored, unless artifacts must be kept in another place."""
    is_elsewhere = value.decoder.home.artifacts != encoder.home.artifacts and f'"{ARTIFACT}"' in dump_json(value.entry)
    if encoder.keep is None or value.decoder.source is None or is_elsewhere:
        return encoder.encode(value.make(), path)
    return encoder.keep(value)


def member_path(path: Path, name: str) -> Path:
    """Return the path of a named value, as its user would write it."""
    return f"{path}.{name}" if name.isidentifier() else f"{path}[{name!r}]"


def are_plain(names: Iterable[Any]) -> bool:
    """Whether these can be the keys of a JSON object."""
    return {str}.issuperset(map(type, names)) and not odd_text("".join(names))


def is_finite(items: Iterable[Any], kinds: set[type]) -> bool:
    """Whether no float among the items is NaN or infinite; may say no of huge ones, which costs only time."""
    if float not in kinds:
        return True
    floats = items if len(kinds) == 1 else [item for item in items if type(item) is float]
    return math.isfinite(sum(floats))


_WRITERS: Final[dict[type, Writer]] = {
    list: _encode_list,
    tuple: _encode_tuple,
    set: _encode_set,
    frozenset: _encode_set,
    dict: _encode_dict,
    Bunch: _encode_bunch,
    FrozenBunch: _encode_frozen,
    LazyBunch: _encode_bunch,
    LazyFrozenBunch: _encode_frozen,
    StoredValue: _encode_stored,
    PluginValue: encode_plugin_value,
}


def _family_writer(kind: type) -> Writer | None:
    """Find the writer of a type in its family, and remember it."""
    writers: Mapping[type, Writer] = find_family(kind.__module__.partition(".")[0]).WRITERS
    writer = writers.get(kind)
    if writer is not None:
        _WRITERS[kind] = writer
    return writer
