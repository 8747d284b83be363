"""The gate: which sessions a session is compared with, what is left out, and that all of it is said."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from pytest_mltraq.acceptance import Acceptance, key_of
from pytest_mltraq.baseline import Here, parse_baseline
from pytest_mltraq.gate import Gate
from pytest_mltraq.groups import CONFIRMING
from pytest_mltraq.judged import Judged
from pytest_mltraq.metric import make_metric, to_plain
from pytest_mltraq.storage import Database, history
from pytest_mltraq.storage.writer import replace_verdicts
from tests.sessions import Sessions

ACCURACY = {**to_plain(make_metric("accuracy", rtol=0.01)), "optional": False}
GOOD = [0.9, 0.91, 0.92, 0.93]
BAD = [0.8, 0.81, 0.82, 0.83]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty database of each kind."""
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def sessions(database: Database) -> Sessions:
    """What stores sessions."""
    return Sessions(database)


def judge(
    sessions: Sessions,
    spec: str = "last",
    *,
    acceptances: Mapping[tuple[str, str, str], Acceptance] | None = None,
    keep: bool = False,
    here: Here | None = None,
    of: str | None = None,
) -> list[Judged]:
    """Judge the last session."""
    id_session = of or sessions.ids[-1]
    gate = Gate(parse_baseline(spec), here or Here(), acceptances or {})
    with sessions.database.reading() as connection:
        assert connection is not None
        judged = gate.judge(connection, id_session, connection)
    if keep:
        with sessions.database.writing() as connection:
            replace_verdicts(connection, id_session, judged)
    return judged


def judge_one(sessions: Sessions, spec: str = "last", **options: Any) -> Judged:
    """Judge the only metric of the last session."""
    (judged,) = judge(sessions, spec, **options)
    return judged


def days(judged: Judged) -> int | None:
    """Say on which day the session began that a metric was compared with."""
    return None if judged.baseline is None else (judged.baseline.started_at.day - 1)


# -- values ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["accuracy", 'odd "name" \\ ÿ', "a.b[0]", "it's", "100%"])
def test_any_number_is_a_value(metric: str, sessions: Sessions) -> None:
    """Numbers of every kind are read, exactly; the same is read on SQLite and PostgreSQL, whatever the field is called."""
    values = [1, 0.1, True, np.float32(0.5), np.float64(0.25), np.int64(3), Decimal("0.125"), 10**30, 2**70, math.inf]
    sessions.add([*values, math.nan], metric=metric)

    with sessions.database.reading() as connection:
        assert connection is not None
        version = history.list_finished(connection, "iris")[0]
        found = history.read_measured(connection, [version.earlier.id_experiment], [metric, "none"])

    numbers = [run.values[metric] for run in found]
    assert numbers[:-1] == [1, 0.1, 1, 0.5, 0.25, 3, 0.125, 1e30, 2.0**70, math.inf]
    assert math.isnan(numbers[-1])
    assert [run.params for run in found] == [{"seed": seed} for seed in range(11)]


def test_what_is_no_number_is_no_value(sessions: Sessions) -> None:
    """A text, a list, an array, a complex number, None and a field that is not set are not taken for one."""
    sessions.add(["0.9", [0.9], np.array([0.9]), 1j, None, ..., b"1"], metrics=[ACCURACY])

    judged = judge_one(sessions)

    assert (judged.verdict.verdict, judged.verdict.fails) == ("missing", True)
    assert judged.values == {}


def test_runs_are_grouped_by_params(sessions: Sessions) -> None:
    """Replicates are told apart by their params in `over`; runs with the same params count as well."""
    params = [{"model": model, "seed": seed} for model in ("tree", None) for seed in (0, 1, 1)]
    sessions.add([1, 2, 3, 4, 5, 6], params=params, metrics=[ACCURACY])
    tree, none = judge(sessions)

    assert (tree.name, tree.values) == ("accuracy[model:tree]", {"seed:0": 1, "seed:1": 2, "seed:1#2": 3})
    assert (none.verdict.params, none.verdict.mean) == ({"model": None}, 5)

    alone = {**to_plain(make_metric("accuracy", over=())), "optional": False}
    sessions.add([1, 2], metrics=[alone])
    assert [judged.name for judged in judge(sessions)] == ["accuracy[seed:0]", "accuracy[seed:1]"]


