"""Numbers of things, as messages say them."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Say how many there are of something.

    Args:
        number: how many.
        noun: what one of them is called; the plural has an `s` more.

    Example:
        >>> counted(1, "run"), counted(10_000, "run"), counted(0, "more column")
        ('1 run', '10,000 runs', '0 more columns')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
