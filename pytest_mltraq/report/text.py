"""Users' text where it would be taken for something else: on a terminal, and in Markdown."""

from __future__ import annotations

import re
from typing import Final

_UNSEEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""What a terminal obeys or doesn't show: control characters, those that turn the direction of text, and surrogates."""

_MARKDOWN: Final = re.compile(r"[\\`*|<>\[\]]|(?<![^\W_])_|_(?![^\W_])|~(?=~)")
"""What Markdown would take for markup; an underscore only where a word begins or ends."""


def visible(text: str) -> str:
    r"""Return a text in one line, with escapes in the place of what a terminal obeys or doesn't show.

    Example:
        >>> visible("red: \x1b[31m\n")
        'red: \\x1b[31m\\n'
    """
    return text if text.isprintable() else _UNSEEN.sub(_escape, text)


def markdown(text: str) -> str:
    r"""Return a text that Markdown shows as it is, also in a cell of a table.

    Example:
        >>> markdown("a|b\n_c_")
        'a\\|b<br>\\_c\\_'
    """
    lines = text.replace("\r\n", "\n").split("\n")
    return "<br>".join(visible(_MARKDOWN.sub(_escape_markdown, line)) for line in lines)


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def _escape_markdown(found: re.Match[str]) -> str:
    return {"<": "&lt;", ">": "&gt;"}.get(found[0], f"\\{found[0]}")
