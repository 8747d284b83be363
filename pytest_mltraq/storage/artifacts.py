"""The files of artifacts, as the database knows them: where they are kept, and which of them nothing refers to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from pytest_mltraq.artifact_store import ArtifactStore
from pytest_mltraq.storage import sqlite

VARIABLE: Final = "MLTRAQ_ARTIFACTS"
"""The environment variable that says where artifacts are kept."""


def store_of(where: str | os.PathLike[str] | None, named: str | os.PathLike[str] | None = None) -> ArtifactStore:
    """Return where the artifacts of a database are kept.

    Args:
        where: the database's file or URL.
        named: the folder or URL that was named for it; None takes the environment variable, else the folder beside the file.

    Raises:
        ConfigurationError: it is no place that fsspec knows.
    """
    place = named or os.environ.get(VARIABLE)
    if place:
        text = os.fspath(place)
        store = ArtifactStore(text if "://" in text else str(Path(text).expanduser().absolute()))
        store.check()
        return store
    file = sqlite.find_path(where)
    return ArtifactStore(None if file is None else f"{file.absolute()}.artifacts")
