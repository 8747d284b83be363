"""Bunches: dictionaries whose items are attributes too, whatever they are called."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mltraq import Bunch
from pytest_mltraq.bunch import FrozenBunch
from pytest_mltraq.errors import ReadOnlyError


def from_other_process(value: Any) -> Any:
    """Do to a value what sending it to another process does."""
    return pickle.loads(pickle.dumps(value))


METHODS = [name for name in dir(dict) if not name.startswith("__")]


def consistent(bunch: Bunch) -> bool:
    """Whether the attributes are the items."""
    return vars(bunch) == dict(bunch)


def test_an_item_is_an_attribute() -> None:
    """What is set as an item can be read as an attribute."""
    bunch = Bunch()

    bunch["loss"] = 0.5

    assert bunch.loss == 0.5


def test_an_attribute_is_an_item() -> None:
    """What is set as an attribute can be read as an item."""
    bunch = Bunch()

    bunch.loss = 0.5

    assert bunch["loss"] == 0.5


def test_a_bunch_is_made_like_a_dict() -> None:
    """A mapping, pairs, names and nothing make a bunch."""
    assert Bunch({"a": 1}) == Bunch([("a", 1)]) == Bunch(a=1) == {"a": 1}
    assert Bunch() == Bunch(None) == {}


def test_a_bunch_can_be_made_with_an_item_called_items() -> None:
    """The name of no argument is taken."""
    assert Bunch(items=1, self=2) == {"items": 1, "self": 2}


def test_a_bunch_prints_as_a_dict() -> None:
    """Printing fields shows a plain dictionary."""
    assert str(Bunch(c=3)) == repr(Bunch(c=3)) == "{'c': 3}"


def test_a_missing_attribute_is_an_attribute_error() -> None:
    """A name that isn't there is reported as on any object."""
    with pytest.raises(AttributeError, match="loss"):
        _ = Bunch().loss


def test_a_missing_item_is_a_key_error() -> None:
    """A key that isn't there is reported as by any dictionary."""
    with pytest.raises(KeyError, match="loss"):
        _ = Bunch()["loss"]


@pytest.mark.parametrize("name", METHODS)
def test_an_item_may_have_the_name_of_a_method(name: str) -> None:
    """A field may be called `items`, both as an attribute and as an item."""
    bunch = Bunch()

    setattr(bunch, name, 3)

    assert getattr(bunch, name) == bunch[name] == 3


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, from_other_process, Bunch])
def test_a_bunch_with_the_name_of_a_method_can_be_copied(name: str, duplicate: Callable[[Any], Any]) -> None:
    """Copies, also those for another process, hold every item."""
    bunch = Bunch({name: [3], "loss": 0.5})

    copied = duplicate(bunch)

    assert type(copied) is Bunch
    assert copied == bunch
    assert consistent(copied)


def test_a_deep_copy_has_values_of_its_own() -> None:
    """Changing a value in a deep copy leaves the first as it was."""
    bunch = Bunch(layers=[1])

    copy.deepcopy(bunch).layers.append(2)

    assert bunch.layers == [1]


@pytest.mark.parametrize(
    "change",
    [
        lambda bunch: bunch.update(b=2, c=3),
        lambda bunch: bunch.update({"c": 3}),
        lambda bunch: bunch.update([("c", 3)], d=4),
        lambda bunch: bunch.setdefault("c", 3),
        lambda bunch: bunch.setdefault("a", 3),
        lambda bunch: bunch.setdefault("c"),
        lambda bunch: bunch.pop("a"),
        lambda bunch: bunch.pop("z", None),
        lambda bunch: bunch.popitem(),
        lambda bunch: bunch.clear(),
        lambda bunch: bunch.__delitem__("a"),
        lambda bunch: bunch.__delattr__("a"),
        lambda bunch: bunch.__ior__({"c": 3}),
        lambda bunch: bunch.__setitem__(5, "not a name"),
    ],
)
def test_whatever_changes_a_bunch_changes_items_and_attributes(change: Callable[[Bunch], Any]) -> None:
    """Each method of a dictionary does to a bunch what it does to a dictionary, and keeps its attributes up to date."""
    bunch = Bunch(a=1, b=2)

    change(bunch)

    assert consistent(bunch)


@pytest.mark.parametrize(
    ("change", "answer", "left"),
    [
        (lambda bunch: bunch.pop("a"), 1, {"b": 2}),
        (lambda bunch: bunch.pop("z", 9), 9, {"a": 1, "b": 2}),
        (lambda bunch: bunch.popitem(), ("b", 2), {"a": 1}),
        (lambda bunch: bunch.setdefault("a", 9), 1, {"a": 1, "b": 2}),
        (lambda bunch: bunch.setdefault("c", 9), 9, {"a": 1, "b": 2, "c": 9}),
        (lambda bunch: bunch.update({"b": 3}, c=4), None, {"a": 1, "b": 3, "c": 4}),
    ],
)
def test_methods_answer_as_those_of_a_dict(change: Callable[[Bunch], Any], answer: Any, left: dict[str, Any]) -> None:
    """`pop`, `popitem`, `setdefault` and `update` return what a dictionary's return."""
    bunch = Bunch(a=1, b=2)

    assert change(bunch) == answer
    assert bunch == left


