"""The JSON documents of stored rows. A damaged one doesn't keep a page from being written: it counts as empty, which the page says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from pytest_mltraq.codec import load_json
from pytest_mltraq.errors import CorruptDataError
from pytest_mltraq.report.page.limits import LeftOut

T = TypeVar("T")

DAMAGED: Final = "damaged documents (pytest-mltraq doctor says more)"


class Documents:
    """Reads documents.

    Args:
        left_out: counts the damaged ones.
    """

    def __init__(self, left_out: LeftOut) -> None:
        self._left_out = left_out

    def mapping(self, document: str | None) -> dict[str, Any]:
        """Read a document that is an object, or nothing."""
        found = self._load(document)
        if isinstance(found, dict):
            return found
        return self._damaged(found, {})

    def rows(self, document: str | None) -> list[dict[str, Any]]:
        """Read a document that is a list of objects, or nothing."""
        found = self._load(document)
        if isinstance(found, list) and all(isinstance(item, dict) for item in found):
            return found
        return self._damaged(found, [])

    def texts(self, document: str | None) -> list[str]:
        """Read a document that is a list of texts, or nothing."""
        found = self._load(document)
        if isinstance(found, list) and all(isinstance(item, str) for item in found):
            return found
        return self._damaged(found, [])

    def _load(self, document: str | None) -> Any:
        if document is None:
            return None
        try:
            return load_json(document, "document")
        except CorruptDataError:
            return False

    def _damaged(self, found: Any, empty: T) -> T:
        if found is not None:
            self._left_out.add(DAMAGED)
        return empty


def mapping_of(types: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return what `types` says of the params, config or fields."""
    found = types.get(name)
    return found if isinstance(found, dict) else {}
