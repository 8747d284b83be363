"""The documentation has a page for each command, and names each of its options there."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from pytest_mltraq.cli import COMMANDS, main

DOCS = Path(__file__).parents[2] / "docs"
SHARED = ("db", "form")
"""Options that `docs/commands.md` is about."""


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_a_page_that_names_its_options(name: str) -> None:
    """With its output, which `tests/test_readme.py` checks."""
    command = main.get_command(click.Context(main), name)
    assert command is not None
    page = (DOCS / f"{name}.md").read_text(encoding="utf-8")

    own = [
        param.opts
        for param in command.params
        if isinstance(param, click.Option) and param.name not in SHARED and not param.hidden
    ]

    assert page.startswith(f"# pytest-mltraq {name}\n")
    assert f"$ pytest-mltraq {name}" in page
    assert "(commands.md)" in page
    assert [names for names in own if not re.search(rf"(?<![\w-])({'|'.join(names)})(?![\w-])", page)] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_what_it_is_for(name: str) -> None:
    """In the list of commands, and each option in the command's help; the overview of the documentation names it."""
    command = main.get_command(click.Context(main), name)
    assert command is not None

    assert command.get_short_help_str(200).endswith(".")
    assert [param.name for param in command.params if isinstance(param, click.Option) and not param.help] == []
    assert f"[`{name}`]({name}.md)" in (DOCS / "commands.md").read_text(encoding="utf-8")
