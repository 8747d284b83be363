"""The core of the codec: documents, their types, and containers.

========================================  ==========================================  ===============================
type                                      in the document                             in types
========================================  ==========================================  ===============================
None, bool, str, int up to 64 bits,       itself                                      nothing
finite float
list, dict with str keys                  itself                                      ``["list" or "dict", {at: entry}]``,
                                                                                      only where an item has an entry
tuple, set, frozenset                     a list (of a set: in a stable order)        ``[name, {at: entry}]``
Bunch, FrozenBunch                        an object                                   ``[name, {key: entry}]``
any of them with other keys               an object, its keys as text                 ``[name, {at: entry}, keys, {at: entry}]``
========================================  ==========================================  ===============================

Other types are in the modules of their families.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

import orjson

from pytest_mltraq.bunch import Bunch, FrozenBunch
from pytest_mltraq.codec.bundle import pack, unpack
from pytest_mltraq.codec.code import describe_code
from pytest_mltraq.codec.text import odd_text, readable
from pytest_mltraq.errors import CorruptDataError, UnsupportedTypeError

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


class Encoded(NamedTuple):
    """A mapping of values, encoded.

    Attributes:
        document: plain JSON.
        types: what JSON loses, or None where it loses nothing.
        columns: names of the scalar values, by kind (`integer`, `number`, `boolean`, `text`, `null`).
        refused: an error for each value that can't be stored; it is not in the document.
    """

    document: str
    types: dict[str, Any] | None
    columns: Columns
    refused: tuple[UnsupportedTypeError, ...]


MAX_DEPTH: Final = 128
"""How deep containers may be nested: encoding and decoding take four calls a level, Python's stack has a thousand."""

MAX_BIGINT: Final = 2**63
"""The first integer that a database's column of integers can't hold."""

INT64: Final = range(-(2**63), 2**64)
"""Integers that orjson writes and reads exactly."""

_KINDS: Final[dict[type, str]] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "text",
    type(None): "null",
}
_EXACT: Final = frozenset(_KINDS)
_NUMBERS_WITHOUT_JSON: Final = frozenset({"float", "int", "numpy.scalar"})

DAMAGE: Final = (
    ValueError,
    SyntaxError,
    NotImplementedError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    EOFError,
    OSError,
    struct.error,
    RecursionError,
)
"""What restoring damaged data may raise, in Python and the libraries it calls."""

Restorer = Callable[["Decoder", Plain, list[Any], Path], Any]
Writer = Callable[["Encoder", Any, Path], Pair]


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


def encode_document(values: Mapping[str, Any], path: Path, objects: Objects | None) -> Encoded:
    """Encode the params, config or fields of a run.

    Args:
        values: the values by name.
        path: what the values are, for errors, such as `fields`.
        objects: takes the objects that the values refer to; None only checks whether the values can be stored.
    """
    # A field may be called `items`, which would hide the method of that name.
    items = values if isinstance(values, dict) else dict(values)
    quick = _encode_exact(items)
    if quick is not None:
        return quick
    encoder = Encoder(_Digests(objects).add, describe=isinstance(values, FrozenBunch))
    plain: dict[str, Plain] = {}
    types: dict[str, Any] = {}
    refused = []
    for name, value in dict.items(items):
        if type(name) is not str or odd_text(name):
            message = f"a name is text without NUL and lone surrogates, found {name!r}"
            refused.append(UnsupportedTypeError(path, message))
            continue
        try:
            item, entry = encoder.encode(value, member_path(path, name))
        except UnsupportedTypeError as error:
            refused.append(error)
            continue
        except RecursionError:
            message = "containers are nested deeper here than there is room on Python's stack"
            refused.append(UnsupportedTypeError(member_path(path, name), message))
            continue
        plain[name] = item
        if entry is not None:
            types[name] = entry
    return Encoded(dump_json(plain), types or None, _columns(plain, types), tuple(refused))


def _encode_exact(values: dict[str, Any]) -> Encoded | None:
    """Encode values that JSON says exactly, and all at once; None where one of them is another."""
    items = dict.values(values)
    kinds = set(map(type, items))
    if not kinds <= _EXACT or not _finite(items, kinds) or (int in kinds and not _short(items)):
        return None
    try:
        document = orjson.dumps(values)
    except TypeError:  # a name that is no text, an integer beyond 64 bits or a lone surrogate
        return None
    if b"\\" in document and not _are_plain([*values, *(item for item in items if type(item) is str)]):
        return None  # NUL, which JSON escapes
    columns: Columns
    if len(kinds) == 1:
        columns = _of_one_kind(_KINDS[kinds.pop()], tuple(values))
    else:
        columns = _grouped((name, _KINDS[type(item)]) for name, item in zip(values, items, strict=True))
    return Encoded(document.decode(), None, columns, ())


@functools.lru_cache(maxsize=16)
def _of_one_kind(kind: str, names: tuple[str, ...]) -> Columns:
    """Group the names of values of one kind; runs of an experiment share the result."""
    return ((kind, names),)


