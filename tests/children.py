"""Modules of the tests that are run as processes of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_RUN = """
import runpy, sys
sys.path.append(sys.argv.pop(1))  # the last one: where the package is installed, that one is tested and not the checkout
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""


def run_module(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a module of the tests; where it crashes, Python says where it was."""
    command = [sys.executable, "-X", "faulthandler", "-c", _RUN, str(Path(__file__).parents[1]), name, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)
