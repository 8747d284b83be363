"""How often metrics are judged wrongly, as the benchmark programs measure it: no goal is missed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LABELLED = ROOT.parent / "shared" / "data" / "ml_history"
"""Labelled histories, which the repository doesn't have."""

needs_histories = pytest.mark.skipif(not LABELLED.is_dir(), reason="the labelled histories are not there")


def run(*arguments: str) -> list[str]:
    """Run a benchmark program and return the rows of its tables that have a goal, but those of its cost."""
    command = [sys.executable, *arguments]
    output = subprocess.run(command, cwd=ROOT / "benchmarks", capture_output=True, text=True, check=True).stdout
    shares, _, _ = output.partition("cost, CPU time")
    return [row for row in shares.splitlines() if row.endswith((" ok", " missed"))]


@pytest.mark.slow
def test_simulated_metrics_are_judged_as_often_wrong_as_promised() -> None:
    """False alarms, drops that are found, sessions of many metrics and second looks keep their goals."""
    rows = run("judging.py", "--trials", "1000")

    assert len(rows) > 60
    assert [row for row in rows if row.endswith("missed")] == []


@pytest.mark.slow
@needs_histories
def test_real_metrics_are_judged_as_often_wrong_as_promised() -> None:
    """At most 3 % of unchanged commits are false alarms, with each window."""
    rows = [row for row in run("judging.py", "--trials", "40", "--histories", str(LABELLED)) if "alarms of" in row]

    assert len(rows) == 8
    assert [row for row in rows if row.endswith("missed")] == []


@pytest.mark.slow
@needs_histories
def test_change_points_are_found_as_promised() -> None:
    """Simulated histories without a change have one in no more than 2 %, and real ones reach their F1."""
    rows = run("change_points.py", "--trials", "200", str(LABELLED))

    assert len(rows) == 5
    assert [row for row in rows if row.endswith("missed")] == []
