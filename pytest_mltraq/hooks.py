"""Hooks by which other plugins and conftest files have types of their own stored; the same in pytest and in programs.

Every pytest imports this module where the package is installed: what calls the hooks is in `hook_callers`.
"""

from __future__ import annotations

import pluggy

hookspec = pluggy.HookspecMarker("pytest")


@hookspec(firstresult=True)
def pytest_mltraq_encode(value: object) -> tuple[str, object] | None:
    """Say how a value is stored whose type this package doesn't know.

    Called for each such value in params, config and fields, alone or in a container.

    Args:
        value: the value.

    Returns:
        A name for what it is, which stays the same for ever, and what it is made of: any value that can be stored, such as
        bytes, an array or a dict of them. None where it is not yours.
    """


@hookspec(firstresult=True)
def pytest_mltraq_decode(name: str, data: object) -> object | None:
    """Make a value of what `pytest_mltraq_encode` returned.

    The data may come from anybody: make numbers, tables and objects of types that you know of it, and run nothing that it holds or
    names (no pickle, no import of what it names).

    Args:
        name: what the value is, as `pytest_mltraq_encode` called it.
        data: what it is made of.

    Returns:
        The value; None where the name is not yours.
    """
