"""The command `pytest-mltraq`: look at what is stored, without pytest.

A command is a click command in a module of its group, named in `COMMANDS`, and imported when it is called. Its module imports
at its top what is quick to import: not SQLAlchemy, pandas or rich, which `--help` and the shell's completion don't need. A command looks like this::

    @click.command()
    @click.argument("sql")
    @printed
    @on_database()
    def query(database: Database, sql: str) -> Table:
        return Table(*database.select(sql))

`on_database` adds the option `--db` and hands over the open database; `printed` adds `--format` and prints the table that the
command returns (or a `Report`, of several). Only data goes to standard output; `output.say` prints what is said beside it to standard error.

An exception of ours is one line on standard error and the exit status 2, as with a wrong option. 1 is kept for commands that
found what was asked for and judge it: a metric regressed, a database is damaged (`exit_status` of their `Report`). A command that is
interrupted, or whose reader goes away, has the status that shells give to such programs: 130, 141.
"""

from __future__ import annotations

import pkgutil
import signal
import sys
from typing import Any, Final

import click

from pytest_mltraq.errors import MltraqError, near

COMMANDS: Final = {
    "ls": "listing:ls",
    "show": "showing:show",
    "query": "querying:query",
    "compare": "judging:compare",
    "history": "judging:history",
    "accept": "accepting:accept",
    "export": "exporting:export",
    "report": "reporting:report",
    "tag": "keeping:tag",
    "prune": "keeping:prune",
    "merge": "merging:merge",
    "import": "importing:import_files",
    "upgrade": "keeping:upgrade",
    "doctor": "diagnosing:doctor",
}
"""Where each command is: `module:name`."""


class Refused(click.ClickException):
    """What was asked for can't be done; said in one line."""

    exit_code = 2

    def __init__(self, error: MltraqError) -> None:
        from pytest_mltraq.passwords import without_password
        from pytest_mltraq.report.text import visible

        super().__init__(visible(without_password(" ".join(str(error).split()))))


class Commands(click.Group):
    """Commands that are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, in the order in which the help shows them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        command = pkgutil.resolve_name(f"{__name__}.{COMMANDS[cmd_name]}")
        assert isinstance(command, click.Command)  # noqa: S101 - for the type checker
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is called; a wrong name says which one is near."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"there is no command {args[0]!r}; {near(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except MltraqError as error:
            raise Refused(error) from error
        # What ends a program from outside is no judgement, which click's 1 would be here.
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(128 + signal.SIGINT)
        except BrokenPipeError:
            sys.stdout = None  # else Python would try to write to it again when it ends
            ctx.exit(128 + signal.SIGPIPE)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pytest-mltraq")
def main() -> None:
    """Look at the experiments that pytest-mltraq stored.

    The exit status is 0, or 1 where a metric regressed or a database is damaged, or 2 where the command can't be carried out.
    """
