"""Params that are code (classes, functions, partials) are kept as their description, never as code."""

from __future__ import annotations

import functools
import types
from typing import Final

CODE: Final = (
    type,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    functools.partial,
    types.GenericAlias,
)


def describe_code(value: object) -> str | None:
    """Describe a class, function or `functools.partial` by its qualified name, with the arguments of the partial.

    The name is the one within its module (`__qualname__`), so that moving a class between modules doesn't make another
    experiment of it.

    Returns:
        The description, or None where the value is no code.

    Example:
        >>> describe_code(dict), describe_code(functools.partial(round, ndigits=2))
        ('dict', 'round(ndigits=2)')
    """
    if not isinstance(value, CODE):
        return None
    if not isinstance(value, functools.partial):
        return getattr(value, "__qualname__", None) or repr(value)
    positional = [describe_code(argument) or repr(argument) for argument in value.args]
    named = [f"{name}={describe_code(argument) or repr(argument)}" for name, argument in value.keywords.items()]
    target = describe_code(value.func) or type(value.func).__qualname__
    return f"{target}({', '.join(positional + named)})"