def test_skipped_runs_did_not_run(sessions: Sessions) -> None:
    """A group whose runs were all skipped is not judged; it is no missing metric."""
    sessions.add([..., ...], metrics=[ACCURACY], outcome="skipped")

    assert judge(sessions) == []


# -- sessions ----------------------------------------------------------------------------------------------------------


def test_only_finished_sessions_are_compared_with(sessions: Sessions) -> None:
    """Not one that runs, was killed or interrupted, nor the session itself, nor a later one."""
    first = sessions.add(GOOD, day=0)
    sessions.add(GOOD, is_finished=False, exit_status=None)
    sessions.add(GOOD, exit_status=2)
    sessions.add(GOOD, exit_status=None)
    candidate = sessions.add(GOOD, metrics=[ACCURACY])
    sessions.add(GOOD)

    assert days(judge_one(sessions, of=candidate)) == 3
    window = judge_one(sessions, "window:10", of=candidate)
    assert (window.sessions, days(window)) == (2, 3)
    assert days(judge_one(sessions, f"session:{first}", of=candidate)) == 0


def test_each_metric_has_its_own_baseline(sessions: Sessions) -> None:
    """A session that lacks a metric or a group is passed over, and the one before it is taken."""
    both = [{"model": model, "seed": seed} for model in ("tree", "forest") for seed in (0, 1)]
    sessions.add(GOOD, params=both)
    sessions.add(GOOD[:2], params=both[:2])
    sessions.add([..., ...], params=both[:2])
    sessions.add(GOOD, params=both, metrics=[ACCURACY])

    assert [(judged.name, days(judged)) for judged in judge(sessions)] == [
        ("accuracy[model:tree]", 1),
        ("accuracy[model:forest]", 0),
    ]
    sessions.add(GOOD[:2], params=both[:2], metrics=[ACCURACY])
    assert "did not run here: model:forest" in judge_one(sessions).notes


def test_a_worse_session_is_no_baseline(sessions: Sessions) -> None:
    """However often a metric regresses, it is compared with the last session in which it did not."""
    sessions.add(GOOD)
    for left_out in ((), ("1 session in which it failed left out",), ("2 sessions in which it failed left out",)):
        sessions.add(BAD, metrics=[ACCURACY])
        judged = judge_one(sessions, keep=True)
        assert (judged.verdict.verdict, days(judged)) == ("regressed", 0)
        assert judged.notes == left_out

    window = judge_one(sessions, "window:20")
    assert (window.sessions, days(window)) == (1, 0)
    assert days(judge_one(sessions, f"session:{sessions.ids[-2]}")) == 2  # people may compare with any


def test_where_no_session_can_be_compared_with_it_is_said(sessions: Sessions) -> None:
    """Which ones there were, and why they are left out."""
    limited = {**to_plain(make_metric("accuracy", min=0.95)), "optional": False}
    sessions.add(GOOD, metrics=[limited])
    judge_one(sessions, keep=True)
    sessions.add([0.96, 0.97], metrics=[limited])

    judged = judge_one(sessions)

    other = {**to_plain(make_metric("other")), "optional": False}
    sessions.add([1, 2], metric="other", metrics=[other])
    assert judge_one(sessions).said == "2 sessions, newest; none has it"

    assert judged.said == "1 session, newest; none can be compared with"
    assert (judged.verdict.verdict, judged.notes) == ("new", ("1 session in which it failed left out",))


