"""The parts that a page is made of: cells, columns, curves, images, and modules that become one script."""

from __future__ import annotations

import base64
import datetime
import decimal
import importlib.resources
import math
import pathlib
import re
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pytest_mltraq as mltraq
from pytest_mltraq.report.page import write_page
from pytest_mltraq.report.page.columns import encode_column, encode_ids, rounded
from pytest_mltraq.report.page.curves import FINEST, Curves
from pytest_mltraq.report.page.images import image_type
from pytest_mltraq.report.page.modules import join_modules, shorten
from pytest_mltraq.storage import Database
from tests.page import databases
from tests.page.test_file import data_of, decode_column

STATIC = importlib.resources.files("pytest_mltraq.report.page") / "static"
MODULES = sorted(path.name for path in STATIC.iterdir() if path.name.endswith(".js"))


def shown(tmp_path: Path, value: Any) -> Any:
    """Return what a page has of a value: its cell, or what the cell refers to."""
    experiment = mltraq.create_session(tmp_path / "results.db").create_experiment("one")
    databases.add(experiment, [databases.made_run({}, {"value": value})])
    experiment.persist()
    data = data_of(write_page(Database(tmp_path / "results.db"), tmp_path / "page.html"))
    [cell] = data["experiments"][0]["columns"][0]["of"]
    return data["more"][cell[1]] if isinstance(cell, list) and cell[0] == "more" else cell


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (0.1, 0.1),
        (7, 7),
        (2**60, str(2**60)),
        (10**30, str(10**30)),
        (True, True),
        (None, ["None"]),
        ("text", "text"),
        ("\0 and \ud800", "\ufffd and \ufffd"),
        (math.nan, ["nan"]),
        (-math.inf, ["-inf"]),
        (np.float32(0.5), 0.5),
        (np.float64("inf"), ["inf"]),
        (np.int8(3), 3),
        (np.bool_(True), True),
        (decimal.Decimal("1.10"), "1.10"),
        (datetime.date(2026, 11, 25), "2026-11-25"),
        (datetime.timedelta(seconds=90), "0:01:30"),
        (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (pathlib.PurePosixPath("a/b"), "a/b"),
        (1 - 2j, "(1-2j)"),
    ],
    ids=repr,
)
def test_short_values_are_cells(tmp_path: Path, value: Any, cell: Any) -> None:
    """Numbers as they are, what JSON has not by its name, others by their text."""
    assert shown(tmp_path, value) == cell


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        ("x" * 200, "str", "x" * 200),
        (b"\0" * 40, "bytes", r"40 bytes: \x00\x00"),
        ([1, (2, 3)], "list of 2", "[1, (2, 3)]"),
        ({"b": {1, 2}}, "dict of 1", "{'b': {1, 2}}"),
        (np.arange(4.0).reshape(2, 2), "ndarray float64 (2, 2)", "array([[0., 1.],\n       [2., 3.]])"),
        (np.zeros(10_000), "ndarray float64 (10000,)", "array([0., 0., 0., ..., 0., 0., 0.]"),
        (
            pd.DataFrame({"a": range(100)}),
            "DataFrame (100, 1)",
            "     a\n0    0\n1    1\n2    2\n3    3\n4    4\n..  ..\n95  95",
        ),
        (pa.table({"x": [1]}), "Table (1, 1)", "pyarrow.Table\nx: int64"),
        ([np.zeros(500)], "list of 1", "[array([0., 0., 0., ..., 0., 0., 0.]"),
        (list(range(5000)), "list of 5,000", "[0, 1, 2, 3"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_values_are_shown_by_type_and_text(tmp_path: Path, value: Any, kind: str, text: str) -> None:
    """A large one by its beginning and end: the text of a cell has a bound whatever the value is."""
    found = shown(tmp_path, value)

    assert found["type"] == kind
    assert found["text"].startswith(text)
    assert len(found["text"]) < 4100


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (databases.png([[0.5]]), "image/png"),
        (b"\xff\xd8\xff\xe0..JFIF", "image/jpeg"),
        (b"GIF89a...", "image/gif"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"),
        (
            b'\xef\xbb\xbf<?xml version="1.0"?>\n<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN"\n "a.dtd">\n<!-- made -->\n<svg>',
            "image/svg+xml",
        ),
        (b"<html><svg></svg>", None),
        (b"text about <svg>", None),
        (b"\x89PNG but no more", None),
        (b"", None),
    ],
)
def test_images_are_known_by_how_they_begin(data: bytes, kind: str | None) -> None:
    """What begins otherwise is no image, and is never handed to the browser as one."""
    assert image_type(data) == kind


