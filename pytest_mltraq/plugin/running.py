"""Runs, as pytest runs their items: the chain before the body, and the record on the report of the teardown."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine, Generator
from pathlib import Path
from typing import Any

import pytest

from pytest_mltraq.codec import Encoded, Objects, encode_document
from pytest_mltraq.errors import near
from pytest_mltraq.plugin.declaration import TRACKED, Declaration, Link, Tracked
from pytest_mltraq.record import encode_params, raise_refused, record_experiment, record_run
from pytest_mltraq.run import Run, RunError, new_id, seeded
from pytest_mltraq.steps import StepCode, step_code

RUN_FIXTURE_MODULE = "pytest_mltraq.plugin"
"""Where the fixture `run` is that is ours."""

REPORT_KEY = "mltraq"
"""The attribute of a report that carries a record to where it is stored; it holds nothing but builtins."""


class Running:
    """Runs experiments; one object for each process of a pytest session."""

    def __init__(self, config: pytest.Config) -> None:
        self._root: Path = config.rootpath
        self._worker: str | None = getattr(config, "workerinput", {}).get("workerid")
        self._current: pytest.Function | None = None
        self._announced: set[str] = set()
        self._params: tuple[Encoded, Objects] | None = None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, None, None]:
        """Make the run before its fixtures; explain a fixture that a step requests and nobody provides."""
        __tracebackhide__ = True
        tracked = item.stash.get(TRACKED, None)
        if tracked is None or not isinstance(item, pytest.Function):
            yield
            return
        self._current, self._params = item, None
        self._params = encode_params(tracked.start())
        try:
            yield
        except pytest.FixtureLookupError as error:
            link = tracked.declaration.requested_by(str(error.argname))
            if link is None:
                raise
            pytest.fail(_unknown(link, str(error.argname), item, tracked), pytrace=False)
        if not tracked.declaration.is_test:
            item.funcargs["run"] = tracked.run
        elif TRACKED in item.stash and item.funcargs["run"] is not tracked.run:
            self._release(item)  # the suite's fixture has a wider scope, and was set up for an earlier test

    @pytest.hookimpl(tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> Run | None:
        """Give experiments our `run` where the suite has a fixture of that name; its tests keep theirs."""
        item = self._current
        if fixturedef.argname != "run" or item is None or fixturedef.func.__module__ == RUN_FIXTURE_MODULE:
            return None
        if item.stash[TRACKED].declaration.is_test:
            self._release(item)
            return None
        return item.stash[TRACKED].run

    def _release(self, item: pytest.Function) -> None:
        """Leave a test to the suite whose fixture `run` is another."""
        del item.stash[TRACKED]
        self._current = None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        """Refuse fields that can't be stored while the run can still fail for it."""
        __tracebackhide__ = True
        result = yield
        tracked = item.stash.get(TRACKED, None)
        if tracked is not None and tracked.run is not None:
            raise_refused(encode_document(tracked.run.fields, "run.fields", None).refused)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Generator[None, object, object]:
        """Run the chain, then the body."""
        __tracebackhide__ = True
        tracked = pyfuncitem.stash.get(TRACKED, None)
        if tracked is None or tracked.run is None:
            return (yield)
        run, declaration = tracked.run, tracked.declaration
        run.begin()
        with seeded(run.seed):
            if declaration.has_async_steps:  # the suite's async plugin calls what `drive` made
                return (yield)
            for link in declaration.chain:
                with run.timed(link.name):
                    link.call(pyfuncitem)
            with run.timed(declaration.body.name):
                return (yield)

    def drive(self, body: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, object]]:
        """Make a coroutine function of an experiment with async steps, for the suite's async plugin to run."""

        @functools.wraps(body)
        async def chain(*args: Any, **kwargs: Any) -> object:
            __tracebackhide__ = True
            assert self._current is not None
            tracked = self._current.stash[TRACKED]
            run = tracked.run
            assert run is not None
            for link in tracked.declaration.chain:
                with run.timed(link.name):
                    await _finished(link.call(self._current))
            with run.timed(tracked.declaration.body.name):
                return await _finished(body(*args, **kwargs))

        return chain

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note the outcome of each phase; put the run's params on the first report, its record on the last."""
        report = yield
        tracked = item.stash.get(TRACKED, None)
        if tracked is None or tracked.run is None or not isinstance(item, pytest.Function):
            return report
        run = tracked.run
        _note(run, report, call)
        if call.when == "setup":
            message: dict[str, Any] = {"name": tracked.declaration.experiment.name}
            if tracked.declaration.experiment.name not in self._announced:
                message["experiment"] = self._announce(tracked.declaration)
            message["started"] = self._record(item, tracked, report)
            setattr(report, REPORT_KEY, message)
        elif call.when == "teardown":
            message = {"name": tracked.declaration.experiment.name, "finished": self._record(item, tracked, report)}
            setattr(report, REPORT_KEY, message)
            run.finish()
            tracked.run = self._current = None
        return report

    def _announce(self, declaration: Declaration) -> tuple[Any, ...]:
        """Record the experiment, with the first of its runs in this process."""
        experiment = declaration.experiment
        self._announced.add(experiment.name)
        return tuple(
            record_experiment(
                name=experiment.name,
                id_experiment=new_id(),
                fields=experiment.fields,
                config=experiment.config,
                code=[_code(link) for link in (*declaration.chain, declaration.body)],
                doc=experiment.doc,
                nodeid=experiment.nodeid,
                root=self._root,
            )
        )

    def _record(self, item: pytest.Function, tracked: Tracked, report: pytest.TestReport) -> tuple[Any, ...]:
        run = tracked.run
        assert run is not None
        params, objects = self._params or encode_nothing()
        record, refused = record_run(
            run, position=tracked.position, params=params, nodeid=item.nodeid, worker=self._worker, objects=objects
        )
        if refused and report.when == "teardown" and run.outcome == "passed":  # set by a fixture's teardown
            run.outcome, report.outcome = "error", "failed"
            report.longrepr = "\n".join(map(str, refused))
            return self._record(item, tracked, report)
        return tuple(record)


def encode_nothing() -> tuple[Encoded, Objects]:
    """Encode no params: those of a run whose params can't be stored."""
    return encode_document({}, "params", {}), {}


def _code(link: Link) -> StepCode:
    return step_code(link.function)._replace(name=link.name)


async def _finished(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result


def _note(run: Run, report: pytest.TestReport, call: pytest.CallInfo[None]) -> None:
    """Note what a phase means for the run: a failure of its own is `failed`, one of a fixture is `error`."""
    if run.started_at is None:
        run.begin()
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
    reason = getattr(report, "wasxfail", None)
    error = call.excinfo
    run.error = RunError(
        run.step if call.when == "call" else None,
        "XPassed" if error is None else error.type.__qualname__,
        reason or ("" if error is None else str(error.value)),
        report.longreprtext,
    )


def _unknown(link: Link, name: str, item: pytest.Function, tracked: Tracked) -> str:
    code = inspect.unwrap(getattr(link.function, "func", link.function)).__code__
    known = {*item.funcargs, *tracked.params, "run", "experiment"} - {name}
    return (
        f"{link.name} ({Path(code.co_filename).name}:{code.co_firstlineno}) requests {name!r}, but there is no fixture "
        f"and no axis of this name; {near(name, known)}"
    )
