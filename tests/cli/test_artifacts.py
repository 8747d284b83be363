"""What the commands do about artifacts."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem

import pytest_mltraq as mltraq
from tests.program import run

OLD = (
    datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC) - datetime.datetime.fromtimestamp(0, datetime.UTC)
).total_seconds()


def store(url: str | Path, folder: Path, contents: Iterable[str], place: Path | None = None) -> None:
    """Store a session with a run for each content, which is an artifact in a field and in a sequence."""
    session = mltraq.create_session(url, artifacts=place)
    experiment = session.create_experiment("example")
    folder.mkdir(exist_ok=True)
    for content in contents:
        with experiment.run() as one:
            file = folder / f"{content}.txt"
            file.write_text(content)
            one.fields.text = mltraq.Artifact(file)
            (folder / content).mkdir(exist_ok=True)
            (folder / content / "more.txt").write_text(f"more {content}")
            one.fields.curve = mltraq.Sequence()
            one.fields.curve.append(made=mltraq.Artifact(folder / content))
    experiment.persist("append")
    session.close()


def kept(place: Path) -> set[str]:
    """The contents of a store."""
    return {path.read_text() for path in place.rglob("*") if path.is_file()}


def age(place: Path) -> None:
    """Make the files of a store as if they were kept long ago."""
    for path in place.rglob("*"):
        os.utime(path, (OLD, OLD))


def answer(*arguments: str, status: int = 0) -> Any:
    result = run(*arguments, "--format", "json")
    assert result.exit_code == status, result.output
    return json.loads(result.stdout)


# -- prune -------------------------------------------------------------------------------------------------------------


def test_prune_removes_what_nothing_refers_to_any_more(tmp_path: Path) -> None:
    """Also of a session that was killed; what another session refers to stays, and what is new."""
    file, place = tmp_path / "results.db", tmp_path / "results.db.artifacts"
    store(file, tmp_path / "made", ["one", "shared"])
    store(file, tmp_path / "made", ["two", "shared"])
    orphan = place / "00" / ("0" * 64)
    orphan.parent.mkdir()
    orphan.write_text("of a killed session")
    age(place)
    new = place / "11" / ("1" * 64)
    new.parent.mkdir()
    new.write_text("of a session that runs")

    found = answer("prune", "--keep", "1", "--db", str(file))
    assert (found["files"], found["new_files"]) == (3, 1)
    assert found["files_size"] == len("one" + "more one" + "of a killed session")
    assert len(kept(place)) == 8

    result = run("prune", "--keep", "1", "--db", str(file), "--yes")
    assert "3 files of artifacts (0.0 MB)" in result.stderr
    assert (
        "left for a session that may be running: 1 file of artifacts that nothing refers to, not a day old"
        in result.stderr
    )
    assert kept(place) == {"two", "more two", "shared", "more shared", "of a session that runs"}
    runs = mltraq.create_session(file).load_experiment("example").runs.values()
    assert [one.fields.text.read_bytes() for one in runs] == [b"two", b"shared"]
    assert answer("doctor", "--db", str(file))["problems"] == []


def test_prune_leaves_a_place_that_other_databases_may_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless it is told that there are none."""
    place = tmp_path / "shared"
    monkeypatch.setenv("MLTRAQ_ARTIFACTS", str(place))
    store(tmp_path / "other.db", tmp_path / "made", ["other"])
    for content in ("one", "two"):
        store(tmp_path / "results.db", tmp_path / "made", [content])
    age(place)
    db = str(tmp_path / "results.db")
    assert answer("prune", "--keep", "1", "--db", db, "--yes")["files"] == 0
    assert {"one", "other"} < kept(place)
    assert answer("prune", "--keep", "1", "--db", db, "--artifacts", "--yes")["files"] == 4
    assert kept(place) == {"two", "more two"}


