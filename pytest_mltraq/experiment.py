"""An experiment: a named collection of runs that share a chain of steps. It knows no database; its session does."""

from __future__ import annotations

import contextlib
import copy
import itertools
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from pytest_mltraq.bunch import Bunch, FrozenBunch
from pytest_mltraq.codec.text import odd_text
from pytest_mltraq.counting import counted
from pytest_mltraq.errors import ConfigurationError
from pytest_mltraq.execution import execute_runs, with_config
from pytest_mltraq.frames import frame_of, some_of
from pytest_mltraq.grid import expand_grid, own_values
from pytest_mltraq.run import Run, derive_seed, new_id
from pytest_mltraq.steps import Step, StepCode, list_steps, step_code

if TYPE_CHECKING:
    import pandas

IfExists = Literal["fail", "replace", "append"]
"""What `persist` does where an experiment of that name is stored already."""

NAME_ALPHABET = "123456789ACEFHJKLMNPRTUVWXY"
NAME_LENGTH = 6


class Database(Protocol):
    """What an experiment's `db` can do."""

    def query(self, sql: str) -> pandas.DataFrame:
        """Return what a SELECT finds."""


class Store(Protocol):
    """What an experiment asks of the session that made it."""

    db: Any

    def persist(self, experiment: Experiment, if_exists: IfExists) -> None:
        """Store the experiment, in one transaction."""

    def reload(self, experiment: Experiment) -> None:
        """Replace what the experiment holds by what is stored of it."""

    def delete(self, experiment: Experiment) -> None:
        """Remove the stored experiment."""


class Runs(dict[uuid.UUID, Run]):
    """Runs by id, in the order in which they were added."""

    def __init__(self, runs: Run | Iterable[Run] | Mapping[uuid.UUID, Run] | None = None) -> None:
        super().__init__()
        if runs is not None:
            self.add(runs)

    def add(self, *runs: Run | Iterable[Run] | Mapping[uuid.UUID, Run]) -> None:
        """Add runs, or collections of them; one with the id of another replaces it."""
        for item in runs:
            found = [item] if isinstance(item, Run) else item.values() if isinstance(item, Mapping) else item
            self.update({run.id_run: run for run in found})

    def first(self) -> Run:
        """Return the run that was added first.

        Raises:
            LookupError: there is none.
        """
        if not self:
            message = "there are no runs"
            raise LookupError(message)
        return next(iter(self.values()))

    def next(self) -> Run:
        """Add a new run and return it."""
        run = Run()
        self.add(run)
        return run

    def df(self, max_level: int = 0, *, params: bool = False, fields: Iterable[str] | None = None) -> pandas.DataFrame:
        """Return the fields as a DataFrame: `id_run`, then a column for each field, one row per run.

        Args:
            max_level: how many levels of dicts become columns of their own, named `outer.inner`.
            params: whether there is a column for each param too, before the fields; a field wins over a param of the
                same name.
            fields: the fields that there is a column for; None is all. Arrays, tables and other objects of a database
                that are not among them are not read.
        """
        names = None if fields is None else list(fields)
        rows = [
            {"id_run": run.id_run} | (dict(run.given_params) if params else {}) | some_of(run.fields, names)
            for run in self.values()
        ]
        return frame_of(rows, ["id_run"], max_level)

    def __or__(self, other: Any) -> Runs:  # type: ignore[override]
        return Runs([*self.values(), *Runs(other).values()])

    def __ior__(self, other: Any) -> Self:  # type: ignore[override]
        self.add(other)
        return self

    def __repr__(self) -> str:
        return f"Runs(keys({len(self)})={shorten([str(key) for key in self])})"

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        from pytest_mltraq.notebook import heading, page

        return page(heading("Runs", f"{len(self):,}"), _html_table(self))


