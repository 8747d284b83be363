"""`pytest-mltraq ls`: sessions, experiments and runs."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import uuid
from pathlib import Path
from typing import Any

import pytest

from pytest_mltraq.environment import identify_process
from tests.history import a_run, store_session
from tests.program import on_terminal, run

SESSION = uuid.UUID("01a20000-0000-7000-8000-000000000001")


@pytest.fixture
def history(database_url: str) -> str:
    """The URL of a database of each kind, with four sessions."""
    store_session(
        database_url,
        {"iris": [a_run({"model": "tree", "seed": seed}, {"loss": 0.5 + seed}) for seed in range(3)]},
        at="2026-11-20T12:00:00+00:00",
        commit="a1" * 20,
        tags=["v1", 'odd "tag"'],
        id_session=SESSION,
    )
    store_session(
        database_url,
        {
            "iris": [a_run({"model": "tree"}, {"loss": 0.1}), a_run({"model": "svc"}, outcome="failed")],
            "digits": [a_run(fields={"x": 1}, outcome="skipped")],
        },
        at="2026-11-21T12:00:00+00:00",
        branch="topic",
        commit="b2" * 20,
        exit_status=1,
    )
    store_session(database_url, {"digits": []}, at="2026-11-22T12:00:00+00:00", origin="python", exit_status=None)
    store_session(
        database_url,
        {"digits": [a_run(outcome="crashed")]},
        at="2026-11-23T12:00:00+00:00",
        branch=None,
        commit=None,
        is_finished=False,
    )
    return database_url


def listed(database: str | Path, *arguments: str) -> list[dict[str, Any]]:
    """Return what `ls` lists, as programs get it."""
    result = run("ls", "--db", str(database), "--format", "json", *arguments)
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def days(database: str | Path, *arguments: str) -> list[str]:
    """Return the days of the sessions that are listed."""
    return [row["started_at"][8:10] for row in listed(database, *arguments)]


# -- sessions ----------------------------------------------------------------------------------------------------------


def test_sessions_are_listed_with_what_became_of_their_runs(history: str) -> None:
    """The newest first, on both kinds of database."""
    rows = listed(history)

    assert [row["started_at"] for row in rows] == [f"2026-11-{day} 12:00:00+00:00" for day in (23, 22, 21, 20)]
    assert [row["outcome"] for row in rows] == ["unfinished", None, "failed", "passed"]
    assert [row["experiments"] for row in rows] == [["digits"], ["digits"], ["digits", "iris"], ["iris"]]
    assert [row["outcomes"] for row in rows] == [
        {"crashed": 1},
        {},
        {"failed": 1, "passed": 1, "skipped": 1},
        {"passed": 3},
    ]
    assert rows[3]["id"] == str(SESSION)
    assert rows[3]["tags"] == ["v1", 'odd "tag"']


def test_a_table_is_short(history: str) -> None:
    """Ids and commits are cut to what tells them apart."""
    lines = run("ls", "--db", history).stdout.splitlines()

    assert lines[0].split("  ")[0] == "session"
    assert lines[-1].split() == [
        *(
            "01a20000-0000",
            "2026-11-20",
            "12:00:00",
            "passed",
            "main",
            "a1a1a1a",
            "v1,",
            "odd",
            '"tag"',
            "iris",
            "3",
            "-",
        ),
    ]
    assert "1 failed, 1 skipped" in lines[-2]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--branch", "topic"], "21"),
        (["--commit", "A1a1"], "20"),
        (["--tag", "v1"], "20"),
        (["--tag", 'odd "tag"'], "20"),
        (["--tag", "tag"], ""),
        (["--since", "2026-11-22"], "23 22"),
        (["--since", "2026-11-21T12:00:00+00:00", "--until", "2026-11-22T12:00:00+00:00"], "21"),
        (["--until", "2026-11-21"], "21 20"),
        (["--until", "52w"], ""),
        (["--outcome", "failed"], "21"),
        (["--outcome", "crashed"], "23"),
        (["--outcome", "interrupted"], "23"),
        (["sessions", "digits"], "23 22 21"),
        (["sessions", "digits", "--outcome", "failed"], ""),
        (["sessions", "--branch", "main", "--outcome", "passed"], "20"),
    ],
    ids=" ".join,
)
def test_filters_say_which_sessions_are_meant(
    history: str, arguments: list[str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several must all pass."""
    monkeypatch.setenv("TZ", "UTC")

    assert " ".join(days(history, *arguments)) == expected