@pytest.mark.parametrize(
    "value", [databases.png([[0.5]]), "<svg xmlns='http://www.w3.org/2000/svg'/>"], ids=["bytes", "str"]
)
def test_images_come_with_their_data(tmp_path: Path, value: bytes | str) -> None:
    """In base64, once however many runs have the same."""
    experiment = mltraq.create_session(tmp_path / "results.db").create_experiment("one")
    databases.add(experiment, [databases.made_run({"n": n}, {"picture": value}) for n in range(3)])
    experiment.persist()

    data = data_of(write_page(Database(tmp_path / "results.db"), tmp_path / "page.html"))

    [image] = data["images"]
    assert base64.b64decode(image["data"]) == (value if isinstance(value, bytes) else value.encode())
    assert data["more"][0]["image"] == 0


@given(st.lists(st.sampled_from([None, 1, 1.0, True, 0, False, "1", "", ["nan"], ["None"], ["more", 1], 0.5])))
def test_columns_keep_every_cell(cells: list[Any]) -> None:
    """Whatever form a column has: 1, 1.0 and True stay what they are."""
    found = decode_column(encode_column(cells), len(cells))

    assert [(type(cell), cell) for cell in found] == [(type(cell), cell) for cell in cells]


@given(st.lists(st.uuids(), min_size=2, max_size=20))
def test_ids_keep_every_digit(ids: list[uuid.UUID]) -> None:
    """What they begin with alike is there once."""
    column = encode_ids([str(value) for value in ids])

    width = len(column["hex"]) // column["n"]
    found = [column["head"] + column["hex"][at * width : (at + 1) * width] for at in range(column["n"])]
    assert [uuid.UUID(digits) for digits in found] == ids


def test_ids_that_are_no_uuids_are_texts() -> None:
    """Nobody else's ids are taken apart."""
    assert encode_ids(["a", "b"]) == {"all": ["a", "b"]}


@pytest.mark.parametrize(
    ("value", "cell"), [(1 / 3, 0.333), (1e-12, 1e-12), (-0.0, -0.0), (math.nan, ["nan"]), (None, None)]
)
def test_rounding_keeps_significant_digits(value: float | None, cell: Any) -> None:
    """Small numbers stay what they are, and what is no number says so."""
    assert rounded(value, 3) == cell


def test_a_curve_keeps_peaks_ends_and_gaps() -> None:
    """Of 10,000 rows the first, the last and the highest are kept; what a row doesn't have is NaN."""
    values: list[float | None] = [math.sin(row / 900) for row in range(10_000)]
    values[5_000] = 40.0
    values[7] = None
    curves = Curves(room=10_000)

    assert curves.add(mltraq.Sequence.from_columns(range(10_000), {"y": values, "name": ["x"] * 10_000})) == 0
    [curve], thinned = curves.encode()

    rows = np.cumsum(curve["at"]).tolist()
    y = np.frombuffer(base64.b64decode(curve["columns"]["y"]), dtype="<f4")
    assert (rows[0], rows[-1], thinned, len(rows)) == (0, 9_999, 1, FINEST)
    assert y[rows.index(5_000)] == 40.0
    assert np.nanmax(y) == 40.0
    assert list(curve["columns"]) == ["y", "seconds"]


