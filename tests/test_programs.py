# ruff: noqa: T201 - users' programs print, draw and raise as they like
"""Programs of users, with `import pytest_mltraq as mltraq`: what they print, keep, store and raise."""

from __future__ import annotations

import functools
import os
import random
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pytest_mltraq as mltraq
from pytest_mltraq.errors import GridError, ReadOnlyError
from pytest_mltraq.experiment import short_name
from tests.exact import same


def python(code: str, *arguments: str, cwd: Path | None = None, **variables: str) -> str:
    """Run a program in a process of its own; return what it printed."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.fixture
def session() -> Iterator[mltraq.Session]:
    """A session with a database in memory."""
    created = mltraq.create_session()
    yield created
    created.close()


@pytest.fixture(scope="session")
def processes() -> Iterator[None]:
    """joblib's processes, ended when the tests are done."""
    yield
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True)


def step_nothing(run: mltraq.Run) -> None:
    """Do nothing."""


def fields(experiment: mltraq.Experiment) -> list[dict[str, Any]]:
    """The fields of all runs, in the order of the runs."""
    return [dict(run.fields) for run in experiment.runs.values()]


# -- the seed's examples -----------------------------------------------------------------------------------------------


def test_an_experiment_without_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """The first example: an experiment is listed by its session once it is stored."""
    session = mltraq.create_session()
    experiment = session.create_experiment()

    print(experiment)
    print("Before", session)
    experiment.persist()
    print("After", session)

    name, id_experiment = experiment.name, experiment.id_experiment
    assert capsys.readouterr().out.splitlines() == [
        f'Experiment(name="{name}", runs.count=0, id="{id_experiment}")',
        'Before Session(db="sqlite:///:memory:", experiments(0)=[])',
        f'After Session(db="sqlite:///:memory:", experiments(1)=["{name}"])',
    ]
    session.close()


def test_a_run_by_hand(session: mltraq.Session, capsys: pytest.CaptureFixture[str]) -> None:
    """The second example: after the context vars are gone, state and fields are kept."""
    experiment = session.create_experiment()

    with experiment.run() as run:
        run.vars.a = 1
        run.state.b = 2
        run.fields.c = 3
    print(experiment)
    print(experiment.runs)
    print("run.vars", run.vars)
    print("run.state", run.state)
    print("run.fields", run.fields)

    assert capsys.readouterr().out.splitlines() == [
        f'Experiment(name="{experiment.name}", runs.count=1, id="{experiment.id_experiment}")',
        f'Runs(keys(1)=["{run.id_run}"])',
        "run.vars {}",
        "run.state {'b': 2}",
        "run.fields {'c': 3}",
    ]


def test_a_run_that_is_loaded_again(session: mltraq.Session, capsys: pytest.CaptureFixture[str]) -> None:
    """The third example: what is loaded has fields only."""

    def step(run: mltraq.Run) -> None:
        run.vars.a = 1
        run.state.b = 2
        run.fields.c = run.vars.a + run.state.b

    session.create_experiment("example").add_run().execute(step).persist()
    run = session.load_experiment("example").runs.first()
    print("run.vars", run.vars)
    print("run.state", run.state)
    print("run.fields", run.fields)

    assert capsys.readouterr().out.splitlines() == ["run.vars {}", "run.state {}", "run.fields {'c': 3}"]


def test_a_chain_of_calls() -> None:
    """A grid, steps, config, storing, loading, more steps, replacing and SQL, in one expression."""

    def f1(run: mltraq.Run) -> None:
        run.fields |= {"A": run.params.A, "B": run.params.B, "C": run.config.C, "AB": run.params.A + run.params.B}

    def f2(run: mltraq.Run) -> None:
        run.fields.ABC = run.fields.AB * run.config.C

    def f3(run: mltraq.Run) -> None:
        run.fields.ABCD = run.fields.ABC + run.config.D

    frame = (
        mltraq.create_experiment("example")
        .add_runs(A=[1, 2], B=[3, 4])
        .execute([f1, f2], config={"C": 5})
        .persist()
        .reload()
        .execute(f3, config={"D": 6})
        .persist(if_exists="replace")
        .db.query("SELECT A, B, C, AB, ABC, ABCD FROM experiment_example")
    )

    assert frame.columns.tolist() == ["A", "B", "C", "AB", "ABC", "ABCD"]
    assert sorted(frame.itertuples(index=False, name=None)) == [
        (1, 3, 5, 4, 20, 26),
        (1, 4, 5, 5, 25, 31),
        (2, 3, 5, 5, 25, 31),
        (2, 4, 5, 6, 30, 36),
    ]


def test_a_sequence_over_several_executes() -> None:
    """A sequence grows with each execute, also after it was stored and loaded; `args_field` brings the params back."""

    def step(run: mltraq.Run) -> None:
        run.fields.losses = run.fields.get("losses", mltraq.Sequence())
        run.fields.losses.append(epoch=len(run.fields.losses), loss=run.params.lr * run.config.scale)

    experiment = mltraq.create_experiment("training").add_run(lr=0.5)
    experiment.execute(step, config={"scale": 2}, args_field="args")
    for _ in range(2):
        experiment.execute(step, args_field="args")
    experiment.persist().reload().execute(step, args_field="args")

    frame = experiment.runs.first().fields.losses.df()
    assert frame[["idx", "epoch", "loss"]].values.tolist() == [[at, at, 1.0] for at in range(4)]
    assert frame["timestamp"].is_monotonic_increasing


@pytest.mark.filterwarnings("default::DeprecationWarning")
def test_the_iris_leaderboard(session: mltraq.Session) -> None:
    """Five classifiers by three seeds: classes and partials are params, the mean of each is a row."""
    from sklearn.cluster import KMeans
    from sklearn.datasets import load_iris
    from sklearn.dummy import DummyClassifier
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score
    from sklearn.model_selection import train_test_split
    from sklearn.tree import DecisionTreeClassifier

    def load(run: mltraq.Run) -> None:
        run.vars.X, run.vars.y = load_iris(return_X_y=True)

    def train_predict(run: mltraq.Run) -> None:
        split = train_test_split(run.vars.X, run.vars.y, random_state=run.params.seed)
        x_train, x_test, y_train, run.vars.y_true = split
        model = run.params.classifier(random_state=run.params.seed).fit(x_train, y_train)
        run.fields.model_name = type(model).__name__
        run.vars.y_pred = model.predict(x_test)

    def evaluate(run: mltraq.Run) -> None:
        run.fields.accuracy = accuracy_score(run.vars.y_true, run.vars.y_pred)

    experiment = session.create_experiment("iris")
    experiment.add_runs(
        classifier=[
            functools.partial(DummyClassifier, strategy="most_frequent"),
            functools.partial(LogisticRegression, max_iter=1000),
            DecisionTreeClassifier,
            RandomForestClassifier,
            functools.partial(KMeans, n_clusters=3, n_init=3),
        ],
        seed=range(3),
    )
    experiment.execute(steps=[load, train_predict, evaluate]).persist()
    leaderboard = experiment.runs.df().groupby("model_name").mean(numeric_only=True)["accuracy"]
    stored = session.db.query("SELECT classifier, avg(accuracy) AS mean FROM experiment_iris GROUP BY classifier")

    assert sorted(leaderboard.index) == [
        "DecisionTreeClassifier",
        "DummyClassifier",
        "KMeans",
        "LogisticRegression",
        "RandomForestClassifier",
    ]
    assert leaderboard["RandomForestClassifier"] > 0.9
    assert leaderboard["DummyClassifier"] < 0.5
    assert sorted(stored["classifier"]) == [
        "DecisionTreeClassifier",
        "DummyClassifier(strategy='most_frequent')",
        "KMeans(n_clusters=3, n_init=3)",
        "LogisticRegression(max_iter=1000)",
        "RandomForestClassifier",
    ]
    assert sorted(stored["mean"]) == pytest.approx(sorted(leaderboard))


