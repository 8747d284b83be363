"""`pytest-mltraq query`: what a SELECT finds, in every form."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pytest_mltraq as mltraq
from tests.program import on_terminal, program, run

MEANS = "SELECT model, avg(accuracy) AS mean FROM experiment_iris GROUP BY model ORDER BY model"


def test_a_query_can_be_read_by_other_programs_as_csv(file: Path) -> None:
    """One line for the names, one for each row, quoted as CSV is."""
    query = "SELECT name, 'a,b \"c\"' AS odd, NULL AS missing FROM experiments ORDER BY created_at"

    result = run("query", "--db", str(file), "--format", "csv", query)

    assert list(csv.reader(io.StringIO(result.stdout))) == [
        ["name", "odd", "missing"],
        ["iris", 'a,b "c"', ""],
        ["iris", 'a,b "c"', ""],
        ["größe", 'a,b "c"', ""],
    ]


def test_a_query_can_be_read_by_other_programs_as_json(file: Path) -> None:
    """A list of objects, null for NULL."""
    result = run(
        "query", "--db", str(file), "--format", "json", "SELECT 1 AS n, 0.5 AS x, 'größe' AS t, NULL AS missing"
    )

    assert json.loads(result.stdout) == [{"n": 1, "x": 0.5, "t": "größe", "missing": None}]


@pytest.mark.parametrize("form", ["csv", "json"])
@pytest.mark.parametrize("number", [0.1234567890123456, 1e-12, 1e300, 5e-324, 2**53 + 1, -(2**63), 2**63 - 1], ids=repr)
def test_numbers_for_other_programs_are_exact(file: Path, form: str, number: float) -> None:
    """No digit is lost on the way."""
    result = run("query", "--db", str(file), "--format", form, f"SELECT {number!r} AS n")

    text = result.stdout.split()[1] if form == "csv" else json.dumps(json.loads(result.stdout)[0]["n"])
    assert type(number)(text) == number


@pytest.mark.parametrize("form", ["csv", "json"])
def test_integers_stay_integers_beside_missing_ones(file: Path, form: str) -> None:
    """A column with NULL in it isn't turned into floats."""
    result = run(
        "query", "--db", str(file), "--format", form, f"SELECT {2**53 + 1} AS n UNION ALL SELECT NULL ORDER BY n DESC"
    )

    assert str(2**53 + 1) in result.stdout
    assert f"{2**53 + 1}.0" not in result.stdout


def test_a_missing_number_is_empty_in_csv(file: Path) -> None:
    """NULL is an empty cell, in a column of numbers too."""
    result = run(
        "query", "--db", str(file), "--format", "csv", "SELECT 1 AS at, 0.5 AS n UNION ALL SELECT 2, NULL ORDER BY at"
    )

    assert list(csv.reader(io.StringIO(result.stdout))) == [["at", "n"], ["1", "0.5"], ["2", ""]]


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_a_query_may_have_two_columns_of_one_name(file: Path, form: str) -> None:
    """The answer of a join can be printed in every form."""
    result = run("query", "--db", str(file), "--format", form, "SELECT 11 AS a, 22 AS a")

    assert result.exit_code == 0, result.output
    assert "11" in result.stdout
    assert "22" in result.stdout


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_bytes_can_be_printed(file: Path, form: str) -> None:
    """The content of objects is bytes of any value; asking for it is no error."""
    session = mltraq.create_session(file)
    session.create_experiment("array").execute(lambda run: run.fields.update(x=np.arange(300, dtype="u1"))).persist()

    result = run("query", "--db", str(file), "--format", form, "SELECT digest, data FROM objects")

    assert result.exit_code == 0, repr(result.exception)


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_a_query_that_finds_nothing_ends_well(file: Path, form: str) -> None:
    """No row is an answer too."""
    result = run("query", "--db", str(file), "--format", form, "SELECT model FROM experiment_iris WHERE 1 = 0")

    assert result.exit_code == 0
    if form == "json":
        assert json.loads(result.stdout) == []
    else:
        assert "model" in result.stdout


def test_a_table_shows_long_text_whole(file: Path) -> None:
    """What is printed can be copied."""
    result = run("query", "--db", str(file), f"SELECT '{'x' * 300}' AS long")

    assert "x" * 300 in result.stdout


def test_times_and_numbers_of_postgresql_can_be_printed(filled_postgresql: str) -> None:
    """Averages of integers and times with zones are printed in every form."""
    query = "SELECT avg(attempts) AS mean, min(started_at) AS first, true AS yes FROM runs"

    results = [run("query", "--db", filled_postgresql, "--format", form, query) for form in ("table", "csv", "json")]

    assert [result.exit_code for result in results] == [0, 0, 0]
    (row,) = json.loads(results[2].stdout)
    assert (row["mean"], row["yes"]) == (1, True)
    assert row["first"].startswith("20")


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["query", "SELECT nonsense"], "nonsense"),
        (["query", "DELETE FROM runs"], "expected a SELECT"),
        (["query", "nonsense"], "nonsense"),
    ],
    ids=str,
)
def test_a_query_that_cannot_be_answered_is_one_message(file: Path, arguments: list[str], what: str) -> None:
    """The message is on standard error; the exit status is not 0."""
    result = run(*arguments, "--db", str(file))

    assert result.exit_code == 2
    assert what in result.stderr
    assert result.stdout == ""
    assert isinstance(result.exception, SystemExit)


