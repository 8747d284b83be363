# ruff: noqa: S608 - what is asked is the tests' own
"""Recovery files: all that could not be stored, written whole, taken in whole or not at all, once however often."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pytest_mltraq as mltraq
from pytest_mltraq.errors import CorruptDataError, SchemaVersionError, StorageError
from pytest_mltraq.record import RunRecord, encode_params, record_experiment, record_run
from pytest_mltraq.run import Run, RunError, new_id
from pytest_mltraq.storage import Database
from pytest_mltraq.storage.live import Unstored
from pytest_mltraq.storage.recovery import import_recovery, write_recovery
from tests.exact import same
from tests.golden import VALUES
from tests.test_live import describe
from tests.test_migrations import restore, sql


def a_run(position: int, fields: dict[str, Any] | None = None, params: dict[str, Any] | None = None) -> RunRecord:
    """Return a run as it is stored."""
    run = Run(params or {"at": position}, fields=fields or {"loss": 0.5}, seed=0)
    run.outcome = "failed"
    run.error = RunError("step_train", "ValueError", "größe", "a traceback")
    encoded, objects = encode_params(run)
    return record_run(run, position=position, params=encoded, objects=objects)[0]


def unstored(*runs: RunRecord, fields: dict[str, Any] | None = None) -> Unstored:
    """Return what a session leaves that ended and could store nothing."""
    session = describe()._replace(finished_at="2026-11-24 12:00:00.000000+00:00", exit_status=1)
    fields = fields or {}
    experiment = record_experiment(
        name="fit", id_experiment=new_id(), fields=fields, config=fields, code=[], doc=None, nodeid=None, root=Path()
    )
    return Unstored(session, [experiment], [("fit", run) for run in runs])


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """A database in a file that is not there yet."""
    return Database(tmp_path / "results.db")


@pytest.fixture
def file(database: Database) -> Path:
    """A recovery file of three runs, two of which share an object."""
    runs = [a_run(0), a_run(1, VALUES), a_run(2, VALUES)]
    return write_recovery(unstored(*runs), database, [])


def test_everything_comes_back(database_url: str, tmp_path: Path) -> None:
    """Values of every kind, in fields, params, config and the experiment's fields, are what they were."""
    database = Database(database_url)
    file = write_recovery(unstored(a_run(0, VALUES, VALUES), fields=VALUES), Database(tmp_path / "x.db"), [])

    found = import_recovery(file, database)

    experiment = mltraq.create_session(database_url).load_experiment("fit")
    run = experiment.runs.first()
    assert found[1:] == (1, 1, 1)
    assert same(dict(run.fields), VALUES)
    assert same(dict(run.given_params), VALUES)
    assert same(dict(experiment.fields), VALUES)
    assert same(dict(experiment.config), VALUES)
    assert (run.outcome, run.error) == ("failed", RunError("step_train", "ValueError", "größe", "a traceback"))
    assert sql(database_url, "SELECT exit_status FROM sessions WHERE finished_at IS NOT NULL") == [(1,)]
    assert sql(database_url, "SELECT outcome FROM experiment_fit") == [("failed",)]


def test_a_second_import_changes_nothing(database_url: str, file: Path) -> None:
    """Neither in the number of rows nor in what it says was there."""
    database = Database(database_url)
    counts = [f"SELECT count(*) FROM {table}" for table in ("sessions", "experiments", "runs", "objects")]

    first = import_recovery(file, database)
    before = [sql(database_url, count) for count in counts]
    second = import_recovery(file, database)

    assert (first.runs, first.new) == (3, 3)
    assert (second.runs, second.new) == (3, 0)
    assert [sql(database_url, count) for count in counts] == before
    assert before[:3] == [[(1,)], [(1,)], [(3,)]]


def test_a_session_of_which_only_the_end_is_missing(database: Database, tmp_path: Path) -> None:
    """A file without runs completes it."""
    everything = unstored(a_run(0))
    running = everything.session._replace(finished_at=None, exit_status=None)
    import_recovery(write_recovery(everything._replace(session=running), database, []), database)

    import_recovery(write_recovery(Unstored(everything.session, [], []), database, []), database)

    assert sql(f"sqlite:///{tmp_path / 'results.db'}", "SELECT finished_at, exit_status FROM sessions") == [
        ("2026-11-24 12:00:00.000000+00:00", 1)
    ]


def test_an_import_upgrades_an_older_database(database_url: str, file: Path) -> None:
    """As every writer does."""
    restore(1, database_url)
    with pytest.raises(SchemaVersionError):
        mltraq.create_session(database_url).ls()

    import_recovery(file, Database(database_url))

    assert "fit" in list(mltraq.create_session(database_url).ls().name)


def test_a_file_is_lines_of_json(file: Path) -> None:
    """Anybody can read it; nothing in it is code."""
    lines = [json.loads(line) for line in file.read_text().splitlines()]

    assert lines[0] == {"pytest-mltraq": "recovery", "format": 1, "lines": len(lines) - 1}
    kinds = [line["kind"] for line in lines[1:]]
    assert kinds == ["session", *["object"] * (len(kinds) - 5), "experiment", *["run"] * 3]
    assert json.loads(lines[-3]["fields"]) == {"loss": 0.5}
    assert base64.b64encode(VALUES["long bytes"]).decode() in [line.get("data") for line in lines]


def test_a_folder_that_takes_no_file_is_passed_over(tmp_path: Path) -> None:
    """The next one is tried; nothing is left in the first."""
    (tmp_path / "gone").mkdir()
    database = Database(tmp_path / "gone" / "results.db")
    (tmp_path / "gone").rmdir()

    file = write_recovery(unstored(a_run(0)), database, [tmp_path / "gone", tmp_path])

    assert [*tmp_path.iterdir()] == [file]


