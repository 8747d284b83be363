"""Field values to documents and objects, and back.

A mapping of values (the params, config or fields of a run) becomes three things:

* a **document**: strict, plain JSON as a reader of the database expects it. What JSON can't say is null there, or the
  nearest thing a reader can use (a datetime is its ISO text, a tuple a list);
* **types**: a small second document with what JSON loses, from which the exact value is restored. A value that
  JSON says exactly has no entry. `{"when": ["datetime"], "loss": ["float", "000000000000f87f"]}`;
* **objects**: what has no short JSON form (arrays, tables, sequences, long bytes), each once by its digest.

None of them has a version number: a name of a restorer, of a kind of object or of a kind inside of one stands for its form for ever.
A form that changes gets another name, so that a database of any age is read, and an older version of this package says of what it
doesn't know that a newer one wrote it. How rows hold them is the schema's, which has a version.

User data and type entries are in different documents, so a user's value can never be taken for a type entry.
Nothing here imports or calls what stored data names: an entry is looked up in a fixed table of restorers.

Which type is kept how is said in the module of its family: `document` (JSON's own types and containers), `scalars`,
`code`, `arrays` (NumPy), `tables` (pandas), `arrow` (PyArrow), `sequences`, `artifacts`, `plugins` (types of others). The
form of an object that is made of several arrays is said in `bundle`.
"""

from __future__ import annotations

from pytest_mltraq.codec.code import describe_code
from pytest_mltraq.codec.decoder import Decoder
from pytest_mltraq.codec.document import Encoded, decode_document, encode_document, find_refused
from pytest_mltraq.codec.forms import (
    NOWHERE,
    Home,
    Objects,
    Stored,
    digest_object,
    dump_json,
    load_json,
    load_list,
    load_object,
    load_types,
)
from pytest_mltraq.codec.shapes import Shape, find_shape

__all__ = [
    "NOWHERE",
    "Decoder",
    "Encoded",
    "Home",
    "Objects",
    "Shape",
    "Stored",
    "decode_document",
    "describe_code",
    "digest_object",
    "dump_json",
    "encode_document",
    "find_refused",
    "find_shape",
    "load_json",
    "load_list",
    "load_object",
    "load_types",
]
