"""Artifacts: files and folders that are kept outside the database."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

import pytest_mltraq as mltraq
from pytest_mltraq.artifact import Listing
from pytest_mltraq.artifact_store import ArtifactStore, Content
from pytest_mltraq.codec import digest_object
from pytest_mltraq.codec.artifacts import write_listing
from pytest_mltraq.codec.forms import Stored
from tests.conftest import Rows

WEIGHTS = bytes(range(256)) * 1000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that a step wrote."""
    path = tmp_path / "model.bin"
    path.write_bytes(WEIGHTS)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that a step wrote."""
    path = tmp_path / "checkpoint"
    (path / "layers" / "first").mkdir(parents=True)
    (path / "nothing here").mkdir()
    (path / "layers" / "first" / "w.bin").write_bytes(WEIGHTS)
    (path / "layers" / "b é.txt").write_bytes(b"bias\n")
    (path / "empty.txt").write_bytes(b"")
    return path


def session_of(url: str, tmp_path: Path) -> Any:
    return mltraq.create_session(url, artifacts=tmp_path / "kept")


def store(session: Any, **fields: Any) -> Any:
    """Store an experiment of one run with these fields; returns them as they come back."""
    experiment = session.create_experiment("example")
    with experiment.run() as run:
        run.fields.update(fields)
    experiment.persist("append")
    return loaded(session)


def loaded(session: Any) -> Any:
    return session.load_experiment("example").runs.first().fields


def kept(place: Path) -> list[Path]:
    """The files that a store has."""
    return sorted(path for path in place.rglob("*") if path.is_file())


def test_a_file_comes_back(database_url: str, tmp_path: Path, file: Path) -> None:
    """Also when what it was made of is gone: its bytes, name, size and digest."""
    session = session_of(database_url, tmp_path)
    store(session, model=mltraq.Artifact(file))
    file.unlink()

    artifact = loaded(session).model
    assert type(artifact) is mltraq.Artifact
    assert (artifact.name, artifact.size, artifact.is_folder) == ("model.bin", len(WEIGHTS), False)
    assert artifact.sha256 == hashlib.sha256(WEIGHTS).hexdigest()
    assert artifact.read_bytes() == WEIGHTS
    with artifact.open() as stream:
        assert stream.read(10) == WEIGHTS[:10]
    target = artifact.download(tmp_path / "new" / "folder")
    assert target == tmp_path / "new" / "folder" / "model.bin"
    assert target.read_bytes() == WEIGHTS


def test_a_folder_comes_back(database_url: str, tmp_path: Path, folder: Path) -> None:
    """With all its files, and with folders that have none."""
    session = session_of(database_url, tmp_path)
    store(session, checkpoint=mltraq.Artifact(folder))
    copy = shutil.move(folder, tmp_path / "moved")

    artifact = loaded(session).checkpoint
    assert artifact.is_folder
    assert artifact.files == ("empty.txt", "layers/b é.txt", "layers/first/w.bin")
    assert artifact.read_bytes("layers/b é.txt") == b"bias\n"
    target = artifact.download(tmp_path)
    assert target == folder
    command = ["diff", "--recursive", str(target), str(copy)]
    assert subprocess.run(command, capture_output=True, check=False).stdout == b""
    assert (target / "nothing here").is_dir()


def test_the_digest_of_a_folder_can_be_made_by_hand(tmp_path: Path, folder: Path) -> None:
    """It is that of the lines of sha256sum, by path."""
    (folder / "nothing here").rmdir()
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    lines = subprocess.run([str(shutil.which("sha256sum")), *files], cwd=folder, capture_output=True, check=True).stdout
    assert mltraq.Artifact(folder).sha256 == hashlib.sha256(lines).hexdigest()


def test_readers_of_sql_find_what_it_is(tmp_path: Path, file: Path) -> None:
    """Its name, size and digest are in the document; its bytes are in no table."""
    session = mltraq.create_session(tmp_path / "results.db")
    store(session, model=mltraq.Artifact(file))
    rows = Rows(tmp_path / "results.db")
    found = rows("SELECT json_extract(fields, '$.model.name'), json_extract(fields, '$.model.size') FROM runs")
    assert found == [("model.bin", len(WEIGHTS))]
    assert rows("SELECT max(size) FROM objects")[0][0] < 200  # type: ignore[operator]
    assert [path.stat().st_size for path in kept(tmp_path / "results.db.artifacts")] == [len(WEIGHTS)]


def test_in_containers(database_url: str, tmp_path: Path, file: Path, folder: Path) -> None:
    """Wherever a value can be: in containers, columns of a sequence, params, config, fields of an experiment."""
    session = session_of(database_url, tmp_path)
    artifact = mltraq.Artifact(file)
    curve = mltraq.Sequence()
    curve.append(step=1, image=artifact, more={"folder": mltraq.Artifact(folder)})
    experiment = session.create_experiment("example", data=artifact)
    experiment.add_run(given=artifact)
    experiment.execute(
        lambda run: run.fields.update(nested={"a": [(artifact,)]}, curve=curve), config={"set": artifact}
    )
    experiment.persist()

    found = session.load_experiment("example")
    run = found.runs.first()
    more = run.fields.curve.df()["more"][0]["folder"]
    for value in (
        found.fields.data,
        found.config.set,
        run.given_params.given,
        run.fields.nested["a"][0][0],
        run.fields.curve.df()["image"][0],
    ):
        assert value.read_bytes() == WEIGHTS
    assert more.read_bytes("layers/first/w.bin") == WEIGHTS


def test_equal_content_is_kept_once(tmp_path: Path, file: Path, folder: Path) -> None:
    """Under whatever names, in files and folders, of one session or several."""
    other = tmp_path / "another name.bin"
    shutil.copy(file, other)
    for _ in range(2):
        session = mltraq.create_session(tmp_path / "results.db")
        store(session, model=mltraq.Artifact(file), again=mltraq.Artifact(other), all=mltraq.Artifact(folder))
    sizes = [path.stat().st_size for path in kept(tmp_path / "results.db.artifacts")]
    assert sorted(sizes) == [0, len(b"bias\n"), len(WEIGHTS)]


def test_the_seed_is_that_of_the_content(tmp_path: Path, file: Path) -> None:
    """A run with an artifact among its params has the same seed wherever the file and the store are."""
    elsewhere = tmp_path / "elsewhere" / "model.bin"
    elsewhere.parent.mkdir()
    shutil.copy(file, elsewhere)
    seeds = set()
    for name, path in (("a.db", file), ("b.db", elsewhere)):
        experiment = mltraq.create_session(tmp_path / name).create_experiment("example")
        experiment.add_run(z=1, model=mltraq.Artifact(path)).persist()
        seeds.add(experiment.runs.first().seed)
    assert len(seeds) == 1
    elsewhere.write_bytes(b"other")
    experiment = mltraq.create_session().create_experiment("example").add_run(z=1, model=mltraq.Artifact(elsewhere))
    assert experiment.runs.first().seed not in seeds


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    """When the artifact is made."""
    with pytest.raises(FileNotFoundError, match=r"expected a file or folder at .*/nothing\.bin, found nothing"):
        mltraq.Artifact(tmp_path / "nothing.bin")


def test_what_is_gone_before_it_is_stored_is_refused(tmp_path: Path, file: Path) -> None:
    """With the path of the field, and nothing is stored."""
    session = mltraq.create_session(tmp_path / "results.db")
    artifact = mltraq.Artifact(file)
    file.unlink()
    with pytest.raises(
        mltraq.UnsupportedTypeError, match=r"^fields\.nested\['model'\]: expected a file or folder at .*found nothing"
    ):
        store(session, nested={"model": artifact})
    assert not (tmp_path / "results.db").exists()


def test_a_name_that_is_no_text_is_refused(tmp_path: Path, folder: Path) -> None:
    """JSON couldn't say it."""
    (folder / os.fsdecode(b"\xff.txt")).write_bytes(b"")
    session = mltraq.create_session(tmp_path / "results.db")
    with pytest.raises(
        mltraq.UnsupportedTypeError, match=r"^fields\.model: expected the path of a file .* can't be part of"
    ):
        store(session, model=mltraq.Artifact(folder))


