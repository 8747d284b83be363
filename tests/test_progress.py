"""Long work shows a bar on a terminal and in a notebook, and nothing where nobody looks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.history import a_run, store_session
from tests.program import run_on_terminal

AT_ONCE = "import pytest_mltraq.progress; pytest_mltraq.progress.DELAY_S = 0\n"

EXECUTE = """
import pytest_mltraq as mltraq
mltraq.create_experiment("x").add_runs(seed=range(3)).execute(lambda run: None)
"""
PERSIST = """
import pytest_mltraq as mltraq
mltraq.create_experiment("x").add_runs(seed=range(4)).persist()
"""
MERGE = """
from pytest_mltraq.cli import main
main(["merge", "stored.db", "-o", "all.db"])
"""


@pytest.fixture
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store_session(tmp_path / "stored.db", {"x": [a_run({"seed": seed}) for seed in range(5)]})


@pytest.mark.usefixtures("_in_folder")
@pytest.mark.parametrize(
    ("script", "shown"),
    [(EXECUTE, ("runs: ", "/3 ")), (PERSIST, ("encoding: ", "/4 ")), (MERGE, ("merging: ", "/7 "))],
    ids=["execute", "persist", "merge"],
)
def test_a_bar_is_shown_on_a_terminal_alone(script: str, shown: tuple[str, ...]) -> None:
    """In a pipe there is nothing of it."""
    on_terminal = run_on_terminal([sys.executable, "-c", AT_ONCE + script])
    in_pipe = subprocess.run([sys.executable, "-c", AT_ONCE + script], capture_output=True, text=True, check=True)

    assert all(part in on_terminal for part in shown)
    assert in_pipe.stderr == ""
    assert shown[0] not in in_pipe.stdout


@pytest.mark.usefixtures("_in_folder")
def test_what_is_done_at_once_shows_no_bar() -> None:
    """It would flicker."""
    assert run_on_terminal([sys.executable, "-c", EXECUTE]) == ""


@pytest.mark.usefixtures("_in_folder")
def test_a_program_without_standard_error_has_no_bar() -> None:
    """Such as one that a desktop starts."""
    script = f"import sys; sys.stderr = None\n{AT_ONCE}{EXECUTE}"

    subprocess.run([sys.executable, "-c", script], check=True)
