"""The report page: one HTML file that shows what a database holds, with nothing to install, load or connect to."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from pytest_mltraq.errors import ConfigurationError, StorageError
from pytest_mltraq.report.files import SessionReport, replace_file
from pytest_mltraq.report.page.limits import Limits
from pytest_mltraq.storage import Database

__all__ = ["Limits", "make_page", "write_page"]


def write_page(
    database: Database,
    path: str | os.PathLike[str],
    *,
    experiments: Collection[str] | None = None,
    limits: Limits | None = None,
) -> Path:
    """Write what a database holds to a page: one HTML file, which works offline and loads nothing from anywhere.

    The file is there as a whole or not at all; its folder is made where it is missing.

    Args:
        database: what is shown.
        path: the file; an earlier one is replaced.
        experiments: names of the experiments that are shown; all of them by default.
        limits: how much of them; what is left out is said on the page. The default keeps a page of 1,000 runs below 0.5 MB.

    Returns:
        The file.

    Raises:
        ConfigurationError: the file can't be written.
        NotFoundError: an experiment is not stored.
        StorageError: the database can't be read.
    """
    file = Path(path)
    text = make_page(database, experiments=experiments, limits=limits)
    try:
        replace_file(file, text)
    except OSError as error:
        message = f"expected a file that can be written, found {file}: {error.strerror}"
        raise ConfigurationError(message) from error
    return file


def make_page(
    database: Database,
    *,
    experiments: Collection[str] | None = None,
    limits: Limits | None = None,
    name: str | None = None,
) -> str:
    """Return the text of a page; see `write_page`.

    Args:
        database: what is shown.
        experiments: names of the experiments that are shown.
        limits: how much of them.
        name: what the database is called there; by default the name of its file, or its URL.

    Raises:
        NotFoundError: an experiment is not stored.
        StorageError: the database can't be read.
    """
    from pytest_mltraq.report.page.content import gather
    from pytest_mltraq.report.page.document import make_document
    from pytest_mltraq.storage.contents import Contents

    with database.reading() as connection:
        if connection is None:
            message = f"{database} is empty: there is nothing to report"
            raise StorageError(message)
        content = gather(Contents(connection, database.artifacts), limits or Limits(), experiments)
    return make_document(content, name or _name(database))


def render(report: SessionReport) -> str:
    """Return the page of the database that a session was stored in.

    Raises:
        StorageError: the database can't be read.
    """
    return make_page(report.database, name=None if report.stored_in else "not stored")


def _name(database: Database) -> str:
    """Name a database for readers elsewhere: folders of this machine say nothing to them."""
    before, scheme, file = database.url.partition("sqlite:///")
    return Path(file).name if scheme and not before else database.url
