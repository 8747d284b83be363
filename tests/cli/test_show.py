"""`pytest-mltraq show`: a session, an experiment, a run."""

from __future__ import annotations

import csv
import io
import json
import math
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import text

import pytest_mltraq as mltraq
from pytest_mltraq.run import Run, RunError
from pytest_mltraq.storage import Database
from tests.history import a_run, store_session
from tests.program import on_terminal, run

ERROR = RunError(
    "step_train", "ValueError", "no data\nat all", 'Traceback:\n  File "a.py", line 3\nValueError: no data'
)


def an_id(at: int) -> uuid.UUID:
    """Make an id; all of them begin alike."""
    return uuid.UUID(f"01a20000-0000-7000-8000-{at:012}")


def runs() -> list[Run]:
    """Make runs of two groups, of which one fails."""
    found = [
        a_run({"model": model, "seed": seed}, {"loss": loss, "text": "long"})
        for model, losses in {"tree": (0.5, 0.75), "svc": (0.25, 0.25)}.items()
        for seed, loss in enumerate(losses)
    ]
    found.append(a_run({"model": "svc", "seed": 2}, outcome="failed", error=ERROR))
    for at, item in enumerate(found):
        item.id_run = an_id(100 + at)
    return found


@pytest.fixture
def history(database_url: str) -> str:
    """The URL of a database of each kind, with a session."""
    store_session(database_url, {"iris": runs(), "empty": []}, tags=["v1"], exit_status=1, id_session=an_id(1))
    return database_url


def shown(database: str | Path, *arguments: str) -> dict[str, Any]:
    """Return what is shown, as programs get it."""
    result = run("show", "--db", str(database), "--format", "json", *arguments)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


# -- a run -------------------------------------------------------------------------------------------------------------


def test_a_run_is_shown_with_all_that_is_stored(history: str) -> None:
    """By the beginning of its id."""
    document = shown(history, "01a20000-0000-7000-8000-000000000104")

    assert document["kind"] == "run"
    assert (document["experiment"], document["outcome"]) == ("iris", "failed")
    assert document["params"] == {"model": "svc", "seed": 2}
    assert document["steps"] == [
        {"name": "step_train", "duration_s": 0.25},
        {"name": "step_evaluate", "duration_s": 0.5},
    ]
    assert document["error"] == ERROR._asdict()


def test_a_traceback_is_shown_in_its_lines(history: str) -> None:
    """As Python writes it; in Markdown as a block."""
    identity = str(an_id(104))

    assert "ValueError in step_train\nTraceback:\n  File" in run("show", identity, "--db", history).stdout
    assert "```text\nTraceback:\n" in run("show", identity, "--db", history, "--format", "md").stdout
    assert "Traceback:\n  File" in on_terminal("show", identity, "--db", history, NO_COLOR="1", columns=120)


def test_a_run_as_csv_is_one_table(history: str) -> None:
    """A row for each value, with the part that it belongs to."""
    rows = list(csv.reader(io.StringIO(run("show", str(an_id(100)), "--db", history, "--format", "csv").stdout)))

    assert rows[0] == ["part", "name", "value"]
    assert ["run", "outcome", "passed"] in rows
    assert ["params", "model", "tree"] in rows
    assert ["fields", "loss", "0.5"] in rows


def test_values_that_json_does_not_say_are_described(tmp_path: Path) -> None:
    """Arrays, tables and sequences by their size; what is no number by its name."""
    curve = mltraq.Sequence()
    curve.append(loss=0.5)
    fields = {
        "weights": np.zeros((3, 4)),
        "table": pd.DataFrame({"a": [1, 2], "b": [3, 4]}),
        "curve": curve,
        "loss": math.nan,
        "raw": b"\0" * 5000,
        "note": "x" * 5000,
        "many": list(range(1000)),
    }
    item = a_run({"lr": math.inf}, fields)
    store_session(tmp_path / "results.db", {"values": [item]})

    lines = run("show", str(item.id_run), "--db", str(tmp_path / "results.db")).stdout.splitlines()
    values = dict(line.split(maxsplit=1) for line in lines if " " in line)

    assert values["weights"] == "ndarray of 3 × 4, float64"
    assert values["table"] == "DataFrame of 2 × 2: a, b"
    assert values["curve"] == "Sequence(1 row: idx, timestamp, loss)"
    assert (values["loss"], values["lr"]) == ("nan", "inf")
    assert values["raw"] == "5,000 bytes"
    assert values["note"] == f"{'x' * 400}... 5,000 characters"
    assert values["many"] == "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ...]"


