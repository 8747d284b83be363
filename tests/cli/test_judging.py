"""`pytest-mltraq compare`, `history` and `accept`: what is stored, judged again, over time, and accepted."""

from __future__ import annotations

import json
import re
import statistics
import tomllib
from pathlib import Path

import pytest

import pytest_mltraq as mltraq
from pytest_mltraq.metric import make_metric, to_plain
from pytest_mltraq.storage import Database
from pytest_mltraq.storage.writer import replace_verdicts
from tests.program import run
from tests.sessions import Sessions
from tests.test_gate import judge

ACCURACY = {**to_plain(make_metric("accuracy", rtol=0.01)), "optional": False}
GROUPS = [{"model": model, "seed": seed} for model in ("tree", "svc") for seed in (0, 1, 2)]
GOOD = [0.9, 0.91, 0.92, 0.7, 0.71, 0.72]
BAD = [0.8, 0.81, 0.82, 0.7, 0.71, 0.72]


@pytest.fixture
def sessions(database_url: str) -> Sessions:
    """A database with a session, and a second one in which one of two groups is worse."""
    sessions = Sessions(Database(database_url))
    sessions.add(GOOD, params=GROUPS, metrics=[ACCURACY], tags=["v1"], commit="abcd" * 10, branch="main")
    sessions.add(BAD, params=GROUPS, metrics=[ACCURACY], commit="1234" * 10, branch="dev")
    with sessions.database.writing() as connection:
        replace_verdicts(connection, sessions.ids[-1], judge(sessions))
    return sessions


def test_two_sessions_are_compared(sessions: Sessions, database_url: str) -> None:
    """By tag, commit, id and `last`; the exit status is that of the gate."""
    for before, after in (("v1", "last"), ("abcdabc", "1234123"), tuple(sessions.ids)):
        result = run("compare", before, after, "--db", database_url, "--format", "json")
        verdicts = [(one["verdict"], one["params"]["model"]) for one in json.loads(result.stdout)]
        assert (result.exit_code, verdicts) == (1, [("regressed", "tree"), ("unchanged", "svc")])

    back = run("compare", "last", "v1", "--db", database_url)
    assert back.exit_code == 0
    assert "improved" in back.stdout
    unknown = run("compare", "v2", "last", "--db", database_url)
    assert (unknown.exit_code, "'v2'" in unknown.stderr) == (2, True)
    sessions.add(GOOD, params=GROUPS)
    assert "declares metrics" in run("compare", "v1", "last", "--db", database_url).stderr


def test_the_history_of_a_metric_says_where_its_level_changed(database_url: str) -> None:
    """At the commit; for each group, of a branch, and of the newest sessions."""
    sessions = Sessions(Database(database_url))
    noise = [0.01, -0.012, 0.005, -0.004, 0.011, -0.006, 0.002, -0.009]
    for at, level in enumerate([1.0] * 8 + [2.0] * 8):
        values = [level + noise[at % 8], level - noise[at % 8] / 3, 5.0]
        params = [{"model": "tree", "seed": 0}, {"model": "tree", "seed": 1}, {"model": "svc", "seed": 0}]
        sessions.add(values, params=params, commit=f"{at:x}" * 40, branch="main")
    sessions.add([1.0], params=[{"model": "tree", "seed": 0}], branch="dev")

    result = run("history", "iris", "accuracy", "--db", database_url, "--branch", "main", "--format", "json")
    tree, svc = json.loads(result.stdout)
    assert (tree["group"], svc["group"]) == ("model:tree", "model:svc")
    changed = [row for row in tree["sessions"] if row["level changed"]]
    # A program gets whole ids, and numbers as they are.
    assert [(row["commit"], row["level changed"]) for row in changed] == [("8" * 40, pytest.approx(1, abs=0.01))]
    assert tree["sessions"][1]["mean"] == statistics.fmean([1 - 0.012, 1 + 0.012 / 3])
    assert tree["sessions"][0]["session"] in set(mltraq.create_session(database_url).ls()["id_session"])
    shown = run("history", "iris", "accuracy", "--db", database_url, "--group", "model:tree", "--branch", "main").stdout
    assert re.search(r"^\w{8}-\w{4} .* 8888888 .* \+1 \(\+\d+\.\d%\)$", shown, re.MULTILINE)
    assert (len(tree["sessions"]), tree["sessions"][0]["n"]) == (16, 2)
    assert all(row["level changed"] is None for row in svc["sessions"])

    one = run("history", "iris", "accuracy", "--db", database_url, "--group", "model:svc", "--limit", "3")
    assert one.stdout.startswith("accuracy model:svc\n")
    assert len(one.stdout.splitlines()) == 4
    for arguments, complaint in (
        (("iri", "accuracy"), "did you mean 'iris'?"),
        (("iris", "loss"), "no run of 'iris' has a number 'loss'; there are: accuracy"),
        (("iris", "accuracy", "--group", "model:tre"), "did you mean 'model:tree'?"),
    ):
        wrong = run("history", *arguments, "--db", database_url)
        assert (wrong.exit_code, complaint in wrong.stderr) == (2, True)


def test_a_change_is_accepted_in_a_file(sessions: Sessions, database_url: str, tmp_path: Path) -> None:
    """What failed, or a group that is named; once for each group, however often it is accepted."""
    file = tmp_path / "accepted.toml"
    common = ("accept", "accuracy", "--experiment", "iris", "--db", database_url, "--file", str(file), "--by", "Ann")

    result = run(*common, "--reason", "less data")
    assert (result.exit_code, str(file) in result.stderr) == (0, True)
    (entry,) = tomllib.loads(file.read_text(encoding="utf-8"))["accepted"]
    assert (entry["params"], entry["reason"], entry["by"]) == ('{"model": "tree"}', "less data", "Ann")
    assert (entry["session"], entry["commit"]) == (sessions.ids[1], "1234" * 10)
    assert (round(entry["old"], 9), round(entry["new"], 9)) == (0.91, 0.81)
    assert entry["values"] == {"seed:0": 0.8, "seed:1": 0.81, "seed:2": 0.82}

    assert run(*common, "--reason", "other words").exit_code == 0
    assert run(*common, "--reason", "as well", "--params", "model:svc").exit_code == 0
    entries = tomllib.loads(file.read_text(encoding="utf-8"))["accepted"]
    assert [entry["reason"] for entry in entries] == ["as well", "other words"]

    for arguments, complaint in (
        (("--session", "v1"), "did not judge accuracy of iris"),
        (("--params", "model:tre"), "did you mean 'model:tree'?"),
    ):
        wrong = run(*common, "--reason", "x", *arguments)
        assert (wrong.exit_code, complaint in wrong.stderr) == (2, True)