def test_an_accepted_change_begins_a_new_level(sessions: Sessions) -> None:
    """It is compared with the accepted values, then with sessions since; where the entry is gone, with those before."""
    sessions.add(GOOD)
    accepted_session = sessions.add(BAD, metrics=[ACCURACY])
    regressed = judge_one(sessions, keep=True)
    key = key_of("iris", "accuracy", {})
    accepted = Acceptance(
        "iris",
        "accuracy",
        {},
        0.915,
        0.815,
        "fewer data",
        "Ann",
        "2026-01-02",
        None,
        accepted_session,
        regressed.values,
    )
    assert accepted.key == key

    for day in (2, 3):
        sessions.add(BAD, metrics=[ACCURACY])
        judged = judge_one(sessions, "window:20", acceptances={key: accepted}, keep=True)
        assert judged.verdict.verdict == "unchanged"
        assert judged.verdict.baseline_mean == pytest.approx(0.815)
        assert judged.accepted == accepted_session
        assert judged.sessions == day - 1
        assert "0.815 was accepted by Ann: fewer data" in judged.notes
    sessions.add([0.7, 0.71, 0.72, 0.73], metrics=[ACCURACY])
    assert judge_one(sessions, acceptances={key: accepted}, keep=True).verdict.verdict == "regressed"

    sessions.add(BAD, metrics=[ACCURACY])
    reverted = judge_one(sessions, "window:20")
    assert (reverted.verdict.verdict, days(reverted)) == ("regressed", 0)
    assert reverted.notes[0] == "1 session in which it failed left out"
    assert reverted.notes[1] == "3 sessions judged at another accepted level left out"


def test_a_group_that_is_gone_is_missing(sessions: Sessions) -> None:
    """Where the newest session that ran as a whole has it; not where its runs were skipped, or the params have other names."""

    def add(*models: str, runs: int, seeds: int = 2, axis: str = "model", outcome: str = "passed") -> None:
        params = [{axis: model, "seed": seed} for model in models for seed in range(seeds)]
        sessions.add([0.9] * len(params), params=params, metrics=[ACCURACY | {"runs": runs}], outcome=outcome)

    def verdicts(acceptances: Mapping[Any, Acceptance] | None = None, *, keep: bool = True) -> dict[str, str]:
        judged = judge(sessions, acceptances=acceptances, keep=keep)
        return {one.name: one.verdict.verdict for one in judged}

    add("tree", "linear", runs=4)
    verdicts()
    add("tree", runs=4)  # a part
    assert verdicts() == {"accuracy[model:tree]": "unchanged"}
    for _ in range(2):
        add("tree", runs=2)
        assert verdicts() == {"accuracy[model:tree]": "unchanged", "accuracy[model:linear]": "missing"}
    (_, gone) = judge(sessions)
    assert (gone.verdict.fails, gone.verdict.n, gone.verdict.baseline_n) == (True, 0, 2)
    assert gone.verdict.reason.startswith("no run has these params any more")

    add("tree", runs=2, axis="kind")
    (other,) = judge(sessions)
    assert (other.verdict.verdict, other.notes) == (
        "new",
        ("not comparable: the baseline's runs have other params (model)",),
    )
    add("tree", runs=4)
    add("tree", runs=2, outcome="skipped")
    assert verdicts(keep=False) == {}

    add("tree", runs=2)
    removal = Acceptance(
        "iris", "accuracy", {"model": "linear"}, 0.9, None, "too old", "Ann", "2026-01-02", None, "x", {}
    )
    accepted = {removal.key: removal}
    assert verdicts(accepted) == {"accuracy[model:tree]": "unchanged"}
    add("tree", runs=2)
    assert verdicts() == {"accuracy[model:tree]": "unchanged"}
    add("tree", "linear", runs=4)
    back = judge(sessions, "window:20", acceptances=accepted)
    assert [one.verdict.verdict for one in back] == ["unchanged", "unchanged"]

    add("forest", "svm", runs=4)  # nothing is left of the grid, as of a random search
    others = judge(sessions)
    assert [one.verdict.verdict for one in others] == ["new", "new"]
    assert others[0].notes == ("not comparable: none of the baseline's groups is left (model:tree, model:linear)",)


def test_what_is_seen_is_said_for_all_metrics_of_the_session(sessions: Sessions) -> None:
    """With two groups it is more than with one, as the correction for their number asks more of each."""
    plain = {**to_plain(make_metric("accuracy")), "optional": False}
    seen = []
    for models in (["tree"], ["tree", "linear"]):
        params = [{"model": model, "seed": seed} for model in models for seed in range(4)]
        for noise in (0, 0.001):
            values = [value + noise * at for _ in models for at, value in enumerate(GOOD)]
            sessions.add(values, params=params, metrics=[plain])
        seen.append(judge(sessions)[0].verdict.minimum_detectable_change)

    assert seen[0] is not None
    assert seen[1] is not None
    assert seen[1] > 1.2 * seen[0]