# -- names and text forms ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("id_experiment", "name"),
    [
        ("d65df69e-1175-44a5-be2f-2232765703b8", "akeut6"),
        (str(uuid.UUID(int=0)), "000000"),
        (str(uuid.UUID(int=28)), "220000"),
    ],
)
def test_an_experiment_without_a_name_gets_one_of_its_id(
    session: mltraq.Session, id_experiment: str, name: str
) -> None:
    """Six characters, which the id determines."""
    experiment = mltraq.Experiment(session, id_experiment=uuid.UUID(id_experiment))

    assert experiment.name == short_name(uuid.UUID(id_experiment)) == name


def test_text_forms_are_short_with_many_names(session: mltraq.Session) -> None:
    """A session with many experiments, and an experiment with many runs, print on a line."""
    for at in range(40):
        session.create_experiment(f"experiment {at}").persist()
    runs = session.create_experiment().add_runs(seed=range(100)).runs

    assert str(session).startswith('Session(db="sqlite:///:memory:", experiments(40)=["experiment 0", "experiment 1"')
    assert str(runs).startswith(f'Runs(keys(100)=["{runs.first().id_run}"')
    assert max(len(str(session)), len(str(runs))) < 300


def test_the_ids_of_runs_are_in_the_order_in_which_they_were_made(session: mltraq.Session) -> None:
    """An id is larger than those made before it, so that sorting by it is sorting by time."""
    ids = list(session.create_experiment().add_runs(seed=range(1_000)).runs)

    assert len(set(ids)) == 1_000
    assert sorted(ids) == ids


def test_a_run_prints_its_id() -> None:
    """A run is known by its id."""
    run = mltraq.Run()

    assert str(run) == f'Run(id="{run.id_run}")'


def test_a_file_is_a_database(tmp_path: Path) -> None:
    """A path names a SQLite file; it is made when the first experiment is stored."""
    file = tmp_path / "results.db"
    session = mltraq.create_session(file)

    assert str(session) == f'Session(db="sqlite:///{file}", experiments(0)=[])'
    assert not file.exists()


@pytest.mark.parametrize("name", ["", 5, "a\0b", "\ud800", b"a"], ids=repr)
def test_a_name_that_cannot_be_stored_is_refused_at_once(session: mltraq.Session, name: Any) -> None:
    """An experiment is called by text that every database takes."""
    with pytest.raises(mltraq.ConfigurationError, match="name"):
        session.create_experiment(name)


def test_every_public_name_is_there() -> None:
    """What `__all__` promises can be imported, and a misspelt name is an AttributeError."""
    assert [name for name in mltraq.__all__ if getattr(mltraq, name) is None] == []
    assert set(mltraq.__all__) <= set(dir(mltraq))
    assert getattr(mltraq, "__version__")  # noqa: B009 - mypy knows better
    with pytest.raises(AttributeError, match="create_sesion"):
        _ = getattr(mltraq, "create_sesion")  # noqa: B009 - mypy knows better


def test_importing_the_package_is_light() -> None:
    """A process that imports the package has imported none of the heavy libraries."""
    code = "import sys, pytest_mltraq\nprint(*sys.modules)"

    modules = python(code).split()

    assert not {"pandas", "numpy", "pyarrow", "sqlalchemy", "joblib", "pytest", "click", "tqdm"} & set(modules)


def test_tracking_numbers_needs_no_tables(tmp_path: Path) -> None:
    """A process that stores plain numbers doesn't import pandas, PyArrow, NumPy or joblib."""
    code = (
        "import sys, pytest_mltraq as mltraq\n"
        "experiment = mltraq.create_experiment('light', 'results.db')\n"
        "with experiment.run() as run:\n    run.fields.loss = 0.5\n"
        "experiment.persist()\n"
        "print(*sys.modules)"
    )

    modules = python(code, cwd=tmp_path).split()

    assert not {"pandas", "numpy", "pyarrow", "joblib"} & set(modules)


# -- executing ---------------------------------------------------------------------------------------------------------


def test_runs_keep_the_order_in_which_they_were_added(session: mltraq.Session) -> None:
    """Runs are executed, listed, stored and loaded in their order."""
    order = []
    experiment = session.create_experiment("ordered").add_runs(seed=range(10))

    experiment.execute(lambda run: order.append(run.params.seed)).persist().reload()

    assert order == list(range(10))
    assert [run.given_params.seed for run in experiment.runs.values()] == list(range(10))


def test_an_experiment_without_runs_executes_one(session: mltraq.Session) -> None:
    """Steps alone make a run."""
    experiment = session.create_experiment().execute(lambda run: run.fields.update(x=1))

    assert fields(experiment) == [{"x": 1}]


@pytest.mark.parametrize("steps", [[], None, "step", [step_nothing, 5]], ids=["nothing", "None", "text", "a number"])
def test_executing_what_is_no_step_is_refused(session: mltraq.Session, steps: Any) -> None:
    """Steps are callables; nothing is executed otherwise."""
    experiment = session.create_experiment()

    with pytest.raises(mltraq.ConfigurationError, match="step"):
        experiment.execute(steps)

    assert len(experiment.runs) == 0


def test_steps_may_be_any_callable(session: mltraq.Session) -> None:
    """Functions, lambdas, partials, methods and callable objects are steps."""

    class Step:
        def __call__(self, run: mltraq.Run) -> None:
            run.fields.order.append("object")

        def method(self, run: mltraq.Run) -> None:
            run.fields.order.append("method")

    def step(run: mltraq.Run, name: str) -> None:
        run.fields.order = [name]

    experiment = session.create_experiment().execute(
        [functools.partial(step, name="partial"), Step(), Step().method, lambda run: run.fields.order.append("lambda")]
    )

    assert fields(experiment) == [{"order": ["partial", "object", "method", "lambda"]}]


def test_params_and_config_are_there_inside_of_steps_only(session: mltraq.Session) -> None:
    """After an execute params and config are empty, also for the next one."""
    seen = []
    experiment = session.create_experiment().add_run(lr=0.1)

    experiment.execute(lambda run: seen.append((dict(run.params), dict(run.config))), config={"C": 5})
    experiment.execute(lambda run: seen.append((dict(run.params), dict(run.config))))

    run = experiment.runs.first()
    assert seen == [({"lr": 0.1}, {"C": 5}), ({}, {})]
    assert (run.params, run.config) == ({}, {})


