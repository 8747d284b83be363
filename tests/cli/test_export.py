"""`pytest-mltraq export`: runs as CSV, Parquet and JSON lines, as other programs read them."""

from __future__ import annotations

import csv
import datetime
import decimal
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import text

import pytest_mltraq as mltraq
from pytest_mltraq.cli.table import plain
from pytest_mltraq.storage import Database
from tests.history import a_run, store_session
from tests.program import PROGRAM, on_terminal, program, run, run_on_terminal

NOON = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)
FORMS = ("csv", "parquet", "jsonl")


def store(path: Path, *runs: dict[str, Any], **params: Any) -> str:
    """Store runs with these fields; returns the database's path."""
    store_session(path / "results.db", {"iris": [a_run(params, fields) for fields in runs]})
    return str(path / "results.db")


def exported(database: str, file: Path, *arguments: str) -> pa.Table:
    """Export an experiment to Parquet."""
    result = run("export", "iris", "--db", database, "-o", str(file), *arguments)
    assert (result.exit_code, result.stdout) == (0, ""), result.output
    return pq.read_table(file)


# -- forms -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def history(database_url: str) -> str:
    """The URL of a database of each kind, with two versions of an experiment and another experiment."""
    for day, loss in ((20, 0.5), (21, 0.25)):
        store_session(
            database_url,
            {
                "iris": [a_run({"model": name, "seed": 1}, {"loss": loss}) for name in ("tree", "svc")],
                "größe/1": [a_run(outcome="failed")],
            },
            at=f"2026-11-{day}T12:00:00+00:00",
            branch="main" if day == 20 else "topic",
        )
    return database_url


def test_a_row_for_each_run_of_all_versions_oldest_first(history: str, tmp_path: Path) -> None:
    """With what its session was, its params and its fields."""
    table = exported(history, tmp_path / "iris.parquet")

    assert table.column_names == [
        *("id_run", "id_experiment", "id_session", "started_at", "duration_s", "commit", "branch", "outcome", "seed"),
        *("model", "param_seed", "loss"),
    ]
    assert table["branch"].to_pylist() == ["main", "main", "topic", "topic"]
    assert table["model"].to_pylist() == ["tree", "svc", "tree", "svc"]
    assert table["loss"].to_pylist() == [0.5, 0.5, 0.25, 0.25]
    assert table["started_at"].to_pylist() == [NOON] * 4


@pytest.mark.parametrize("form", FORMS)
def test_all_experiments_are_a_file_each(history: str, tmp_path: Path, form: str) -> None:
    """Named as their views are, so that no name is a path."""
    result = run("export", "--db", history, "-o", str(tmp_path / "all"), "--format", form)

    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == [f"größe_1.{form}", f"iris.{form}"]
    assert f"iris.{form}: 4 runs, 12 columns" in result.stderr


def test_filters_say_which_runs_are_meant(history: str, tmp_path: Path) -> None:
    """Those of `ls`."""
    assert exported(history, tmp_path / "a.parquet", "--branch", "main")["loss"].to_pylist() == [0.5, 0.5]
    assert exported(history, tmp_path / "b.parquet", "--session", "last")["loss"].to_pylist() == [0.25, 0.25]
    assert exported(history, tmp_path / "c.parquet", "--outcome", "failed").num_rows == 0


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_without_a_file_runs_go_to_standard_output(history: str, form: str) -> None:
    """Data and nothing else."""
    result = program("export", "iris", "--db", history, "--format", form)

    assert (result.returncode, result.stderr) == (0, "")
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(result.stdout)))
        assert [row["loss"] for row in rows] == ["0.5", "0.5", "0.25", "0.25"]
    else:
        assert [json.loads(line)["loss"] for line in result.stdout.splitlines()] == [0.5, 0.5, 0.25, 0.25]


# -- types -------------------------------------------------------------------------------------------------------------


def test_each_column_has_the_type_of_its_values(tmp_path: Path) -> None:
    """In Parquet; integers beside missing ones stay integers."""
    table = exported(
        store(
            tmp_path,
            {
                "yes": True,
                "n": 2**62 + 1,
                "x": 0.5,
                "mixed": 1,
                "name": "größe",
                "when": NOON,
                "local": datetime.datetime(2026, 1, 2, 3),  # noqa: DTZ001
                "day": datetime.date(2026, 1, 2),
                "raw": b"\0\xff",
                "curve": [1, 2.5],
                "array": np.array([0.5, np.nan]),
                "nothing": None,
            },
            {"mixed": 0.25},
        ),
        tmp_path / "iris.parquet",
    )

    types = {field.name: str(field.type) for field in table.schema}
    assert {name: types[name] for name in table.column_names[9:]} == {
        "yes": "bool",
        "n": "int64",
        "x": "double",
        "mixed": "double",
        "name": "string",
        "when": "timestamp[us, tz=UTC]",
        "local": "timestamp[us]",
        "day": "date32[day]",
        "raw": "binary",
        "curve": "list<element: double>",
        "array": "list<element: double>",
        "nothing": "string",
    }
    assert table["n"].to_pylist() == [2**62 + 1, None]
    assert table["mixed"].to_pylist() == [1.0, 0.25]
    assert table["raw"].to_pylist() == [b"\0\xff", None]
    assert math.isnan(table["array"].to_pylist()[0][1])


