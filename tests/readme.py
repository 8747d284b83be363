"""Executes the fenced blocks of a Markdown file, so that what it shows is what its reader gets.

A block is one of these; any other is an error, so that nothing stays unchecked:

* `console`: lines after `$ ` are commands, each for a shell of its own; lines after `> ` continue a command; the others
  are what it prints.
* `python`: a script. The `text` block that comes next is what it prints; without one it prints nothing.
* any language below the comment `<!-- file: NAME -->`: written to that file. Python is then executed only where a `text`
  block comes next: otherwise it is a module or a test file, for other blocks to use.

In what is printed, `...` stands for any text, as with doctest's ELLIPSIS. The number of blanks in a line, blanks at its
end, and the length of rulers (`=====`) don't count. Commands and scripts must succeed; below `<!-- exit: 1 -->` they
must end with that status. A block below `<!-- not run: REASON -->` is passed over.
"""

from __future__ import annotations

import difflib
import doctest
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

TERMINAL_WIDTH = 100

_FENCE = re.compile(r"^((?:<!-- [^\n]* -->\n\n?)*)```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_NOTE = re.compile(r"<!-- (file|exit|not run): (.*) -->")
_COMMAND = re.compile(r"^\$ (.*\n(?:> .*\n)*)((?:(?!\$ ).*\n)*)", re.MULTILINE)
_RULER = re.compile(r"([=_-])\1{3,}")


class Block(NamedTuple):
    """A fenced block.

    Attributes:
        place: its file and line.
        language: what its fence says.
        text: what is between the fences.
        notes: the comments above it that are meant for us, by their name.
    """

    place: str
    language: str
    text: str
    notes: dict[str, str]


def run_blocks(markdown_file: Path, folder: Path, plugins: Iterable[str] = ("mltraq",)) -> None:
    """Execute every fenced block of a Markdown file, in their order.

    Args:
        markdown_file: the file.
        folder: where commands and scripts run, and files are written.
        plugins: the pytest plugins that the reader has installed, by the names of their entry points.

    Raises:
        AssertionError: something else happens than the file shows; the message begins with the block's place.
    """
    blocks = [block for block in _read_blocks(markdown_file) if "not run" not in block.notes]
    assert blocks, f"{markdown_file}: found no fenced block"
    environment = readers_environment(plugins)
    previous = ""
    for block, following in pairwise([*blocks, None]):
        assert block is not None
        shown = following.text if following is not None and following.language == "text" else None
        if "file" in block.notes:
            _write(folder / block.notes["file"], block.text)
        if block.language == "console":
            _run_commands(block, folder, environment)
        elif block.language == "python":
            if shown is not None or "file" not in block.notes:
                _run_script(block, shown or "", folder, environment)
        elif "file" not in block.notes and (block.language, previous) != ("text", "python"):
            message = (
                f"{block.place}: this block ({block.language or 'no language'}) can't be checked; give it a file name"
            )
            raise AssertionError(message)
        previous = block.language


def readers_environment(plugins: Iterable[str] = ("mltraq",)) -> dict[str, str]:
    """Return the environment of a reader who has these pytest plugins, whatever else is installed here."""
    own = {name: value for name, value in os.environ.items() if name not in ("MLTRAQ_DB", "PYTHONSAFEPATH")}
    return own | {
        "COLUMNS": str(TERMINAL_WIDTH),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTEST_ADDOPTS": " ".join(f"-p {plugin}" for plugin in plugins),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }


def _read_blocks(markdown_file: Path) -> Iterator[Block]:
    content = markdown_file.read_text(encoding="utf-8")
    for found in _FENCE.finditer(content):
        notes, language, text = found.groups()
        line = content.count("\n", 0, found.end(1)) + 1
        yield Block(f"{markdown_file}:{line}", language, text, dict(_NOTE.findall(notes)))


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def _run_commands(block: Block, folder: Path, environment: dict[str, str]) -> None:
    assert block.text.startswith("$ "), f"{block.place}: a console block begins with a command, `$ ...`"
    for command, shown in _COMMAND.findall(block.text):
        script = command.replace("\n> ", "\n").strip()
        _check(block, ["/bin/sh", "-c", script], shown, folder, environment)


def _run_script(block: Block, shown: str, folder: Path, environment: dict[str, str]) -> None:
    """Execute a block from a file, so that its functions have a source to be stored."""
    line = block.place.rpartition(":")[2]
    script = folder / block.notes.get("file", f"block_at_line_{line}.py")
    _write(script, block.text)
    _check(block, [sys.executable, str(script.relative_to(folder))], shown, folder, environment)


def _check(block: Block, command: list[str], shown: str, folder: Path, environment: dict[str, str]) -> None:
    __tracebackhide__ = True
    result = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    what = f"{block.place}: {command[-1]}"
    expected = int(block.notes.get("exit", "0"))
    assert result.returncode == expected, (
        f"{what}\nexpected exit status {expected}, found {result.returncode}:\n{result.stdout}"
    )
    wanted, found = _normal(shown), _normal(result.stdout)
    if not doctest.OutputChecker().check_output(wanted, found, doctest.ELLIPSIS):
        difference = difflib.unified_diff(wanted.splitlines(), found.splitlines(), "shown", "printed", lineterm="")
        raise AssertionError("\n".join([what, *difference]))


def _normal(text: str) -> str:
    lines = (" ".join(line.split()) for line in text.strip("\n").splitlines())
    return "\n".join(_RULER.sub(r"\1\1\1\1", line) for line in lines)