def test_a_damaged_field_is_said_in_its_place(tmp_path: Path) -> None:
    """The others are shown all the same."""
    item = a_run(fields={"weights": np.zeros(100), "loss": 0.5})
    store_session(tmp_path / "results.db", {"iris": [item]})
    with Database(tmp_path / "results.db").writing() as connection:
        connection.execute(text("DELETE FROM objects"))

    result = run("show", str(item.id_run), "--db", str(tmp_path / "results.db"))

    assert result.exit_code == 0, result.output
    assert "(damaged) expected the stored form" in result.stdout
    assert "is missing in the database" in result.stdout
    assert "0.5" in result.stdout


def test_a_run_of_several_versions_is_the_newest_ones(tmp_path: Path) -> None:
    """A copy of an experiment has its runs."""
    first, second = a_run(fields={"loss": 1}), a_run(fields={"loss": 2})
    second.id_run = first.id_run
    store_session(tmp_path / "results.db", {"iris": [first]}, at="2026-11-20T12:00:00+00:00")
    store_session(tmp_path / "results.db", {"copy": [second]}, at="2026-11-21T12:00:00+00:00")

    document = shown(tmp_path / "results.db", str(first.id_run))

    assert (document["experiment"], document["fields"]) == ("copy", {"loss": 2})
    assert "in 2, this is the newest" in run("show", str(first.id_run), "--db", str(tmp_path / "results.db")).stdout


# -- an experiment -----------------------------------------------------------------------------------------------------


def test_an_experiment_is_shown_by_groups(history: str) -> None:
    """The mean of each metric over replicates."""
    document = shown(history, "iris")

    assert (document["kind"], document["name"], document["over"]) == ("experiment", "iris", ["seed"])
    assert document["outcomes"] == {"passed": 4, "failed": 1}
    tree, svc = document["groups"]
    assert tree == {
        "params": {"model": "tree"},
        "runs": 2,
        "outcomes": {"passed": 2},
        "metrics": {
            "loss": {"n": 2, "mean": 0.625, "sd": pytest.approx(0.125 * math.sqrt(2)), "min": 0.5, "max": 0.75}
        },
    }
    assert (svc["runs"], svc["outcomes"], svc["metrics"]["loss"]["n"]) == (3, {"passed": 2, "failed": 1}, 2)


def test_a_table_of_an_experiment_has_a_row_for_each_group_and_each_failure(history: str) -> None:
    """With the first line of the error."""
    lines = run("show", "iris", "--db", history).stdout.splitlines()

    assert "groups, mean ± sd over seed" in lines
    assert [line.split() for line in lines if line.startswith(("tree", "svc"))] == [
        ["tree", "2", "0.625", "±", "0.18"],
        ["svc", "3", "0.25", "±", "0"],
    ]
    assert [line.split(maxsplit=3)[1:] for line in lines if "ValueError" in line] == [
        ["failed", "model:svc-seed:2", "ValueError: no data"]
    ]


def test_an_experiment_as_csv_has_a_row_for_each_metric(history: str) -> None:
    """The same numbers."""
    text = run("show", "iris", "--db", history, "--format", "csv").stdout

    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(json.loads(row["params"]), row["metric"], row["mean"]) for row in rows] == [
        ({"model": "tree"}, "loss", "0.625"),
        ({"model": "svc"}, "loss", "0.25"),
    ]