@pytest.mark.parametrize("kind", ["link to a folder", "broken link", "pipe"])
def test_what_is_no_file_is_refused(tmp_path: Path, folder: Path, kind: str) -> None:
    """Not left out silently."""
    odd = folder / "odd"
    if kind == "pipe":
        os.mkfifo(odd)
    else:
        odd.symlink_to(tmp_path if kind == "link to a folder" else tmp_path / "nothing")
    session = mltraq.create_session(tmp_path / "results.db")
    with pytest.raises(mltraq.UnsupportedTypeError, match=r"^fields\.model: .*/odd is (no file|a link to a folder)"):
        store(session, model=mltraq.Artifact(folder))


def test_a_link_to_a_file_is_kept_as_the_file(tmp_path: Path, file: Path, folder: Path) -> None:
    """What comes back is a file of its own."""
    (folder / "linked.bin").symlink_to(file)
    artifact = store(mltraq.create_session(tmp_path / "results.db"), model=mltraq.Artifact(folder)).model
    found = artifact.download(tmp_path / "new") / "linked.bin"
    assert not found.is_symlink()
    assert found.read_bytes() == WEIGHTS


@pytest.mark.parametrize("damage", ["a flipped bit", "cut", "longer"])
def test_a_change_is_noticed(tmp_path: Path, file: Path, damage: str) -> None:
    """However it is read, and nothing is left of what was copied."""
    artifact = store(mltraq.create_session(tmp_path / "results.db"), model=mltraq.Artifact(file)).model
    (stored,) = kept(tmp_path / "results.db.artifacts")
    changed = {"a flipped bit": b"\1" + WEIGHTS[1:], "cut": WEIGHTS[:-1], "longer": WEIGHTS + b"\0"}
    stored.write_bytes(changed[damage])

    said = r"fields\.model: artifact 'model\.bin' was changed since it was stored: expected 256,000 bytes"
    with pytest.raises(mltraq.CorruptDataError, match=said):
        artifact.read_bytes()
    with pytest.raises(mltraq.CorruptDataError, match=said), artifact.open():
        pass
    with pytest.raises(mltraq.CorruptDataError, match=said):
        artifact.download(tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


def test_a_missing_file_is_noticed(tmp_path: Path, folder: Path) -> None:
    """Whatever else of the folder is there; it is said where it was looked for."""
    artifact = store(mltraq.create_session(tmp_path / "results.db"), model=mltraq.Artifact(folder)).model
    kept(tmp_path / "results.db.artifacts")[0].unlink()
    with pytest.raises(
        mltraq.NotFoundError, match=r"fields\.model: artifact 'checkpoint' is missing: .*results\.db\.artifacts has no"
    ):
        artifact.download(tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


def test_a_damaged_file_is_written_anew(tmp_path: Path, file: Path) -> None:
    """Where the same content is stored again and what is there has another size."""
    store(mltraq.create_session(tmp_path / "results.db"), model=mltraq.Artifact(file))
    (stored,) = kept(tmp_path / "results.db.artifacts")
    stored.write_bytes(b"cut")
    again = store(mltraq.create_session(tmp_path / "results.db"), model=mltraq.Artifact(file)).model
    assert again.read_bytes() == WEIGHTS


def test_nothing_is_overwritten(tmp_path: Path, file: Path) -> None:
    """What is in the place of a download stays."""
    artifact = store(mltraq.create_session(tmp_path / "results.db"), model=mltraq.Artifact(file)).model
    file.write_bytes(b"mine")
    with pytest.raises(FileExistsError, match=r"model\.bin is there already"):
        artifact.download(tmp_path)
    assert file.read_bytes() == b"mine"


def test_a_wrong_name_says_which_files_there_are(tmp_path: Path, folder: Path) -> None:
    """Of a folder, and where no file is named."""
    artifact = store(mltraq.create_session(tmp_path / "results.db"), model=mltraq.Artifact(folder)).model
    with pytest.raises(mltraq.NotFoundError, match=r"has no file 'empty'; did you mean 'empty\.txt'\?"):
        artifact.read_bytes("empty")
    with pytest.raises(
        mltraq.NotFoundError, match=r"'checkpoint' is a folder: name one of its files; there are: empty\.txt, "
    ):
        artifact.read_bytes()


ODD_PATHS = ("../up.txt", "/etc/passwd", "a/../../b", "a//b", "./a", "a/.", "", "..", "a\\b", "a\0b", "a\nb")


@pytest.mark.parametrize("path", ODD_PATHS, ids=repr)
@pytest.mark.parametrize("place", ["file", "empty folder", "name"])
def test_a_path_that_leads_out_of_its_folder_is_refused(tmp_path: Path, folder: Path, path: str, place: str) -> None:
    """A hostile database names it: nothing is read, nothing is written."""
    store(mltraq.create_session(tmp_path / "results.db"), model=mltraq.Artifact(folder))
    content = Content(len(WEIGHTS), hashlib.sha256(WEIGHTS).hexdigest())
    files = {(path if place == "file" else "a"): content}
    listing = Listing(is_folder=True, files=files, empty=(path,) if place == "empty folder" else ())
    name = path if place == "name" else "model"
    replace_listing(tmp_path / "results.db", listing, name)
    with pytest.raises(
        mltraq.CorruptDataError, match=r"fields\.model: .*(expected the (path|name) of a file|damaged data)"
    ):
        loaded(mltraq.create_session(tmp_path / "results.db")).model.download(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "up.txt").exists()


def replace_listing(file: Path, listing: Listing, name: str) -> None:
    """Write a database anew in which an artifact is another one, with all its digests right."""
    stored = Stored("artifact", write_listing(listing))
    connection = sqlite3.connect(file)
    connection.execute("DELETE FROM objects")
    row = (digest_object(stored), "artifact", len(stored.data), stored.data)
    connection.execute("INSERT INTO objects (digest, kind, size, data) VALUES (?, ?, ?, ?)", row)
    fields = {"model": {"name": name, "size": listing.size, "sha256": listing.sha256}}
    types = {"fields": {"model": ["pytest_mltraq.artifact", row[0]]}}
    connection.execute("UPDATE runs SET fields = ?, types = ?", (json.dumps(fields), json.dumps(types)))
    connection.commit()
    connection.close()


def test_a_digest_that_is_none_is_refused(tmp_path: Path, file: Path) -> None:
    """It would be a path of its own."""
    store(mltraq.create_session(tmp_path / "results.db"), model=mltraq.Artifact(file))
    listing = Listing(is_folder=False, files={"": Content(4, "../../../../etc/passwd")})
    replace_listing(tmp_path / "results.db", listing, "model")
    with pytest.raises(mltraq.CorruptDataError, match=r"expected a size and a SHA-256"):
        loaded(mltraq.create_session(tmp_path / "results.db")).model.read_bytes()
    with (
        pytest.raises(ValueError, match="expected a SHA-256"),
        ArtifactStore(str(tmp_path)).open(Content(4, "../passwd")),
    ):
        pass


@pytest.mark.parametrize("used", [False, True], ids=["unread", "read"])
def test_a_copy_in_another_database_has_its_own(tmp_path: Path, file: Path, folder: Path, *, used: bool) -> None:
    """The files go with the experiment, and stay where they were."""
    first, second = mltraq.create_session(tmp_path / "a.db"), mltraq.create_session(tmp_path / "b.db")
    curve = mltraq.Sequence()
    curve.append(image=mltraq.Artifact(folder))
    store(first, model=mltraq.Artifact(file), curve=curve)
    experiment = first.load_experiment("example")
    if used:
        assert experiment.runs.first().fields.model.size
    second.persist_experiment(experiment)
    shutil.rmtree(tmp_path / "a.db.artifacts")
    fields = loaded(second)
    assert fields.model.read_bytes() == WEIGHTS
    assert fields.curve.df()["image"][0].read_bytes("empty.txt") == b""


def test_a_database_that_has_no_place_for_them_says_so(tmp_path: Path, postgresql: str, file: Path) -> None:
    """A server and memory have no folder beside them."""
    for url in (postgresql, None):
        said = r"fields\.model: expected a place for artifacts, found none .* mltraq_artifacts"
        with pytest.raises(mltraq.UnsupportedTypeError, match=said):
            store(mltraq.create_session(url), model=mltraq.Artifact(file))


def test_a_url_of_fsspec(tmp_path: Path, file: Path, folder: Path) -> None:
    """Any file system that fsspec knows will do."""
    session = mltraq.create_session(tmp_path / "results.db", artifacts="memory://bucket/models")
    for _ in range(2):
        store(session, model=mltraq.Artifact(file), checkpoint=mltraq.Artifact(folder))
    found = loaded(session)
    assert found.model.read_bytes() == WEIGHTS
    assert (found.checkpoint.download(tmp_path / "new") / "layers" / "first" / "w.bin").read_bytes() == WEIGHTS
    assert not (tmp_path / "results.db.artifacts").exists()
    files = ArtifactStore("memory://bucket/models").files()
    assert sorted(size for size, _ in files.values()) == [0, len(b"bias\n"), len(WEIGHTS)]


def test_the_environment_names_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    """Unless the program does."""
    monkeypatch.setenv("MLTRAQ_ARTIFACTS", str(tmp_path / "shared"))
    store(mltraq.create_session(tmp_path / "results.db"), model=mltraq.Artifact(file))
    assert len(kept(tmp_path / "shared")) == 1


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("nonsense://bucket", "can't be kept in nonsense://bucket: Protocol not known: nonsense"),
        ("s3://bucket", "can't be kept in s3://bucket: .*s3fs"),
    ],
)
def test_a_place_that_is_unknown_is_refused(tmp_path: Path, where: str, said: str) -> None:
    """At once, and with what is missing."""
    with pytest.raises(mltraq.ConfigurationError, match=said):
        mltraq.create_session(tmp_path / "results.db", artifacts=where)


