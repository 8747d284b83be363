"""Steps: the callables that are applied to a run, one after another, and what is known of their code."""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import linecache
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from pytest_mltraq.codec import describe_code
from pytest_mltraq.errors import ConfigurationError

Step = Callable[..., Any]
"""Called with a run; under pytest also with the fixtures and params that it requests by name."""


class StepCode(NamedTuple):
    """The code of a step, as it was when it ran.

    Attributes:
        name: its qualified name.
        file: where it is defined; None where that isn't known.
        line: its first line there, from 1.
        source: its text.
        digest: BLAKE2b-128, in hexadecimal digits, of its text and of what it reaches by name in its module: functions,
            classes, constants, imports, and what they reach. So a step whose helper changed has another digest. pytest's
            markers don't count: what they say are params and config.
    """

    name: str
    file: str | None
    line: int | None
    source: str | None
    digest: str | None


def list_steps(steps: Step | Iterable[Step] | None) -> list[Step]:
    """Return the steps as a list.

    Raises:
        ConfigurationError: one of them can't be called.
    """
    chain = [steps] if callable(steps) else list(steps or ())
    for step in chain:
        if not callable(step):
            message = f"expected steps, functions that take a run, found {type(step).__name__} {step!r}"
            raise ConfigurationError(message)
    return chain


def step_name(step: Step) -> str:
    """Return what a step is called in records and errors: the name of its function."""
    unwrapped = inspect.unwrap(step)
    return getattr(unwrapped, "__name__", None) or describe_code(step) or type(step).__qualname__


def step_code(step: Step) -> StepCode:
    """Look up the code of a step; what can't be found out is None."""
    target = inspect.unwrap(getattr(step, "func", step))
    name = describe_code(step) or type(step).__qualname__
    try:
        lines, line = inspect.getsourcelines(target)
        file = inspect.getsourcefile(target)
    except (OSError, TypeError):
        return StepCode(name, None, None, None, None)
    source = "".join(lines)
    reached = "\0".join(_reached("".join(linecache.getlines(file or "")), line)) or source
    return StepCode(name, file, line, source, hashlib.blake2b(reached.encode(), digest_size=16).hexdigest())


def _reached(module: str, line: int) -> Iterator[str]:
    """Yield the statements of a module that the code at a line is in or reaches by name, in their order."""
    statements, by_name = _statements(module)
    found = {at for at, statement in enumerate(statements) if statement.first <= line <= statement.last}
    pending = list(found)
    while pending:
        for name in statements[pending.pop()].uses:
            new = by_name.get(name, set()) - found
            found |= new
            pending += new
    for at in sorted(found):
        yield statements[at].text


class _Statement(NamedTuple):
    """A statement at the top level of a module: its lines, from 1; its text; the names that it uses."""

    first: int
    last: int
    text: str
    uses: frozenset[str]


@functools.lru_cache(maxsize=32)
def _statements(module: str) -> tuple[list[_Statement], dict[str, set[int]]]:
    """Return the statements of a module's text, and which of them define a name; none where it can't be parsed."""
    try:
        tree = ast.parse(module)
    except (SyntaxError, ValueError):
        return [], {}
    lines = module.splitlines(keepends=True)
    statements: list[_Statement] = []
    by_name: dict[str, set[int]] = {}
    for node in tree.body:
        first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", ()))])
        last = node.end_lineno or node.lineno
        for name in _defines(node):
            by_name.setdefault(name, set()).add(len(statements))
        marked = {at for marker in _drop_markers(node) for at in range(marker.lineno, (marker.end_lineno or 0) + 1)}
        text = "".join(lines[at - 1] for at in range(first, last + 1) if at not in marked)
        uses = frozenset(inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name))
        statements.append(_Statement(first, last, text, uses))
    return statements, by_name


def _drop_markers(node: ast.stmt) -> list[ast.expr]:
    """Take pytest's markers off the functions and classes in a statement, and return them."""
    dropped = []
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            markers = [decorator for decorator in inner.decorator_list if _is_marker(decorator)]
            inner.decorator_list = [decorator for decorator in inner.decorator_list if decorator not in markers]
            dropped += markers
    return dropped


def _is_marker(decorator: ast.expr) -> bool:
    """Whether a decorator is `pytest.mark.NAME` or `mark.NAME`, called or not."""
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    owner = target.value if isinstance(target, ast.Attribute) else target
    return getattr(owner, "attr", getattr(owner, "id", None)) == "mark"


def _defines(node: ast.stmt | ast.ExceptHandler | ast.match_case) -> Iterator[str]:
    """Yield the names that a statement defines in its module, those in its branches and loops too."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
        return
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield from _defines(inner)
        elif isinstance(inner, ast.alias):
            yield (inner.asname or inner.name).partition(".")[0]
        else:
            names = (name for name in ast.walk(inner) if isinstance(name, ast.Name))
            yield from (name.id for name in names if isinstance(name.ctx, ast.Store | ast.Del))
