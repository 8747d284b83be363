"""Hooks by which other plugins and conftest files have types of their own stored; the same in pytest and in programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

import pluggy

from pytest_mltraq.errors import ConfigurationError

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


NAMES: Final = ("pytest_mltraq_encode", "pytest_mltraq_decode")


class PluginValue(NamedTuple):
    """What a plugin stored, where no plugin is there that makes a value of it.

    Attributes:
        name: what it is, as the plugin called it.
        data: what it is made of.
    """

    name: str
    data: Any


class Hooks(NamedTuple):
    """The hooks of the plugins that are there.

    Attributes:
        encode: calls `pytest_mltraq_encode` of all of them: of the first that knows the value.
        decode: calls `pytest_mltraq_decode`.
    """

    encode: Callable[..., Any]
    decode: Callable[..., Any]


class _Plugins(pluggy.PluginManager):
    """Takes of a plugin the functions called like our hooks, marked or not, as pytest does; its other hooks are pytest's."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        if name not in NAMES:
            return None
        found = super().parse_hookimpl_opts(plugin, name)
        return {} if found is None and callable(getattr(plugin, name)) else found


def hooks_of(plugins: Iterable[object]) -> Hooks:
    """Return the hooks of plugins: modules, or objects with methods.

    Raises:
        ConfigurationError: one of them has neither hook.
    """
    manager = _Plugins("pytest")
    manager.add_hookspecs(sys.modules[__name__])
    for plugin in plugins:
        if not any(hasattr(plugin, name) for name in NAMES):
            message = f"plugins: expected modules or objects with {' and '.join(NAMES)}, found {plugin!r}"
            raise ConfigurationError(message)
        try:
            manager.register(plugin)
        except (ValueError, pluggy.PluginValidationError) as error:
            message = f"plugins: {error}"
            raise ConfigurationError(message) from error
    return hooks_in(manager)


def hooks_in(manager: pluggy.PluginManager) -> Hooks:
    """Return the hooks of a manager that knows them, such as pytest's."""
    return Hooks(manager.hook.pytest_mltraq_encode, manager.hook.pytest_mltraq_decode)