def test_the_params_of_replicates_can_be_chosen(history: str) -> None:
    """Those that are not there are an error."""
    assert len(shown(history, "iris", "--over", "model, seed")["groups"]) == 1
    assert len(shown(history, "iris", "--over", "model")["groups"]) == 3

    wrong = run("show", "iris", "--db", history, "--over", "modl")
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert "no run has a param 'modl'; did you mean 'model'?" in wrong.stderr
    assert run("show", "last", "--db", history, "--over", "model").exit_code == 2


def test_a_metric_that_is_no_number_stays_one(tmp_path: Path) -> None:
    """A mean with NaN in it is NaN, wherever NaN is."""
    for values in ((math.nan, 1.0), (1.0, math.nan)):
        store_session(tmp_path / "results.db", {"nan": [a_run({"seed": at}, {"x": x}) for at, x in enumerate(values)]})

        (group,) = shown(tmp_path / "results.db", "nan")["groups"]
        assert group["metrics"] == {"x": {"n": 2, "mean": None, "sd": None, "min": None, "max": None}}


def test_an_experiment_without_runs_can_be_shown(history: str) -> None:
    """There is nothing to group."""
    assert shown(history, "empty")["groups"] == []
    assert run("show", "empty", "--db", history).exit_code == 0


def test_failures_that_are_not_listed_are_counted(tmp_path: Path) -> None:
    """A session may fail a thousand times."""
    store_session(
        tmp_path / "results.db", {"bad": [a_run({"at": at}, outcome="failed", error=ERROR) for at in range(30)]}
    )

    assert "not passed: the first 10 of 30" in run("show", "bad", "--db", str(tmp_path / "results.db")).stdout


# -- a session ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["last", "01a2", "01a20000-0000-7000-8000-000000000001"])
def test_a_session_is_shown_with_its_experiments(history: str, word: str) -> None:
    """The newest is `last`; ids of sessions win over others that begin alike."""
    document = shown(history, word)

    assert (document["kind"], document["id"], document["outcome"]) == ("session", str(an_id(1)), "failed")
    assert [(row["name"], row["outcomes"]) for row in document["experiments"]] == [
        ("empty", {}),
        ("iris", {"failed": 1, "passed": 4}),
    ]
    assert (document["tags"], document["packages"]) == (["v1"], {"pytest": "9.0"})


def test_a_table_of_a_session_says_where_it_ran(history: str) -> None:
    """Without its packages."""
    text = run("show", "last", "--db", history).stdout

    assert "machine      machine, Python 3.11.9, Linux" in text
    assert "iris        5: 1 failed, 4 passed" in text


# -- what is meant -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("irs", "did you mean 'iris'?"),
        ("zzz", "there are: empty, iris"),
        ("01a20000-0000-7000-8000-0000000001", "is the beginning of several runs' ids: 01a20000"),
        ("01a", "neither an experiment nor the beginning of an id"),
        ("01a2%", "neither an experiment nor the beginning of an id"),
    ],
)
def test_a_word_that_means_nothing_or_much_says_so(history: str, word: str, said: str) -> None:
    """On standard error, with the exit status 2."""
    result = run("show", word, "--db", history)

    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def test_an_experiment_wins_over_an_id_that_begins_like_its_name(tmp_path: Path) -> None:
    """A name is meant whole."""
    store_session(tmp_path / "results.db", {"01a2": []}, id_session=an_id(1))

    assert shown(tmp_path / "results.db", "01a2")["kind"] == "experiment"


def test_hostile_text_is_shown_and_not_obeyed(tmp_path: Path) -> None:
    """In names, values and errors; a newline ends no row."""
    hostile = "a\x1b]0;title\x07\n\x9b31m"
    item = a_run({hostile: hostile}, {hostile: [hostile]}, outcome="failed", error=RunError(hostile, *[hostile] * 3))
    store_session(tmp_path / "results.db", {hostile: [item]}, branch=hostile)

    for arguments in (["show", str(item.id_run)], ["show", hostile], ["show", "last"], ["show", "\x1b]0;y\x07"]):
        text = on_terminal(*arguments, "--db", str(tmp_path / "results.db"), columns=250)
        assert "]0;" in text
        assert not {"\x1b]", "\x9b", "\x07"} & {text[at : at + size] for at in range(len(text)) for size in (1, 2)}
