"""Damage: samples of every type that can be stored, and mutations of what is stored of them.

Run as a program it tries mutations one after another, in a process of its own whose memory is limited, and prints those for
which the reader did anything but return a value of the table of types or raise `CorruptDataError` with its path.
"""

from __future__ import annotations

import argparse
import datetime
import decimal
import faulthandler
import fractions
import itertools
import json
import random
import re
import resource
import sys
import traceback
import uuid
import warnings
import zoneinfo
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple

import numpy as np
import orjson
import pandas as pd
import polars as pl
import pyarrow as pa
import pytz
from scipy import sparse

from pytest_mltraq import Artifact, Bunch, CorruptDataError, PluginValue, Sequence
from pytest_mltraq.bunch import FrozenBunch
from pytest_mltraq.codec import Objects, Stored, decode_document, dump_json, encode_document
from pytest_mltraq.describing import describe

ROOM = 2**30
"""How much more memory a process may take than it has when it begins [bytes]; no sample has a hundredth of it."""

PATIENCE = 60
"""After so long [s] without an answer the process ends itself."""


class Form(NamedTuple):
    """What is stored of a value."""

    document: str
    types: str
    objects: dict[str, Stored]


def stored_form(value: Any) -> Form:
    """Encode a value as the field `value`."""
    objects: Objects = {}
    encoded = encode_document({"value": value}, "fields", objects)
    assert not encoded.refused
    own = {digest: Stored(stored.kind, b"".join(stored.buffers)) for digest, stored in objects.items()}
    return Form(encoded.document, dump_json(encoded.types or {}), own)


