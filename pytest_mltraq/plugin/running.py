"""Runs, as pytest runs their items: the chain before the body, and the record on the report of the teardown."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Coroutine, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mltraq.codec import Home, encode_document, find_refused
from pytest_mltraq.errors import UnsupportedTypeError, near
from pytest_mltraq.plugin.declaration import (
    DECLARATION,
    Attempt,
    Declaration,
    declare_test,
    fixture_values,
    item_params,
)
from pytest_mltraq.record import (
    ExperimentRecord,
    RunRecord,
    detach,
    raise_refused,
    record_experiment,
    record_run,
)
from pytest_mltraq.run import Run, RunError, new_id, save_random, seed_random
from pytest_mltraq.steps import step_code

if TYPE_CHECKING:
    from pytest_mltraq.storage.resume import PassedRuns

OURS = __name__.rpartition(".")[0]
"""The package that the fixture `run` is in that is ours."""

_AVAILABLE = re.compile(r"available fixtures: (.+)")
"""Where pytest says which fixtures there are."""

NO_PARAMS = encode_document({}, "params", {})
"""What stands for params that can't be stored."""

STORED = "stored"
"""Why a run is skipped that passed in an earlier session."""

REPORT_KEY = "mltraq"
"""The attribute of a report that carries a record to where it is stored; it holds nothing but builtins."""