def test_the_best_session_is_that_of_each_metric(sessions: Sessions) -> None:
    """The best mean counts, by the metric's direction."""
    error = {**to_plain(make_metric("accuracy", direction="minimize")), "optional": False}
    for values in ([1, 1], [3, 3], [2, 2]):
        sessions.add(values)
    sessions.add([2, 2], metrics=[ACCURACY])
    assert days(judge_one(sessions, "best")) == 1
    sessions.add([2, 2], metrics=[error])
    assert days(judge_one(sessions, "best")) == 0


def test_other_data_is_not_compared_with(sessions: Sessions) -> None:
    """A session whose experiment had other fields is left out and said; another config is compared, and said."""
    sessions.add(GOOD, fields={"dataset": "v1"})
    sessions.add(BAD, metrics=[ACCURACY], fields={"dataset": "v2"})
    other = judge_one(sessions)
    assert (other.verdict.verdict, other.notes) == (
        "new",
        ("1 session with other fields left out: dataset was 'v1', is 'v2'",),
    )

    sessions.add(BAD, metrics=[ACCURACY], fields={"dataset": "v1"}, config={"epochs": 2})
    same = judge_one(sessions)
    assert (same.verdict.verdict, same.notes[-1]) == ("regressed", "the config differs: epochs was None, is 2")


def test_another_definition_is_not_compared_with(sessions: Sessions) -> None:
    """The metric's version in each session counts; one that was not declared has none."""
    sessions.add(GOOD, metrics=[ACCURACY])
    sessions.add(BAD, metrics=[{**ACCURACY, "version": "2"}])

    judged = judge_one(sessions)

    assert (judged.verdict.verdict, judged.verdict.fails) == ("new", False)
    assert "version 2" in judged.verdict.reason


# -- replicates --------------------------------------------------------------------------------------------------------


def test_only_replicates_in_common_are_compared(sessions: Sessions) -> None:
    """Seeds that only one side has don't count: neither of a session in which some ran, nor of a larger grid."""
    drift = [0.1, 0.5, 0.9, 0.3]  # seeds differ by far more than a tolerance
    sessions.add(drift)
    sessions.add(drift[1:3], params=[{"seed": 1}, {"seed": 2}], metrics=[ACCURACY])
    some = judge_one(sessions, keep=True)
    assert (some.verdict.verdict, some.verdict.change) == ("unchanged", 0)
    assert some.notes == ("compared by the 2 replicates in common, of 2 here and 4 there",)

    sessions.add([*drift, 100.0], metrics=[ACCURACY])
    more = judge_one(sessions, "window:9")
    assert (more.verdict.verdict, more.verdict.change, more.sessions) == ("unchanged", 0, 1)
    assert more.notes == (
        "1 session with other replicates left out",
        "compared by the 4 replicates in common, of 5 here and 4 there",
    )

    limited = {**to_plain(make_metric("accuracy", max=10)), "optional": False}
    sessions.add([*drift, 100.0], metrics=[limited])
    limit = judge_one(sessions)
    assert (limit.verdict.fails, limit.verdict.n) == (True, 5)
    assert "above max=10" in limit.verdict.reason


def test_a_failed_run_is_never_unchanged(sessions: Sessions) -> None:
    """Its value is not compared, and the verdict says that it failed, also where the baseline has no such run."""
    sessions.add(GOOD)
    sessions.add(GOOD, metrics=[ACCURACY], outcome="failed")

    judged = judge_one(sessions)

    assert judged.verdict.verdict not in ("unchanged", "improved")
    assert "failed" in judged.verdict.reason


def test_optional_metrics_are_judged_where_they_are(sessions: Sessions) -> None:
    """A metric of the ini file is not missing in an experiment that never had it; where it was, it is."""
    optional = {**ACCURACY, "optional": True}
    sessions.add([..., ...], metrics=[optional])
    assert judge(sessions) == []

    sessions.add(GOOD[:2], metrics=[optional])
    assert judge_one(sessions).verdict.verdict == "new"
    sessions.add([..., ...], metrics=[optional])
    assert judge_one(sessions).verdict.verdict == "missing"