def read(form: Form) -> Any:
    """Restore the field `value`, as a reader of a database does, but for the check of digests."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        types = orjson.loads(form.types)
        return dict(decode_document(form.document, types, form.objects.__getitem__, "fields"))["value"]


# -- samples -----------------------------------------------------------------------------------------------------------


def _sequence() -> Sequence:
    sequence = Sequence()
    for step in range(5):
        sequence.append(step=step, loss=0.5 / (step + 1), note=None if step % 2 else "even", at=np.float32(step))
    return sequence


def _standard() -> dict[str, Any]:
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    return {
        "NaN": float("nan"),
        "large int": 2**200,
        "complex": complex(1.5, float("-inf")),
        "odd text": "a\0\ud800",
        "bytes": b"\0abc",
        "long bytes": bytes(range(256)) * 8,
        "Decimal": decimal.Decimal("-1.50E+10"),
        "Fraction": fractions.Fraction(-7, 12),
        "UUID": uuid.UUID(int=7),
        "date": datetime.date(2026, 2, 28),
        "time": datetime.time(1, 2, 3, 4, tzinfo=datetime.UTC),
        "datetime": datetime.datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=berlin),
        "datetime of pytz": pytz.timezone("Asia/Tokyo").localize(datetime.datetime(2026, 1, 1)),  # noqa: DTZ001 - localized
        "datetime of an offset": datetime.datetime(
            2026, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=1), "a")
        ),
        "timedelta": datetime.timedelta(-1, 2, 3),
        "path": Path("a/b"),
        "pure paths": (PurePosixPath("a"), PureWindowsPath("c:\\d")),
        "containers": [(1, "a"), {1, 2}, frozenset({"x"}), {"k": (None,)}, {1: "a", (2, None): [b"x"]}],
        "Bunch": Bunch(a=1, b=(FrozenBunch(c=float("inf")),)),
        "nested": [[[[(((1,),),)]]]],
        "Sequence": _sequence(),
        "Artifact": Artifact(__file__),
        "Artifact in a frame": pd.DataFrame({"file": [Artifact(__file__)]}),
        "value of a plugin": PluginValue("plugin.tensor", {"shape": (2, 3), "data": np.arange(6.0)}),
    }


def _numpy() -> dict[str, Any]:
    texts: Any = np.array(["a", "b", "long" * 9]).astype(getattr(np.dtypes, "StringDType", lambda: "U36")())
    return {
        "float32": np.float32(1.5),
        "scalars": [np.int8(-1), np.float64("nan"), np.complex64(1j), np.datetime64("2026-01-01", "D"), np.str_("a")],
        "record": np.array([(1, 2.5)], dtype=[("a", "<i4"), ("b", ">f8")])[0],
        "array": np.arange(24.0).reshape(2, 3, 4),
        "Fortran array": np.asfortranarray(np.arange(12, dtype=">i4").reshape(3, 4)),
        "0-d array": np.array(7),
        "empty array": np.empty((0, 3), "f4"),
        "structured array": np.zeros(3, dtype=[("a", "<i4"), ("b", "<f8", (2,)), ("c", [("d", "S3")])]),
        "datetime64 array": np.array(["2026-01-01", "NaT"], dtype="datetime64[ns]"),
        "text array": np.array(["a", "bc"]),
        "StringDType": texts,
        "masked array": np.ma.MaskedArray([1.5, 2.5, 3.5], mask=[False, True, False], fill_value=-1.0),
        "csr": sparse.csr_array(np.eye(4)),
        "bsr": sparse.bsr_array(np.eye(4)),
        "coo": sparse.coo_array(np.eye(4)),
        "dia": sparse.dia_matrix(np.eye(4)),
        "lil": sparse.lil_array(np.eye(4)),
        "dok": sparse.dok_matrix(np.eye(4)),
    }


def _columns() -> dict[str, Any]:
    days = pd.date_range("2026-01-01", periods=4, freq="D", tz="Europe/Berlin")
    return {
        "float": [1.5, None, 2.5, 3.5],
        "object": pd.Series([1, "a", None, (2,)], dtype=object),
        "text": pd.Series(["a", None, "b", "c"], dtype="string[python]"),
        "arrow text": pd.Series(["a", None, "b", "c"], dtype="string[pyarrow]"),
        "Int8": pd.Series([1, None, 3, 4], dtype="Int8"),
        "boolean": pd.Series([True, None, False, True], dtype="boolean"),
        "category": pd.Categorical(["a", "b", None, "a"], categories=["b", "a", "unused"], ordered=True),
        "days": days,
        "gaps": pd.to_timedelta([1, 2, None, 4], unit="s"),
        "period": pd.period_range("2026-01", periods=4, freq="M"),
        "interval": pd.interval_range(0, 4),
        "sparse": pd.arrays.SparseArray([0, 0, 1, 2], kind="block"),
        "arrow": pd.Series([[1], None, [], [2, 3]], dtype=pd.ArrowDtype(pa.list_(pa.int8()))),
    }


def _pandas() -> dict[str, Any]:
    columns = _columns()
    frame = pd.DataFrame(columns, index=columns["days"])
    frame.attrs = {"unit": "m", "weights": np.arange(3)}
    product = pd.MultiIndex.from_product([["a", "b"], [1, 2]], names=["x", None])
    table = pd.DataFrame(np.arange(16.0).reshape(4, 4), index=product, columns=product)
    arrays = {f"array of {name}": pd.Series(column).array for name, column in columns.items()}
    indexes = {f"index of {name}": pd.Index(column, name=name) for name, column in columns.items() if name != "arrow"}
    return {
        "DataFrame": frame,
        "MultiIndex on both axes": table,
        "frame without columns": pd.DataFrame(index=range(3)),
        "Series": pd.Series([1, 2], index=["a", "b"], name=("x", 1)),
        "RangeIndex": pd.RangeIndex(0, 10, 2, name="r"),
        "Timestamp": pd.Timestamp("2026-01-01 01:02:03.000000004", tz="Europe/Berlin"),
        "Timedelta": pd.Timedelta(5, "ns"),
        "Period": pd.Period("2026-01", freq="M"),
        "Interval": pd.Interval(pd.Timestamp("2026-01-01"), pd.Timestamp("2026-01-02"), closed="both"),
        "missing": [pd.NaT, pd.NA],
        **arrays,
        **indexes,
    }


def _arrow() -> dict[str, Any]:
    columns = {
        "i": pa.array([1, None, 3]),
        "s": pa.array(["a", None, "bc"]),
        **(
            {"view": pa.array(["a", "long enough to be outside of the view", None], pa.string_view())}
            if hasattr(pa, "string_view")
            else {}
        ),
        "l": pa.array([[1], None, [2, 3]]),
        "d": pa.array(["x", "y", "x"]).dictionary_encode(),
        "st": pa.array([{"a": 1, "b": "x"}, None, {"a": 2, "b": None}]),
        "m": pa.array([[("k", 1)], [], None], pa.map_(pa.string(), pa.int8())),
        "t": pa.array([1, 2, None], pa.timestamp("ns", "Europe/Berlin")),
        "dec": pa.array([decimal.Decimal("1.50"), None, decimal.Decimal("2.25")]),
        "null": pa.nulls(3),
        "fixed": pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int8(), 2)),
        "runs": pa.RunEndEncodedArray.from_arrays([2, 3], [1.5, 2.5]),
    }
    union = pa.UnionArray.from_dense(
        pa.array([0, 1, 0], pa.int8()), pa.array([0, 0, 1], pa.int32()), [pa.array([1, 2]), pa.array(["a"])]
    )
    table = pa.table(columns, metadata={b"k": b"v"})
    arrays = {f"Arrow {name}": array for name, array in {**columns, "union": union}.items()}
    return {
        "Table": table,
        "RecordBatch": table.to_batches()[0],
        "ChunkedArray": pa.chunked_array([[1, 2], [3]]),
        "Scalar": pa.scalar([1, 2]),
        "Schema": table.schema,
        **arrays,
    }


def _polars() -> dict[str, Any]:
    frame = pl.DataFrame(
        {
            "i": [1, None, 3],
            "s": ["a", None, "b"],
            "c": pl.Series(["x", "y", "x"], dtype=pl.Categorical()),
            "e": pl.Series(["a", "b", None], dtype=pl.Enum(["b", "a"])),
            "l": [[1], None, []],
            "st": [{"a": 1, "b": "x"}, None, {"a": 2, "b": None}],
            "d": pl.Series([decimal.Decimal("1.50"), None, None], dtype=pl.Decimal(10, 2)),
            "t": pl.Series([datetime.datetime(2026, 1, 1)] * 3, dtype=pl.Datetime("ns", "Europe/Berlin")),  # noqa: DTZ001 - polars gives it the zone
            "a": pl.Series([[1, 2]] * 3, dtype=pl.Array(pl.Int8(), 2)),
            "n": pl.Series([None] * 3, dtype=pl.Null()),
        }
    )
    return {"polars frame": frame, **{f"polars {series.name}": series for series in frame.get_columns()}}


def samples() -> dict[str, Any]:
    """Make a value of every type that can be stored, by a name."""
    return {**_standard(), **_numpy(), **_pandas(), **_arrow(), **_polars()}


# -- mutations ---------------------------------------------------------------------------------------------------------

_ODD: list[Any] = [
    *(None, True, 0, -1, 1, 127, 2**31 - 1, 2**31, 2**32 - 1, 10**15, 2**63 - 1, -(2**63), 2**64 - 1, 0.5, 1e308),
    *("", "x", "0", "\0", "1e999999999", "NaT", "object", "|O", "V0", "S0", "U0", "a" * 5_000, "../../etc/passwd"),
    *([], {}, [[]], [None], [0, 0], {"": None}, {"0": ["uuid"]}, ["numpy.array", 0], [10**15], [2**31, 2**31]),
]
_ODD_BYTES = [
    *(b"\0", b"\xff", b"\0" * 4, b"\xff" * 4, b"\xff\xff\xff\x7f", b"\xff" * 7 + b"\x7f", b"\0" * 8, b"\n", b"9" * 15),
    *((10**15).to_bytes(8, "little"), (2**40).to_bytes(8, "little"), (2**28).to_bytes(4, "little"), b"O", b"V"),
]
_NUMBER = re.compile(rb"\d+")

Change = Callable[[random.Random, bytes, bytes], bytes]


def _flip(rng: random.Random, data: bytes, other: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


def _cut(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def _insert(rng: random.Random, data: bytes, other: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(_ODD_BYTES) + data[at:]


def _overwrite(rng: random.Random, data: bytes, other: bytes) -> bytes:
    odd = rng.choice(_ODD_BYTES)
    at = rng.randrange(len(data)) // len(odd) * len(odd) if rng.random() < 0.5 else rng.randrange(len(data))
    return data[:at] + odd + data[at + len(odd) :]


def _duplicate(rng: random.Random, data: bytes, other: bytes) -> bytes:
    begin, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return data[:end] + data[begin:end] + data[end:]


def _drop(rng: random.Random, data: bytes, other: bytes) -> bytes:
    begin, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return data[:begin] + data[end:]


def _splice(rng: random.Random, data: bytes, other: bytes) -> bytes:
    begin, end = sorted(rng.randrange(len(other) + 1) for _ in range(2))
    at = rng.randrange(len(data) + 1)
    return data[:at] + other[begin:end] + data[at + (end - begin) * rng.randrange(2) :]


def _renumber(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """Put another number in the place of one that is written in digits, such as in a header."""
    places = list(_NUMBER.finditer(data[:2_000]))
    if not places:
        return _flip(rng, data, other)
    place = rng.choice(places)
    number = rng.choice([b"0", b"-1", b"1", b"9" * len(place[0]), b"4294967296", b"1000000000000000", b"9" * 30])
    return data[: place.start()] + number + data[place.end() :]


_CHANGES: tuple[Change, ...] = (_flip, _cut, _insert, _overwrite, _duplicate, _drop, _splice, _renumber)


def changed_bytes(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """Change some bytes; a few times, maybe."""
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        data = rng.choice(_CHANGES)(rng, data, other) if data else data
    return data


def _nodes(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every part of a JSON value."""
    yield path
    if isinstance(value, (list, dict)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _nodes(item, (*path, key))


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def _edit(rng: random.Random, said: Any, other: Any, tags: list[str]) -> Any:
    """Change a part of a JSON value: an odd one, one of another value's, another tag, or gone."""
    said = json.loads(json.dumps(said))
    path = rng.choice([path for path in _nodes(said) if path] or [()])
    if not path:
        return rng.choice(_ODD)
    holder, key = _at(said, path[:-1]), path[-1]
    choice = rng.randrange(4)
    if choice == 0:
        holder[key] = _at(other, rng.choice(list(_nodes(other))))
    elif choice == 1:
        del holder[key]
    elif choice == 2 and isinstance(holder[key], str) and holder[key] in tags:
        holder[key] = rng.choice(tags)
    else:
        holder[key] = rng.choice(_ODD)
    return said


class Fuzz:
    """Makes mutations; the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.samples = samples()
        self.forms = {name: stored_form(value) for name, value in self.samples.items()}
        found = itertools.chain.from_iterable(re.findall(r'"([\w.]+)"', form.types) for form in self.forms.values())
        self.tags = sorted(tag for tag in set(found) - {"value"} if len(tag) < 60)

    def mutation(self) -> tuple[str, str, Form]:
        """Return the name of a sample, which part of what is stored of it was changed, and the form with the change."""
        name, other = (self.rng.choice(list(self.forms)) for _ in range(2))
        form, donor = self.forms[name], self.forms[other]
        part = self.rng.choice(["object"] * 3 + ["types", "document"]) if form.objects else "types"
        if not form.objects and self.rng.random() < 0.5:
            part = "document"
        if part == "object":
            return name, part, form._replace(objects=self._objects(form, donor))
        changed = self._text(getattr(form, part), getattr(donor, part))
        document, types = (changed, form.types) if part == "document" else (form.document, changed)
        return name, part, Form(document, types, {**donor.objects, **form.objects})

    def _text(self, text: str, other: str) -> str:
        if self.rng.random() < 0.7:
            said, donated = json.loads(text), json.loads(other)
            edited = _edit(self.rng, said.get("value"), donated.get("value"), self.tags)
            return dump_json({"value": edited})
        return self.rng.choice(_CHANGES)(self.rng, text.encode(), other.encode()).decode(errors="replace")

    def _objects(self, form: Form, donor: Form) -> dict[str, Stored]:
        digest = self.rng.choice(list(form.objects))
        stored = form.objects[digest]
        foreign = self.rng.choice(list(donor.objects.values()) or [stored])
        data, other = bytes(stored.data), bytes(foreign.data)
        if stored.kind == "bundle" and self.rng.random() < 0.6:
            head, _, rest = data.partition(b"\n")
            donated = other.partition(b"\n")[0] if foreign.kind == "bundle" else head
            said = _edit(self.rng, json.loads(head), json.loads(donated), self.tags)
            data = dump_json(said).encode() + b"\n" + rest
        else:
            data = changed_bytes(self.rng, data, other)
        return {**form.objects, digest: Stored(self.rng.choice([stored.kind] * 9 + [foreign.kind]), data)}


def fault(form: Form) -> str | None:
    """Read a form; return what is wrong with what the reader did, or None."""
    try:
        value = read(form)
    except CorruptDataError as error:
        return None if error.path.startswith("fields") else f"path {error.path!r}"
    except orjson.JSONDecodeError:  # the types of a row are read before its documents are, see `storage.reader`
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        describe(value)
        refused = encode_document({"value": value}, "fields", {}).refused
    return f"a value that can't be stored: {refused[0]}" if refused else None


def try_out(fuzz: Fuzz, count: int, begin: int = 0) -> Iterator[dict[str, Any]]:
    """Try mutations; yields those for which the reader did what it must not do."""
    for number in range(count):
        name, part, form = fuzz.mutation()
        if number < begin:
            continue
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        try:
            found = fault(form)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is a fault; polars' panics are no Exception
            places = [f"{Path(at.filename).name}:{at.lineno}" for at in traceback.extract_tb(error.__traceback__)[-4:]]
            found = f"{type(error).__qualname__}: {str(error)[:200]} {places}"
        if found is not None:
            yield {"number": number, "sample": name, "part": part, "fault": found}


def limit_memory(room: int) -> None:
    """Have this process take so much more memory at most than it has now [bytes]."""
    taken = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + room, taken + room))


def main() -> None:
    """Try mutations, and print the faults as lines of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--begin", type=int, default=0, help="skip those before, to look at one")
    arguments = parser.parse_args()
    fuzz = Fuzz(arguments.seed)
    for name, form in fuzz.forms.items():  # what is imported, started and kept for the first time is no fault
        assert fault(form) is None, name
    limit_memory(ROOM)
    faulthandler.enable()
    for found in try_out(fuzz, arguments.count, arguments.begin):
        sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