class Running:
    """Runs experiments; one object for each process of a pytest session.

    Args:
        config: pytest's.
        home: where runs are going to be stored.
        passed: finds runs of earlier sessions that are not executed again; None executes all.
    """

    def __init__(self, config: pytest.Config, home: Home, passed: PassedRuns | None) -> None:
        self.home = home
        self._passed = passed
        self._shows_fixtures = bool(config.getoption("setupshow", default=False))
        self._experiments: dict[str, ExperimentRecord] = {}
        self._root: Path = config.rootpath
        self._worker: str | None = getattr(config, "workerinput", {}).get("workerid")
        self._item: pytest.Item | None = None
        self._current: Attempt | None = None
        self._announced: set[str] = set()
        self.found: dict[str, int] = {}
        self._unseeded: Callable[[], None] | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Make the run, before its fixtures are set up."""
        __tracebackhide__ = True
        self._item = item
        declaration = item.stash.get(DECLARATION, None)
        if declaration is None:
            self._restore_random()
        else:
            self._begin(item, declaration)

    def _begin(self, item: pytest.Item, declaration: Declaration) -> Attempt:
        """Make the run of a new attempt at an item."""
        self._current = attempt = declaration.start(item, self.home)
        if refused := attempt.params.refused:
            attempt.params, attempt.objects = NO_PARAMS, {}
            raise_refused(refused)
        if self._passed is not None and declaration.again is None:
            attempt.stored = self._passed.find(self._experiment(declaration), attempt.params)
            if attempt.stored is not None:
                pytest.skip(STORED)
        self._provide(item, attempt)
        return attempt

    def _provide(self, item: pytest.Item, attempt: Attempt) -> None:
        """Hand an experiment its run and params, for each of which pytest would set a fixture up, at 40 µs.

        Pytest does where it shows them, and where something that requests `request` may ask for them by name at any time. Other
        fixtures that request them get them from pytest too.
        """
        declaration = attempt.declaration
        if declaration.is_test or self._shows_fixtures or "request" in item.fixturenames:  # type: ignore[attr-defined]
            return
        values = fixture_values(item)
        values["run"] = attempt.run
        params = item_params(item)
        for name in declaration.direct:
            if name in params:  # else a plugin took the marker away
                values[name] = params[name]

    def _seed_random(self, seed: int) -> None:
        """Seed the global random numbers for a run; their state before is kept for the next test that is none."""
        if self._unseeded is None:
            self._unseeded = save_random()
        seed_random(seed)

    def _restore_random(self) -> None:
        if self._unseeded is not None:
            self._unseeded()
            self._unseeded = None

    @pytest.fixture
    def run(self) -> Run:
        """The current run: what is set in `run.fields` is stored, with `--mltraq-db`."""
        # It stands in for the fixture of the sleeping plugin, because one that requests `request` costs 35 µs a test more.
        attempt = self._current
        if attempt is None and self._item is not None:  # a test that asks for it by `getfixturevalue`
            attempt = self._begin(self._item, declare_test(self._item))
        if attempt is None:
            message = "the fixture run is for tests and experiments"
            raise TypeError(message)
        return attempt.run

    @pytest.hookimpl(tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any], request: Any) -> Run | None:
        """Give experiments our `run` where the suite has a fixture of that name; its tests keep theirs."""
        attempt = self._current
        if attempt is None or fixturedef.argname != "run" or fixturedef.func.__module__.startswith(OURS):
            return None
        if attempt.declaration.is_test:
            self._current = None
            return None
        if fixturedef.scope != "function":  # other tests share its value; the experiment gets the run all the same
            return None
        fixturedef.cached_result = (attempt.run, fixturedef.cache_key(request), None)  # where pytest looks for it
        return attempt.run

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Generator[None, object, object]:
        """Run the chain, then the body; refuse fields that can't be stored while the run can still fail for it."""
        __tracebackhide__ = True
        attempt = self._current
        if attempt is None or attempt.item is not pyfuncitem:
            return (yield)
        run, declaration = attempt.run, attempt.declaration
        pyfuncitem.funcargs["run"] = run
        run.begin()
        self._seed_random(run.seed)
        try:
            if declaration.has_async_steps:  # the suite's async plugin calls what `drive` made
                result = yield
            else:
                for link in declaration.chain:
                    with run.timed(link.name):
                        link.call(pyfuncitem)
                with run.timed(declaration.body.name):
                    declaration.body.check(pyfuncitem)
                    result = yield
        finally:  # of a run that failed, artifacts are kept too, whose files the teardown of fixtures may remove
            refused = find_refused(run.fields, "fields", self.home)
        raise_refused(refused)
        return result

    def drive(self, body: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, object]]:
        """Make a coroutine function of an experiment with async steps, for the suite's async plugin to run."""

        @functools.wraps(body)
        async def chain(*args: Any, **kwargs: Any) -> object:
            __tracebackhide__ = True
            attempt = self._current
            if attempt is None:
                message = f"{body.__name__} is run by pytest, not called"
                raise RuntimeError(message)
            for link in attempt.declaration.chain:
                with attempt.run.timed(link.name):
                    await _finished(link.call(attempt.item))
            with attempt.run.timed(attempt.declaration.body.name):
                attempt.declaration.body.check(attempt.item)
                return await _finished(body(*args, **kwargs))

        return chain

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note the outcome of each phase; put the run's params on the first report, its record on the last."""
        report = yield
        attempt = self._current
        if attempt is None or attempt.item is not item:
            return report
        if attempt.declaration.again is not None:
            report.nodeid = attempt.nodeid
        if call.when == "setup":
            _explain(attempt, report, call)
            if attempt.stored is not None:
                path, line, _ = item.reportinfo()  # where the run is, not where it was skipped
                report.longrepr = str(path), (line or 0) + 1, f"Skipped: {STORED}"
        if call.when == "call" or not report.passed:
            _note(attempt.run, report, call)
        if call.when == "teardown":
            setattr(report, REPORT_KEY, self._finished(attempt, report))
            self._current = None
        elif call.when == "setup" and attempt.has_foreign_run():
            self._current = None  # it is a test of a suite whose fixture `run` is another
        elif call.when == "setup" and self._worker is not None:  # it may be killed, and only the controller can tell
            message = self._message(attempt.declaration)
            setattr(report, REPORT_KEY, message | {"started": tuple(self._record(attempt)[0])})
        return report

    def _message(self, declaration: Declaration) -> dict[str, Any]:
        """Begin what a report carries: the experiment's name, and all of it once for each process."""
        name = declaration.experiment.name
        if name in self._announced:
            return {"name": name}
        self._announced.add(name)
        return {"name": name, "experiment": tuple(self._experiment(declaration))}

    def _experiment(self, declaration: Declaration) -> ExperimentRecord:
        """Return the record of an experiment; it is made once in each process."""
        experiment = declaration.experiment
        known = self._experiments.get(experiment.name)
        if known is not None:
            return known
        record = record_experiment(
            name=experiment.name,
            id_experiment=new_id(),
            fields=experiment.fields,
            config=experiment.config,
            code=[step_code(link.function)._replace(name=link.name) for link in (*declaration.chain, declaration.body)],
            doc=experiment.doc,
            nodeid=experiment.nodeid,
            root=self._root,
            metrics=[plain | {"runs": self.found.get(experiment.name)} for plain in declaration.metrics] or None,
            home=self.home,
        )
        self._experiments[experiment.name] = record = detach(record)
        return record

    def unfinished(self) -> dict[str, Any] | None:
        """Make what the last report would have carried, of a run that was interrupted in this process."""
        if self._current is None:
            return None
        attempt, self._current = self._current, None
        record, _ = self._record(attempt)
        return self._message(attempt.declaration) | {"finished": tuple(record._replace(outcome="interrupted"))}

    def _finished(self, attempt: Attempt, report: pytest.TestReport) -> dict[str, Any]:
        """Make what the last report carries: the run; a fixture's teardown may have set what can't be stored."""
        run = attempt.run
        if attempt.stored is not None:
            record = attempt.stored._replace(position=attempt.position, nodeid=attempt.nodeid)
            return self._message(attempt.declaration) | {"finished": tuple(record), "is_stored": True}
        record, refused = self._record(attempt)
        if refused and run.outcome == "passed":
            report.outcome, report.longrepr = "failed", "\n".join(map(str, refused))
            run.error = RunError(None, type(refused[0]).__name__, report.longrepr, "")
            record = self._record(attempt)[0]._replace(outcome="error")
        run.finish()
        message = self._message(attempt.declaration)
        message["finished"] = tuple(record)
        return message

    def _record(self, attempt: Attempt) -> tuple[RunRecord, tuple[UnsupportedTypeError, ...]]:
        record, refused = record_run(
            attempt.run,
            position=attempt.position,
            params=attempt.params,
            nodeid=attempt.nodeid,
            worker=self._worker,
            objects=attempt.objects,
            home=self.home,
        )
        return detach(record), refused


