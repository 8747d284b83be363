"""Dictionaries whose items are attributes too: `fields.loss` is `fields["loss"]`."""

from __future__ import annotations

import copy
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

    def __eq__(self, other: object) -> bool:
        return dict.__eq__(self, made(other))

    def __ne__(self, other: object) -> bool:
        return dict.__ne__(self, made(other))

    __hash__ = None


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


class Later:
    """A value that is made when it is used first, in a `LazyBunch`."""

    __slots__ = ()

    def make(self) -> Any:
        """Make the value."""
        raise NotImplementedError

    def copied(self) -> Later:
        """Return what makes an equal value that shares nothing with this one's."""
        raise NotImplementedError


class _Lazy(Bunch):
    """What lazy bunches share: items that are read one by one are made one by one, else all are made.

    The dictionary has what makes a value in its place until it is used; the instance's `__dict__` has made ones only, so that
    the interpreter asks `__getattr__` for the others. When all are made, the bunch becomes an ordinary one.
    """

    def __init__(self, items: dict[Any, Any]) -> None:
        dict.__init__(self, items)
        for key, value in items.items():
            # The name of a method is found before `__getattr__` is asked.
            if not isinstance(value, Later) or (isinstance(key, str) and hasattr(type(self), key)):
                _make(self, key, value)

    def __getitem__(self, key: Any) -> Any:
        return _make(self, key, dict.__getitem__(self, key))

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        message = f"'Bunch' object has no attribute {name!r}"
        raise AttributeError(message)

    def __iter__(self) -> Iterator[Any]:  # overridden, `dict(bunch)` and `{**bunch}` ask for the items one by one
        return dict.__iter__(self)

    def __dir__(self) -> Iterator[str]:
        yield from {*super().__dir__(), *(key for key in self if isinstance(key, str))}

    def __eq__(self, other: object) -> bool:
        return dict.__eq__(made(self), made(other))

    def __ne__(self, other: object) -> bool:
        return dict.__ne__(made(self), made(other))

    __hash__ = None

    def __or__(self, other: Any) -> Self:
        union: Self = Bunch.__or__(made(self), other)
        return union

    def __ror__(self, other: Any) -> Self:
        union: Self = Bunch.__ror__(made(self), other)
        return union

    def __repr__(self) -> str:
        return dict.__repr__(made(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return Bunch.__reduce__(made(self))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return type(self)(
            {
                copy.deepcopy(key, memo): value.copied() if isinstance(value, Later) else copy.deepcopy(value, memo)
                for key, value in dict.items(self)
            }
        )

    def get(self, key: Any, default: Any = None, /) -> Any:
        """Return an item, or the default where there is none."""
        return _make(self, key, dict.__getitem__(self, key)) if key in self else default

    def items(self) -> Any:
        """Return a view of the items."""
        return dict.items(made(self))

    def values(self) -> Any:
        """Return a view of the values."""
        return dict.values(made(self))

    def copy(self) -> Self:
        """Return a shallow copy."""
        duplicate: Self = Bunch.copy(made(self))
        return duplicate


class LazyBunch(_Lazy):
    """A bunch some of whose items are made when they are used first: the fields of a run that was loaded."""

    def __setitem__(self, key: Any, value: Any) -> None:
        if key == "keys":
            made(self)  # see `lazy`
        Bunch.__setitem__(self, key, value)

    if not TYPE_CHECKING:
        __setattr__ = __setitem__

    def __delitem__(self, key: Any) -> None:
        dict.__delitem__(self, key)
        self.__dict__.pop(key, None)

    def __ior__(self, other: Any) -> Self:
        LazyBunch.update(self, other)
        return self

    def update(self, items: Any = (), /, **named: Any) -> None:
        """Set several items."""
        for key, value in dict(items, **named).items():
            self[key] = value

    def pop(self, key: Any, /, *default: Any) -> Any:
        """Remove an item and return it."""
        if key in self:
            _make(self, key, dict.__getitem__(self, key))
        return Bunch.pop(self, key, *default)

    def popitem(self) -> tuple[Any, Any]:
        """Remove the last item and return it."""
        return Bunch.popitem(made(self))


class LazyFrozenBunch(_Lazy, FrozenBunch):
    """A bunch like `LazyBunch` that can't be changed: the params of a run that was loaded."""


def lazy(items: dict[Any, Any], kind: type[Bunch] = Bunch) -> Bunch:
    """Make a bunch, or frozen bunch, of items some of which may be `Later`."""
    if not any(isinstance(value, Later) for value in items.values()):
        return kind(items)
    if "keys" in items:  # the interpreter calls `keys` for `dict(bunch)`, which must be the method then
        return kind({key: value.make() if isinstance(value, Later) else value for key, value in items.items()})
    return LazyFrozenBunch(items) if issubclass(kind, FrozenBunch) else LazyBunch(items)


def frozen(items: Mapping[Any, Any]) -> FrozenBunch:
    """Make a frozen bunch of the items of another mapping; what is not made in a lazy one is not made in it."""
    return LazyFrozenBunch(dict(dict.items(items))) if isinstance(items, _Lazy) else FrozenBunch(items)


def made(value: Any) -> Any:
    """Return a value; of a lazy bunch all items are made, and it becomes an ordinary one."""
    if isinstance(value, _Lazy):
        for key, item in dict.items(value):
            _make(value, key, item)
        object.__setattr__(value, "__class__", FrozenBunch if isinstance(value, FrozenBunch) else Bunch)
    return value


def _make(bunch: Bunch, key: Any, value: Any) -> Any:
    """Return an item of a lazy bunch, made now where it was not."""
    if isinstance(value, Later):
        value = value.make()
        dict.__setitem__(bunch, key, value)
    bunch.__dict__[key] = value
    return value