def frames() -> dict[str, Any]:
    """Return values of libraries, and what they are as JSON."""
    sequence = mltraq.Sequence.from_columns([5, 6], {"loss": [0.5, 0.25]})
    return {
        "sequence": (sequence, {"idx": [0, 1], "timestamp": [5, 6], "loss": [0.5, 0.25]}),
        "frame": (pd.DataFrame({"a": [1, 2], "b": ["x", None]}), {"a": [1, 2], "b": ["x", None]}),
        "table": (pa.table({"a": [1, 2]}), {"a": [1, 2]}),
        "polars": (pl.DataFrame({"a": [1, 2]}), {"a": [1, 2]}),
        "matrix": (np.eye(2), [[1.0, 0.0], [0.0, 1.0]]),
        "series": (pd.Series([1.5, 2.5]), [1.5, 2.5]),
        "masked": (np.ma.masked_array([1, 2], [False, True]), [1, None]),
        "times": (np.array(["2026-01-02T03:04:05"], "datetime64[ns]"), ["2026-01-02 03:04:05"]),
        "nested": ({"a": [{"b": (1, math.nan)}]}, {"a": [{"b": [1, None]}]}),
        "texts": (["a", "b"], ["a", "b"]),
        "set": ({7}, [7]),
    }


@pytest.mark.parametrize("name", frames())
def test_tables_and_arrays_are_json_of_their_columns_and_items(tmp_path: Path, name: str) -> None:
    """In every form."""
    value, expected = frames()[name]
    database = store(tmp_path, {"value": value})

    in_parquet = exported(database, tmp_path / "iris.parquet")["value"].to_pylist()[0]
    in_lines = json.loads(run("export", "iris", "--db", database, "--format", "jsonl").stdout)["value"]
    (row,) = csv.DictReader(io.StringIO(run("export", "iris", "--db", database).stdout))

    assert in_lines == expected
    assert json.loads(row["value"]) == expected
    assert (json.loads(in_parquet) if isinstance(in_parquet, str) else in_parquet) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float32(0.5), 0.5),
        (np.int8(3), 3),
        (pd.Timestamp("2026-01-02T03:04:05.123456789", tz="UTC"), "2026-01-02 03:04:05.123456+00:00"),
        (pd.NaT, None),
        (decimal.Decimal("0.10"), "0.10"),
        (datetime.timedelta(seconds=90), "0:01:30"),
        (Path("a/b"), "a/b"),
        (2**70, hex(2**70)),
        (math.inf, None),
        (b"abc", "YWJj"),
        (1 + 2j, "(1+2j)"),
    ],
    ids=repr,
)
def test_scalars_are_what_other_programs_know(tmp_path: Path, value: Any, expected: Any) -> None:
    """Numbers and times as such, others as their text."""
    database = store(tmp_path, {"value": value})

    assert json.loads(run("export", "iris", "--db", database, "--format", "jsonl").stdout)["value"] == expected
    exported(database, tmp_path / "iris.parquet")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((1, "a"), ["1", "a"]),
        ((True, 0.5), ["True", "0.5"]),
        (([1.0], "a"), ["[1.0]", '"a"']),
        (([1, 2], {"a": 1}), ["[1, 2]", '{"a": 1}']),
        ((None, 3), [None, 3]),
        ((2**62, 2**70), [str(2**62), hex(2**70)]),
    ],
    ids=repr,
)
def test_values_of_two_kinds_share_a_column(tmp_path: Path, values: tuple[Any, Any], expected: list[Any]) -> None:
    """As text, or as JSON where one of them has items."""
    database = store(tmp_path, *({"value": value} for value in values))

    assert exported(database, tmp_path / "iris.parquet")["value"].to_pylist() == expected


def test_a_column_has_one_name(tmp_path: Path) -> None:
    """A field wins over a param, and the run's own columns over both."""
    path = tmp_path / "results.db"
    store_session(
        path, {"iris": [a_run({"lr": 1, "outcome": 2, "field_seed": 3}, {"lr": 0.5, "seed": 7, "items": 8, "": 9})]}
    )

    table = exported(str(path), tmp_path / "iris.parquet")

    (row,) = table.to_pylist()
    assert {name: row[name] for name in table.column_names[9:]} == {
        "param_lr": 1,
        "param_outcome": 2,
        "param_field_seed": 3,
        "lr": 0.5,
        "field_seed": 7,
        "items": 8,
        "": 9,
    }
    assert row["outcome"] == "passed"


