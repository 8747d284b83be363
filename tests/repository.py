"""Real git repositories for tests, independent of the developer's configuration."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

IDENTITY = {
    "GIT_AUTHOR_NAME": "Ann",
    "GIT_AUTHOR_EMAIL": "ann@example.org",
    "GIT_COMMITTER_NAME": "Ann",
    "GIT_COMMITTER_EMAIL": "ann@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder."""
    return subprocess.run(
        ["git", *arguments],  # noqa: S607 - the developer's git
        cwd=folder,
        env={**os.environ, **IDENTITY},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def make_repository(folder: Path) -> Path:
    """Make an empty repository whose branch is `main`."""
    folder.mkdir(exist_ok=True)
    git(folder, "init", "--initial-branch=main")
    return folder


def commit(folder: Path, message: str = "a change") -> str:
    """Commit all files of a folder, changed or not; returns the hash."""
    git(folder, "add", "--all")
    git(folder, "commit", "--allow-empty", f"--message={message}")
    return git(folder, "rev-parse", "HEAD")
