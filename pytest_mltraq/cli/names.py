"""Names and ids, as they are shown in tables and completed by the shell."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import click
from click.shell_completion import CompletionItem

from pytest_mltraq.cli.database import open_database
from pytest_mltraq.errors import MltraqError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

SESSION_DIGITS: Final = 13
"""Ids begin with the time at which they were made: so many digits say its millisecond."""

RUN_DIGITS: Final = 18
"""So many digits say a quarter of a microsecond: nobody makes two experiments or runs within one."""

COMMIT_DIGITS: Final = 7
"""As many as git shows."""


def complete(names: Callable[[Connection], list[str]]) -> Callable[..., list[CompletionItem]]:
    """Return what completes an argument by names in the database; nothing where it can't be read."""

    def complete_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        try:
            database = open_database(ctx.params.get("db"))
            with database.reading() as connection:
                found = [] if connection is None else names(connection)
            database.close()
        except (MltraqError, click.ClickException):
            return []
        return [CompletionItem(name) for name in found if name.startswith(incomplete)]

    return complete_names


def experiment_names(connection: Connection) -> list[str]:
    """Return the names of the stored experiments."""
    from pytest_mltraq.storage.versions import list_names

    return list_names(connection)


def session_ids(connection: Connection) -> list[str]:
    """Return `last` and the ids of the newest sessions."""
    from pytest_mltraq.storage.lookup import NEWEST, newest_sessions

    return [NEWEST, *newest_sessions(connection)]


def all_names(connection: Connection) -> list[str]:
    """Return what `show` takes: names of experiments and ids of sessions."""
    return [*experiment_names(connection), *session_ids(connection)]