class Experiment:
    """A named collection of runs; made by a session.

    Attributes:
        id_experiment: unique.
        name: what it is stored and loaded as; six characters of the id where none was given.
        fields: what all runs share, stored.
        config: what was the same for all runs when they were executed.
        runs: its runs by id.
        code: the steps that were executed last.
        doc: what it is about; under pytest the docstring of the experiment function.
        nodeid: where pytest found it.
    """

    def __init__(
        self,
        session: Store,
        name: str | None = None,
        *,
        fields: Mapping[str, Any] | None = None,
        id_experiment: uuid.UUID | None = None,
    ) -> None:
        if name is not None and (type(name) is not str or not name or odd_text(name)):
            message = f"expected the experiment's name as text, found {name!r}"
            raise ConfigurationError(message)
        self.session = session
        self.id_experiment = new_id() if id_experiment is None else id_experiment
        self.name = short_name(self.id_experiment) if name is None else name
        self.fields = Bunch(fields)
        self.config = Bunch()
        self.runs = Runs()
        self.code: list[StepCode] = []
        self.doc: str | None = None
        self.nodeid: str | None = None

    @property
    def db(self) -> Any:
        """The session's database, for `db.query(sql)`."""
        return self.session.db

    @contextlib.contextmanager
    def run(self) -> Iterator[Run]:
        """Add a run and work on it directly.

        The run is added when the context ends, with the outcome `failed` where it raises; the exception goes on.
        """
        run = Run(seed=derive_seed(self.name, {}))
        run.begin()
        try:
            with run.timed("run"):
                yield run
        except Exception as error:
            run.fail(error)
            raise
        else:
            run.outcome = "passed"
        finally:
            run.finish()
            self.runs.add(run)

    def add_run(self, /, **params: Any) -> Self:
        """Add a run with these params."""
        self.runs.add(Run(own_values(params), seed=derive_seed(self.name, params)))
        return self

    def add_runs(self, /, **grid: Iterable[Any]) -> Self:
        """Add a run for each combination of a grid, the first axis slowest.

        Raises:
            GridError: no axis is given, or one is empty or no list of values.
        """
        if not grid:
            message = "add_runs expects axes, such as add_runs(seed=range(5)); add_run() adds a run without params"
            raise ConfigurationError(message)
        for params in expand_grid(grid):
            self.add_run(**params)
        return self

    def merge_runs(self, runs: Run | Iterable[Run] | Mapping[uuid.UUID, Run]) -> Self:
        """Add the runs of another experiment."""
        self.runs.add(runs)
        return self

    def execute(
        self,
        steps: Step | Iterable[Step],
        config: Mapping[str, Any] | None = None,
        n_jobs: int = 1,
        backend: str | None = None,
        args_field: str | None = None,
        progress: bool | None = None,
    ) -> Self:
        """Apply steps to each run; without runs, to a new one.

        Args:
            steps: a function that takes a run, or several; applied in their order.
            config: what is the same for all runs, `run.config` inside the steps.
            n_jobs: how many runs at once; -1 is one for each processor. The default 1 stays in this process.
            backend: joblib's `loky` (the default with several jobs), `threading`, `dask`, `ray`.
            args_field: a field that keeps config and params, from where a later `execute` with it takes them.
            progress: whether a bar is shown; None shows one on a terminal and in a notebook.

        Raises:
            StepError: a step raised, from its exception; the other runs were executed all the same.
            ExceptionGroup: steps of several runs raised; one StepError each.
        """
        chain = list_steps(steps)
        if not chain:
            message = "execute expects at least one step, a function that takes a run"
            raise ConfigurationError(message)
        if not self.runs:
            self.add_run()
        if args_field is not None:
            for run in self.runs.values():
                _check_kept(run, config or {}, args_field)
        for run in self.runs.values():
            _give(run, config or {}, args_field)
        self.config.update(config or {})
        self.code = [step_code(step) for step in chain]
        execute_runs(list(self.runs.values()), chain, n_jobs=n_jobs, backend=backend, progress=progress)
        return self

    def persist(self, if_exists: IfExists = "fail") -> Self:
        """Store the experiment: all of it in one transaction, or nothing.

        Args:
            if_exists: `"fail"` refuses to store over an experiment of this id or name; `"replace"` replaces the one
                with this id, else the newest of this name; `"append"` stores a new version beside the earlier ones.

        Raises:
            AlreadyExistsError: with `"fail"`.
            UnsupportedTypeError: a field can't be stored; several: an ExceptionGroup.
            StorageError: the database can't be written.
        """
        if if_exists not in ("fail", "replace", "append"):
            message = f"if_exists: expected 'fail', 'replace' or 'append', found {if_exists!r}"
            raise ConfigurationError(message)
        self.session.persist(self, if_exists)
        return self

    def reload(self) -> Self:
        """Forget what is not stored: fields and runs are those of the database, vars and state are empty.

        Raises:
            NotFoundError: it is not stored.
        """
        self.session.reload(self)
        return self

    def copy_to(self, name: str | None = None, session: Store | None = None) -> Experiment:
        """Return a copy with an id of its own, bound to another session where one is given; it is not stored."""
        duplicate = Experiment(session or self.session, name or self.name, fields=copy.deepcopy(self.fields))
        duplicate.config, duplicate.code = copy.deepcopy(self.config), list(self.code)
        duplicate.doc, duplicate.nodeid = self.doc, self.nodeid
        duplicate.runs = Runs([run.copy() for run in self.runs.values()])
        return duplicate

    def delete(self) -> None:
        """Remove it from the database: the version with this id, else the newest of this name.

        Raises:
            NotFoundError: it is not stored.
        """
        self.session.delete(self)

    def df(self, max_level: int = 0, *, fields: Iterable[str] | None = None) -> pandas.DataFrame:
        """Return id, name and fields as a DataFrame of one row; see `Runs.df`."""
        own = {"id_experiment": self.id_experiment, "name": self.name}
        return frame_of([own | some_of(self.fields, fields)], list(own), max_level)

    def __or__(self, other: Experiment) -> Experiment:
        return Experiment(self.session).merge_runs(self.runs | other.runs)

    def __ior__(self, other: Experiment) -> Self:
        return self.merge_runs(other.runs)

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        from pytest_mltraq.notebook import heading, page, values_table

        return page(
            heading("Experiment", self.name, counted(len(self.runs), "run"), str(self.id_experiment)),
            values_table("fields", self.fields),
            _html_table(self.runs),
        )

    def __repr__(self) -> str:
        return f'Experiment(name="{self.name}", runs.count={len(self.runs)}, id="{self.id_experiment}")'