def test_a_place_that_can_not_be_written(tmp_path: Path, file: Path) -> None:
    """The error says which field, which place and why; nothing is stored."""
    (tmp_path / "kept").write_text("a file where the folder should be")
    session = mltraq.create_session(tmp_path / "results.db", artifacts=tmp_path / "kept")
    with pytest.raises(
        mltraq.UnsupportedTypeError, match=r"fields\.model: artifacts in .*/kept can't be written: .*kept"
    ):
        store(session, model=mltraq.Artifact(file))
    assert not (tmp_path / "results.db").exists()


def test_no_password_is_shown(tmp_path: Path, file: Path) -> None:
    """Not in an error, and not in a repr."""
    where = "ftp://ann:s3cret@127.0.0.1:9/models"  # nobody listens there
    assert "s3cret" not in repr(ArtifactStore(where))
    session = mltraq.create_session(tmp_path / "results.db", artifacts=where)
    with pytest.raises(mltraq.UnsupportedTypeError) as caught:
        store(session, model=mltraq.Artifact(file))
    assert "s3cret" not in str(caught.value)
    assert "ftp://ann:***@127.0.0.1:9/models" in str(caught.value)


def test_from_other_processes(tmp_path: Path) -> None:
    """Where joblib runs the steps."""

    def write(run: Any) -> None:  # in here, so that it is sent to the processes, which can't import the tests
        path = Path(run.config.folder) / f"{run.params.n}.bin"
        path.write_bytes(bytes([run.params.n]))
        run.fields.model = mltraq.Artifact(path)

    session = mltraq.create_session(tmp_path / "results.db")
    experiment = session.create_experiment("example").add_runs(n=[1, 2, 3])
    experiment.execute(write, config={"folder": str(tmp_path)}, n_jobs=2).persist()
    found = session.load_experiment("example").runs.values()
    assert [run.fields.model.read_bytes() for run in found] == [b"\1", b"\2", b"\3"]


