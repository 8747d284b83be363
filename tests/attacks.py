"""Hostile values: what an attacker would put into a database to run code, or to fill the reader's memory.

Run as a program it reads a database of them in every way there is, in a process of its own whose memory is limited, and prints
what happened.
"""

from __future__ import annotations

import functools
import io
import json
import pickle
import sys
import types
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa

import pytest_mltraq as mltraq
from pytest_mltraq.codec import Stored, digest_object, dump_json
from pytest_mltraq.codec.bundle import pack
from pytest_mltraq.codec.npy import to_npy
from pytest_mltraq.describing import describe
from pytest_mltraq.report.page import write_page
from pytest_mltraq.storage import Database
from pytest_mltraq.storage.rows import execute, insert_rows
from tests.fuzzing import limit_memory
from tests.program import run as run_command

HUGE = 2**40
ROOM = 2**29
"""How much more memory the reader may take than it has when it begins [bytes]."""


class Attack(NamedTuple):
    """What is stored as a field: its type entry, the objects by the names that the entry uses, and its value in the document."""

    entry: Any
    objects: Mapping[str, Stored] = types.MappingProxyType({})
    plain: Any = None


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


class Registered(pa.ExtensionType):  # type: ignore[misc]
    """An extension type that is known to Arrow in the reader's process, and makes a file when it is read."""

    file = Path()

    def __init__(self) -> None:
        super().__init__(pa.binary(), "tests.registered")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage: Any, serialized: bytes) -> Registered:
        cls.file.touch()
        return cls()


# -- parts of attacks --------------------------------------------------------------------------------------------------


def npy(dtype: Any, shape: tuple[int, ...], content: bytes = b"") -> Stored:
    """Write an array that declares anything."""
    header = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape!r}, }}".encode()
    size = -(12 + len(header) + 1) % 64 + len(header) + 1
    return Stored("npy", b"\x93NUMPY\3\0" + size.to_bytes(4, "little") + header.ljust(size - 1) + b"\n" + content)


def array(values: Any) -> Stored:
    """Write an array as it should be."""
    return Stored("npy", b"".join(to_npy(np.asarray(values))))


def ipc(*columns: pa.Array, schema: pa.Schema | None = None) -> Stored:
    """Write a stream of any schema, of any length."""
    schema = schema or pa.schema([(str(at), column.type) for at, column in enumerate(columns)])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema, options=pa.ipc.IpcWriteOptions(allow_64bit=True)) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays(list(columns), schema=schema))
    return Stored("arrow", sink.getvalue().to_pybytes())


def bundle(plain: Any, entries: Any = None, *segments: Stored) -> Stored:
    """Write a bundle."""
    return Stored("bundle", b"".join(pack(plain, entries or {}, segments)))


def of(tag: str, stored: Stored) -> Attack:
    """Make the attack whose value is an object."""
    return Attack([tag, "0"], {"0": stored})


SERIES: dict[str, Any] = {"index": None, "name": None, "attrs": {}, "duplicate_labels": True}
RANGE = {"start": 0, "stop": HUGE, "step": 1, "name": None}


def series(data: dict[str, Any], parts: dict[str, Any], *segments: Stored) -> Stored:
    """Write a Series of a column, as long as its index says."""
    entries = {"index": ["pandas.index", len(segments)], "data": ["dict", parts]}
    return bundle({**SERIES, "data": data}, entries, *segments, bundle(RANGE))


def column(stored: Stored) -> Stored:
    """Write a Series of one array."""
    return series({"kind": "numpy", "values": None}, {"values": ["numpy.array", 0]}, stored)


def sequence(stored: Stored, tag: str = "numpy.array") -> Stored:
    """Write a sequence of one column."""
    plain = {"times": None, "columns": {"x": None}}
    entries = {"times": ["numpy.array", 0], "columns": ["dict", {"x": [tag, 1]}]}
    return bundle(plain, entries, array([1]), stored)


def masked(stored: Stored) -> Stored:
    """Write a masked array."""
    plain = {"data": None, "mask": None, "fill": None, "hard": False}
    return bundle(plain, {"data": ["numpy.array", 0]}, stored)


def polars(dtype: Any, stored: Stored) -> Stored:
    """Write a series of polars."""
    return bundle({"schema": [["a", dtype]], "data": None}, {"data": ["pyarrow.table", 0]}, stored)


