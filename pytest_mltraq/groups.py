"""Groups of runs: those with the same params, but for the ones over which runs are replicates of each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn

from pytest_mltraq.codec import Decoder, load_object, load_types
from pytest_mltraq.errors import CorruptDataError

CONFIRMING: Final = " (confirm)"
"""The end of the name of the experiment that runs with fresh seeds are stored as: so they are in no group of the experiment
itself, and in no later baseline."""


def readable_params(params: str, types: str | None) -> dict[str, Any]:
    """Return params as people read them; what JSON doesn't say is said by its type.

    Args:
        params: the document.
        types: the types document of the run, or None.
    """
    found = load_object(params, "params")
    for name, entry in load_types(types, "params", "types").items():
        if found.get(name) is None:
            found[name] = _restored(None, entry, name)
    return found


def split_params(params: Mapping[str, Any], over: Iterable[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split params into those of the group and those of the replicate."""
    replicate = {name: params[name] for name in over if name in params}
    return {name: value for name, value in params.items() if name not in replicate}, replicate


def label_params(params: Mapping[str, Any]) -> str:
    """Write params as ids do: `model:tree-depth:3`."""
    return "-".join(f"{name}:{value}" for name, value in params.items())


def _restored(value: Any, entry: Any, name: str) -> str:
    """Write a param that JSON doesn't say; one that is an object in the database by its type and digest."""
    try:
        return str(Decoder(_missing).decode(value, entry, name))
    except CorruptDataError as error:
        if type(entry) is list and {str}.issuperset(map(type, entry)):
            return " ".join([*entry[:1], *(part[:8] for part in entry[-1:])])
        return f"(damaged) {error.message}"


def _missing(reference: Any) -> NoReturn:
    raise KeyError(reference)
