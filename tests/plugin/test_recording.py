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
