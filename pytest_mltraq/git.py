"""What git says: asked in a way that can't hang, and of which no answer is an answer."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final, NamedTuple

GIT_TIMEOUT_S: Final = 5.0
"""How long git may take; one that hangs (a lock, a network folder) must not keep a test session waiting."""

MAX_ANCESTORS: Final = 5000
"""How far back ancestors are looked at: years of most projects, and 20 ms."""


class Ancestry(NamedTuple):
    """The commits that lead to one.

    Attributes:
        commit: the commit, its full hash.
        distances: how many commits each of them is away from it, in git's order; 0 for itself.
        is_shallow: whether the clone has only the newest commits, so that earlier ones are unknown.
    """

    commit: str
    distances: dict[str, int]
    is_shallow: bool


def ask_repository(folder: Path, *arguments: str) -> list[str] | None:
    """Return the lines that git prints of a repository; None where there is none, and where git has no answer. Without one no process is started."""
    return _ask_git(folder, *arguments) if _has_repository(folder) else None


def _ask_git(folder: Path, *arguments: str) -> list[str] | None:
    """Return the lines that git prints; None where it fails, is missing, or takes too long."""
    try:
        return subprocess.run(  # noqa: S603 - no shell, and what users name comes after --end-of-options
            ["git", *arguments],  # noqa: S607 - the git that is in use here
            cwd=folder,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=GIT_TIMEOUT_S,
            check=True,
        ).stdout.splitlines()
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None


def _has_repository(folder: Path) -> bool:
    """Whether a folder or a parent has `.git`, or git was told of a repository elsewhere. Takes no process."""
    try:
        place = folder.resolve()
    except OSError:  # it was removed
        return False
    # Of a folder that can't be looked into Path.exists() would raise.
    return "GIT_DIR" in os.environ or any(os.path.exists(parent / ".git") for parent in (place, *place.parents))  # noqa: PTH110


def find_ancestors(folder: Path, commit: str = "HEAD") -> Ancestry | None:
    """Return a commit and those that lead to it, the nearest first; None where git doesn't know it.

    Args:
        folder: in the repository.
        commit: a commit, or what git understands as one.
    """
    listed = ask_repository(folder, "rev-list", f"--max-count={MAX_ANCESTORS}", "--end-of-options", commit)
    if not listed:
        return None
    shallow = ask_repository(folder, "rev-parse", "--is-shallow-repository")
    return Ancestry(listed[0], {found: at for at, found in enumerate(listed)}, shallow == ["true"])


def find_merge_base(folder: Path, branch: str) -> str | None:
    """Return the newest commit that HEAD and a branch have in common; None where git can't tell.

    The branch is the one of the remote `origin` where there is one, as in a CI job, whose own branches may be missing or
    old; a tag or a commit will do too.
    """
    for name in (f"refs/remotes/origin/{branch}", branch):
        found = ask_repository(folder, "merge-base", "--end-of-options", "HEAD", name)
        if found:
            return found[0]
    return None


def find_default_branch(folder: Path) -> str | None:
    """Return the branch that the remote `origin` calls its main one; None where there is none."""
    found = ask_repository(folder, "symbolic-ref", "--short", "refs/remotes/origin/HEAD")
    return found[0].removeprefix("origin/") if found else None


def find_user(folder: Path) -> str | None:
    """Return the name, not the address, of who commits here; None where git doesn't know it."""
    found = _ask_git(folder, "config", "user.name")
    return found[0] if found else None