def sparse(kind: str, shape: list[int], **arrays: Stored) -> Stored:
    """Write a sparse array."""
    entries = {name: ["numpy.array", at] for at, name in enumerate(arrays)}
    plain = {"kind": kind, "shape": shape, **dict.fromkeys(arrays)}
    return bundle(plain, {"shape": ["tuple", {}], **entries}, *arrays.values())


# -- attacks -----------------------------------------------------------------------------------------------------------


def pickles(marker: Path) -> dict[str, Attack]:
    """Make values whose reading would run code, if it were done as the libraries' own readers can."""
    bomb = Bomb(marker)
    objects = np.empty(1, dtype=object)
    objects[0] = bomb
    records = np.empty(1, dtype=[("a", "O")])
    records[0] = (bomb,)
    saved = {}
    for name, values in (("objects", objects), ("records", records)):
        buffer = io.BytesIO()
        np.save(buffer, values, allow_pickle=True)
        saved[name] = Stored("npy", buffer.getvalue())
    found: dict[str, Attack] = {}
    data = pickle.dumps(bomb)
    saved |= {
        "a pickle": Stored("npy", data),
        "objects of version 3": npy("|O", (1,), data),
        "records of version 3": npy([("a", "|O")], (1,), data),
        "eight bytes as objects": npy("|O", (1,), bytes(8)),
    }
    for name, stored in saved.items():
        found |= {
            f"{name} as array": of("numpy.array", stored),
            f"{name} as record": of("numpy.void", stored),
            f"{name} masked": of("numpy.masked", masked(stored)),
            f"{name} in a Series": of("pandas.series", column(stored)),
            f"{name} in a Sequence": of("pytest_mltraq.sequence", sequence(stored)),
            f"{name} in a sparse array": of(
                "scipy.sparse",
                sparse("csr_array", [1, 1], data=stored, indices=array([0]), indptr=array([0, 1])),
            ),
            f"{name} as codes": of(
                "pandas.array",
                bundle(
                    {"kind": "category", "codes": None, "categories": None, "ordered": False},
                    {"codes": ["numpy.array", 0], "categories": ["pandas.index", 1]},
                    stored,
                    bundle({**RANGE, "stop": 3}),
                ),
            ),
        }
    names = ("pickle", "dill", "builtins.eval", "builtins.object", "os.system", "numpy.load", "numpy.frompyfunc")
    more = (
        "numpy.core",
        "pandas.read_pickle",
        "pandas.eval",
        "pytest_mltraq.session",
        "codec",
        "pyarrow.deserialize",
        "",
    )
    for name in (*names, *more):
        found[f"the type {name!r}"] = Attack([name, data.hex()], {}, data.hex())
    found["a pickle as object"] = of("numpy.array", Stored("pickle", data))
    found["the dtype of an object"] = Attack(["numpy.scalar", "|O", bytes(8).hex()])
    found["a dtype with objects"] = Attack(["numpy.scalar", {"names": ["a"], "formats": ["O"]}, bytes(8).hex()])
    return found | extensions(data)


def extensions(data: bytes) -> dict[str, Attack]:
    """Make Arrow data of extension types: one that Arrow once unpickled, and one that is registered in this process."""
    found: dict[str, Attack] = {}
    for name in ("arrow.py_extension_type", "tests.registered"):
        metadata = {"ARROW:extension:name": name, "ARROW:extension:metadata": data}
        field = pa.field("0", pa.binary(), metadata=metadata)
        nested = {
            "": pa.schema([field]),
            " in a list": pa.schema([pa.field("0", pa.list_(field))]),
            " in a struct": pa.schema([pa.field("0", pa.struct([field]))]),
        }
        for where, schema in nested.items():
            streams = ipc(pa.array([], schema[0].type), schema=schema)
            found |= {
                f"{name}{where} in {tag}": of(tag, streams)
                for tag in ("pyarrow.table", "pyarrow.batch", "pyarrow.array", "pyarrow.chunked", "pyarrow.schema")
            }
            found |= {
                f"{name}{where} in polars": of("polars.series", polars("Binary", streams)),
                f"{name}{where} in a Sequence": of(
                    "pytest_mltraq.sequence",
                    bundle(
                        {"times": [1], "columns": {"x": [None]}},
                        {"columns": ["dict", {"x": ["list", {"0": ["pyarrow.array", 0]}]}]},
                        streams,
                    ),
                ),
                f"{name}{where} in pandas": of(
                    "pandas.array", bundle({"kind": "arrow", "values": None}, {"values": ["pyarrow.table", 0]}, streams)
                ),
            }
    return found


