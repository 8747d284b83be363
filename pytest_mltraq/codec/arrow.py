"""PyArrow's values: objects in the Arrow IPC stream format, with the schema's metadata.

=========================  =================================================
type                       in types
=========================  =================================================
Table                      ``["pyarrow.table", name]``
RecordBatch                ``["pyarrow.batch", name]``
Array, ChunkedArray        ``["pyarrow.array" or "pyarrow.chunked", name]``
Scalar                     ``["pyarrow.scalar", name]``, an array of one
Schema                     ``["pyarrow.schema", name]``, a table without rows
=========================  =================================================

In the document they are null. Extension types are refused on both ways: reading one runs the code that registered for it.
Compressed streams are refused when they are read: how long they become is only known when they are.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from pytest_mltraq.codec.ipc import EXTENSION, MAX_ROWS, from_ipc, to_ipc
from pytest_mltraq.errors import UnsupportedTypeError

if TYPE_CHECKING:
    from pytest_mltraq.codec.decoder import Decoder, Restorer
    from pytest_mltraq.codec.encoder import Encoder, Writer
    from pytest_mltraq.codec.forms import Pair


def _encode_table(encoder: Encoder, value: pa.Table, path: str) -> Pair:
    return _encode(encoder, "pyarrow.table", value.schema, value.to_batches(), path)


def _encode_batch(encoder: Encoder, value: pa.RecordBatch, path: str) -> Pair:
    return _encode(encoder, "pyarrow.batch", value.schema, [value], path)


def _encode_array(encoder: Encoder, value: pa.Array, path: str) -> Pair:
    return _encode_chunks(encoder, "pyarrow.array", value.type, [value], path)


def _encode_chunked(encoder: Encoder, value: pa.ChunkedArray, path: str) -> Pair:
    return _encode_chunks(encoder, "pyarrow.chunked", value.type, value.chunks, path)


def _encode_scalar(encoder: Encoder, value: pa.Scalar, path: str) -> Pair:
    _refuse_extensions(pa.field("", value.type), path)
    return _encode_chunks(encoder, "pyarrow.scalar", value.type, [pa.repeat(value, 1)], path)


def _encode_schema(encoder: Encoder, value: pa.Schema, path: str) -> Pair:
    return _encode(encoder, "pyarrow.schema", value, [], path)


def _encode_chunks(encoder: Encoder, name: str, kind: pa.DataType, chunks: list[pa.Array], path: str) -> Pair:
    """Encode arrays as batches of one column."""
    schema = pa.schema([pa.field("", kind)])
    return _encode(
        encoder, name, schema, [pa.RecordBatch.from_arrays([chunk], schema=schema) for chunk in chunks], path
    )


def _encode(encoder: Encoder, name: str, schema: pa.Schema, batches: list[pa.RecordBatch], path: str) -> Pair:
    for field in schema:
        _refuse_extensions(field, path)
    try:
        for batch in batches:
            if batch.num_rows > MAX_ROWS:
                message = (
                    f"Arrow writes {MAX_ROWS:,} rows in a batch at most: make a chunked array, or a table of chunks"
                )
                raise UnsupportedTypeError(path, message)
            batch.validate(full=True)  # as reading does: what could not be read is never stored
    except pa.ArrowInvalid as error:
        message = f"the Arrow data is not valid: {error}"
        raise UnsupportedTypeError(path, message) from error
    return None, [name, encoder.add("arrow", lambda: to_ipc(schema, batches))]


def _refuse_extensions(field: pa.Field, path: str) -> None:
    if _is_extension(field):
        where = f" in {field.name!r}" if field.name else ""
        message = f"Arrow extension types can't be stored, found {field.type}{where}: store its storage array"
        raise UnsupportedTypeError(path, message)


def _is_extension(field: pa.Field) -> bool:
    """Whether a field has an extension type, or one inside of its type."""
    kind = field.type
    if EXTENSION in b"".join(field.metadata or ()) or isinstance(kind, pa.BaseExtensionType):
        return True
    inner = [pa.field("", kind.value_type)] if pa.types.is_dictionary(kind) else []
    return any(map(_is_extension, [*inner, *(kind.field(at) for at in range(kind.num_fields))]))


def _decode(decoder: Decoder, arguments: list[Any]) -> tuple[pa.Schema, list[pa.RecordBatch]]:
    return from_ipc(decoder.data(arguments[0], "arrow"))


def _decode_table(decoder: Decoder, plain: Any, arguments: list[Any], path: str) -> pa.Table:
    schema, batches = _decode(decoder, arguments)
    return pa.Table.from_batches(batches, schema=schema)


def _decode_batch(decoder: Decoder, plain: Any, arguments: list[Any], path: str) -> pa.RecordBatch:
    _, (batch,) = _decode(decoder, arguments)
    return batch


def _decode_array(decoder: Decoder, plain: Any, arguments: list[Any], path: str) -> pa.Array:
    (array,) = _decode_batch(decoder, plain, arguments, path).columns
    return array


def _decode_chunked(decoder: Decoder, plain: Any, arguments: list[Any], path: str) -> pa.ChunkedArray:
    (field,), batches = _decode(decoder, arguments)
    return pa.chunked_array([batch.column(0) for batch in batches], type=field.type)


def _decode_scalar(decoder: Decoder, plain: Any, arguments: list[Any], path: str) -> pa.Scalar:
    (scalar,) = _decode_array(decoder, plain, arguments, path)
    return scalar


def _decode_schema(decoder: Decoder, plain: Any, arguments: list[Any], path: str) -> pa.Schema:
    schema, _ = _decode(decoder, arguments)
    return schema


def _classes(base: type) -> list[type]:
    """Return the classes of PyArrow's arrays or scalars; values of extension types are refused by their type."""
    return [kind for _, kind in inspect.getmembers(pa.lib, inspect.isclass) if issubclass(kind, base)]


WRITERS: Final[dict[type, Writer]] = {
    pa.Table: _encode_table,
    pa.RecordBatch: _encode_batch,
    pa.ChunkedArray: _encode_chunked,
    pa.Schema: _encode_schema,
    **dict.fromkeys(_classes(pa.Array), _encode_array),
    **dict.fromkeys(_classes(pa.Scalar), _encode_scalar),
}
RESTORERS: Final[dict[str, Restorer]] = {
    "pyarrow.table": _decode_table,
    "pyarrow.batch": _decode_batch,
    "pyarrow.array": _decode_array,
    "pyarrow.chunked": _decode_chunked,
    "pyarrow.scalar": _decode_scalar,
    "pyarrow.schema": _decode_schema,
}