def test_a_limit_leaves_older_ones_out_and_says_so(history: str) -> None:
    """On standard error, so that data stays data."""
    result = run("ls", "--db", history, "--limit", "1", "--format", "json")

    assert len(json.loads(result.stdout)) == 1
    assert result.stderr == "3 older ones are not shown; --limit 0 shows all\n"
    assert run("ls", "--db", history, "--limit", "0").stderr == ""


@pytest.mark.parametrize(
    ("exit_status", "outcome"), [(0, "passed"), (1, "failed"), (2, "interrupted"), (3, "error"), (5, "error")]
)
def test_the_outcome_of_a_session_is_pytests(tmp_path: Path, exit_status: int, outcome: str) -> None:
    """By its exit status."""
    store_session(tmp_path / "results.db", {}, exit_status=exit_status)

    assert [row["outcome"] for row in listed(tmp_path / "results.db")] == [outcome]


def test_a_session_that_runs_is_told_from_one_that_was_killed(tmp_path: Path) -> None:
    """By the process that it was."""
    mine = identify_process(os.getpid())
    assert mine is not None
    store_session(tmp_path / "results.db", {}, at="2026-11-20T12:00:00+00:00", is_finished=False, process=mine)
    store_session(tmp_path / "results.db", {}, at="2026-11-19T12:00:00+00:00", is_finished=False, process=f"{mine}0")

    assert [row["outcome"] for row in listed(tmp_path / "results.db")] == ["running", "interrupted"]


# -- experiments -------------------------------------------------------------------------------------------------------


def test_experiments_have_a_row_for_each_version(history: str) -> None:
    """With their session's branch and commit."""
    rows = listed(history, "experiments")

    assert sorted((row["created_at"][8:10], row["name"]) for row in rows) == [
        ("20", "iris"),
        ("21", "digits"),
        ("21", "iris"),
        ("22", "digits"),
        ("23", "digits"),
    ]
    assert [row["created_at"] for row in rows] == sorted((row["created_at"] for row in rows), reverse=True)
    assert [(row["branch"], row["outcomes"]) for row in listed(history, "experiments", "iris")] == [
        ("topic", {"failed": 1, "passed": 1}),
        ("main", {"passed": 3}),
    ]
    assert [row["name"] for row in listed(history, "experiments", "--outcome", "skipped")] == ["digits"]


# -- runs --------------------------------------------------------------------------------------------------------------


def test_runs_of_an_experiment_are_those_of_its_newest_version(history: str) -> None:
    """With their params and fields, in their order."""
    rows = listed(history, "runs", "iris")

    assert [(row["outcome"], row["params"], row["fields"]) for row in rows] == [
        ("passed", {"model": "tree"}, {"loss": 0.1}),
        ("failed", {"model": "svc"}, {}),
    ]


def test_runs_of_all_experiments_begin_with_the_newest(history: str) -> None:
    """As many as the limit says."""
    rows = listed(history, "runs")

    assert (rows[0]["experiment"], len(rows)) == ("digits", 7)
    assert [row["outcome"] for row in listed(history, "runs", "--limit", "1")] == ["crashed"]
    assert "6 older ones" in run("ls", "runs", "--db", history, "--limit", "1").stderr
    assert [row["params"] for row in listed(history, "runs", "--outcome", "failed")] == [{"model": "svc"}]


def test_runs_of_a_table_have_columns_for_params_and_fields(history: str) -> None:
    """Numbers are short there."""
    lines = run("ls", "runs", "iris", "--db", history, "--tag", "v1").stdout.splitlines()

    assert [line.split()[1:] for line in lines] == [
        ["outcome", "model", "seed", "loss", "seconds"],
        ["passed", "tree", "0", "0.5", "0.75"],
        ["passed", "tree", "1", "1.5", "0.75"],
        ["passed", "tree", "2", "2.5", "0.75"],
    ]


