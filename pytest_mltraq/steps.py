"""Steps: the callables that are applied to a run, one after another, and what is known of their code."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterable
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
        digest: BLAKE2b-128 of the text, in hexadecimal digits.
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
    return StepCode(name, file, line, source, hashlib.blake2b(source.encode(), digest_size=16).hexdigest())