class WatchedFileSystem(LocalFileSystem):  # type: ignore[misc]  # it has no types
    """Notes whether others could write to the database whenever it is asked for the files that it has."""

    protocol = "watched"
    database = Path()
    could_write: ClassVar[list[bool]] = []

    @classmethod
    def _strip_protocol(cls, path: str) -> str:  # older versions know no protocol but `file`
        return str(super()._strip_protocol(path.removeprefix("watched://")))

    def find(self, *arguments: Any, **options: Any) -> Any:
        with contextlib.closing(sqlite3.connect(self.database, timeout=0)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
                self.could_write.append(True)
            except sqlite3.OperationalError:
                self.could_write.append(False)
        return super().find(*arguments, **options)


def test_prune_waits_for_a_slow_place_without_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that sessions that run go on storing meanwhile."""
    file, place = tmp_path / "results.db", tmp_path / "place"
    store(file, tmp_path / "made", ["one"], place)
    store(file, tmp_path / "made", ["two"], place)
    age(place)
    fsspec.register_implementation("watched", WatchedFileSystem, clobber=True)
    monkeypatch.setattr(WatchedFileSystem, "database", file)
    monkeypatch.setattr(WatchedFileSystem, "could_write", [])
    monkeypatch.setenv("MLTRAQ_ARTIFACTS", f"watched://{place}")

    found = answer("prune", "--keep", "1", "--db", str(file), "--artifacts", "--yes")

    assert (found["files"], kept(place)) == (2, {"two", "more two"})
    assert WatchedFileSystem.could_write == [True, True]


def test_storing_again_keeps_an_old_file_from_being_pruned(tmp_path: Path) -> None:
    """A session that runs has not stored what refers to it yet, but has found it there."""
    file, place = tmp_path / "results.db", tmp_path / "results.db.artifacts"
    store(file, tmp_path / "made", ["one"])
    age(place)
    store(":memory:", tmp_path / "made", ["one"], place)
    with sqlite3.connect(file) as connection:
        connection.execute("DELETE FROM runs")
    found = answer("prune", "--keep", "9", "--db", str(file), "--yes")
    assert (found["files"], found["new_files"]) == (0, 2)
    assert kept(place) == {"one", "more one"}


# -- merge -------------------------------------------------------------------------------------------------------------


def test_merge_copies_the_files(tmp_path: Path) -> None:
    """Once, however often it is merged; then the sources may go."""
    sources = [tmp_path / name / "results.db" for name in ("a", "b")]
    for source, contents in zip(sources, (["one", "shared"], ["two", "shared"]), strict=True):
        source.parent.mkdir()
        store(source, source.parent / "made", contents)
    for _ in range(2):
        result = run("merge", *map(str, sources), "-o", str(tmp_path / "all.db"))
        assert result.exit_code == 0, result.output
    place = tmp_path / "all.db.artifacts"
    assert kept(place) == {"one", "two", "shared", "more one", "more two", "more shared"}
    assert len([path for path in place.rglob("*") if path.is_file()]) == 6
    assert answer("doctor", "--db", str(tmp_path / "all.db"))["problems"] == []


def test_merge_without_the_files_is_refused(tmp_path: Path) -> None:
    """Nothing is merged; it is said what is missing where, and how to go on without."""
    store(tmp_path / "a.db", tmp_path / "made", ["one"])
    for path in (tmp_path / "a.db.artifacts").rglob("*"):
        if path.is_file():
            path.unlink()
    result = run("merge", str(tmp_path / "a.db"), "-o", str(tmp_path / "all.db"))
    assert result.exit_code == 2
    assert "'merge --without-artifacts' goes on without them" in result.stderr
    assert "a.db.artifacts has no file" in result.stderr
    assert not (tmp_path / "all.db").exists()
    result = run("merge", str(tmp_path / "a.db"), "-o", str(tmp_path / "all.db"), "--without-artifacts")
    assert result.exit_code == 0


# -- doctor ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["flipped", "cut", "missing", "list"])
def test_doctor_finds_damage(tmp_path: Path, damage: str) -> None:
    """Of each file."""
    file, place = tmp_path / "results.db", tmp_path / "results.db.artifacts"
    store(file, tmp_path / "made", ["one", "two"])
    (stored,) = (path for path in place.rglob("*") if path.is_file() and path.read_text() == "more two")
    if damage == "missing":
        stored.unlink()
    elif damage == "list":
        with sqlite3.connect(file) as connection:
            connection.execute("UPDATE objects SET data = '[]' WHERE kind = 'artifact'")
    else:
        stored.write_text({"flipped": "more twO", "cut": "more"}[damage])
    problems = answer("doctor", "--db", str(file), status=1)["problems"]
    (found,) = (problem for problem in problems if problem["what"] == "artifact")
    said = {
        "flipped": "its content has another SHA-256",
        "cut": "expected 8 bytes, found 4",
        "missing": "has no file",
        "list": "expected the list of an artifact's files",
    }
    assert said[damage] in found["problem"]
    assert found["where"] == ("" if damage == "list" else stored.name)


# -- show, export ------------------------------------------------------------------------------------------------------


def test_they_are_shown(tmp_path: Path) -> None:
    """By name and size, whether their files are there or not."""
    file = tmp_path / "results.db"
    store(file, tmp_path / "made", ["one"])
    id_run = mltraq.create_session(file).load_experiment("example").runs.first().id_run
    result = run("show", str(id_run), "--db", str(file))
    assert "Artifact('one.txt', 3 bytes)" in result.stdout
    run("export", "example", "--db", str(file), "-o", str(tmp_path / "x.jsonl"))
    exported = json.loads((tmp_path / "x.jsonl").read_text())
    assert exported["text"] == {"name": "one.txt", "size": 3, "sha256": exported["text"]["sha256"]}


def test_the_ini_file_names_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it does for pytest."""
    store(tmp_path / "results.db", tmp_path / "made", ["one"], tmp_path / "kept")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmltraq_db = results.db\nmltraq_artifacts = kept\n")
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert answer("doctor")["problems"] == []
    (tmp_path / "pytest.ini").write_text("[pytest]\nmltraq_db = results.db\n")
    assert len(answer("doctor", status=1)["problems"]) == 2