def test_no_folder_that_takes_a_file(tmp_path: Path) -> None:
    """The error names each of them and why."""
    with pytest.raises(StorageError, match=r"found none: .*gone \(No such file or directory\)"):
        write_recovery(unstored(a_run(0)), Database(tmp_path / "gone" / "results.db"), [])


# -- files that are damaged or made up ---------------------------------------------------------------------------------

Change = Callable[[list[dict[str, Any]]], Any]


def put(at: int, **values: Any) -> Change:
    """Return what changes values of a line."""
    return lambda lines: lines[at].update(values)


def remove(at: int) -> Change:
    """Return what takes a line out."""
    return lambda lines: lines.pop(at)


DAMAGE: dict[str, tuple[Change, str]] = {
    "another header": (put(0, **{"pytest-mltraq": "results"}), "line 1: this is no recovery file"),
    "another format": (put(0, format=2), "line 1: format 2 is unknown; this pytest-mltraq reads format 1"),
    "a wrong number": (put(0, lines="many"), "line 1: the number of lines is missing"),
    "a missing line": (remove(-1), "1 lines are missing"),
    "a line too many": (lambda lines: lines.append(lines[-1]), "1 lines too many"),
    "an unknown kind": (put(-1, kind="program"), "the kind 'program' is unknown"),
    "a kind that is none": (put(-1, kind=[]), r"the kind \[\] is unknown"),
    "an unknown value": (put(-1, evil=1), "run: missing or unknown: evil"),
    "a missing value": (lambda lines: lines[-1].pop("seed"), "run: missing or unknown: seed"),
    "no session": (remove(1), "line 2: expected the session before everything else"),
    "two sessions": (lambda lines: lines.insert(2, lines[1]), "expected one session"),
    "an id that is none": (put(-1, id_run="../../etc"), r"expected a UUID as id_run, found '../../etc'"),
    "another experiment": (put(-1, id_experiment=str(new_id())), "of the run is not in the file"),
    "an outcome that is none": (put(-1, outcome="great"), "expected one of passed, .* or null as outcome"),
    "a document that is none": (put(-1, fields="{"), "expected a JSON object as fields"),
    "a document that is a list": (put(-1, fields="[]"), "expected a JSON object as fields"),
    "a document and no text": (put(-1, fields={"loss": 1}), "expected a JSON object as fields"),
    "a number out of range": (put(-1, fields='{"loss":1e999}'), "as fields"),
    "a text with NUL": (put(-1, nodeid="a\0b"), "expected text or null as nodeid"),
    "a document with NUL": (put(-1, fields='{"a":"\\u0000"}'), "expected a JSON object as fields"),
    "a lone surrogate": (put(-1, nodeid="\ud800"), "expected text or null as nodeid"),
    "types that don't fit": (put(-1, types='{"fields":[1]}'), "types don't fit"),
    "a position that is none": (put(-1, position=2**31), "an integer of 32 bits as position"),
    "a seed that is true": (put(-1, seed=True), "an integer of 64 bits as seed"),
    "a duration that is none": (put(-1, duration_s=float("inf")), "a number or null as duration_s"),
    "a time that is none": (put(1, started_at="yesterday"), "a time as started_at"),
    "a time of another form": (put(1, started_at="2026-11-24"), "a time as started_at"),
    "another content": (put(2, data=base64.b64encode(b"evil").decode()), "its content has another digest"),
    "a content that is none": (put(2, data="~"), "expected base64 as data"),
    "a digest that is none": (put(2, digest="' OR 1"), "expected a digest as digest"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_file_is_refused_whole(tmp_path: Path, file: Path, kind: str) -> None:
    """The error says in which line and what was expected there; not even a database is made."""
    change, what = DAMAGE[kind]
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    change(lines)
    if "number" not in kind and "line" not in kind:
        lines[0]["lines"] = len(lines) - 1
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))

    with pytest.raises(CorruptDataError, match=what) as caught:
        import_recovery(file, Database(tmp_path / "new" / "results.db"))

    assert str(caught.value).startswith(f"{file}, line ")
    assert not list(tmp_path.glob("new/*.db*")) or sql(
        f"sqlite:///{tmp_path / 'new' / 'results.db'}", "SELECT count(*) FROM sqlite_master"
    ) == [(0,)]


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"[]", b"{}", b"[" * 100_000, b"SQLite format 3\0" * 99])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """The error names it and its first line."""
    file = tmp_path / "notes.jsonl"
    file.write_bytes(content)

    with pytest.raises(CorruptDataError, match=r"notes\.jsonl, line 1"):
        import_recovery(file, Database(tmp_path / "results.db"))

    assert [*tmp_path.iterdir()] == [file]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """The error says so."""
    with pytest.raises(StorageError, match=r"gone\.jsonl can't be read: No such file or directory"):
        import_recovery(tmp_path / "gone.jsonl", Database(tmp_path / "results.db"))


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
def test_a_file_with_any_damage_is_taken_in_whole_or_not_at_all(
    tmp_path: Path, file: Path, data: st.DataObject
) -> None:
    """Cut anywhere, or with any bytes changed, it is refused, or what it says is well-formed and all of it stored."""
    whole = file.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    cut = data.draw(st.integers(0, 3))
    damaged = tmp_path / "damaged.jsonl"
    damaged.write_bytes(whole[:at] + data.draw(st.binary(max_size=3)) + (whole[at + cut :] if cut else b""))
    database = Database(None)

    try:
        found = import_recovery(damaged, database)
    except CorruptDataError:
        assert database.is_empty()
    else:
        with database.reading() as connection:
            assert connection is not None
            assert connection.exec_driver_sql("SELECT count(*) FROM runs").scalar() == found.runs == 3
    database.close()