def test_a_query_of_a_database_that_is_not_there_says_so(tmp_path: Path) -> None:
    """The message names the database, and no file is made."""
    result = run("query", "--db", str(tmp_path / "results.db"), "SELECT 1")

    assert result.exit_code == 2
    assert "results.db" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_number_that_json_does_not_know_is_null(file: Path) -> None:
    """What programs read is strict JSON."""

    def refuse(constant: str) -> Any:
        raise AssertionError(constant)

    result = run("query", "--db", str(file), "--format", "json", "SELECT 9e999 AS n, -9e999 AS m")

    (row,) = json.loads(result.stdout, parse_constant=refuse)
    assert row["n"] in (None, math.inf)


# -- hostile text, and terminals ---------------------------------------------------------------------------------------

HOSTILE = "SELECT 'a' || char(27) || '[31mred' || char(10) || 'b' || char(155) || char(8238) || '|<b>' AS name"


@pytest.mark.parametrize("form", ["table", "csv", "json", "md"])
def test_a_terminal_obeys_nothing_that_is_stored(file: Path, form: str) -> None:
    """Control characters are shown, whatever the form: only the table's own colours are escapes."""
    shown = on_terminal("query", "--db", str(file), "--format", form, HOSTILE, NO_COLOR="1", columns=120)

    assert "[31mred" in shown
    assert "\x1b[31mred" not in shown
    assert not {"\x9b", "\u202e"} & set(shown)


def test_what_is_stored_reaches_a_program_as_it_is(file: Path) -> None:
    """In a pipe CSV and JSON are exact."""
    results = [program("query", "--db", str(file), "--format", form, HOSTILE).stdout for form in ("csv", "json")]

    assert list(csv.reader(io.StringIO(results[0])))[1] == ["a\x1b[31mred\nb\x9b\u202e|<b>"]
    assert json.loads(results[1]) == [{"name": "a\x1b[31mred\nb\x9b\u202e|<b>"}]


def test_markdown_is_a_table_whatever_is_in_it(file: Path) -> None:
    """Bars, newlines and tags in a cell stay in it."""
    lines = run("query", "--db", str(file), "--format", "md", HOSTILE).stdout.splitlines()

    assert lines == ["| name |", "| --- |", r"| a\x1b\[31mred<br>b\x9b\u202e\|&lt;b&gt; |"]


def test_markdown_aligns_numbers_to_the_right(file: Path) -> None:
    """As its readers do."""
    lines = run("query", "--db", str(file), "--format", "md", MEANS).stdout.splitlines()

    assert lines == ["| model | mean |", "| --- | ---: |", "| logreg | 0.5625 |", "| tree | 0.8125 |"]


def test_a_narrow_terminal_shows_rows_as_blocks(file: Path) -> None:
    """Where a table would be wider than the terminal nothing is cut."""
    wide = "SELECT " + ", ".join(f"'{str(at) * 12}' AS column_{at}" for at in range(10, 20))

    shown = re.sub(r"\x1b\[\d*m", "", on_terminal("query", "--db", str(file), wide, columns=40))

    assert all(len(line) <= 40 for line in shown.splitlines())
    assert re.search(r"^column_10 +101010101010", shown, re.MULTILINE)


def test_a_table_on_a_terminal_folds_long_text(file: Path) -> None:
    """All of it is there."""
    shown = on_terminal("query", "--db", str(file), f"SELECT 1 AS n, '{'x' * 300}' AS long", columns=60)

    assert shown.count("x") == 300


def test_wide_characters_are_aligned(file: Path) -> None:
    """They take two columns of a terminal."""
    query = "SELECT '実験' AS name, 'a' AS b UNION ALL SELECT 'x', 'c' ORDER BY name"

    assert run("query", "--db", str(file), query).stdout.splitlines() == ["name  b", "x     c", "実験  a"]


@pytest.mark.parametrize(
    ("sql", "advice"),
    [
        ("SELECT * FROM iris", "did you mean 'experiment_iris'?"),
        ("SELECT * FROM experiment_irs", "did you mean 'experiment_iris'?"),
        ("SELECT * FROM rums", "did you mean 'runs'?"),
        ("SELECT acuracy FROM experiment_iris", "did you mean 'accuracy'?"),
    ],
)
def test_a_wrong_name_says_which_one_is_near(file: Path, filled_postgresql: str, sql: str, advice: str) -> None:
    """Of the views, the tables, and the columns of the views that are asked."""
    for url in (str(file), filled_postgresql):
        result = run("query", "--db", url, sql)

        assert result.exit_code == 2
        assert result.stderr.rstrip().endswith(advice), result.stderr