def bombs() -> dict[str, Attack]:
    """Make small values that become large when they are read, if what they declare is believed."""
    nulls = ipc(pa.Array.from_buffers(pa.null(), HUGE, [None]))
    structs = ipc(pa.StructArray.from_buffers(pa.struct([]), HUGE, [None], children=[]))
    runs = ipc(pa.RunEndEncodedArray.from_arrays([HUGE], [1.5], type=pa.run_end_encoded(pa.int64(), pa.float64())))
    none = pa.Array.from_buffers(pa.list_(pa.null(), 0), HUGE, [None], children=[pa.nulls(0)])
    found: dict[str, Attack] = {}
    dtypes: list[Any] = ["<f8", "|V0", "|S0", "<U0", [], "|V2147483647", [("a", "<f8", (2**20, 2**9))]]
    shapes: list[tuple[int, ...]] = [(HUGE,), (-HUGE, -1), (2**64,)]
    for dtype in dtypes:
        for shape in shapes:
            stored = npy(dtype, shape)
            found |= {
                f"{dtype} {shape}": of("numpy.array", stored),
                f"{dtype} {shape} masked": of("numpy.masked", masked(stored)),
                f"{dtype} {shape} in a Series": of("pandas.series", column(stored)),
                f"{dtype} {shape} in a Sequence": of("pytest_mltraq.sequence", sequence(stored)),
            }
    for name, stored, kind in (
        ("nulls", nulls, "Null"),
        ("structs", structs, ["Struct", []]),
        ("runs", runs, "Float64"),
        ("lists of none", ipc(none), ["Array", "Null", 0]),
    ):
        arrow = {"kind": "arrow", "values": None}
        found |= {
            name: of("pyarrow.array", stored),
            f"{name} in a table": of("pyarrow.table", stored),
            f"{name} in polars": of("polars.series", polars(kind, stored)),
            f"{name} in pandas": of("pandas.series", series(arrow, {"values": ["pyarrow.table", 0]}, stored)),
        }
    ends = {"left": ["pandas.index", 0], "right": ["pandas.index", 1]}
    interval = {"kind": "interval", "left": None, "right": None, "closed": "left"}
    upper = bundle({**RANGE, "start": 1, "stop": HUGE + 1})
    frame: dict[str, Any] = {**SERIES, "columns": None, "data": []}
    levels = {"levels": ["list", {"0": ["pandas.index", 0]}], "codes": ["list", {"0": ["numpy.array", 1]}]}
    category = {"kind": "category", "codes": None, "categories": None, "ordered": False}
    codes = array(np.zeros(1, "i1"))
    return {
        **found,
        "categories of a range": of(
            "pandas.array",
            bundle(category, {"codes": ["numpy.array", 0], "categories": ["pandas.index", 1]}, codes, bundle(RANGE)),
        ),
        "a level": of(
            "pandas.index",
            bundle({"levels": [None], "codes": [None], "names": ["a"]}, levels, bundle(RANGE), codes),
        ),
        "sparse values": of(
            "pandas.array",
            bundle(
                {"kind": "sparse", "values": None, "at": None, "length": HUGE, "fill": 0.0, "index": "integer"},
                {"values": ["numpy.array", 0], "at": ["numpy.array", 1]},
                array([1.0]),
                array(np.zeros(1, "i4")),
            ),
        ),
        "intervals of ranges": of("pandas.array", bundle(interval, ends, bundle(RANGE), upper)),
        "a range that no index can be": of("pandas.index", bundle({**RANGE, "stop": 2**63})),
        "a frame of such a range": of(
            "pandas.frame",
            bundle(
                frame,
                {"index": ["pandas.index", 0], "columns": ["pandas.index", 1]},
                bundle({**RANGE, "stop": 2**63}),
                bundle(RANGE),
            ),
        ),
        "rows of polars": of(
            "polars.frame",
            bundle({"height": HUGE, "schema": [], "data": None}, {"data": ["pyarrow.table", 0]}, ipc()),
        ),
        "lists of polars": of(
            "polars.series", polars(["Array", "Int8", HUGE], ipc(pa.array([[1]], pa.list_(pa.int8(), 1))))
        ),
        "texts of NumPy": of("numpy.strings", bundle({"shape": [HUGE], "order": "C", "values": [], "coerce": True})),
        "a sparse array": of(
            "scipy.sparse",
            sparse("csr_array", [HUGE, HUGE], data=array([1.0]), indices=array([0]), indptr=array([0, 1])),
        ),
        "indices outside": of(
            "scipy.sparse",
            sparse("csr_array", [1, 1], data=array([1.0]), indices=array([HUGE]), indptr=array([0, 1])),
        ),
        "indices before": of(
            "scipy.sparse",
            sparse("csc_matrix", [2, 2], data=array([1.0]), indices=array([0]), indptr=array([0, -HUGE, 1])),
        ),
        "a void without bytes": Attack(["numpy.scalar", "V2000000000"], {}, 1),
        "a record without bytes": Attack(
            ["numpy.scalar", {"names": ["a"], "formats": ["u1"], "itemsize": 2**31 - 1}, "00"]
        ),
        "bundles that multiply": of("pandas.array", multiplied(40)),
        "bundles in each other": of("pandas.array", deep_bundles(2_000)),
        "containers in each other": Attack(*deep_lists(300)),
        "a compressed table": of("pyarrow.table", compressed()),
        "a literal of brackets": of("numpy.array", npy(literal("[" * 30_000 + "]" * 30_000), ())),
        "a literal of signs": of("numpy.array", npy(literal("-" * 60_000 + "1"), ())),
        "a header as long as can be said": of("numpy.array", Stored("npy", b"\x93NUMPY\3\0\xff\xff\xff\xff")),
        "a stream as long as can be said": of(
            "pyarrow.table", Stored("arrow", b"\xff\xff\xff\xff\xff\xff\xff\x7f" + b"\xff\xff\xff\xff" + bytes(4))
        ),
    }


