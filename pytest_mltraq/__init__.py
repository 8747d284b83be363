"""Machine-learning experiments as test-like collections: `import pytest_mltraq as mltraq`.

The names are imported when they are first used, so that importing the package, as every pytest with the plugin does,
costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_mltraq.artifact import Artifact
    from pytest_mltraq.bunch import Bunch
    from pytest_mltraq.codec.plugins import PluginValue
    from pytest_mltraq.errors import (
        AlreadyExistsError,
        ConfigurationError,
        CorruptDataError,
        MltraqError,
        NotFoundError,
        StepError,
        StorageError,
        UnsupportedTypeError,
    )
    from pytest_mltraq.experiment import Experiment, Runs
    from pytest_mltraq.run import Run
    from pytest_mltraq.sequence import Sequence
    from pytest_mltraq.session import Session, create_experiment, create_session
else:
    _HOMES = {
        "Artifact": "artifact",
        "Bunch": "bunch",
        "AlreadyExistsError": "errors",
        "ConfigurationError": "errors",
        "CorruptDataError": "errors",
        "MltraqError": "errors",
        "NotFoundError": "errors",
        "StepError": "errors",
        "StorageError": "errors",
        "UnsupportedTypeError": "errors",
        "PluginValue": "codec.plugins",
        "Experiment": "experiment",
        "Runs": "experiment",
        "Run": "run",
        "Sequence": "sequence",
        "Session": "session",
        "create_experiment": "session",
        "create_session": "session",
    }

    def __getattr__(name: str) -> object:
        if name == "__version__":
            from importlib.metadata import version

            return version("pytest-mltraq")
        if name not in _HOMES:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


__all__ = [
    "AlreadyExistsError",
    "Artifact",
    "Bunch",
    "ConfigurationError",
    "CorruptDataError",
    "Experiment",
    "MltraqError",
    "NotFoundError",
    "PluginValue",
    "Run",
    "Runs",
    "Sequence",
    "Session",
    "StepError",
    "StorageError",
    "UnsupportedTypeError",
    "create_experiment",
    "create_session",
]