def test_params_and_config_are_there_again_after_a_reload(session: mltraq.Session) -> None:
    """An execute takes params and config; what was given is stored, and a reload gives it back."""
    experiment = session.create_experiment("reloaded").add_run(lr=0.1).execute(step_nothing, config={"C": 5}).persist()
    taken = dict(experiment.runs.first().params)

    run = experiment.reload().runs.first()

    assert taken == {}
    assert (run.params, run.config, run.given_params) == ({"lr": 0.1}, {"C": 5}, {"lr": 0.1})


@pytest.mark.parametrize("name", ["params", "config"])
def test_params_and_config_are_read_only(session: mltraq.Session, name: str) -> None:
    """A step that writes to them fails with an error that says where to write."""
    experiment = session.create_experiment().add_run(lr=0.1)

    with pytest.raises(mltraq.StepError) as caught:
        experiment.execute(lambda run: setattr(getattr(run, name), "lr", 1), config={"lr": 0.1})

    assert isinstance(caught.value.__cause__, ReadOnlyError)


def test_vars_live_between_the_steps_of_one_execute(session: mltraq.Session) -> None:
    """A step finds what an earlier one put into vars; a later execute doesn't."""
    experiment = session.create_experiment().add_run()

    experiment.execute([lambda run: run.vars.update(x=1), lambda run: run.fields.update(seen=run.vars.x)])
    experiment.execute(lambda run: run.fields.update(later="x" in run.vars))

    assert fields(experiment) == [{"seen": 1, "later": False}]


def test_state_lives_until_it_is_reloaded(session: mltraq.Session) -> None:
    """State is kept over executes, and is empty after a reload."""
    experiment = session.create_experiment("state").add_run()

    experiment.execute(lambda run: run.state.update(lock=threading.Lock()))
    experiment.execute(lambda run: run.fields.update(kept="lock" in run.state)).persist().reload()

    assert fields(experiment) == [{"kept": True}]
    assert experiment.runs.first().state == {}


@pytest.mark.parametrize("where", ["config", "params"])
def test_what_a_step_does_to_a_value_does_not_reach_other_runs(session: mltraq.Session, where: str) -> None:
    """Each run has config and params of its own, as if it were alone."""
    value = [0]
    experiment = session.create_experiment().add_runs(
        seed=range(3), **({"layers": [value]} if where == "params" else {})
    )

    def step(run: mltraq.Run) -> None:
        layers = getattr(run, where).layers
        layers.append(run.params.seed)
        run.fields.layers = list(layers)

    experiment.execute(step, config={"layers": value} if where == "config" else None)

    assert [run.fields.layers for run in experiment.runs.values()] == [[0, 0], [0, 1], [0, 2]]
    assert value == [0]


def test_a_run_knows_how_long_its_steps_took(session: mltraq.Session) -> None:
    """Each step has a name and a duration; the run has an outcome, a begin and a duration."""
    experiment = session.create_experiment("timed").execute([step_nothing, step_nothing]).persist()

    run = session.load_experiment("timed").runs.first()

    assert [step.name for step in run.steps] == ["step_nothing", "step_nothing"]
    assert run.duration_s == sum(step.duration_s for step in run.steps)
    assert (run.outcome, run.error, run.attempts) == ("passed", None, 1)
    assert same(run.started_at, experiment.runs.first().started_at)


def test_a_run_can_be_executed_by_itself() -> None:
    """A run needs neither experiment nor session."""
    run = mltraq.Run({"a": 1}).execute([lambda run: run.fields.update(b=run.params.a + run.config.c)], config={"c": 2})

    assert run.fields == {"b": 3}
    assert run.df()["b"].tolist() == [3]


def test_a_run_that_was_stored_before_it_ran_can_run_after_loading(session: mltraq.Session) -> None:
    """Params are for the steps: they wait for the first execute, also in the database."""
    session.create_experiment("waiting").add_runs(lr=[0.1, 0.2]).persist()

    experiment = session.load_experiment("waiting").execute(lambda run: run.fields.update(seen=run.params.lr))

    assert fields(experiment) == [{"seen": 0.1}, {"seen": 0.2}]


@pytest.mark.parametrize(
    "name", ["items", "keys", "values", "get", "pop", "copy", "update", "clear", "setdefault", "fromkeys", "popitem"]
)
def test_a_field_may_have_the_name_of_a_method(session: mltraq.Session, name: str) -> None:
    """Such a field is set, tabulated, stored and loaded like any other."""

    def step(run: mltraq.Run) -> None:
        setattr(run.fields, name, run.params[name])

    experiment = session.create_experiment("named", **{name: 1}).add_run(**{name: 2})
    experiment.execute(step, config={name: 3}).persist().reload()

    assert experiment.runs.df()[name].tolist() == [2]
    assert experiment.df()[name].tolist() == [1]
    assert getattr(experiment.runs.first().fields, name) == 2


def test_no_bar_is_shown_where_nobody_looks(session: mltraq.Session, capsys: pytest.CaptureFixture[str]) -> None:
    """In a log file a progress bar would be noise; it can be asked for."""
    session.create_experiment().add_runs(seed=range(3)).execute(step_nothing)
    quiet = capsys.readouterr()
    session.create_experiment().add_runs(seed=range(3)).execute(step_nothing, progress=True)
    asked = capsys.readouterr()

    assert (quiet.out, quiet.err) == ("", "")
    assert "/3 " in asked.err


# -- in other processes and threads ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_spread_runs_are_the_same_runs(session: mltraq.Session, backend: str) -> None:
    """With two jobs each run has the fields that it has with one, in the same order, and stays the same object."""

    def step(run: mltraq.Run) -> None:
        run.vars.lock = threading.Lock()
        run.state.seen = run.params.x
        run.fields.x = run.params.x * run.config.factor
        run.fields.array = np.arange(run.params.x)
        run.fields.seed = run.seed

    alone = session.create_experiment("spread").add_runs(x=range(6)).execute(step, config={"factor": 2})
    spread = session.create_experiment("spread").add_runs(x=range(6))
    runs = list(spread.runs.values())
    spread.execute(step, config={"factor": 2}, n_jobs=2, backend=backend)

    assert same(fields(spread), fields(alone))
    assert all(before is after for before, after in zip(runs, spread.runs.values(), strict=True))
    assert [run.state for run in runs] == [{"seen": x} for x in range(6)]
    assert [(run.vars, run.params, run.config, run.outcome) for run in runs] == [({}, {}, {}, "passed")] * 6


@pytest.mark.usefixtures("processes")
def test_spread_runs_draw_the_same_random_numbers(session: mltraq.Session) -> None:
    """A run in another process begins at the same seed."""

    def step(run: mltraq.Run) -> None:
        run.fields.drawn = [random.random(), float(np.random.rand())]  # noqa: NPY002 - the global one is meant

    alone = session.create_experiment("drawn").add_runs(x=range(4)).execute(step)
    spread = session.create_experiment("drawn").add_runs(x=range(4)).execute(step, n_jobs=2)

    assert fields(spread) == fields(alone)


