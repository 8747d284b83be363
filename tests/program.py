"""The command `pytest-mltraq` as its users call it: in this process, as a program in a pipe, and on a terminal."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Sequence
from pathlib import Path

from click.testing import CliRunner, Result

from pytest_mltraq.cli import main

PROGRAM = str(Path(sys.executable).with_name("pytest-mltraq"))


def run(*arguments: str, **variables: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(main, list(arguments), env={"MLTRAQ_DB": None, **variables})


def program(*arguments: str, folder: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the installed program, its output in pipes."""
    return subprocess.run(
        [PROGRAM, *arguments],
        env={**os.environ, **variables},
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def on_terminal(*arguments: str, columns: int = 80, **variables: str) -> str:
    """Run the installed program on a terminal; returns what is written to it."""
    return run_on_terminal([PROGRAM, *arguments], columns, **variables)


def run_on_terminal(command: Sequence[str], columns: int = 80, **variables: str) -> str:
    """Run a command on a terminal; returns what is written to it."""
    terminal, side = pty.openpty()
    termios.tcsetwinsize(side, (40, columns))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
    process = subprocess.Popen(
        command,
        env={**environment, "TERM": "xterm-256color", **variables},
        stdin=side,
        stdout=side,
        stderr=side,
        close_fds=True,
    )
    os.close(side)
    found = b""
    with contextlib.suppress(OSError):  # a terminal that nobody writes to any more is an error to read on Linux
        while part := os.read(terminal, 4096):
            found += part
    os.close(terminal)
    process.wait()
    return found.decode().replace("\r\n", "\n")
