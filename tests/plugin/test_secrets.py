"""Secrets that a session meets are nowhere afterwards: not in the database, the output or a report of it."""

from __future__ import annotations

import psycopg
import pytest

from tests.conftest import Rows

SECRET = "s3cret-9b1f"  # noqa: S105 - it is the bait

EXPERIMENT = """
import pytest


def step_train(run):
    run.fields.used = run.config.get("hub_token", "")[:2]
    run.fields.used_length = 2


@pytest.mark.runs(seed=[0, 1])
@pytest.mark.metric("used_length")
def experiment_planted(run, mltraq_session):
    assert run.params.seed == 0, repr(mltraq_session)


def test_broken_fixture(run, broken):
    pass


@pytest.fixture
def broken(mltraq_session):
    raise RuntimeError(f"no such thing in {mltraq_session.db}")
"""

PLANTED = {
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "GITHUB_TOKEN": SECRET,
    "PGPASSWORD": SECRET,
    "DATABASE_URL": f"postgresql://ann:{SECRET}@db/x",
    "GITLAB_CI": "true",
    "CI_JOB_TOKEN": SECRET,
    "CI_JOB_URL": f"https://ann:{SECRET}@gitlab.example.org/7",
    "CI_COMMIT_BRANCH": "main",
}
ARGUMENTS = (
    f"--mltraq-config=hub_token={SECRET}",
    f"--mltraq-config=nested={{'deep': {{'password': '{SECRET}'}}}}",
    f"--mltraq-config=mirror=https://ann:{SECRET}@mirror/x",
    "--mltraq-tag=planted",
    f"--hub-password={SECRET}",
    "--junit-xml=report.xml",
    *(f"--mltraq-report=report.{suffix}" for suffix in ("html", "md", "json", "metrics")),
    "-vv",
)


FILES = {".db", ".xml", ".html", ".md", ".json", ".metrics"}
"""The database and the reports."""


@pytest.fixture
def planted(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with an experiment, in an environment full of secrets."""
    for name, value in PLANTED.items():
        monkeypatch.setenv(name, value)
    pytester.makeconftest("def pytest_addoption(parser): parser.addoption('--hub-password')")
    pytester.makepyfile(experiment_planted=EXPERIMENT)
    return pytester


def test_secrets_are_neither_stored_in_a_file_nor_shown(planted: pytest.Pytester, rows: Rows) -> None:
    """Variables of the environment, URLs, options and config leave no secret behind; the run itself had it."""
    result = planted.runpytest_subprocess("--mltraq-db=results.db", *ARGUMENTS)

    result.assert_outcomes(passed=1, failed=1, errors=1)
    assert SECRET not in result.stdout.str() + result.stderr.str()
    written = [file for file in planted.path.iterdir() if file.suffix in FILES]
    assert {file.suffix for file in written} == FILES
    for file in written:
        assert SECRET.encode() not in file.read_bytes(), file.name
    assert rows("SELECT used FROM experiment_planted") == [("s3",), ("s3",)]


def test_secrets_are_neither_stored_in_a_server_nor_shown(planted: pytest.Pytester, postgresql: str) -> None:
    """The password of the database itself is in no table either."""
    url = postgresql.replace("postgres:@", f"postgres:{SECRET}@")
    assert SECRET in url

    result = planted.runpytest_subprocess(f"--mltraq-db={url}", *ARGUMENTS)

    result.assert_outcomes(passed=1, failed=1, errors=1)
    assert SECRET not in result.stdout.str() + result.stderr.str()
    with psycopg.connect(postgresql) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'mltraq'").fetchall()
        stored = [connection.execute(f"SELECT t::text FROM mltraq.{name} t").fetchall() for (name,) in tables]  # noqa: S608
    assert "planted" in str(stored)
    assert SECRET not in str(stored)


def test_a_secret_is_in_no_message_about_a_server_that_cannot_be_reached(planted: pytest.Pytester) -> None:
    """What the driver says of a connection is shown without the password."""
    result = planted.runpytest_subprocess(f"--mltraq-db=postgresql://ann:{SECRET}@127.0.0.1:1/x", "-vv")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--mltraq-db: *postgresql*ann:?*?*127.0.0.1*"])
    assert SECRET not in result.stdout.str() + result.stderr.str()