def _html_table(runs: Runs) -> str:
    """Write the first runs as a table, with a column for each of their params and fields."""
    from pytest_mltraq.notebook import MAX_ROWS, table

    first = list(itertools.islice(runs.values(), MAX_ROWS))
    params = list(dict.fromkeys(name for run in first for name in run.given_params))
    fields = list(dict.fromkeys(name for run in first for name in run.fields))
    rows = [
        [
            str(run.id_run),
            run.outcome,
            *map(dict(run.given_params).get, params),
            *map(dict(run.fields).get, fields),
        ]
        for run in first
    ]
    return table(["id_run", "outcome", *params, *fields], rows, len(runs)) if runs else ""


def _check_kept(run: Run, config: Mapping[str, Any], args_field: str) -> None:
    """Refuse params or config that differ from those that `args_field` keeps of an earlier execute."""
    kept = run.fields.get(args_field)
    if kept is None:
        return
    if (config and dict(config) != dict(kept.config)) or (run.params and dict(run.params) != dict(kept.params)):
        message = (
            f"field {args_field!r} of run {run.id_run} keeps the config and params of an earlier execute: "
            f"call execute without config, or with another args_field"
        )
        raise ConfigurationError(message)


def _give(run: Run, config: Mapping[str, Any], args_field: str | None) -> None:
    """Give a run its params and config: those that `args_field` keeps, else these."""
    if args_field in run.fields:
        kept = run.fields[args_field]
        run.config, run.params = FrozenBunch(kept.config), FrozenBunch(kept.params)
        return
    run.config = FrozenBunch(with_config(run, config))
    if args_field is not None:
        run.fields[args_field] = Bunch(config=run.config, params=run.params)


def short_name(id_experiment: uuid.UUID) -> str:
    """Return the name of an experiment that was given none.

    The first six base-27 digits of the id as an integer, least significant first, in lower case.

    Example:
        >>> short_name(uuid.UUID("d65df69e-1175-44a5-be2f-2232765703b8"))
        'akeut6'
    """
    number, digits = id_experiment.int, ""
    while number and len(digits) < NAME_LENGTH:
        number, digit = divmod(number, len(NAME_ALPHABET))
        digits += NAME_ALPHABET[digit]
    return digits.ljust(NAME_LENGTH, "0").lower()


def shorten(names: list[str], limit: int = 200) -> str:
    """Write names as a JSON list, cut after `limit` characters."""
    text = json.dumps(names)
    return text if len(text) <= limit else f"{text[:limit]} ...]"
