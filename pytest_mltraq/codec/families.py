"""The families of types. The library of a family is imported when a value needs it, and never because data names it."""

from __future__ import annotations

from typing import Any


def find_family(name: str) -> Any:
    """Return the module of a family; the library that it needs is imported when a value needs it."""
    if name == "numpy":
        from pytest_mltraq.codec import arrays

        return arrays
    if name == "pandas":
        from pytest_mltraq.codec import tables

        return tables
    if name == "pyarrow":
        from pytest_mltraq.codec import arrow

        return arrow
    if name == "pytest_mltraq":
        from pytest_mltraq.codec import sequences

        return sequences
    from pytest_mltraq.codec import scalars

    return scalars