class literal(str):  # noqa: N801 - it is a text that is written without quotes
    """A text that is its own literal."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def compressed() -> Stored:
    """Write a gigabyte of zeros in a megabyte."""
    sink = pa.BufferOutputStream()
    zeros = pa.record_batch([np.zeros(2**24)], names=["x"])
    with pa.ipc.new_stream(sink, zeros.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        for _ in range(8):
            writer.write_batch(zeros)
    return Stored("arrow", sink.getvalue().to_pybytes())


def multiplied(times: int) -> Stored:
    """Write a value that has itself twice, so many times."""
    plain, two = {"kind": "object", "values": [None, None]}, {"0": ["pandas.array", 0], "1": ["pandas.array", 0]}
    begin = bundle({"kind": "object", "values": ["x"]})
    return functools.reduce(lambda inner, _: bundle(plain, {"values": ["list", two]}, inner), range(times), begin)


def deep_bundles(depth: int) -> Stored:
    """Write a value in so many others."""
    heads, size = [], 0
    plain, one = {"kind": "object", "values": [None]}, {"values": ["list", {"0": ["pandas.array", 0]}]}
    for _ in range(depth):
        heads.append(orjson.dumps({"plain": plain, "types": one, "segments": [["bundle", size]]}) + b"\n")
        size += len(heads[-1])
    return Stored("bundle", b"".join(reversed(heads)))


def deep_lists(depth: int) -> tuple[Any, dict[str, Stored], Any]:
    """Write a tuple in so many others."""
    entry: list[Any] = ["uuid"]
    plain: Any = "x"
    for _ in range(depth):
        entry, plain = ["tuple", {"0": entry}], [plain]
    return entry, {}, plain


def tame() -> dict[str, Attack]:
    """Make values that say that they are huge, and are what a user can have: they take no memory until they are written out."""
    return {
        "a range": of("pandas.index", bundle(RANGE)),
        "a sparse array of places": of(
            "scipy.sparse", sparse("dia_array", [HUGE, HUGE], data=array([[1.0]]), offsets=array(np.zeros(1, "i4")))
        ),
        "a decimal": Attack(["decimal"], {}, "1e999999999999"),
        "nulls": of("pyarrow.array", ipc(pa.Array.from_buffers(pa.null(), 2**31 - 1, [None]))),
    }


# -- a database of them ------------------------------------------------------------------------------------------------


def plant(url: str, attacks: dict[str, Attack]) -> None:
    """Make a database with a run for each attack: its name is a param, and it is the field `value` beside a sound one."""
    session = mltraq.create_session(url)
    experiment = session.create_experiment("hostile").add_runs(attack=list(attacks))
    experiment.execute(lambda run: run.fields.update(value=0, loss=0.5)).persist()
    with session.db.writing() as connection:
        for run in experiment.runs.values():
            attack = attacks[run.given_params.attack]
            digests = {name: digest_object(stored) for name, stored in attack.objects.items()}
            entry = [digests.get(part, part) if isinstance(part, str) else part for part in attack.entry]
            rows = [(digests[name], o.kind, len(o.data), bytes(o.data)) for name, o in attack.objects.items()]
            insert_rows(connection, "objects", ("digest", "kind", "size", "data"), rows)
            fields = dump_json({"value": attack.plain, "loss": 0.5})
            entries = dump_json({"fields": {"value": entry}})
            query = "UPDATE runs SET fields = ?, types = ? WHERE id_run = ?"
            execute(connection, query, fields, entries, str(run.id_run))
    session.close()


def _outcome(operation: Callable[[], Any]) -> str:
    """Say how an operation ended: `read`, the path of our error, or which other error it was."""
    try:
        operation()
    except mltraq.CorruptDataError as error:
        return error.path
    except BaseException as error:  # noqa: BLE001 - it is what is asked for
        return f"{type(error).__qualname__}: {str(error)[:300]}"
    return "read"


def read_everywhere(url: str, folder: Path) -> dict[str, Any]:
    """Read a database of attacks in every way there is; returns what happened."""
    session = mltraq.create_session(url)
    experiment = session.load_experiment("hostile")
    losses = experiment.runs.df(fields=["loss"])["loss"].tolist()
    values = {
        run.given_params.attack: [
            _outcome(lambda run=run: describe(run.fields.value)),  # type: ignore[misc]
            f"run {run.id_run}: fields.value",
            run.fields.loss,
        ]
        for run in experiment.runs.values()
    }
    frame = _outcome(experiment.runs.df)
    stored_again = _outcome(lambda: session.load_experiment("hostile").persist("append"))
    session.close()
    commands = {
        " ".join(command[:1]): _command(command, url)
        for command in (
            ["doctor", "--format", "json"],
            ["export", "hostile", "-o", str(folder / "out.csv")],
            ["show", "hostile"],
            ["ls", "runs", "hostile"],
            ["query", "SELECT * FROM experiment_hostile"],
            ["history", "hostile", "loss"],
            ["report", "-o", str(folder / "report.html")],
            ["prune", "--keep", "0"],
        )
    }
    some = [path.split()[1].rstrip(":") for _, path, _ in list(values.values())[::25]]
    shown = {run: _command(["show", run], url)[0] for run in some}
    merged = run_command("merge", url, "-o", str(folder / "merged.db"))
    page = _outcome(lambda: write_page(Database(url), folder / "page.html"))
    return {
        "losses": losses,
        "values": values,
        "frame": frame,
        "stored again": stored_again,
        "commands": commands,
        "shown": sorted(set(shown.values())),
        "merge": [merged.exit_code, merged.output],
        "page": page,
        "left": sorted(path.name for path in folder.iterdir()),
    }


def _command(arguments: Iterable[str], url: str) -> tuple[int, str]:
    first, *others = arguments
    result = run_command(first, "--db", url, *others)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return -1, f"{type(result.exception).__qualname__}: {result.exception}"
    return result.exit_code, result.output


def main() -> None:
    """Read the database of the first argument; the second is a folder for what is made, the third the file that attacks make."""
    url, folder, marker = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    Registered.file = marker
    pa.register_extension_type(Registered())
    warnings.simplefilter("ignore")
    import polars  # noqa: F401 - what is only loaded takes no part in what is measured
    import scipy.sparse  # noqa: F401

    limit_memory(ROOM)
    sys.stdout.write(json.dumps(read_everywhere(url, folder)))


if __name__ == "__main__":
    main()
