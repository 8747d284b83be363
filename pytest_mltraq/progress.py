"""A bar for what takes long: on a terminal and in a notebook, nothing where nobody looks."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

DELAY_S: Final = 0.5
"""What is done sooner shows no bar."""


@contextlib.contextmanager
def progress_bar(
    what: str, total: int | None, *, unit: str, shown: bool | None = None
) -> Iterator[Callable[[int], None]]:
    """Show a bar on standard error while the context lasts; afterwards it is gone.

    Args:
        what: what is being done, in a word or two.
        total: how many there are; None where nobody knows.
        unit: what is counted, in the singular.
        shown: whether it is shown; None shows it on a terminal and in a notebook.

    Yields:
        What is called with the number of units that were done since the last call.

    Example:
        >>> with progress_bar("runs", 3, unit="run") as advance:
        ...     for _ in range(3):
        ...         advance(1)
    """
    if shown is False or (shown is None and not _is_notebook() and not _is_terminal()):
        yield _nothing
        return
    bar = _bar_class()(total=total, desc=what, unit=unit, delay=0 if shown else DELAY_S, leave=False)
    try:
        yield bar.update
    finally:
        bar.close()


def _nothing(done: int) -> None:
    pass


def _is_terminal() -> bool:
    # A program without a console has no standard error at all.
    return sys.stderr is not None and sys.stderr.isatty()


def _is_notebook() -> bool:
    return "ipykernel" in sys.modules


def _bar_class() -> Any:
    if _is_notebook():
        from importlib.util import find_spec

        if find_spec("ipywidgets") is not None:  # without it tqdm would warn, and print
            from tqdm.notebook import tqdm as widget

            return widget
    from tqdm.std import tqdm

    return tqdm
