"""Steps applied to many runs, one after another or spread by joblib."""

from __future__ import annotations

import copy
import os
import traceback
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from pytest_mltraq.bunch import Bunch
from pytest_mltraq.errors import StepError
from pytest_mltraq.progress import progress_bar
from pytest_mltraq.run import Run
from pytest_mltraq.steps import Step


def execute_runs(
    runs: list[Run],
    steps: list[Step],
    *,
    n_jobs: int = 1,
    backend: str | None = None,
    progress: bool | None = None,
) -> None:
    """Apply steps to runs; all of them are executed, whatever fails.

    Args:
        runs: changed in place, each with its own params and config.
        steps: applied in their order.
        n_jobs: how many runs at once; -1 is one for each processor. The default 1 stays in this process.
        backend: joblib's `loky` (the default with several jobs), `threading`, `dask`, `ray`.
        progress: whether a bar is shown; None shows one on a terminal and in a notebook.

    Raises:
        StepError: a step raised, from its exception.
        ExceptionGroup: steps of several runs raised; one StepError each.
    """
    tasks = ((run, steps) for run in runs)
    if n_jobs == 1 and backend is None:
        results: Iterable[tuple[Run, StepError | None]] = (_execute(*task) for task in tasks)
    else:
        results = _spread(tasks, n_jobs, backend)
    errors = []
    with progress_bar("runs", len(runs), unit="run", shown=progress) as advance:
        for run, (result, error) in zip(runs, results, strict=True):
            if result is not run:
                run.adopt(result)
            if error is not None:
                errors.append(error)
            advance(1)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        message = f"{len(errors)} of {len(runs)} runs failed"
        raise ExceptionGroup(message, errors)


def with_config(run: Run, config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a config for one run alone, so that what a step does to a value in it doesn't reach other runs."""
    return copy.deepcopy(dict(config)) if config else {}


def _execute(run: Run, steps: list[Step]) -> tuple[Run, StepError | None]:
    try:
        run.execute(steps)
    except StepError as error:
        return run, error
    return run, None


def _execute_elsewhere(run: Run, steps: list[Step], folder: str) -> bytes:
    """Execute a run in another process, where the current folder is that of the first.

    Returns:
        The run and its error, pickled for the way back: what can't be sent fails this run and no other.
    """
    import cloudpickle

    os.chdir(folder)
    run, error = _execute(run, steps)
    result = run, None if error is None else _portable(error)
    try:
        return cast("bytes", cloudpickle.dumps(result))
    except Exception as problem:  # noqa: BLE001 - whatever the user's objects do when they are pickled
        run.fail(problem)
        run.state = Bunch()
        message = f"run.state and run.fields can't be sent back from another process: {problem}"
        failed = StepError(str(run.step), str(run.id_run), message)
    try:
        return cast("bytes", cloudpickle.dumps((run, failed)))
    except Exception:  # noqa: BLE001 - then it is the fields
        run.fields = Bunch()
        return cast("bytes", cloudpickle.dumps((run, failed)))


def _portable(error: StepError) -> StepError:
    """Make an error that can be sent to another process, with its traceback as a note."""
    cause = error.__cause__
    text = "".join(traceback.format_exception(cause))
    try:
        copy.deepcopy(cause)
    except Exception as problem:  # noqa: BLE001 - whatever the user's exception class does when it is rebuilt
        cause = RuntimeError(f"{error.message} (its class can't be rebuilt: {problem})")
    portable = StepError(error.step, error.id_run, error.message)
    if cause is not None:
        cause.add_note(text)
        portable.user_error = cause  # type: ignore[attr-defined]
    return portable


def _spread(
    tasks: Iterator[tuple[Run, list[Step]]], n_jobs: int, backend: str | None
) -> Iterator[tuple[Run, StepError | None]]:
    import cloudpickle
    import joblib

    parallel = joblib.Parallel(n_jobs=n_jobs, backend=backend, return_as="generator")
    if backend == "threading":
        yield from parallel(joblib.delayed(_execute)(*task) for task in tasks)
        return
    folder = str(Path.cwd())
    for result in parallel(joblib.delayed(_execute_elsewhere)(*task, folder) for task in tasks):
        run, error = cloudpickle.loads(result)
        if error is not None:
            error.__cause__ = vars(error).pop("user_error", None)
        yield run, error
