"""The families of types. The library of a family is imported when a value needs it, and never because data names it."""

from __future__ import annotations

import importlib
from typing import Any, Final

_MODULES: Final = {
    "numpy": "arrays",
    "pandas": "tables",
    "polars": "polars_frames",
    "pyarrow": "arrow",
    "pytest_mltraq": "own",
    "scipy": "sparse",
}
"""The module of each family, by the package that its types are in; every other one is that of the standard library."""


def find_family(name: str) -> Any:
    """Return the module of a family.

    Raises:
        ModuleNotFoundError: the library that it needs is not installed.
    """
    return importlib.import_module(f"pytest_mltraq.codec.{_MODULES.get(name, 'scalars')}")