def test_short_curves_are_kept_as_they_are() -> None:
    """With huge numbers as infinities; a column that grows evenly is two numbers."""
    curves = Curves(room=100)
    columns: dict[str, list[Any]] = {"y": [1.0, None, 1e300], "epoch": [1, 2, 3], "none": [None] * 3, "same": [2.5] * 3}

    curves.add(mltraq.Sequence.from_columns([0, 10**9, 3 * 10**9], columns))
    [curve], thinned = curves.encode()

    y = np.frombuffer(base64.b64decode(curve["columns"].pop("y")), dtype="<f4")
    seconds = np.frombuffer(base64.b64decode(curve["columns"].pop("seconds")), dtype="<f4")
    assert (y[0], math.isnan(y[1]), y[2]) == (1.0, True, math.inf)
    assert seconds.tolist() == [0.0, 1.0, 3.0]
    assert curve == {"rows": 3, "columns": {"epoch": {"from": 1.0, "by": 1.0}, "same": {"from": 2.5, "by": 0.0}}}
    assert thinned == 0


def test_a_sequence_without_numbers_has_no_curve() -> None:
    """Nor has an empty one."""
    curves = Curves(room=100)

    assert curves.add(mltraq.Sequence()) is None
    assert curves.add(mltraq.Sequence.from_columns([0], {"word": ["a"], "list": [[1]]})) is None
    assert curves.encode() == ([], 0)
    assert not curves.is_full


def write_modules(folder: Path, **sources: str) -> Path:
    """Write modules into a folder."""
    for name, source in sources.items():
        (folder / f"{name}.js").write_text(source, encoding="utf-8")
    return folder


def test_modules_are_joined_in_the_order_in_which_they_need_each_other(tmp_path: Path) -> None:
    """Each has names of its own; what is imported is what the other exports."""
    folder = write_modules(
        tmp_path,
        main='import { two as deux } from "./b.js";\nimport {\n  one,\n} from "./a.js";\nuse(one, deux);\n',
        b='import { one } from "./a.js";\n// A comment.\nexport function two() {\n  return one;\n}\n',
        a="const hidden = 1;\nexport const one = hidden;\n",
    )

    assert join_modules(folder) == (
        '"use strict";\n'
        "const _a = (() => {\nconst hidden = 1;\nconst one = hidden;\nreturn { one };\n})();\n"
        "const _b = (() => {\nconst { one } = _a;\nfunction two() {\nreturn one;\n}\nreturn { two };\n})();\n"
        "const _main = (() => {\nconst { two: deux } = _b;\nconst { one } = _a;\nuse(one, deux);\nreturn {  };\n})();"
    )


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ('import a from "./a.js";\n', "expected a plain import or export, found 'import a from"),
        ('import * as a from "./a.js";\n', "expected a plain import or export"),
        ("export default 1;\n", "expected a plain import or export, found 'export default 1;'"),
        ("export let a = 1;\n", "expected a plain import or export"),
        ('import { b } from "./main.js";\n', "modules need each other: main -> main"),
    ],
)
def test_other_imports_and_exports_are_refused(tmp_path: Path, source: str, message: str) -> None:
    """What can't be joined is an error that shows the line."""
    with pytest.raises(ValueError, match=re.escape(message)):
        join_modules(write_modules(tmp_path, main=source, a=""))


def test_only_comments_and_blanks_are_taken_off() -> None:
    """What is in a line with code stays, and so does an address."""
    source = '/** Long\n * comment. */\nconst a = "//x"; // b\n  // own line\n\n    const url = "http://x";\n'

    assert shorten(source) == 'const a = "//x"; // b\nconst url = "http://x";\n'


@pytest.mark.parametrize("name", MODULES)
def test_modules_make_no_markup_of_text(name: str) -> None:
    """None of what turns a text into markup or code is used; modules are short; no text spans lines, which are shortened."""
    source = STATIC.joinpath(name).read_text(encoding="utf-8")

    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc|DOMParser", source
    )
    assert len(source.splitlines()) < 400
    assert all(line.count("`") % 2 == 0 for line in source.splitlines())


def test_what_is_vendored_says_its_version_and_licence() -> None:
    """The library that draws lines is as it was published, with its licence beside it."""
    vendor = STATIC / "vendor"

    assert "uPlot (v1.6.32)" in vendor.joinpath("uPlot.iife.min.js").read_text(encoding="utf-8")[:100]
    assert vendor.joinpath("uPlot.LICENSE").read_text(encoding="utf-8").startswith("The MIT License (MIT)")
