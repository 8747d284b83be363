"""The page about durability: each promise names a test that there is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "durability.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def named_in(file: str) -> set[str]:
    """Return the names of the test functions of a file."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_every_test_that_is_named_is_there() -> None:
    """A test that is renamed or removed takes its promise with it."""
    named = NAMED.findall(PAGE)

    assert [(file, name) for file, name in named if name not in named_in(file)] == []


def test_every_promise_in_a_table_names_a_test() -> None:
    """A row without one would be a promise that nobody keeps."""
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| what ", "| --- "))]

    assert len(rows) > 20
    assert [row for row in rows if not NAMED.search(row)] == []
