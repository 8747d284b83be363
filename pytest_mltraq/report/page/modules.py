"""The page's ES modules, joined into one script: a file that is opened from disk can't import others.

Each module becomes a function that returns what it exports, in the order in which they need each other. For this, modules
import and export in the plainest form only::

    import { name, other as alias } from "./module.js";
    export function name(...) {}    export class Name {}    export const name = ...
"""

from __future__ import annotations

import re
from importlib.resources.abc import Traversable
from typing import Final

_IMPORT: Final = re.compile(r'^import \{([^}]*)\} from "\./(\w+)\.js";$', re.MULTILINE)
_EXPORT: Final = re.compile(r"^export (?=(?:async )?(?:function\*?|class|const) (\w+))", re.MULTILINE)
_OTHER: Final = re.compile(r"^(?:import|export)\b.*$", re.MULTILINE)
_COMMENTS: Final = re.compile(r"^\s*(?://[^\n]*|/\*\*.*?\*/)\n", re.MULTILINE | re.DOTALL)
_INDENTATION: Final = re.compile(r"^[ \t]+|\n(?=\n)", re.MULTILINE)


def join_modules(folder: Traversable, main: str = "main") -> str:
    """Join a module with those that it imports.

    Args:
        folder: where they are.
        main: the name of the module that is run.

    Raises:
        ValueError: a module imports or exports in another form, or two need each other.
    """
    done: dict[str, str] = {}
    _add(folder, main, done, ())
    return '"use strict";\n' + "\n".join(done.values())


def _add(folder: Traversable, name: str, done: dict[str, str], path: tuple[str, ...]) -> None:
    """Add a module after those that it imports."""
    if name in path:
        message = f"modules need each other: {' -> '.join((*path, name))}"
        raise ValueError(message)
    if name in done:
        return
    source = folder.joinpath(f"{name}.js").read_text(encoding="utf-8")
    for imported in _IMPORT.finditer(source):
        _add(folder, imported[2], done, (*path, name))
    exported = _EXPORT.findall(source)
    body = _EXPORT.sub("", _IMPORT.sub(_bind, source))
    if odd := _OTHER.search(body):
        message = f"{name}.js: expected a plain import or export, found {odd[0]!r}"
        raise ValueError(message)
    done[name] = f"const _{name} = (() => {{\n{shorten(body)}return {{ {', '.join(exported)} }};\n}})();"


def _bind(found: re.Match[str]) -> str:
    names = ", ".join(part.strip().replace(" as ", ": ") for part in found[1].split(",") if part.strip())
    return f"const {{ {names} }} = _{found[2]};"


def shorten(source: str) -> str:
    """Take comments that have lines of their own, indentation and empty lines off a script or style sheet."""
    return _INDENTATION.sub("", _COMMENTS.sub("", source)).lstrip("\n")
