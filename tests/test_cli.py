"""The command `pytest-mltraq`: what is stored, on a terminal and for programs."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from sqlalchemy.engine import make_url

import pytest_mltraq as mltraq
from pytest_mltraq.cli import main


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database with two versions of an experiment, and another experiment."""
    path = tmp_path / "results.db"
    fill(str(path))
    return path


def fill(url: str) -> None:
    """Store a few runs."""
    session = mltraq.create_session(url)
    for shift in (0.0, 0.125):
        experiment = session.create_experiment("iris").add_runs(model=["logreg", "tree"])
        experiment.execute(
            lambda run, shift=shift: run.fields.update(accuracy=0.5 + shift + (run.params.model == "tree") * 0.25)
        )
        experiment.persist("append")
    session.create_experiment("größe").persist()
    session.close()


def run(*arguments: str, **variables: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(main, list(arguments), env={"MLTRAQ_DB": None, **variables})


def program(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the installed program."""
    command = [str(Path(sys.executable).with_name("pytest-mltraq")), *arguments]
    return subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=False)


def table(output: str) -> list[list[str]]:
    """Take a printed table apart, at the spaces."""
    return [line.split() for line in output.splitlines()]


MEANS = "SELECT model, avg(accuracy) AS mean FROM experiment_iris GROUP BY model ORDER BY model"


# -- as a program ------------------------------------------------------------------------------------------------------


def test_the_program_prints_what_a_query_finds(file: Path) -> None:
    """The installed program answers on standard output, and ends well."""
    result = program("query", "--db", str(file), MEANS)

    assert (result.returncode, result.stderr) == (0, "")
    assert table(result.stdout) == [["model", "mean"], ["logreg", "0.5625"], ["tree", "0.8125"]]


def test_the_program_takes_the_database_from_the_environment(file: Path) -> None:
    """`MLTRAQ_DB` names it, as for pytest."""
    result = program("ls", MLTRAQ_DB=str(file))

    assert result.returncode == 0
    assert "iris" in result.stdout


def test_the_program_ends_with_an_error_on_standard_error(tmp_path: Path) -> None:
    """What goes wrong is one message, without a traceback, and the exit status says so."""
    (tmp_path / "notes.txt").write_text("no database")

    result = program("ls", "--db", str(tmp_path / "notes.txt"))

    assert result.returncode == 1
    assert result.stdout == ""
    assert "notes.txt is no SQLite database" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_program_prints_all_of_unicode_into_a_pipe(file: Path) -> None:
    """Other programs get UTF-8."""
    result = program("ls", "--db", str(file), "--format", "json", PYTHONUTF8="1")

    assert "größe" in result.stdout


def test_asking_for_help_needs_no_database() -> None:
    """`-h` says what there is."""
    result = program("-h")

    assert result.returncode == 0
    assert "ls" in result.stdout
    assert "query" in result.stdout


# -- ls ----------------------------------------------------------------------------------------------------------------


def test_ls_has_a_row_for_each_version(file: Path) -> None:
    """Name and number of runs of everything that is stored."""
    rows = json.loads(run("ls", "--db", str(file), "--format", "json").stdout)

    assert [(row["name"], row["runs"]) for row in rows] == [("iris", 2), ("iris", 2), ("größe", 0)]
    assert list(rows[0]) == list(mltraq.create_session(file).ls().columns)


def test_ls_prints_a_table(file: Path) -> None:
    """A line for each version, below the names of the columns."""
    lines = run("ls", "--db", str(file)).stdout.splitlines()

    assert len(lines) == 4
    assert lines[0].split()[:2] == ["id_experiment", "name"]


def test_an_option_wins_over_the_environment(file: Path, tmp_path: Path) -> None:
    """`--db` says which database is meant, whatever `MLTRAQ_DB` says."""
    result = run("ls", "--db", str(file), MLTRAQ_DB=str(tmp_path / "other.db"))

    assert "iris" in result.stdout


def test_ls_of_a_database_that_is_not_there_makes_none(tmp_path: Path) -> None:
    """Looking leaves nothing behind."""
    run("ls", "--db", str(tmp_path / "results.db"))

    assert list(tmp_path.iterdir()) == []


def test_ls_works_on_postgresql(postgresql: str) -> None:
    """Both kinds of database are listed alike."""
    fill(postgresql)

    result = run("ls", "--db", postgresql, "--format", "json")

    assert [row["name"] for row in json.loads(result.stdout)] == ["iris", "iris", "größe"]


# -- query -------------------------------------------------------------------------------------------------------------


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


def test_times_and_numbers_of_postgresql_can_be_printed(postgresql: str) -> None:
    """Averages of integers and times with zones are printed in every form."""
    fill(postgresql)
    query = "SELECT avg(attempts) AS mean, min(started_at) AS first, true AS yes FROM runs"

    results = [run("query", "--db", postgresql, "--format", form, query) for form in ("table", "csv", "json")]

    assert [result.exit_code for result in results] == [0, 0, 0]
    (row,) = json.loads(results[2].stdout)
    assert (float(row["mean"]), row["yes"]) == (1.0, True)
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

    assert result.exit_code == 1
    assert what in result.stderr
    assert result.stdout == ""
    assert isinstance(result.exception, SystemExit)


@pytest.mark.parametrize(
    ("database", "what"),
    [
        ("mysql://ann:s3cret@host/x", "mysql"),
        ("postgresql://ann:s3cret@host:port/x", "postgresql"),
        ("postgresql://ann:s3cret@127.0.0.1:1/x", "127.0.0.1"),
        ("postgresql://127.0.0.1:1/x?user=ann&password=s3cret", "127.0.0.1"),
        (".", "folder"),
    ],
)
def test_a_database_that_cannot_be_opened_is_one_message(database: str, what: str) -> None:
    """The message says what is wrong, and never a password."""
    result = run("ls", "--db", database)

    assert result.exit_code == 1
    assert what in result.stderr
    assert "s3cret" not in result.output + result.stderr
    assert isinstance(result.exception, SystemExit)


def test_a_password_in_the_environment_is_not_shown(postgresql: str) -> None:
    """Neither in an error, nor as the default in the help."""
    url = make_url(postgresql).set(password="s3cret", database="nowhere").render_as_string(hide_password=False)  # noqa: S106 - of a test

    results = [run("ls", MLTRAQ_DB=url), run("ls", "-h", MLTRAQ_DB=url), run("ls", "--nonsense", MLTRAQ_DB=url)]

    assert [result.output for result in results if "s3cret" in result.output] == []


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["ls"], "--db"),
        (["query", "--db", "x.db"], "SQL"),
        (["ls", "--db", "x.db", "--format", "xml"], "json"),
        (["lss"], "lss"),
    ],
    ids=str,
)
def test_a_wrong_command_line_says_what_is_missing(arguments: list[str], what: str) -> None:
    """Usage errors have the exit status 2."""
    result = run(*arguments)

    assert result.exit_code == 2
    assert what in result.stderr


def test_a_query_of_a_database_that_is_not_there_says_so(tmp_path: Path) -> None:
    """The message names the database, and no file is made."""
    result = run("query", "--db", str(tmp_path / "results.db"), "SELECT 1")

    assert result.exit_code == 1
    assert "results.db" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_number_that_json_does_not_know_is_null(file: Path) -> None:
    """What programs read is strict JSON."""

    def refuse(constant: str) -> Any:
        raise AssertionError(constant)

    result = run("query", "--db", str(file), "--format", "json", "SELECT 9e999 AS n, -9e999 AS m")

    (row,) = json.loads(result.stdout, parse_constant=refuse)
    assert row["n"] in (None, math.inf)
