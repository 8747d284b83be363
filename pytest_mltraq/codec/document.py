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

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

import orjson

from pytest_mltraq.bunch import Bunch, FrozenBunch, lazy
from pytest_mltraq.codec.decoder import Decoder, StoredValue
from pytest_mltraq.codec.encoder import Encoder, are_plain, member_path
from pytest_mltraq.codec.forms import (
    EXACT,
    IN_PLACE,
    KINDS,
    MAX_BIGINT,
    MAX_OBJECT,
    NOWHERE,
    Buffer,
    Columns,
    Entry,
    Home,
    Objects,
    Pair,
    Path,
    Plain,
    Source,
    Stored,
    TooLargeError,
    digest_object,
    dump_json,
    load_json,
    load_object,
    references,
)
from pytest_mltraq.codec.shapes import Shape, find_shape, group
from pytest_mltraq.codec.text import odd_text
from pytest_mltraq.errors import CorruptDataError, UnsupportedTypeError

_NUMBERS_WITHOUT_JSON: Final = frozenset({"float", "int", "numpy.scalar"})


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


_EMPTY: Final = Encoded("{}", None, (), ())


def encode_document(
    values: Mapping[str, Any],
    path: Path,
    objects: Objects | None,
    home: Home = NOWHERE,
    shape: Shape | None = None,
) -> Encoded:
    """Encode the params, config or fields of a run.

    Args:
        values: the values by name.
        path: what the values are, for errors, such as `fields`.
        objects: takes the objects that the values refer to; None only checks whether the values can be stored.
        home: where they are going to be stored.
        shape: what `find_shape` found a moment ago, where it was asked.
    """
    # A field may be called `items`, which would hide the method of that name.
    items = values if isinstance(values, dict) else dict(values)
    if not items:
        return _EMPTY
    quick = _encode_exact(items, shape or find_shape(items))
    if quick is not None:
        return quick
    digests = _Digests(objects, home.identity)
    encoder = Encoder(digests.add, describe=isinstance(values, FrozenBunch), keep=digests.keep, home=home)
    plain: dict[str, Plain] = {}
    types: dict[str, Any] = {}
    refused = []
    for name, value in dict.items(items):
        if type(name) is not str or odd_text(name):
            message = f"a name is text without NUL and lone surrogates, found {name!r}"
            refused.append(UnsupportedTypeError(path, message))
            continue
        at = member_path(path, name)
        try:
            plain[name], entry = encoder.encode(value, at)
        except (UnsupportedTypeError, TooLargeError, RecursionError) as error:
            refused.append(_refusal(error, at))
            continue
        if entry is not None:
            types[name] = entry
    return Encoded(dump_json(plain), types or None, _columns(plain, types), tuple(refused))


def _refusal(error: Exception, path: Path) -> UnsupportedTypeError:
    if isinstance(error, UnsupportedTypeError):
        return error
    if isinstance(error, RecursionError):
        return UnsupportedTypeError(path, "containers are nested deeper here than there is room on Python's stack")
    return UnsupportedTypeError(path, str(error))


def find_refused(values: Mapping[str, Any], path: Path, home: Home = NOWHERE) -> tuple[UnsupportedTypeError, ...]:
    """Return an error for each value that can't be stored, as `encode_document` would; artifacts are kept then."""
    items = values if isinstance(values, dict) else dict(values)
    if EXACT.issuperset(map(type, dict.values(items))) and are_plain(items):
        return ()
    return encode_document(values, path, None, home).refused


def decode_document(
    document: str,
    types: Any,
    load: Callable[[str], Stored],
    path: Path,
    *,
    kind: type[Bunch] = Bunch,
    source: Source | None = None,
    home: Home = NOWHERE,
) -> Bunch:
    """Restore what `encode_document` encoded; values of which JSON loses something are restored when they are used.

    Args:
        document: plain JSON.
        types: what JSON lost, or None.
        load: returns the object of a digest.
        path: what the values are, for errors.
        kind: the kind of bunch that is made.
        source: where the objects are; values that nobody used are then stored again without reading them.
        home: the database, where there is no source.

    Raises:
        CorruptDataError: the document or its types can't be read.
    """
    plain = load_object(document, path)
    if types is None:
        return kind(plain)
    if type(types) is not dict or not types.keys() <= plain.keys():
        message = f"expected an entry for values of {path}, found {str(types)[:40]!r}"
        raise CorruptDataError(path, message)
    decoder = Decoder(load, source, home=home)
    for name, entry in types.items():
        plain[name] = StoredValue(decoder, plain[name], entry, member_path(path, name))
    return lazy(plain, kind)


def decode_whole(
    document: str, types: Any, load: Callable[[str], Stored], path: Path, home: Home = NOWHERE
) -> dict[str, Any]:
    """Restore what `encode_document` encoded, all of it now: for who uses every value, or looks for damage.

    Raises:
        CorruptDataError: the document, its types or an object can't be read.
    """
    found = decode_document(document, types, load, path, home=home)
    return {name: found[name] for name in found}


def columns_of(document: str, types: Mapping[str, Entry] | None) -> Columns:
    """Return the names of a stored document's scalar values, by kind; see `Encoded`."""
    return _columns(load_json(document, "document"), types or {})


def _encode_exact(values: dict[str, Any], shape: Shape | None) -> Encoded | None:
    """Encode values that JSON says exactly, and all at once; None where one of them is another."""
    items = dict.values(values)
    if shape is None or not shape.is_exact(items):
        return None
    try:
        document = orjson.dumps(values)
    except TypeError:  # a name that is no text, an integer beyond 64 bits or a lone surrogate
        return None
    if shape.has_text and b"\\" in document and not are_plain([item for item in items if type(item) is str]):
        return None  # NUL, which JSON escapes
    return Encoded(document.decode(), None, shape.columns, ())


def _columns(plain: Mapping[str, Plain], types: Mapping[str, Entry]) -> Columns:
    kinds = []
    for name, value in plain.items():
        entry = types.get(name)
        if value is None and entry is not None:
            kind = "number" if entry[0] in _NUMBERS_WITHOUT_JSON else None
        else:
            kind = KINDS.get(type(value))
        if kind == "integer" and not -MAX_BIGINT <= value < MAX_BIGINT:
            kind = "number"
        if kind is not None:
            kinds.append((name, kind))
    return group(kinds)


class _Digests:
    """Takes objects by the digest of their kind and bytes, so that equal ones are kept once."""

    def __init__(self, objects: Objects | None, home: str | None) -> None:
        self.objects = objects
        self.home = home

    def add(self, kind: str, data: Callable[[], Iterable[Buffer]]) -> str:
        if self.objects is None:
            return ""
        stored = Stored(kind, *data())
        size = stored.size
        if size > MAX_OBJECT:
            message = f"{size:,} bytes are more than a database takes: keep it in a file"
            raise TooLargeError(message)
        digest = digest_object(stored)
        self.objects[digest] = stored
        return digest

    def keep(self, value: StoredValue) -> Pair:
        source = value.decoder.source
        if self.objects is not None and source is not None:
            for digest in source.known(references(dump_json(value.entry))):
                self.objects.setdefault(digest, IN_PLACE if source.home.identity == self.home else source.load(digest))
        return value.plain, value.entry
