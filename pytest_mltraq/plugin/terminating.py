"""SIGTERM, by which CI cancels a job, ends a session as Ctrl-C does: what ran is stored, and fixtures are torn down.

By default it kills the process at once. A suite that has a handler of its own keeps it.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import NoReturn


def interrupt_when_terminated() -> Callable[[], None]:
    """Have the first SIGTERM raise KeyboardInterrupt; a second one kills the process.

    Nothing changes where there is a handler already, or outside of the main thread. A process that is forked from this one
    is killed at once, as if nothing had been changed.

    Returns:
        What undoes it; a handler that was set meanwhile stays.
    """

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        undo()
        raise KeyboardInterrupt(signal.Signals(number).name)

    def undo() -> None:
        if in_main_thread() and signal.getsignal(signal.SIGTERM) is interrupt:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def in_main_thread() -> bool:
        return threading.current_thread() is threading.main_thread()

    masks = threading.local()

    def before_fork() -> None:
        # One that comes before the child undid the handler waits until then: it would be lost.
        masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def after_fork() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, masks.before)

    def after_fork_in_child() -> None:
        undo()
        after_fork()

    if in_main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, interrupt)
        os.register_at_fork(before=before_fork, after_in_parent=after_fork, after_in_child=after_fork_in_child)
    return undo
