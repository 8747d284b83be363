"""Dictionaries whose items are attributes too: `fields.loss` is `fields["loss"]`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, Self

from pytest_mltraq.errors import ReadOnlyError


class Bunch(dict[Any, Any]):
    """A dictionary whose items can be read and written as attributes.

    Every item is kept in the instance's `__dict__` as well, which is where the interpreter looks first: reading an
    attribute costs what it costs on any object (0.02 µs; through `__getattr__` it is 0.35 µs), and an item may have the
    name of a method: after `bunch.items = 3`, both `bunch.items` and `bunch["items"]` are 3. (Making the `__dict__`
    the dictionary itself would be shorter, but ties every bunch into a reference cycle, so that the arrays in it
    outlive it until the next full garbage collection.)

    Args:
        items: a mapping, or pairs; None is empty.
        **named: further items.
    """

    def __init__(self, items: Any = None, /, **named: Any) -> None:
        if items or named:
            super().__init__(items or (), **named)
            self.__dict__.update(self)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

        def __setattr__(self, name: str, value: Any, /) -> None: ...

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        self.__dict__[key] = value

    if not TYPE_CHECKING:
        __setattr__ = __setitem__

    def __delitem__(self, key: Any) -> None:
        super().__delitem__(key)
        del self.__dict__[key]

    def __delattr__(self, name: str) -> None:
        try:
            del self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __ior__(self, other: Any) -> Self:
        Bunch.update(self, other)
        return self

    def __or__(self, other: Any) -> Self:
        if not isinstance(other, Mapping):
            return NotImplemented
        return type(self)({**dict(self), **dict(other)})

    def __ror__(self, other: Any) -> Self:
        if not isinstance(other, Mapping):
            return NotImplemented
        return type(self)({**dict(other), **dict(self)})

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)

    def __dir__(self) -> Iterator[str]:
        yield from super().__dir__()

    def update(self, items: Any = (), /, **named: Any) -> None:
        """Set several items."""
        super().update(items, **named)
        self.__dict__.update(self)

    def setdefault(self, key: Any, default: Any = None, /) -> Any:
        """Return the item, after setting it to `default` where it was missing."""
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, key: Any, /, *default: Any) -> Any:
        """Remove an item and return it."""
        value = super().pop(key, *default)
        self.__dict__.pop(key, None)
        return value

    def popitem(self) -> tuple[Any, Any]:
        """Remove the last item and return it."""
        key, value = super().popitem()
        del self.__dict__[key]
        return key, value

    def clear(self) -> None:
        """Remove every item."""
        super().clear()
        self.__dict__.clear()

    def copy(self) -> Self:
        """Return a shallow copy."""
        return type(self)(self)


class FrozenBunch(Bunch):
    """A bunch that can't be changed: `run.params`, `run.config`, the fields of an experiment that is running."""

    def _refuse(self, *args: object, **named: object) -> NoReturn:
        message = (
            "params, config and the fields of a running experiment are read-only: they say which run this is; "
            "what a step makes belongs into run.fields (stored), run.state (kept) or run.vars (dropped)"
        )
        raise ReadOnlyError(message)

    __setitem__ = __setattr__ = __delitem__ = __delattr__ = _refuse
    __ior__ = update = setdefault = pop = popitem = clear = _refuse