def test_what_is_no_number_is_null_in_json_and_said_in_a_table(tmp_path: Path) -> None:
    """NaN is a field's value like any other."""
    store_session(tmp_path / "results.db", {"nan": [a_run({"lr": math.nan}, {"loss": math.nan, "many": [1, 2]})]})

    (row,) = listed(tmp_path / "results.db", "runs")
    assert (row["fields"], row["params"]) == ({"loss": None, "many": [1, 2]}, {"lr": "nan"})


def test_columns_that_a_table_has_no_room_for_are_counted(tmp_path: Path) -> None:
    """A run may have thousands of fields."""
    fields = {f"field_{at:03}": float(at) for at in range(100)}
    store_session(tmp_path / "results.db", {"wide": [a_run({"seed": 1}, fields)]})

    result = run("ls", "runs", "wide", "--db", str(tmp_path / "results.db"))

    assert result.stdout.splitlines()[0].split() == ["run", "outcome", "seed", *list(fields)[:7], "seconds"]
    assert "93 more columns: field_007, field_008" in result.stderr


def test_programs_get_all_as_csv(history: str) -> None:
    """Documents are JSON in a cell."""
    text = run("ls", "runs", "iris", "--db", history, "--format", "csv").stdout

    rows = list(csv.DictReader(io.StringIO(text)))
    assert [json.loads(row["params"]) for row in rows] == [{"model": "tree"}, {"model": "svc"}]
    assert len(rows[0]["id_run"]) == 36


# -- names that are wrong, or hostile ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sessions", "irs"], "did you mean 'iris'?"),
        (["runs", "nothing"], "there are: digits, iris"),
    ],
)
def test_an_experiment_that_is_not_there_is_an_error(history: str, arguments: list[str], said: str) -> None:
    """It says which one is near."""
    result = run("ls", "--db", history, *arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--branch", "tpoic"], "no sessions like that: there is no branch 'tpoic'; did you mean 'topic'?"),
        (["--tag", "odd-tag"], "no sessions like that: there is no tag 'odd-tag'; did you mean 'odd \"tag\"'?"),
        (["--branch", "main", "--outcome", "failed"], "no sessions like that"),
    ],
)
def test_a_filter_that_lets_nothing_pass_says_why(history: str, arguments: list[str], said: str) -> None:
    """It is no error: a program gets an empty list."""
    result = run("ls", "--db", history, "--format", "json", *arguments)

    assert (result.exit_code, result.stdout) == (0, "[]\n")
    assert result.stderr == f"{said}\n"


@pytest.mark.parametrize("moment", ["yesterday", "7 fortnights", "99999999w", "2026-13-01"])
def test_a_moment_that_cannot_be_read_says_what_is_expected(history: str, moment: str) -> None:
    """With an example."""
    result = run("ls", "--db", history, "--since", moment)

    assert result.exit_code == 2
    assert "expected a date (2026-11-25)" in result.stderr
    assert moment in result.stderr


def test_hostile_names_are_shown_and_not_obeyed(tmp_path: Path) -> None:
    """Names of experiments, params and branches are users' text."""
    hostile = "a\x1b]0;title\x07\x9b31m"
    store_session(
        tmp_path / "results.db",
        {hostile: [a_run({hostile: hostile}, {hostile: hostile})]},
        branch=hostile,
        tags=[hostile],
    )

    for arguments in (["ls"], ["ls", "experiments"], ["ls", "runs"], ["ls", "sessions", "x\x1b]0;y\x07"]):
        shown = on_terminal(*arguments, "--db", str(tmp_path / "results.db"), columns=250)
        assert "]0;" in shown
        assert not {"\x1b]", "\x9b", "\x07"} & {shown[at : at + size] for at in range(len(shown)) for size in (1, 2)}


def test_a_message_names_some_of_many_names(tmp_path: Path) -> None:
    """A database may have thousands of experiments."""
    store_session(tmp_path / "results.db", {f"experiment {at:03}": [] for at in range(100)})

    message = run("ls", "sessions", "zzz", "--db", str(tmp_path / "results.db")).stderr

    assert "there are: experiment 000, " in message
    assert message.endswith("experiment 019 and 80 more\n")