def test_equality(tmp_path: Path, file: Path) -> None:
    """By name and content, wherever they are; they are no keys, because a file may change until it is stored."""
    found = store(mltraq.create_session(tmp_path / "results.db"), model=mltraq.Artifact(file)).model
    assert found == mltraq.Artifact(file)
    assert repr(found) == "Artifact('model.bin', 256,000 bytes)"
    file.write_bytes(b"other")
    assert found != mltraq.Artifact(file)
    assert found != "model.bin"
    with pytest.raises(TypeError, match="unhashable"):
        {found: 1}  # noqa: B018


def peak_of(size: int, tmp_path: Path) -> int:
    """Store an artifact of a size and read it back; the peak of Python's memory for it [bytes]."""
    path = tmp_path / "large.bin"
    with path.open("wb") as stream:
        stream.truncate(size)
    session = mltraq.create_session(tmp_path / "results.db")
    store(session, model=mltraq.Artifact(__file__))  # what is imported first is not counted
    tracemalloc.start()
    try:
        artifact = store(session, model=mltraq.Artifact(path)).model
        artifact.download(tmp_path / "new")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (tmp_path / "new" / "large.bin").stat().st_size == size
    return peak


def test_the_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """Files are copied in pieces."""
    assert peak_of(2**27, tmp_path) < 2**24


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_gigabytes(tmp_path: Path) -> None:
    """The same of a file that is larger than what a database takes."""
    assert peak_of(2**31, tmp_path) < 2**24


def test_the_package_does_not_import_fsspec_without_need() -> None:
    """Who keeps no artifacts doesn't pay for it."""
    code = (
        "import sys, pytest_mltraq as m; e = m.create_experiment('x'); e.add_run().execute(lambda run: None); e.persist(); "
        "print('fsspec' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "False\n"