def _are_plain(names: Iterable[Any]) -> bool:
    """Whether these can be the keys of a JSON object."""
    return all(type(name) is str for name in names) and not odd_text("".join(names))


def _finite(items: Iterable[Any], kinds: set[type]) -> bool:
    """Whether no float among the items is NaN or infinite; may say no of huge ones, which costs only time."""
    if float not in kinds:
        return True
    floats = items if len(kinds) == 1 else [item for item in items if type(item) is float]
    return math.isfinite(sum(floats))


def _short(items: Iterable[Any]) -> bool:
    """Whether the integers among the items are those of a database, of 64 bits with a sign."""
    return all(type(item) is not int or -MAX_BIGINT <= item < MAX_BIGINT for item in items)


def _columns(plain: Mapping[str, Plain], types: Mapping[str, Entry]) -> Columns:
    kinds = []
    for name, value in plain.items():
        entry = types.get(name)
        if value is None and entry is not None:
            kind = "number" if entry[0] in _NUMBERS_WITHOUT_JSON else None
        else:
            kind = _KINDS.get(type(value))
        if kind == "integer" and not -MAX_BIGINT <= value < MAX_BIGINT:
            kind = "number"
        if kind is not None:
            kinds.append((name, kind))
    return _grouped(kinds)


def _grouped(kinds: Iterable[tuple[str, str]]) -> Columns:
    groups: dict[str, list[str]] = {}
    for name, kind in kinds:
        groups.setdefault(kind, []).append(name)
    return tuple((kind, tuple(names)) for kind, names in groups.items())


def member_path(path: Path, name: str) -> Path:
    """Return the path of a named value, as its user would write it."""
    return f"{path}.{name}" if name.isidentifier() else f"{path}[{name!r}]"


class _Digests:
    """Takes objects by the digest of their kind and bytes, so that equal ones are kept once."""

    def __init__(self, objects: Objects | None) -> None:
        self.objects = objects

    def add(self, kind: str, data: Callable[[], bytes]) -> str:
        if self.objects is None:
            return ""
        stored = Stored(kind, data())
        digest = digest_object(stored)
        self.objects[digest] = stored
        return digest


def digest_object(stored: Stored) -> str:
    """Name an object by its content: BLAKE2b-256 of its kind and bytes, in hexadecimal digits."""
    digest = hashlib.blake2b(stored.kind.encode() + b"\0", digest_size=32)
    digest.update(stored.data)
    return digest.hexdigest()


class Encoder:
    """Encodes values one by one.

    Args:
        add: takes an object (its kind and what makes its bytes) and returns what to call it.
        describe: whether code is kept as its description (params, config) or refused (fields).
        inside: ids of the containers that the values are in.
    """

    def __init__(
        self,
        add: Callable[[str, Callable[[], bytes]], Any],
        *,
        describe: bool = False,
        inside: set[int] | None = None,
    ) -> None:
        self.add = add
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
        if kind in _EXACT and not (kind is str and odd_text(value)):
            return value, None
        writer = _WRITERS.get(kind) or _family_writer(kind)
        if writer is not None:
            return writer(self, value, path)
        if self.describe and (description := describe_code(value)) is not None:
            return description, None
        raise self.unsupported(value, path)

    def unsupported(self, value: Any, path: Path) -> UnsupportedTypeError:
        """Make the error for a value that can't be stored."""
        name = f"{type(value).__module__}.{type(value).__qualname__}"
        message = (
            f"values of type {name} can't be stored: keep it in run.state or run.vars, store what you need of it as "
            f"numbers, text, arrays or tables, or save it as a file"
        )
        return UnsupportedTypeError(path, message)

    def bundle(self, name: str, parts: dict[str, Any], path: Path, owner: Any) -> Pair:
        """Encode a value that is made of other values as one object, with its arrays inside.

        Args:
            name: the restorer's name.
            parts: the values that it is made of; the restorer gets them back by `Decoder.bundle`.
            path: where the value is.
            owner: the value.
        """
        segments: list[tuple[str, Callable[[], bytes]]] = []

        def add(kind: str, data: Callable[[], bytes]) -> int:
            segments.append((kind, data))
            return len(segments) - 1

        with _Visit(self._inside, owner, path):
            plain, entries = Encoder(add, inside=self._inside).named(parts, path)
        return None, [
            name,
            self.add("bundle", lambda: pack(plain, entries, [(kind, data()) for kind, data in segments])),
        ]

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
    if kinds <= {float, bool, type(None)} and _finite(value, kinds):
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
    if not _are_plain(value):
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
    return plain, [type(value).__name__, entries, keys, key_entries]


def _key_text(key: Any) -> str:
    """Write a key as text, for readers of the document."""
    text = hex(key) if type(key) is int and key not in INT64 else describe_code(key) or str(key)
    return readable(text)


def _encode_bunch(encoder: Encoder, value: Bunch, path: Path) -> Pair:
    if not _are_plain(value):
        return _encode_other_keys(encoder, value, path)
    plain, entries = encoder.named(value, path)
    return plain, [type(value).__name__, entries]