# -- levels and second looks -------------------------------------------------------------------------------------------


def test_a_window_begins_where_the_level_rose(sessions: Sessions) -> None:
    """Sessions before a change to the better say nothing of now; a change to the worse is said, and moves no baseline."""
    noise = [0.01, -0.012, 0.005, -0.004, 0.011, -0.006, 0.002, -0.009, 0.004, -0.003]
    for level in (1.0, 2.0):
        for at, one in enumerate(noise):
            sessions.add([level + one, level - one / 2], commit=f"{int(level)}{at}bcdef0123")
    sessions.add([2.0, 2.0], metrics=[ACCURACY])

    better = judge_one(sessions, "window:20")
    assert better.sessions == 10
    assert better.notes == ("its level changed to the better at 20bcdef: 10 sessions before it left out",)

    error = {**to_plain(make_metric("accuracy", direction="minimize")), "optional": False}
    sessions.add([2.0, 2.0], metrics=[error], day=20)
    worse = judge_one(sessions, "window:20")
    assert worse.sessions == 20
    assert "its level changed to the worse at 20bcdef, 10 sessions ago" in worse.notes[0]


def test_a_second_look_is_taken_from_runs_with_fresh_seeds(sessions: Sessions) -> None:
    """They are stored as an experiment of their own, which is in no group, no baseline and not judged itself."""
    sessions.add(GOOD)
    candidate = sessions.add([0.8, 0.82, 0.81, 0.85], metrics=[ACCURACY])
    assert judge_one(sessions).verdict.fails

    fresh = [{"seed": seed} for seed in (7, 8, 9)]
    sessions.add([0.95, 0.9, 0.93], params=fresh, experiment="iris" + CONFIRMING)
    _move(sessions.database, sessions.ids.pop(), candidate)

    judged = judge_one(sessions)
    assert (judged.verdict.verdict, judged.verdict.fails) == ("undecided", False)
    assert "not confirmed by 3 fresh runs" in judged.verdict.reason
    assert judged.values == {"seed:0": 0.8, "seed:1": 0.82, "seed:2": 0.81, "seed:3": 0.85}


def _move(database: Database, id_session: str, to: str) -> None:
    """Make the experiments of a session those of another."""
    with database.writing() as connection:
        connection.exec_driver_sql(
            f"UPDATE experiments SET id_session = '{to}' WHERE id_session = '{id_session}'"  # noqa: S608
        )


# -- verdicts ----------------------------------------------------------------------------------------------------------


def test_verdicts_are_stored_once(sessions: Sessions) -> None:
    """A session that is judged again has its last verdicts; NaN is null."""
    sessions.add(GOOD)
    sessions.add(BAD, metrics=[ACCURACY, {**ACCURACY, "name": "none"}])
    judge(sessions, keep=True)
    judge(sessions, keep=True)

    columns, rows = sessions.database.select(
        "SELECT metric, verdict, fails, n, mean, baseline_mean, baseline_session, position FROM verdicts ORDER BY position"
    )
    assert columns[:2] == ["metric", "verdict"]
    assert [tuple(row) for row in rows] == [
        ("accuracy", "regressed", True, 4, pytest.approx(0.815), pytest.approx(0.915), sessions.ids[0], 0),
        ("none", "missing", True, 0, None, None, None, 1),
    ]


@pytest.mark.slow
def test_history_is_read_without_a_scan(tmp_path: Any) -> None:
    """Of 200 sessions among 1,000,000 runs of other experiments, a window is read by its index."""
    sessions = Sessions(Database(tmp_path / "large.db"))
    for _ in range(200):
        sessions.add(GOOD)
    params = [{"seed": seed} for seed in range(10_000)]
    for _ in range(100):
        sessions.add([0.5] * 10_000, params=params, experiment="other")
    sessions.add(GOOD, metrics=[ACCURACY], day=400)

    judged = judge_one(sessions, "window:200")

    assert judged.sessions == 200
    plan = sessions.database.select("EXPLAIN QUERY PLAN SELECT outcome FROM runs WHERE id_experiment IN ('a', 'b')")[1]
    assert all("SCAN" not in str(row) for row in plan)
