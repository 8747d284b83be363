"""`tag`, `prune`, `upgrade`: what is kept of a database, and its version."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from pytest_mltraq.cli.database import on_database
from pytest_mltraq.cli.moments import Moment
from pytest_mltraq.cli.names import COMMIT_DIGITS, SESSION_DIGITS, complete, session_ids
from pytest_mltraq.cli.output import printed, say
from pytest_mltraq.cli.table import Report, Table
from pytest_mltraq.counting import counted
from pytest_mltraq.errors import ConfigurationError, NotFoundError, near

if TYPE_CHECKING:
    from pytest_mltraq.storage import Database
    from pytest_mltraq.storage.keeping import Pruned


@click.command()
@click.argument("session", shell_complete=complete(session_ids))
@click.argument("names", nargs=-1, metavar="[NAME ...]")
@click.option("--remove", multiple=True, metavar="NAME", help="Take this name away from it (repeatable).")
@printed
@on_database()
def tag(database: Database, session: str, names: tuple[str, ...], remove: tuple[str, ...]) -> Table:
    """Give names to a session, so that it can be a baseline and is never pruned.

    SESSION is the beginning of its id, or `last` for the newest. Prints the names that it has then.
    """
    from pytest_mltraq.codec.text import odd_text
    from pytest_mltraq.storage.keeping import change_tags, read_tags
    from pytest_mltraq.storage.lookup import find_session

    for name in names:
        if not name.strip() or odd_text(name):
            message = f"expected a name for the session, found {name!r}"
            raise ConfigurationError(message)
    if not names and not remove:
        with database.reading() as connection:
            assert connection is not None  # noqa: S101 - on_database saw to it
            id_session = find_session(connection, session)
            tags = read_tags(connection, id_session)
    else:
        with database.writing() as connection:
            id_session = find_session(connection, session)
            _check_removed(remove, read_tags(connection, id_session))
            tags = change_tags(connection, id_session, names, remove)
    return Table(("session", "tag"), [(id_session, name) for name in tags])


def _check_removed(remove: Iterable[str], known: Sequence[str]) -> None:
    for name in remove:
        if name not in known:
            message = f"the session is not called {name!r}; {near(name, known)}"
            raise NotFoundError(message)


@click.command()
@click.option(
    "--older-than", type=Moment(), metavar="MOMENT", help="Remove sessions that began before: a date, a time, or 90d."
)
@click.option("--keep", type=click.IntRange(0), metavar="N", help="Remove all but the newest N sessions.")
@click.option("--per-branch", is_flag=True, help="Keep the newest N of each branch.")
@click.option(
    "--artifacts",
    is_flag=True,
    help="Remove files of artifacts from a place that mltraq_artifacts names too, where no other database has any.",
)
@click.option("--yes", is_flag=True, help="Do it; without it, only what would be removed is said.")
@printed
@on_database()
def prune(
    database: Database,
    older_than: datetime.datetime | None,
    keep: int | None,
    per_branch: bool,
    artifacts: bool,
    yes: bool,
) -> Report:
    """Remove old sessions, with their experiments, runs and verdicts, and the arrays, tables and files of artifacts that only they have.

    With both --older-than and --keep, sessions are removed that are neither new nor among the newest. Sessions with a tag and those
    that are running stay. Prints the sessions that are removed, or would be.
    """
    from pytest_mltraq.storage.keeping import Rule, find_prunable, remove_files, shrink
    from pytest_mltraq.storage.keeping import prune as remove

    if older_than is None and keep is None:
        message = "expected --older-than MOMENT or --keep N; found neither"
        raise click.UsageError(message)
    if per_branch and keep is None:
        message = "--per-branch says of which sessions --keep N keeps the newest; found no --keep"
        raise click.UsageError(message)
    rule = Rule(older_than, keep or 0, per_branch)
    has_files = database.owns_artifacts or artifacts
    kept = database.artifacts.files() if has_files else {}
    if not yes:
        with database.reading() as connection:
            assert connection is not None  # noqa: S101 - on_database saw to it
            found = find_prunable(connection, rule, kept)
        say(f"would remove {_said(found)}; nothing was removed: --yes does it")
        return _report(found, is_done=False)
    with database.writing() as connection:
        found = remove(connection, rule, kept)
    if has_files:
        remove_files(database)
    say(f"removed {_said(found)}")
    if found.sessions and not shrink(database):
        say("the file has room for what comes, but was not made smaller: others are using it")
    return _report(found, is_done=True)


def _said(found: Pruned) -> str:
    counts = {
        "session": len(found.sessions),
        "version": found.experiments,
        "run": found.runs,
        "verdict": found.verdicts,
    }
    said = ", ".join(counted(n, what) for what, n in counts.items())
    size = f"{counted(found.objects, 'object')} ({found.size / 1e6:,.1f} MB)"
    if found.files:
        size += f", {counted(found.files, 'file')} of artifacts ({found.files_size / 1e6:,.1f} MB)"
    if found.new_files:
        say(
            f"left for a session that may be running: {counted(found.new_files, 'file')} of artifacts that nothing refers to, not a "
            f"day old or of unknown age"
        )
    gone = f", and the last version of {counted(found.views, 'experiment')}" if found.views else ""
    return f"{said}, {size}{gone}"


def _report(found: Pruned, *, is_done: bool) -> Report:
    rows = [
        (
            row.id[:SESSION_DIGITS],
            row.started_at,
            row.outcome,
            row.branch,
            None if row.commit is None else row.commit[:COMMIT_DIGITS],
            ", ".join(row.experiments),
            sum(row.outcomes.values()),
        )
        for row in found.sessions
    ]
    columns = ("session", "started", "outcome", "branch", "commit", "experiments", "runs")
    listed: list[dict[str, Any]] = [row._asdict() for row in found.sessions]
    document = {"removed": is_done, **found._asdict(), "sessions": listed}
    flat = Table(list(listed[0]) if listed else columns, [list(row.values()) for row in listed])
    return Report([Table(columns, rows)], document, flat)


@click.command()
@printed
@on_database(may_be_new=True)
def upgrade(database: Database) -> Table:
    """Upgrade a database that an older pytest-mltraq made, in one transaction.

    Storing something in it does so too.
    """
    from pytest_mltraq.storage.tables import SCHEMA_VERSION

    found = database.upgrade()
    if found is None:
        message = f"{database}: nothing is stored there"
        raise NotFoundError(message)
    return Table(("database", "version", "now"), [(str(database), found, SCHEMA_VERSION)])
