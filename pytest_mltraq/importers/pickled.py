"""Plain values that were pickled, read as data: nothing is unpickled.

A pickle is a program for a small machine. This is one that knows only what makes texts, numbers, bytes, lists, tuples, sets
and dicts of them: it can name no class, import nothing and call nothing. All else is refused.

Source: Python's `pickletools`, which describes each instruction, and takes pickles apart without carrying them out.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any, Final

_CONSTANTS: Final[dict[str, Callable[[], Any]]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}
_LITERALS: Final = frozenset(
    [
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "LONG4",
        "FLOAT",
        "BINFLOAT",
        "UNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE",
        "BINUNICODE8",
        "SHORT_BINBYTES",
        "BINBYTES",
        "BINBYTES8",
    ]
)
_TUPLES: Final = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_NOTES: Final = frozenset({"PROTO", "FRAME"})


def read_pickled(data: bytes) -> Any:
    """Return the value that was pickled.

    Raises:
        ValueError: it is no plain value, or no pickle.
    """
    machine = _Machine()
    try:
        for instruction, argument, _ in pickletools.genops(data):
            if instruction.name == "STOP":
                (value,) = machine.stack
                return value
            machine.do(instruction.name, argument)
    except (IndexError, KeyError, TypeError, AttributeError) as error:  # such as a list that is a key of a dict
        message = f"the pickle is damaged ({type(error).__name__}: {error})"
        raise ValueError(message) from error
    message = "the pickle has no end"  # genops says so itself
    raise ValueError(message)


class _Machine:
    """What instructions work on.

    Attributes:
        stack: the values that are being put together.
    """

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self._marked: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def do(self, name: str, argument: Any) -> None:
        """Carry an instruction out."""
        if name in _LITERALS:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in _TUPLES:
            self.stack[-_TUPLES[name] :] = [tuple(self.stack[-_TUPLES[name] :])]
        elif name not in _NOTES:
            work = _WORK.get(name)
            if work is None:
                message = f"it is pickled with {name}, which may run code"
                raise ValueError(message)
            work(self, argument)

    def _mark(self, _: Any) -> None:
        self._marked.append(self.stack)
        self.stack = []

    def _since_mark(self) -> list[Any]:
        found, self.stack = self.stack, self._marked.pop()
        return found

    def _tuple(self, _: Any) -> None:
        found = tuple(self._since_mark())
        self.stack.append(found)

    def _append(self, _: Any) -> None:
        item = self.stack.pop()
        self.stack[-1].append(item)

    def _append_all(self, _: Any) -> None:
        found = self._since_mark()
        self.stack[-1].extend(found)

    def _add_all(self, _: Any) -> None:
        found = self._since_mark()
        self.stack[-1].update(found)

    def _set(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.stack[-1][key] = value

    def _set_all(self, _: Any) -> None:
        found = self._since_mark()
        self.stack[-1].update(zip(found[::2], found[1::2], strict=True))

    def _keep(self, _: Any) -> None:
        self._memo[len(self._memo)] = self.stack[-1]

    def _keep_as(self, at: Any) -> None:
        self._memo[at] = self.stack[-1]

    def _take_again(self, at: Any) -> None:
        value = self._memo[at]
        if isinstance(value, list | dict | set) or (isinstance(value, tuple) and value):
            # A few lists in lists in lists, each twice, are more than any memory when they are written out.
            message = "a list, tuple, set or dict is in it twice"
            raise ValueError(message)
        self.stack.append(value)


_WORK: Final[dict[str, Callable[[_Machine, Any], None]]] = {
    "MARK": _Machine._mark,  # noqa: SLF001 - the instructions of the machine
    "TUPLE": _Machine._tuple,  # noqa: SLF001
    "APPEND": _Machine._append,  # noqa: SLF001
    "APPENDS": _Machine._append_all,  # noqa: SLF001
    "ADDITEMS": _Machine._add_all,  # noqa: SLF001
    "SETITEM": _Machine._set,  # noqa: SLF001
    "SETITEMS": _Machine._set_all,  # noqa: SLF001
    "MEMOIZE": _Machine._keep,  # noqa: SLF001
    "BINPUT": _Machine._keep_as,  # noqa: SLF001
    "LONG_BINPUT": _Machine._keep_as,  # noqa: SLF001
    "BINGET": _Machine._take_again,  # noqa: SLF001
    "LONG_BINGET": _Machine._take_again,  # noqa: SLF001
}