@pytest.mark.parametrize("change", [lambda bunch: bunch.pop("z"), lambda bunch: bunch.__delitem__("z")])
def test_removing_a_missing_item_is_a_key_error(change: Callable[[Bunch], Any]) -> None:
    """What isn't there can't be removed."""
    with pytest.raises(KeyError, match="z"):
        change(Bunch(a=1))


def test_removing_a_missing_attribute_is_an_attribute_error() -> None:
    """`del` of an attribute that isn't there is reported as on any object."""
    with pytest.raises(AttributeError, match="z"):
        del Bunch(a=1).z


@pytest.mark.parametrize(
    "union",
    [lambda a, b: a | b, lambda a, b: dict(a) | b, lambda a, b: a | dict(b)],
    ids=["bunches", "dict and bunch", "bunch and dict"],
)
def test_a_union_is_a_bunch_in_which_the_second_wins(union: Callable[[Bunch, Bunch], Any]) -> None:
    """`|` makes a new bunch, and changes neither."""
    first, second = Bunch(a=1, b=1), Bunch(b=2, keys=3)

    both = union(first, second)

    assert type(both) is Bunch
    assert both == {"a": 1, "b": 2, "keys": 3}
    assert consistent(both)
    assert (first, second) == ({"a": 1, "b": 1}, {"b": 2, "keys": 3})


def test_a_union_with_something_else_is_a_type_error() -> None:
    """Only mappings can be joined."""
    with pytest.raises(TypeError):
        Bunch() | [("a", 1)]


def test_joining_in_place_keeps_the_object() -> None:
    """`|=` changes the bunch itself, so that a run's fields stay its fields."""
    bunch = fields = Bunch(a=1)

    fields |= {"update": 2}

    assert fields is bunch
    assert bunch == {"a": 1, "update": 2}


def test_a_copy_is_a_bunch() -> None:
    """`copy()` returns a bunch of its own, with the same values."""
    bunch = Bunch(layers=[1])

    copied = bunch.copy()
    copied.added = 1

    assert type(copied) is Bunch
    assert copied.layers is bunch.layers
    assert "added" not in bunch


def test_items_are_completed_in_a_shell() -> None:
    """`dir` lists the items, which is what an interactive shell completes."""
    assert {"loss", "update"} <= set(dir(Bunch(loss=1)))


def test_a_bunch_dies_with_its_last_reference() -> None:
    """The arrays in a bunch are freed at once, not by the next garbage collection."""

    class Array:
        pass

    array = Array()
    alive = weakref.ref(array)
    bunch = Bunch(array=array)
    gc.disable()
    try:
        del array, bunch

        assert alive() is None
    finally:
        gc.enable()


@given(st.dictionaries(st.one_of(st.text(), st.integers(), st.none()), st.integers()))
def test_a_bunch_equals_the_dict_of_its_items(items: dict[Any, int]) -> None:
    """Keys of any kind are kept, in their order."""
    bunch = Bunch(items)

    assert bunch == items
    assert list(bunch) == list(items)
    assert consistent(bunch)


@pytest.mark.parametrize(
    "change",
    [
        lambda bunch: setattr(bunch, "a", 2),
        lambda bunch: setattr(bunch, "b", 2),
        lambda bunch: delattr(bunch, "a"),
        lambda bunch: bunch.__setitem__("a", 2),
        lambda bunch: bunch.__delitem__("a"),
        lambda bunch: bunch.update(a=2),
        lambda bunch: bunch.setdefault("b", 2),
        lambda bunch: bunch.pop("a"),
        lambda bunch: bunch.popitem(),
        lambda bunch: bunch.clear(),
        lambda bunch: bunch.__ior__({"a": 2}),
    ],
)
def test_a_frozen_bunch_cannot_be_changed(change: Callable[[FrozenBunch], Any]) -> None:
    """Params and config are read-only; the error says where to write instead."""
    bunch = FrozenBunch(a=1)

    with pytest.raises(ReadOnlyError, match=r"run\.fields"):
        change(bunch)

    assert bunch == {"a": 1}
    assert consistent(bunch)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, from_other_process])
def test_a_copy_of_a_frozen_bunch_is_frozen(duplicate: Callable[[Any], Any]) -> None:
    """Params stay read-only in another process."""
    copied = duplicate(FrozenBunch(a=[1]))

    assert type(copied) is FrozenBunch
    assert copied == {"a": [1]}


def test_a_frozen_bunch_may_have_items_with_the_names_of_methods() -> None:
    """A param may be called `update`."""
    bunch: Any = FrozenBunch(update=1, items=2)

    assert bunch.update == 1