@pytest.mark.usefixtures("processes")
def test_a_step_in_another_process_is_in_the_same_folder(
    session: mltraq.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative paths in steps mean the same with any number of jobs."""
    monkeypatch.chdir(tmp_path)

    experiment = session.create_experiment().add_runs(x=range(2))
    experiment.execute(lambda run: run.fields.update(folder=str(Path.cwd())), n_jobs=2)

    assert fields(experiment) == [{"folder": str(tmp_path)}] * 2


@pytest.mark.usefixtures("processes")
def test_other_processes_execute_code_of_params(session: mltraq.Session) -> None:
    """Classes and functions in params are handed to the steps as they are, wherever these run."""
    experiment = session.create_experiment("code").add_runs(make=[dict, functools.partial(sorted, [2, 1]), lambda: 5])

    experiment.execute(lambda run: run.fields.update(made=run.params.make()), n_jobs=2)

    assert fields(experiment) == [{"made": {}}, {"made": [1, 2]}, {"made": 5}]


# -- failing -----------------------------------------------------------------------------------------------------------


class _Jobs:
    """Ways to execute, each with the same outcome."""

    ALL = pytest.mark.parametrize(
        "jobs", [{}, {"n_jobs": 2}, {"n_jobs": 2, "backend": "threading"}], ids=["alone", "loky", "threading"]
    )


def fail_at(seeds: set[int], error: Callable[[], Exception]) -> Callable[[mltraq.Run], None]:
    """Make a step that fails in some runs, after setting a field."""

    def step_fragile(run: mltraq.Run) -> None:
        run.fields.before = run.params.seed
        if run.params.seed in seeds:
            raise error()
        run.fields.after = run.params.seed

    return step_fragile


@pytest.mark.usefixtures("processes")
@_Jobs.ALL
def test_a_failing_run_is_raised_when_all_are_done(session: mltraq.Session, jobs: dict[str, Any]) -> None:
    """The error is a StepError from the user's own exception; the other runs were executed."""
    experiment = session.create_experiment().add_runs(seed=range(3))

    with pytest.raises(mltraq.StepError, match=r"step 'step_fragile' of run .* ZeroDivisionError: by zero") as caught:
        experiment.execute(fail_at({1}, lambda: ZeroDivisionError("by zero")), **jobs)

    assert caught.value.step == "step_fragile"
    assert caught.value.id_run == str(list(experiment.runs)[1])
    assert type(caught.value.__cause__) is ZeroDivisionError
    assert caught.value.__cause__.args == ("by zero",)
    assert fields(experiment) == [{"before": 0, "after": 0}, {"before": 1}, {"before": 2, "after": 2}]


@pytest.mark.usefixtures("processes")
@_Jobs.ALL
def test_several_failing_runs_are_raised_together(session: mltraq.Session, jobs: dict[str, Any]) -> None:
    """Each is a StepError of an ExceptionGroup, in the order of the runs."""
    experiment = session.create_experiment().add_runs(seed=range(4))

    with pytest.raises(ExceptionGroup, match="2 of 4 runs failed") as caught:
        experiment.execute(fail_at({1, 3}, lambda: KeyError("key")), **jobs)

    assert [type(error) for error in caught.value.exceptions] == [mltraq.StepError] * 2
    assert [type(error.__cause__) for error in caught.value.exceptions] == [KeyError] * 2
    ids = [str(id_run) for id_run in experiment.runs]
    assert [getattr(error, "id_run", None) for error in caught.value.exceptions] == [ids[1], ids[3]]


@pytest.mark.usefixtures("processes")
@_Jobs.ALL
def test_a_failed_run_is_stored_like_any_other(session: mltraq.Session, jobs: dict[str, Any]) -> None:
    """Its outcome, error and fields are loaded again."""
    experiment = session.create_experiment("fragile").add_runs(seed=range(2))
    with pytest.raises(mltraq.StepError):
        experiment.execute(fail_at({1}, lambda: ValueError("too \ud800 large\0")), **jobs)

    experiment.persist()
    good, bad = session.load_experiment("fragile").runs.values()

    assert (good.outcome, good.error) == ("passed", None)
    assert bad.outcome == "failed"
    assert bad.fields == {"before": 1}
    assert bad.error is not None
    assert (bad.error.step, bad.error.type) == ("step_fragile", "ValueError")
    assert bad.error.message.startswith("too ")
    assert "in step_fragile" in bad.error.traceback  # of code that cloudpickle sent, there is no source line


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize("kind", ["own class", "with two arguments", "with a lock", "with a cause"])
@_Jobs.ALL
def test_an_exception_of_any_class_is_raised(session: mltraq.Session, jobs: dict[str, Any], kind: str) -> None:
    """The message of the user's exception is there, whatever its class needs to be made again."""

    class OwnError(Exception):
        pass

    class AwkwardError(Exception):
        def __init__(self, text: str, more: str) -> None:
            super().__init__(text)
            self.more = more

    class LockedError(Exception):
        def __init__(self, text: str) -> None:
            super().__init__(text)
            self.lock = threading.Lock()

    def step(run: mltraq.Run) -> None:
        match kind:
            case "own class":
                raise OwnError("too large")
            case "with two arguments":
                raise AwkwardError("too large", "more")
            case "with a lock":
                raise LockedError("too large")
            case _:
                raise OwnError("too large") from KeyError("key")

    experiment = session.create_experiment().add_run()

    with pytest.raises(mltraq.StepError, match="too large") as caught:
        experiment.execute(step, **jobs)

    assert "too large" in str(caught.value.__cause__)
    assert experiment.runs.first().outcome == "failed"


@pytest.mark.usefixtures("processes")
def test_a_run_that_cannot_come_back_from_its_process_fails_alone(session: mltraq.Session) -> None:
    """State that can't be sent to the program fails its run; what the other runs did is kept."""

    def step(run: mltraq.Run) -> None:
        run.fields.x = run.params.x
        if run.params.x == 1:
            run.state.lock = threading.Lock()

    experiment = session.create_experiment().add_runs(x=range(4))

    with pytest.raises(mltraq.StepError, match="lock"):
        experiment.execute(step, n_jobs=2)

    assert [run.fields.get("x") for run in experiment.runs.values() if run.outcome == "passed"] == [0, 2, 3]
    assert list(experiment.runs.values())[1].outcome == "failed"


def test_steps_after_the_failing_one_are_not_executed(session: mltraq.Session) -> None:
    """The chain of a run ends where it fails; the time of each step that ran is kept."""
    experiment = session.create_experiment().add_run(seed=0)

    with pytest.raises(mltraq.StepError):
        experiment.execute([step_nothing, fail_at({0}, ValueError), lambda run: run.fields.update(late=1)])

    run = experiment.runs.first()
    assert run.fields == {"before": 0}
    assert [step.name for step in run.steps] == ["step_nothing", "step_fragile"]


def test_a_failed_run_can_be_executed_again(session: mltraq.Session) -> None:
    """A later execute that passes makes it a passed run."""
    experiment = session.create_experiment().add_run(seed=0)
    with pytest.raises(mltraq.StepError):
        experiment.execute(fail_at({0}, ValueError))

    experiment.execute(step_nothing)

    run = experiment.runs.first()
    assert (run.outcome, run.error) == ("passed", None)
    assert run.fields == {"before": 0}


def test_a_run_by_hand_that_raises_is_added_as_failed(session: mltraq.Session) -> None:
    """The user's exception goes on as it is; the run keeps what it had, and says that it failed."""
    experiment = session.create_experiment("by hand")
    error = ZeroDivisionError("by zero")

    with pytest.raises(ZeroDivisionError) as caught, experiment.run() as run:
        run.vars.x = 1
        run.fields.before = 1
        raise error
    experiment.persist().reload()

    stored = experiment.runs.first()
    assert caught.value is error
    assert run.vars == {}
    assert stored.outcome == "failed"
    assert stored.fields == {"before": 1}
    assert stored.error is not None
    assert (stored.error.type, stored.error.message) == ("ZeroDivisionError", "by zero")


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_a_run_that_was_stopped_never_looks_like_a_passed_one(
    session: mltraq.Session, stop: type[BaseException]
) -> None:
    """Ctrl-C ends the program's step at once, and the run is not taken for a good one."""

    def step(run: mltraq.Run) -> None:
        run.fields.before = 1
        raise stop

    experiment = session.create_experiment().add_run()

    with pytest.raises(stop):
        experiment.execute(step)
    with pytest.raises(stop), experiment.run() as run:
        step(run)

    assert [run.outcome for run in experiment.runs.values() if run.outcome in ("passed", "skipped")] == []
    assert fields(experiment) == [{"before": 1}] * 2


# -- args_field --------------------------------------------------------------------------------------------------------


def note(run: mltraq.Run) -> None:
    """Keep what a step sees."""
    run.fields.seen = {"params": dict(run.params), "config": dict(run.config)}


def test_args_are_kept_in_a_field(session: mltraq.Session) -> None:
    """The field has config and params, readable with SQL."""
    experiment = session.create_experiment("kept").add_run(lr=0.1).execute(note, config={"C": 5}, args_field="args")

    assert experiment.runs.first().fields.args == {"config": {"C": 5}, "params": {"lr": 0.1}}
    assert experiment.runs.first().fields.args.config.C == 5


@pytest.mark.parametrize("reloaded", [False, True], ids=["at once", "after a reload"])
def test_a_later_execute_takes_args_from_the_field(session: mltraq.Session, reloaded: bool) -> None:
    """With the same `args_field` a later execute sees params and config again."""
    experiment = session.create_experiment("kept").add_run(lr=0.1).execute(note, config={"C": 5}, args_field="args")
    if reloaded:
        experiment.persist().reload()

    experiment.runs.first().fields.seen = None
    experiment.execute(note, args_field="args")

    assert experiment.runs.first().fields.seen == {"params": {"lr": 0.1}, "config": {"C": 5}}


def test_each_run_keeps_its_own_config(session: mltraq.Session) -> None:
    """An older run sees the config of its first execute, a new one that of its own."""
    experiment = session.create_experiment("kept").add_run(a=1).execute(note, config={"C": 1}, args_field="args")

    experiment.add_run(a=2).execute(note, args_field="args")

    assert [run.fields.seen for run in experiment.runs.values()] == [
        {"params": {"a": 1}, "config": {"C": 1}},
        {"params": {"a": 2}, "config": {}},
    ]


def test_another_config_for_kept_args_is_refused(session: mltraq.Session) -> None:
    """What was kept is never overwritten; nothing is executed."""
    experiment = session.create_experiment("kept").add_run(a=1).execute(note, config={"C": 1}, args_field="args")
    executed: list[mltraq.Run] = []

    with pytest.raises(mltraq.ConfigurationError, match="'args'"):
        experiment.execute(executed.append, config={"C": 2}, args_field="args")

    assert executed == []
    assert experiment.runs.first().fields.args.config == {"C": 1}


def test_a_refused_config_leaves_the_other_runs_as_they_were(session: mltraq.Session) -> None:
    """A new run beside the refused one is executed later with the config that it is given then."""
    experiment = session.create_experiment("kept").add_run(a=1).execute(note, config={"C": 1}, args_field="args")
    experiment.runs = mltraq.Runs([mltraq.Run({"a": 2}), *experiment.runs.values()])
    with pytest.raises(mltraq.ConfigurationError):
        experiment.execute(note, config={"C": 2}, args_field="args")

    experiment.execute(note, args_field="args")

    assert [run.fields.seen["config"] for run in experiment.runs.values()] == [{}, {"C": 1}]


def test_code_in_kept_args_is_stored_as_its_name(session: mltraq.Session) -> None:
    """Params that are code can be kept and stored; loaded, they are what they are called."""
    experiment = session.create_experiment("kept").add_run(model=dict).execute(note, args_field="args")
    experiment.runs.first().fields.pop("seen")

    experiment.persist().reload().execute(note, args_field="args")

    assert experiment.runs.first().fields.seen == {"params": {"model": "dict"}, "config": {}}


# -- seeds -------------------------------------------------------------------------------------------------------------


def draw(run: mltraq.Run) -> None:
    """Draw from the global random numbers."""
    run.fields.drawn = [random.random(), float(np.random.rand())]  # noqa: NPY002 - the global one is meant


def test_the_same_run_draws_the_same_numbers_in_every_session() -> None:
    """Name and params alone decide; two new experiments are the same experiment."""
    first = mltraq.create_experiment("drawn").add_runs(lr=[0.1, 0.2]).execute(draw)
    second = mltraq.create_experiment("drawn").add_runs(lr=[0.1, 0.2]).execute(draw)

    assert fields(first) == fields(second)
    assert first.runs.first().fields != list(first.runs.values())[1].fields


def test_a_seed_is_the_same_in_another_process() -> None:
    """Neither the process nor its hash seed matters, also for params that are sets, arrays or code."""
    code = (
        "import functools, numpy as np, pytest_mltraq as mltraq\n"
        "experiment = mltraq.create_experiment('drawn').add_run(\n"
        "    names={'a', 'b', 'c'}, weights=np.arange(3), model=functools.partial(dict, x=1), when=None, lr=0.1)\n"
        "print(experiment.runs.first().seed)"
    )
    params = {"names": {"c", "b", "a"}, "weights": np.arange(3), "model": functools.partial(dict, x=1), "when": None}

    seed = mltraq.create_experiment("drawn").add_run(**params, lr=0.1).runs.first().seed

    assert {int(python(code, PYTHONHASHSEED=hashed)) for hashed in ("1", "2")} == {seed}


def test_a_seed_does_not_depend_on_the_order_of_params(session: mltraq.Session) -> None:
    """Params are known by name."""
    first = session.create_experiment("drawn").add_run(a=1, b=2).runs.first()
    second = session.create_experiment("drawn").add_run(b=2, a=1).runs.first()

    assert first.seed == second.seed
    assert 0 <= first.seed < 2**32


def test_other_params_and_other_experiments_have_other_seeds(session: mltraq.Session) -> None:
    """Seeds of different runs differ, also where only the type of a param does."""
    runs = [
        session.create_experiment("drawn").add_run(a=1),
        session.create_experiment("drawn").add_run(a=1.0),
        session.create_experiment("drawn").add_run(a=True),
        session.create_experiment("drawn").add_run(a="1"),
        session.create_experiment("drawn").add_run(b=1),
        session.create_experiment("drawn").add_run(),
        session.create_experiment("other").add_run(a=1),
    ]

    assert len({experiment.runs.first().seed for experiment in runs}) == len(runs)


def test_a_seed_is_kept_when_a_run_is_loaded(session: mltraq.Session) -> None:
    """A loaded run draws as it did before."""
    experiment = session.create_experiment("drawn").add_run(a=1).execute(draw)
    before = experiment.runs.first().fields.drawn

    experiment.persist().reload().execute(draw)

    assert experiment.runs.first().fields.drawn == before


@pytest.mark.parametrize("fails", [False, True], ids=["passed", "failed"])
def test_the_global_random_numbers_go_on_where_they_were(session: mltraq.Session, fails: bool) -> None:
    """Executing steps doesn't change what the program draws afterwards."""
    random.seed(7)
    np.random.seed(7)  # noqa: NPY002 - the global one is meant
    expected = [random.random(), float(np.random.rand())]  # noqa: NPY002
    random.seed(7)
    np.random.seed(7)  # noqa: NPY002
    experiment = session.create_experiment().add_run(seed=0)

    try:
        experiment.execute([draw, fail_at({0} if fails else set(), ValueError)])
    except mltraq.StepError:
        assert fails

    assert [random.random(), float(np.random.rand())] == expected  # noqa: NPY002


# -- grids and merging -------------------------------------------------------------------------------------------------


def test_add_runs_without_axes_is_refused(session: mltraq.Session) -> None:
    """The error says what adds a run without params."""
    with pytest.raises(mltraq.ConfigurationError, match=r"add_run\(\)"):
        session.create_experiment().add_runs()


@pytest.mark.parametrize("values", [[], "ab", {"a": 1}, 5], ids=repr)
def test_an_axis_that_is_no_list_adds_no_run(session: mltraq.Session, values: Any) -> None:
    """The error names the axis, and no run was added."""
    experiment = session.create_experiment()

    with pytest.raises(GridError, match="'model'"):
        experiment.add_runs(seed=[0, 1], model=values)

    assert len(experiment.runs) == 0


def test_a_param_may_have_any_name(session: mltraq.Session) -> None:
    """No name is taken, but `self`, which Python takes."""
    experiment = session.create_experiment().add_run(name="a", params=1, run=2, fields=3)
    experiment.add_runs(name=["b"], grid=[1])

    assert [dict(run.params) for run in experiment.runs.values()] == [
        {"name": "a", "params": 1, "run": 2, "fields": 3},
        {"name": "b", "grid": 1},
    ]


def test_merged_runs_are_the_union_by_id(session: mltraq.Session) -> None:
    """Runs of another experiment come after the own ones; a run that is in both is there once."""
    first = session.create_experiment("first").add_runs(a=[1, 2])
    second = session.create_experiment("second").add_run(b=1).merge_runs(first.runs)

    merged = first.merge_runs(second.runs)

    assert merged is first
    assert [dict(run.given_params) for run in first.runs.values()] == [{"a": 1}, {"a": 2}, {"b": 1}]


def test_a_union_of_experiments_is_a_new_one(session: mltraq.Session) -> None:
    """`|` has the runs of both, and changes neither."""
    first = session.create_experiment("first").add_run(a=1)
    second = session.create_experiment("second").add_run(b=1)

    both = first | second

    assert list(both.runs) == [*first.runs, *second.runs]
    assert both.id_experiment not in (first.id_experiment, second.id_experiment)
    assert (len(first.runs), len(second.runs)) == (1, 1)


def test_joining_in_place_keeps_the_experiment(session: mltraq.Session) -> None:
    """`|=` adds runs to the experiment itself, which keeps its name, id and fields."""
    experiment = first = session.create_experiment("first", about="iris").add_run(a=1)
    id_experiment = first.id_experiment

    experiment |= session.create_experiment("second").add_run(b=1)

    assert experiment is first
    assert (first.name, first.id_experiment, first.fields) == ("first", id_experiment, {"about": "iris"})
    assert len(first.runs) == 2


def test_merged_runs_keep_their_different_fields(session: mltraq.Session) -> None:
    """All fields of all runs are loaded again, although runs differ."""
    first = session.create_experiment("first").execute(lambda run: run.fields.update(a=1, c=3))
    second = session.create_experiment("second").execute(lambda run: run.fields.update(b=2, c=4))

    (first | second).copy_to("both").persist()

    assert fields(session.load_experiment("both")) == [{"a": 1, "c": 3}, {"b": 2, "c": 4}]


def test_runs_are_a_dict_by_id(session: mltraq.Session) -> None:
    """`add`, `first`, `next` and `|` work on runs as such."""
    runs = mltraq.Runs()
    first, second = runs.next(), mltraq.Run()
    runs.add(second, [mltraq.Run()])

    assert runs.first() is first
    assert runs[second.id_run] is second
    assert list(runs | mltraq.Runs(first)) == list(runs)
    assert len(runs) == 3
    with pytest.raises(LookupError):
        mltraq.Runs().first()


# -- tables ------------------------------------------------------------------------------------------------------------


def test_a_table_of_runs_has_a_column_for_each_field(session: mltraq.Session) -> None:
    """The id comes first, then the fields in the order in which they were set."""
    experiment = session.create_experiment().add_runs(seed=[1, 2])
    experiment.execute(
        lambda run: run.fields.update(zebra=run.params.seed, apple="x", **({"late": 1} if run.params.seed == 2 else {}))
    )

    frame = experiment.runs.df()

    assert frame.columns.tolist() == ["id_run", "zebra", "apple", "late"]
    assert frame["id_run"].tolist() == list(experiment.runs)
    assert frame["zebra"].tolist() == [1, 2]


def test_a_table_of_runs_may_have_their_params(session: mltraq.Session) -> None:
    """Params stand before the fields; a field wins over a param of the same name."""
    experiment = session.create_experiment("table").add_runs(lr=[0.1], seed=[7])
    experiment.execute(lambda run: run.fields.update(loss=1, seed=8)).persist()

    frame = session.load_experiment("table").runs.df(params=True)

    assert frame.drop(columns="id_run").to_dict("records") == [{"lr": 0.1, "seed": 8, "loss": 1}]


def test_a_table_of_no_runs_has_ids_only(session: mltraq.Session) -> None:
    """No run is no row."""
    frame = session.create_experiment().runs.df()

    assert (frame.columns.tolist(), len(frame)) == (["id_run"], 0)


def test_a_table_takes_dicts_apart_when_asked(session: mltraq.Session) -> None:
    """`max_level` says how many levels of dicts become columns."""
    experiment = session.create_experiment().execute(lambda run: run.fields.update(a={"b": {"c": 1}}, items=2))

    assert experiment.runs.df()["a"].tolist() == [{"b": {"c": 1}}]
    assert experiment.runs.df(max_level=1)["a.b"].tolist() == [{"c": 1}]
    assert experiment.runs.df(max_level=2)["a.b.c"].tolist() == [1]
    assert experiment.runs.first().df(max_level=2).columns.tolist() == ["id_run", "a.b.c", "items"]


def test_a_table_of_an_experiment_has_its_fields(session: mltraq.Session) -> None:
    """Id, name and fields are one row."""
    experiment = session.create_experiment("iris", zebra=1, about={"n": 150})

    assert experiment.df().to_dict("records") == [
        {"id_experiment": experiment.id_experiment, "name": "iris", "zebra": 1, "about": {"n": 150}}
    ]
    assert experiment.df(max_level=1)["about.n"].tolist() == [150]


def test_a_table_may_hold_arrays_and_tables(session: mltraq.Session) -> None:
    """Values are in the table as they are, without being copied."""
    array = np.arange(3)
    experiment = session.create_experiment().execute(lambda run: run.fields.update(array=array))

    assert experiment.runs.df()["array"].iloc[0] is array


# -- storing and loading -----------------------------------------------------------------------------------------------


def version(session: mltraq.Session, n: int) -> mltraq.Experiment:
    """Make an experiment `example` with one run, whose field is `n`."""
    return session.create_experiment("example", n=n).execute(lambda run: run.fields.update(n=n))


def test_storing_over_another_experiment_fails(session: mltraq.Session) -> None:
    """By default nothing is overwritten; the error says how it can be."""
    version(session, 1).persist()

    with pytest.raises(mltraq.AlreadyExistsError, match="replace"):
        version(session, 2).persist()

    assert fields(session.load_experiment("example")) == [{"n": 1}]


def test_storing_the_same_experiment_twice_fails(session: mltraq.Session) -> None:
    """An experiment that is stored already is another one's too."""
    experiment = version(session, 1).persist()

    with pytest.raises(mltraq.AlreadyExistsError, match="'example'"):
        experiment.persist()


def test_replacing_leaves_one_version(session: mltraq.Session) -> None:
    """The newest version of that name is gone, and the new one is there."""
    version(session, 1).persist()

    version(session, 2).persist(if_exists="replace")

    assert session.ls()["name"].tolist() == ["example"]
    assert fields(session.load_experiment("example")) == [{"n": 2}]


def test_replacing_replaces_the_experiment_with_the_same_id(session: mltraq.Session) -> None:
    """Of several versions, a loaded one replaces itself, not the newest."""
    version(session, 1).persist()
    version(session, 2).persist(if_exists="append")
    first = session.load_experiment(id_experiment=session.ls()["id_experiment"].iloc[0])

    first.execute(lambda run: run.fields.update(again=True)).persist(if_exists="replace")

    loaded = [fields(session.load_experiment(id_experiment=known)) for known in session.ls()["id_experiment"]]
    assert sorted(loaded, key=str) == [[{"n": 1, "again": True}], [{"n": 2}]]


def test_replacing_what_is_not_there_stores_it(session: mltraq.Session) -> None:
    """The first version replaces nothing."""
    version(session, 1).persist(if_exists="replace")

    assert fields(session.load_experiment("example")) == [{"n": 1}]


def test_appending_stores_versions_beside_each_other(session: mltraq.Session) -> None:
    """The newest is loaded by name, each by its id."""
    for n in (1, 2, 3):
        version(session, n).persist(if_exists="append")

    assert fields(session.load_experiment("example")) == [{"n": 3}]
    ids = session.ls()["id_experiment"]
    assert [fields(session.load_experiment(id_experiment=known)) for known in ids] == [
        [{"n": 1}],
        [{"n": 2}],
        [{"n": 3}],
    ]


def test_appending_the_same_experiment_makes_a_version_of_it(session: mltraq.Session) -> None:
    """An experiment that goes on can be stored again and again."""
    experiment = version(session, 1).persist()

    experiment.execute(lambda run: run.fields.update(n=2)).persist(if_exists="append")

    assert session.ls()["runs"].tolist() == [1, 1]
    assert fields(session.load_experiment("example")) == [{"n": 2}]


def test_a_refused_append_leaves_the_experiment_as_it_was(session: mltraq.Session) -> None:
    """What could not be stored has the id that it had."""
    experiment = version(session, 1).persist()
    id_experiment = experiment.id_experiment
    experiment.fields.bad = object()

    with pytest.raises(mltraq.UnsupportedTypeError):
        experiment.persist(if_exists="append")

    assert experiment.id_experiment == id_experiment


@pytest.mark.parametrize("if_exists", ["delete", "", None, "REPLACE"], ids=repr)
def test_an_unknown_way_of_storing_is_refused_before_anything_happens(session: mltraq.Session, if_exists: Any) -> None:
    """What is stored stays as it is."""
    version(session, 1).persist()

    with pytest.raises(mltraq.ConfigurationError, match="'fail', 'replace' or 'append'"):
        version(session, 2).persist(if_exists=if_exists)

    assert fields(session.load_experiment("example")) == [{"n": 1}]


def test_a_renamed_experiment_is_replaced_under_its_new_name(session: mltraq.Session) -> None:
    """The experiment is known by its id: its old name is gone, with its view."""
    experiment = version(session, 1).persist()

    experiment.name = "renamed"
    experiment.persist(if_exists="replace")

    assert session.ls()["name"].tolist() == ["renamed"]
    assert session.db.query("SELECT n FROM experiment_renamed")["n"].tolist() == [1]
    with pytest.raises(mltraq.StorageError, match="experiment_example"):
        session.db.query("SELECT * FROM experiment_example")


def test_a_renamed_experiment_is_deleted_with_its_view(session: mltraq.Session) -> None:
    """Nothing of it is left under the name that it was stored by."""
    experiment = version(session, 1).persist()

    experiment.name = "renamed"
    experiment.delete()

    assert len(session.ls()) == 0
    with pytest.raises(mltraq.StorageError, match="experiment_example"):
        session.db.query("SELECT * FROM experiment_example")


def test_a_version_is_loaded_by_its_session(tmp_path: Path) -> None:
    """Each session's version can be picked; without one, the newest is loaded."""
    sessions = [mltraq.create_session(tmp_path / "results.db") for _ in range(2)]
    for n, session in enumerate(sessions):
        version(session, n).persist(if_exists="append")

    reader = mltraq.create_session(tmp_path / "results.db")

    assert fields(reader.load_experiment("example", session=sessions[0].id_session)) == [{"n": 0}]
    assert fields(reader.load_experiment("example", session=str(sessions[1].id_session))) == [{"n": 1}]
    assert fields(reader.load_experiment("example")) == [{"n": 1}]


@pytest.mark.parametrize("kind", [uuid.UUID, str])
def test_an_experiment_is_loaded_by_its_id(session: mltraq.Session, kind: Callable[[Any], Any]) -> None:
    """The id may be a UUID or its text."""
    experiment = version(session, 1).persist()

    loaded = session.load_experiment(id_experiment=kind(str(experiment.id_experiment)))

    assert (loaded.id_experiment, loaded.name, loaded.fields) == (experiment.id_experiment, "example", {"n": 1})


@pytest.mark.parametrize(
    "wanted",
    [
        {"name": "exampel"},
        {"id_experiment": uuid.UUID(int=1)},
        {"id_experiment": "no id at all"},
        {"name": "example", "session": uuid.UUID(int=1)},
    ],
    ids=str,
)
def test_loading_what_is_not_there_says_what_is(session: mltraq.Session, wanted: dict[str, Any]) -> None:
    """The error names what was asked for, and what there is."""
    version(session, 1).persist()

    with pytest.raises(mltraq.NotFoundError, match=r"'example'|: example"):
        session.load_experiment(**wanted)


def test_loading_nothing_is_refused(session: mltraq.Session) -> None:
    """A name or an id is needed."""
    with pytest.raises(mltraq.ConfigurationError, match="name or an id"):
        session.load_experiment()


def test_loading_from_an_empty_database_says_so(session: mltraq.Session) -> None:
    """There is nothing yet."""
    with pytest.raises(mltraq.NotFoundError, match=r"'example'.*there are none"):
        session.load_experiment("example")


def test_reloading_forgets_what_is_not_stored(session: mltraq.Session) -> None:
    """Fields and runs are those of the database."""
    experiment = version(session, 1).persist()
    experiment.fields.late = 1
    experiment.add_run().runs.first().fields.late = 1

    reloaded = experiment.reload()

    assert reloaded is experiment
    assert experiment.fields == {"n": 1}
    assert fields(experiment) == [{"n": 1}]


def test_reloading_what_is_not_stored_is_not_found(session: mltraq.Session) -> None:
    """An experiment that was never stored can't be reloaded, and keeps what it has."""
    experiment = version(session, 1)

    with pytest.raises(mltraq.NotFoundError, match="example"):
        experiment.reload()

    assert fields(experiment) == [{"n": 1}]


def test_deleting_removes_the_experiment_with_its_view(session: mltraq.Session) -> None:
    """Nothing of it is left; others are."""
    session.create_experiment("other").execute(lambda run: run.fields.update(x=1)).persist()

    version(session, 1).persist().delete()

    assert session.ls()["name"].tolist() == ["other"]
    assert session.db.query("SELECT count(*) AS n FROM runs")["n"].tolist() == [1]
    with pytest.raises(mltraq.StorageError, match="experiment_example"):
        session.db.query("SELECT * FROM experiment_example")


def test_deleting_one_version_leaves_the_others(session: mltraq.Session) -> None:
    """The view has the runs of the versions that are left."""
    version(session, 1).persist()
    version(session, 2).persist(if_exists="append").delete()

    assert fields(session.load_experiment("example")) == [{"n": 1}]
    assert session.db.query("SELECT n FROM experiment_example")["n"].tolist() == [1]


def test_deleting_what_is_not_stored_is_not_found(session: mltraq.Session) -> None:
    """A second delete says so."""
    experiment = version(session, 1).persist()
    experiment.delete()

    with pytest.raises(mltraq.NotFoundError, match="example"):
        experiment.delete()


def test_a_deleted_experiment_can_be_stored_again(session: mltraq.Session) -> None:
    """Nothing of the deleted one is in the way."""
    experiment = version(session, 1).persist()
    experiment.delete()

    experiment.persist()

    assert session.db.query("SELECT n FROM experiment_example")["n"].tolist() == [1]


def test_a_list_of_experiments_has_a_row_for_each_version(session: mltraq.Session) -> None:
    """`ls` says what is stored, by which session, when, and how many runs."""
    version(session, 1).persist()
    session.create_experiment("grid").add_runs(seed=range(3)).persist()
    version(session, 2).persist(if_exists="append")

    frame = session.ls()

    assert frame[["name", "runs"]].values.tolist() == [["example", 1], ["grid", 3], ["example", 1]]
    assert set(frame["id_session"]) == {str(session.id_session)}
    assert frame["created_at"].is_monotonic_increasing
    assert len(mltraq.create_session().ls()) == 0


def test_a_copy_is_another_experiment(session: mltraq.Session) -> None:
    """A copy has an id of its own, and the same runs; changing it leaves the first as it was."""
    experiment = session.create_experiment("first", about=["x"]).execute(lambda run: run.fields.update(layers=[1]))

    copied = experiment.copy_to("second")
    copied.runs.first().fields.layers.append(2)
    copied.fields.about.append("y")

    assert copied.id_experiment != experiment.id_experiment
    assert (experiment.name, copied.name) == ("first", "second")
    assert list(copied.runs) == list(experiment.runs)
    assert fields(experiment) == [{"layers": [1]}]
    assert experiment.fields == {"about": ["x"]}


def test_a_copy_without_a_name_keeps_it(session: mltraq.Session) -> None:
    """A copy for another database has the same name."""
    assert session.create_experiment("first").copy_to().name == "first"


def test_an_experiment_is_stored_in_another_database(session: mltraq.Session, tmp_path: Path) -> None:
    """A copy is stored there, under the same or another name; the first database stays as it was."""
    other = mltraq.create_session(tmp_path / "team.db")
    experiment = version(session, 1).persist()

    same_name = other.persist_experiment(experiment)
    other_name = other.persist_experiment(experiment, name="renamed")

    assert other.ls()["name"].tolist() == ["example", "renamed"]
    assert fields(other.load_experiment("renamed")) == [{"n": 1}]
    assert same_name.session is other_name.session is other
    assert list(other.load_experiment("example").runs) == list(experiment.runs)
    assert session.ls()["name"].tolist() == ["example"]
    with pytest.raises(mltraq.AlreadyExistsError):
        other.persist_experiment(experiment)
    other.persist_experiment(experiment, if_exists="append")


def test_any_state_may_be_there_when_an_experiment_is_stored_elsewhere(session: mltraq.Session, tmp_path: Path) -> None:
    """State is for any object, also one that can't be copied; only fields are stored."""
    experiment = session.create_experiment("state")
    experiment.execute(lambda run: (run.state.update(lock=threading.Lock()), run.fields.update(n=1)))
    other = mltraq.create_session(tmp_path / "team.db")

    other.persist_experiment(experiment)

    assert fields(other.load_experiment("state")) == [{"n": 1}]


def test_an_experiment_keeps_all_that_it_is(session: mltraq.Session) -> None:
    """Fields, config, seeds, params, steps and their code are loaded as they were."""
    experiment = session.create_experiment("whole", about={"x": (1, 2)}).add_runs(model=[dict, "tree"], seed=[0])
    experiment.execute([step_nothing], config={"C": 5}).persist()

    loaded = session.load_experiment("whole")

    assert same(loaded.fields, experiment.fields)
    assert dict(loaded.config) == {"C": 5}
    assert loaded.code[0].name == "step_nothing"
    assert "Do nothing" in str(loaded.code[0].source)
    assert [dict(run.given_params) for run in loaded.runs.values()] == [
        {"model": "dict", "seed": 0},
        {"model": "tree", "seed": 0},
    ]
    assert [run.seed for run in loaded.runs.values()] == [run.seed for run in experiment.runs.values()]


def test_what_cannot_be_stored_is_said_at_once(session: mltraq.Session) -> None:
    """All values that can't be stored are named, and nothing is stored."""
    experiment = session.create_experiment("bad").add_runs(seed=range(2))
    experiment.execute(lambda run: run.fields.update(model=object(), layers=[1, object()]))

    with pytest.raises(ExceptionGroup) as caught:
        experiment.persist()

    paths = [getattr(error, "path", None) for error in caught.value.exceptions]
    assert paths == ["fields.model", "fields.layers[1]"] * 2
    assert len(session.ls()) == 0
    experiment.execute(lambda run: run.fields.clear()).persist()
    assert session.ls()["name"].tolist() == ["bad"]


def test_a_program_with_an_argument_that_is_no_text_is_stored(tmp_path: Path) -> None:
    """Arguments of a command line are bytes; a session is stored whatever they are."""
    program = tmp_path / "program.py"
    program.write_text(
        "import pytest_mltraq as mltraq\n"
        "mltraq.create_experiment('bytes', 'results.db').execute(lambda run: run.fields.update(x=1)).persist()\n"
    )

    result = subprocess.run(
        [sys.executable, str(program), b"\xff"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert result.returncode == 0, result.stderr
    assert fields(mltraq.create_session(tmp_path / "results.db").load_experiment("bytes")) == [{"x": 1}]
