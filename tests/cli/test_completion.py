"""The shell completes commands, options, forms, names of experiments and ids of sessions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.history import store_session
from tests.program import program


@pytest.mark.parametrize(
    ("words", "incomplete", "expected"),
    [
        ([], "do", ["doctor"]),
        (["ls"], "exp", ["experiments"]),
        (["ls", "runs"], "ir", ["iris"]),
        (["show"], "", ["iris", "größe", "last"]),
        (["tag"], "la", ["last"]),
        (["query", "--format"], "js", ["json"]),
        (["ls"], "--bra", ["--branch"]),
    ],
    ids=str,
)
def test_a_shell_completes(tmp_path: Path, words: list[str], incomplete: str, expected: list[str]) -> None:
    """By the database that the environment names."""
    store_session(tmp_path / "results.db", {"iris": [], "größe": []})
    line = " ".join(["pytest-mltraq", *words, incomplete])

    result = program(
        MLTRAQ_DB=str(tmp_path / "results.db"),
        _PYTEST_MLTRAQ_COMPLETE="bash_complete",
        COMP_WORDS=line,
        COMP_CWORD=str(len(words) + 1),
    )

    found = {item.rpartition(",")[2] for item in result.stdout.splitlines()}
    assert found.issuperset(expected), result.stderr
    assert all(item.startswith(incomplete) for item in found)


def test_completion_without_a_database_is_no_error(tmp_path: Path) -> None:
    """There is nothing to complete then."""
    result = program(
        folder=tmp_path,
        _PYTEST_MLTRAQ_COMPLETE="bash_complete",
        COMP_WORDS="pytest-mltraq show ",
        COMP_CWORD="2",
    )

    assert (result.returncode, result.stdout.strip(), result.stderr) == (0, "", "")