@pytest.mark.parametrize("form", FORMS)
def test_odd_text_is_exported(tmp_path: Path, form: str) -> None:
    """Commas, quotes, newlines, NUL and lone surrogates."""
    odd = "a,\"b'\n\r\0\ud800größe"
    database = store(tmp_path, {"odd": odd}, lr=odd)

    result = run("export", "iris", "--db", database, "--format", form, "-o", str(tmp_path / f"iris.{form}"))

    assert result.exit_code == 0, result.output
    if form == "csv":
        with (tmp_path / "iris.csv").open(newline="", encoding="utf-8") as file:
            (row,) = csv.DictReader(file)
        assert row["odd"] == odd.replace("\ud800", "\\ud800")


@pytest.mark.parametrize("form", FORMS)
def test_an_experiment_without_runs_is_a_file_without_rows(tmp_path: Path, form: str) -> None:
    """It has the columns that every run has."""
    database = store(tmp_path)

    result = run("export", "iris", "--db", database, "-o", str(tmp_path / f"iris.{form}"))

    assert result.exit_code == 0, result.output
    assert (tmp_path / f"iris.{form}").exists()


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["irs", "-o", "x.csv"], "did you mean 'iris'?"),
        ([], "expected -o PATH, a folder for all experiments"),
        (["iris", "--format", "parquet"], "expected -o PATH, a file for Parquet"),
        (["-o", "x.csv"], "expected a folder for all experiments, found x.csv"),
        (["iris", "-o", "file/x.csv"], "can't be written"),
        (["iris", "--session", "abcd"], "no session has an id that begins with 'abcd'"),
    ],
    ids=str,
)
def test_what_cannot_be_exported_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    """With the exit status 2, and no file."""
    database = store(tmp_path, {"loss": 1})
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")

    result = run("export", "--db", database, *arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "results.db"]


@pytest.mark.parametrize("form", FORMS)
def test_damage_leaves_no_file_and_an_earlier_one_as_it_was(tmp_path: Path, form: str) -> None:
    """All of an experiment or nothing; the error says which run."""
    database = store(tmp_path, {"weights": np.zeros(100)})
    with Database(database).writing() as connection:
        connection.execute(text("DELETE FROM objects"))
    (tmp_path / f"iris.{form}").write_text("earlier")

    result = run("export", "iris", "--db", database, "-o", str(tmp_path / f"iris.{form}"))

    assert result.exit_code == 2
    assert "fields.weights" in result.stderr
    assert (tmp_path / f"iris.{form}").read_text() == "earlier"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_file_has_the_permissions_of_new_files(tmp_path: Path) -> None:
    """Others may read it where they may read new files."""
    (tmp_path / "new").write_text("")
    exported(store(tmp_path, {"loss": 1}), tmp_path / "iris.parquet")

    assert (tmp_path / "iris.parquet").stat().st_mode == (tmp_path / "new").stat().st_mode


def test_rows_are_written_some_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are, few are in memory; Parquet has them in groups."""
    monkeypatch.setattr("pytest_mltraq.cli.exporting.MANY_ROWS", 10)
    table = exported(store(tmp_path, *({"x": at} for at in range(25))), tmp_path / "iris.parquet")

    assert table["x"].to_pylist() == list(range(25))
    assert pq.ParquetFile(tmp_path / "iris.parquet").num_row_groups == 3


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_terminal_obeys_nothing_that_is_exported(tmp_path: Path, form: str) -> None:
    """Control characters are shown there."""
    database = store(tmp_path, {"hostile": "\x1b]0;title\x07\x9b31m"})

    shown = on_terminal("export", "iris", "--db", database, "--format", form)

    assert "]0;title" in shown
    assert not {"\x1b", "\x07", "\x9b"} & set(shown)


def test_a_bar_is_shown_on_a_terminal(tmp_path: Path) -> None:
    """And nothing of it in a pipe."""
    database = store(tmp_path, {"x": 1}, {"x": 2})
    arguments = ["export", "iris", "--db", database, "-o", str(tmp_path / "iris.csv")]
    script = f"import sys, pytest_mltraq.progress as p; p.DELAY_S = 0; sys.argv[0] = {PROGRAM!r}\n"
    script += "from pytest_mltraq.cli import main; main()"

    python = str(Path(PROGRAM).with_name("python"))
    assert "writing: " in run_on_terminal([python, "-c", script, *arguments])
    assert program(*arguments).stderr == f"{tmp_path / 'iris.csv'}: 2 runs, 10 columns\n"


@pytest.mark.parametrize(
    ("value", "exported"),
    [("1e400", "1E+400"), ("-2.5e-400", 0.0), ("1e15", 10**15), ("NaN", None), ("sNaN", None), ("0.5", 0.5)],
)
def test_decimals_in_dicts_are_numbers_as_long_as_one_holds_them(value: str, exported: object) -> None:
    """One with a huge exponent stays text: as an integer it would have as many digits."""
    assert plain(decimal.Decimal(value)) == exported
