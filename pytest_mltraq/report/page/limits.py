"""How much goes into a page, and what was left out of it."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple


class Limits(NamedTuple):
    """How much goes into a page; what is left out for it is said there.

    Attributes:
        sessions: the newest ones are shown.
        runs: that are listed one by one, those of the newest versions first; of the others the page has summaries.
        read: runs that are read at all.
        groups: of an experiment, of which the history is kept.
        history: means of all histories together.
        metrics: of an experiment that declares none, of which the history is kept.
        text: all long texts together [characters].
        longest_text: one of them [characters].
        previews: arrays, tables and other objects that are shown.
        longest_object: one of them [bytes].
        curves: values of all curves together.
        searches: for change points: the lengths of the histories, squared, which is what a search costs; about a second's worth.
        image: one image [bytes].
        images: all images together [bytes].
    """

    sessions: int = 200
    runs: int = 10_000
    read: int = 200_000
    groups: int = 200
    history: int = 8_000
    metrics: int = 12
    text: int = 200_000
    longest_text: int = 4_000
    previews: int = 400
    longest_object: int = 1 << 20
    curves: int = 36_000
    searches: int = 1_000_000
    image: int = 1 << 18
    images: int = 1 << 21


class LeftOut:
    """Counts what is left out."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, what: str, n: int = 1) -> None:
        """Count something.

        Args:
            what: what it is, in the plural.
            n: how many.
        """
        if n:
            self._counts[what] += n

    def lines(self) -> list[str]:
        """Say what was left out, and how much of it."""
        return [f"{what}: {n:,}" for what, n in self._counts.items()]