async def _finished(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result


def _note(run: Run, report: pytest.TestReport, call: pytest.CallInfo[None]) -> None:
    """Note what a phase means for the run: a failure of its own is `failed`, one of a fixture is `error`."""
    run.duration_s = sum(step.duration_s for step in run.steps)
    if report.passed:
        if call.when == "call":
            run.outcome = "passed"
        return
    if report.skipped:
        run.outcome = "skipped"
    elif call.when == "call":
        run.outcome = "failed"
    elif run.outcome != "failed":
        run.outcome = "error"
    if run.error is not None:  # a teardown that fails after the run did says nothing new of it
        return
    reason = getattr(report, "wasxfail", None)
    error = call.excinfo
    run.error = RunError(
        run.step if call.when == "call" else None,
        "XPassed" if error is None else error.type.__qualname__,
        reason or ("" if error is None else str(error.value)),
        report.longreprtext,
    )


def _explain(attempt: Attempt, report: pytest.TestReport, call: pytest.CallInfo[None]) -> None:
    """Say which step requests a fixture that nobody provides."""
    error = None if call.excinfo is None else call.excinfo.value
    if not isinstance(error, pytest.FixtureLookupError):
        return
    name = str(error.argname)
    link = attempt.declaration.requested_by(name)
    if link is None:
        return
    code = inspect.unwrap(getattr(link.function, "func", link.function)).__code__
    available = _AVAILABLE.search(report.longreprtext)
    known = {*attempt.run.params, *(available[1].split(", ") if available else ())}
    report.longrepr = (
        f"{link.name} ({Path(code.co_filename).name}:{code.co_firstlineno}) requests {name!r}, but there is no fixture "
        f"and no axis of this name; {near(name, known)}"
    )
