"""Options that say which sessions are meant."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click

from pytest_mltraq.cli.moments import Moment
from pytest_mltraq.cli.names import complete, session_ids

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

OUTCOMES: Final = ("passed", "failed", "skipped", "error", "crashed", "interrupted")


def filtered(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say which sessions are meant; the command gets them as `filters`."""
    options = [
        click.option(
            "--session",
            shell_complete=complete(session_ids),
            help="Only of this session: the beginning of its id, or last.",
        ),
        click.option("--branch", help="Only of sessions of this branch."),
        click.option("--commit", help="Only of sessions at this commit; the first digits will do."),
        click.option("--tag", help="Only of sessions with this tag."),
        click.option(
            "--since", type=Moment(), help="Only of sessions that began then or later: a date, a time, or 7d."
        ),
        click.option(
            "--until", type=Moment(end_of_day=True), help="Only of sessions that began before; a date is meant whole."
        ),
        click.option("--outcome", type=click.Choice(OUTCOMES), help="Only runs with this outcome, and what has one."),
    ]

    @functools.wraps(command)
    def run(*arguments: Any, **values: Any) -> None:
        from pytest_mltraq.storage.listing import Filters

        own = {name: values.pop(name) for name in Filters._fields}
        command(*arguments, filters=Filters(**own), **values)

    return functools.reduce(lambda decorated, option: option(decorated), reversed(options), run)


def check_experiment(connection: Connection, name: str) -> None:
    """Refuse the name of an experiment that is not stored.

    Raises:
        NotFoundError: it isn't; the message says which one is near.
    """
    from pytest_mltraq.storage import versions

    if versions.find_experiment(connection, name=name) is None:
        raise versions.not_found(connection, f"experiment {name!r}", name)
