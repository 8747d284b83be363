"""Text that a database's JSON refuses: NUL (PostgreSQL) and lone surrogates (UTF-8)."""

from __future__ import annotations


def readable(text: str) -> str:
    """Put U+FFFD in the place of what a database's JSON refuses."""
    if not odd_text(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")


def odd_text(text: str) -> bool:
    """Whether a text has what a database's JSON refuses: NUL and lone surrogates."""
    if "\0" in text:
        return True
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