def _encode_frozen(encoder: Encoder, value: FrozenBunch, path: Path) -> Pair:
    described, encoder.describe = encoder.describe, True
    try:
        return _encode_bunch(encoder, value, path)
    finally:
        encoder.describe = described


class Decoder:
    """Restores values one by one.

    Args:
        load: returns the object of a name that `Encoder.add` gave.
    """

    def __init__(self, load: Callable[[Any], Stored]) -> None:
        self.load = load

    def decode(self, plain: Plain, entry: Any, path: Path) -> Any:
        """Restore a value.

        Raises:
            CorruptDataError: its entry or its object can't be read.
        """
        if entry is None:
            return plain
        restorer = _restorer(entry, path)
        try:
            return restorer(self, plain, entry[1:], path)
        except CorruptDataError:
            raise
        except DAMAGE as error:
            message = f"expected the stored form of {entry[0]!r}, found damaged data ({type(error).__name__}: {error})"
            raise CorruptDataError(path, message) from error

    def bundle(self, reference: Any, path: Path) -> dict[str, Any]:
        """Restore the parts of what `Encoder.bundle` encoded."""
        plain, entries, segments = unpack(self.data(reference, "bundle"))
        return Decoder(lambda at: Stored(*segments[at])).named(plain, entries, path)

    def data(self, reference: Any, kind: str) -> bytes:
        """Return the bytes of an object, which must be of this kind."""
        stored = self.load(reference)
        if stored.kind != kind:
            message = f"expected an object of kind {kind!r}, found {stored.kind!r}"
            raise ValueError(message)
        return stored.data

    def items(self, plain: list[Plain], entries: dict[str, Any], path: Path) -> list[Any]:
        """Restore the items of a list."""
        values = list(plain)
        for at, entry in entries.items():
            values[int(at)] = self.decode(plain[int(at)], entry, f"{path}[{at}]")
        return values

    def named(self, plain: dict[str, Plain], entries: dict[str, Any], path: Path) -> dict[str, Any]:
        """Restore the values of a mapping."""
        values = dict(plain)
        for key, entry in entries.items():
            values[key] = self.decode(plain[key], entry, f"{path}[{key!r}]")
        return values


def decode_document(document: str, types: Any, load: Callable[[str], Stored], path: Path) -> dict[str, Any]:
    """Restore what `encode_document` encoded.

    Args:
        document: plain JSON.
        types: what JSON lost, or None.
        load: returns the object of a digest.
        path: what the values are, for errors.

    Raises:
        CorruptDataError: the document, its types or an object can't be read.
    """
    plain = load_json(document, path)
    if type(plain) is not dict:
        message = f"expected a JSON object, found {type(plain).__name__}"
        raise CorruptDataError(path, message)
    if types is None:
        return plain
    decoder = Decoder(load)
    return decoder.decode(plain, ["dict", types], path)  # type: ignore[no-any-return]


def _restorer(entry: Any, path: Path) -> Restorer:
    if type(entry) is not list or not entry or type(entry[0]) is not str:
        message = f"expected a type entry, found {str(entry)[:40]!r}"
        raise CorruptDataError(path, message)
    restorer = _RESTORERS.get(entry[0]) or _family_restorer(entry[0])
    if restorer is None:
        message = f"unknown type {entry[0]!r}: it was written by a newer version, or the data is damaged"
        raise CorruptDataError(path, message)
    return restorer


def _decode_mapping(decoder: Decoder, plain: Plain, arguments: list[Any], path: Path) -> dict[Any, Any]:
    if len(arguments) == 1:
        return decoder.named(plain, arguments[0], path)
    entries, plain_keys, key_entries = arguments
    keys = decoder.items(plain_keys, key_entries, path)
    values = decoder.items(list(plain.values()), entries, path)
    return dict(zip(keys, values, strict=True))


_WRITERS: Final[dict[type, Writer]] = {
    list: _encode_list,
    tuple: _encode_tuple,
    set: _encode_set,
    frozenset: _encode_set,
    dict: _encode_dict,
    Bunch: _encode_bunch,
    FrozenBunch: _encode_frozen,
}
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
}


def _family(name: str) -> Any:
    """Return the module of a family; the library that it needs is imported when a value needs it."""
    if name == "numpy":
        from pytest_mltraq.codec import arrays

        return arrays
    if name == "pandas":
        from pytest_mltraq.codec import tables

        return tables
    if name == "pyarrow":
        from pytest_mltraq.codec import arrow

        return arrow
    if name == "pytest_mltraq":
        from pytest_mltraq.codec import sequences

        return sequences
    from pytest_mltraq.codec import scalars

    return scalars


def _family_writer(kind: type) -> Writer | None:
    writers: Mapping[type, Writer] = _family(kind.__module__.partition(".")[0]).WRITERS
    return writers.get(kind)


def _family_restorer(name: str) -> Restorer | None:
    family, dot, _ = name.partition(".")
    restorers: Mapping[str, Restorer] = _family(family if dot else "").RESTORERS
    return restorers.get(name)
