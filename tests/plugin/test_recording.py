"""What is in the database while a session runs."""

from __future__ import annotations

import pytest

from tests.conftest import Rows


def test_a_run_is_durable_while_the_next_one_takes_long(pytester: pytest.Pytester, rows: Rows) -> None:
    """Its report is stored although no other report comes, even where the next test computes in pure Python."""
    pytester.makepyfile(
        test_a="""
            import contextlib
            import os
            import sqlite3
            import time

            import pytest

            @pytest.mark.parametrize("n", range(20))
            def test_quick(run, n): ...

            def test_slow(run):
                until = time.monotonic() + 30
                with contextlib.closing(sqlite3.connect("results.db")) as connection:
                    while time.monotonic() < until:
                        sum(range(10_000))
                        if connection.execute("SELECT count(*) FROM runs").fetchall() == [(20,)]:
                            os._exit(7)
            """
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    assert result.ret == 7
    assert rows("SELECT count(*) FROM runs WHERE outcome = 'passed'") == [(20,)]


@pytest.mark.parametrize("sessions", [1, 2])
def test_a_session_with_a_sqlite_file_does_without_sqlalchemy(pytester: pytest.Pytester, sessions: int) -> None:
    """It costs a session a fifth of a second: what stores runs in a SQLite file, and judges them, imports no heavy library."""
    pytester.makeconftest(
        """
            import sys

            def pytest_unconfigure():
                heavy = {"sqlalchemy", "numpy", "pandas", "pyarrow", "joblib"} & set(sys.modules)
                print("\\nheavy:", sorted(heavy))
            """
    )
    pytester.makepyfile(
        """
            import pytest

            @pytest.mark.metric("loss", direction="minimize")
            def test_a(run): run.fields.loss = 1
            """
    )

    results = [pytester.runpytest_subprocess("--mltraq-db=results.db") for _ in range(sessions)]

    results[-1].stdout.fnmatch_lines([f"*{'unchanged' if sessions == 2 else 'new'}*", "heavy: []"])
