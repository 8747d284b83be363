"""The hooks of the plugins that are there: those of pytest, or those that a program names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

import pluggy

from pytest_mltraq import hooks
from pytest_mltraq.errors import ConfigurationError

NAMES: Final = ("pytest_mltraq_encode", "pytest_mltraq_decode")


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
    manager.add_hookspecs(hooks)
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
