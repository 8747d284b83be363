"""What is collected as an experiment, which steps and runs it has, and what its runs are called."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Rows


def collect(pytester: pytest.Pytester, *arguments: str) -> list[str]:
    """Return the node ids that pytest collects, awake."""
    result = pytester.runpytest_subprocess("--mltraq", "--collect-only", "-q", *arguments)
    result.stderr.no_fnmatch_line("*Error*")
    return [line for line in result.outlines if "::" in line]


def ids(pytester: pytest.Pytester, *arguments: str) -> list[str]:
    """Return what stands in brackets in the node ids that pytest collects."""
    return [nodeid.partition("[")[2].removesuffix("]") for nodeid in collect(pytester, *arguments)]


# ---------------------------------------------------------------------------------------------------------- discovery


def test_experiments_are_collected_in_every_module_that_pytest_collects(pytester: pytest.Pytester) -> None:
    """Functions and methods called `experiment_*`, in `experiment_*.py` and in test modules, beside the tests there."""
    module = """
        def experiment_a{0}(run): ...
        def another_function(run): ...
        def test_b{0}(): ...

        class ExperimentC:
            def experiment_c{0}(self, run): ...
            def another_method(self): ...

        class Different:
            def experiment_d(self, run): ...
    """
    pytester.makepyfile(experiment_one=module.format(1), test_two=module.format(2), other=module.format(3))

    assert collect(pytester) == [
        "experiment_one.py::experiment_a1",
        "experiment_one.py::test_b1",
        "experiment_one.py::ExperimentC::experiment_c1",
        "test_two.py::experiment_a2",
        "test_two.py::test_b2",
        "test_two.py::ExperimentC::experiment_c2",
    ]


def test_methods_of_test_classes_are_not_experiments(pytester: pytest.Pytester) -> None:
    """In a class, `experiment_*` methods count where the class is called `Experiment*`."""
    pytester.makepyfile(
        test_a="""
            class TestA:
                def experiment_helper(self, run):
                    raise AssertionError

                def test_a(self): ...
        """
    )

    assert collect(pytester) == ["test_a.py::TestA::test_a"]


def test_any_function_with_the_marker_is_an_experiment(pytester: pytest.Pytester, rows: Rows) -> None:
    """`@pytest.mark.experiment` makes an experiment of a function or method of any name, called by its whole name."""
    pytester.makepyfile(
        test_a="""
            import pytest

            def step_one(run):
                run.fields.steps = 1

            @pytest.mark.experiment
            def train(run):
                run.fields.steps += 1

            @pytest.mark.experiment()
            def test_accuracy(run):
                run.fields.steps += 1

            class TestA:
                @pytest.mark.experiment
                def fit(self, run):
                    run.fields.steps = "none"
        """
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    result.assert_outcomes(passed=3)
    assert rows("SELECT name, r.fields ->> 'steps' FROM runs r JOIN experiments USING (id_experiment) ORDER BY 1") == [
        ("fit", "none"),
        ("test_accuracy", 2),
        ("train", 2),
    ]


def test_what_says_that_it_is_no_test_is_no_experiment(pytester: pytest.Pytester) -> None:
    """`__test__ = False` keeps a function, a class and a module out, as it does for tests."""
    pytester.makepyfile(
        experiment_a="""
            import pytest

            def experiment_one(run): ...
            experiment_one.__test__ = False

            @pytest.mark.experiment
            def two(run): ...
            two.__test__ = False

            class ExperimentThree:
                __test__ = False
                def experiment_three(self, run): ...

            def experiment_four(run): ...
        """,
        experiment_b="""
            __test__ = False

            def experiment_five(run): ...
        """,
    )

    assert collect(pytester) == ["experiment_a.py::experiment_four"]


@pytest.mark.parametrize(
    "imported",
    ["experiment_a", "experiment_a as experiment_again", "marked", "ExperimentA"],
    ids=["function", "alias", "marked", "class"],
)
def test_an_imported_experiment_is_collected_where_it_is_defined_only(pytester: pytest.Pytester, imported: str) -> None:
    """A module may import experiment functions and classes of another one without running them again."""
    pytester.makepyfile(
        experiment_a="""
            import pytest

            def experiment_a(run): ...

            @pytest.mark.experiment
            def marked(run): ...

            class ExperimentA:
                def experiment_method(self, run): ...
        """,
        experiment_b=f"""
            from experiment_a import {imported}

            def experiment_b(run): ...
        """,
    )

    assert collect(pytester) == [
        "experiment_a.py::experiment_a",
        "experiment_a.py::marked",
        "experiment_a.py::ExperimentA::experiment_method",
        "experiment_b.py::experiment_b",
    ]


def test_a_unittest_case_stays_one_whatever_it_is_called(pytester: pytest.Pytester) -> None:
    """A `TestCase` called `Experiment...` is run by unittest's rules, awake too: its `setUp` is called."""
    pytester.makepyfile(
        test_a="""
            import unittest

            class ExperimentModelTests(unittest.TestCase):
                def setUp(self):
                    self.value = 1

                def test_value(self):
                    self.assertEqual(self.value, 1)
        """
    )

    result = pytester.runpytest_subprocess("--mltraq")

    result.assert_outcomes(passed=1)


def test_ini_keys_change_the_patterns(pytester: pytest.Pytester, rows: Rows) -> None:
    """With `mltraq_files`, `mltraq_functions` and `mltraq_classes`, other names are experiments; a named file wakes."""
    pytester.makeini(
        """
        [pytest]
        mltraq_files = trial_*.py *_bench.py
        mltraq_functions = trial_*
        mltraq_classes = *Trial
        """
    )
    module = """
        def experiment_a(run): ...
        def trial_b{0}(run): ...

        class ExperimentC:
            def trial_d(self, run): ...

        class LongTrial:
            def step_one(self, run): ...
            def trial_e{0}(self, run): ...
            def experiment_f(self, run): ...
    """
    pytester.makepyfile(
        trial_one=module.format(1), two_bench=module.format(2), test_three=module.format(3), experiment_four="1 / 0"
    )

    result = pytester.runpytest_subprocess("-v", "trial_one.py")

    result.assert_outcomes(passed=2)
    assert collect(pytester) == [
        "test_three.py::trial_b3",
        "test_three.py::LongTrial::trial_e3",
        "trial_one.py::trial_b1",
        "trial_one.py::LongTrial::trial_e1",
        "two_bench.py::trial_b2",
        "two_bench.py::LongTrial::trial_e2",
    ]


@pytest.mark.parametrize(
    ("arguments", "number"),
    [
        pytest.param([".", "experiment_a.py"], 2, id="folder-and-file"),
        pytest.param(["experiment_a.py::experiment_a", "experiment_a.py::experiment_a"], 2, id="function"),
        pytest.param(["experiment_a.py::experiment_a[lr:2]", "experiment_a.py::experiment_a[lr:1]"], 2, id="runs"),
        pytest.param(["--keep-duplicates", "experiment_a.py", "experiment_a.py"], 4, id="keep-duplicates"),
    ],
)
def test_what_is_named_twice_is_no_second_experiment(
    pytester: pytest.Pytester, arguments: list[str], number: int
) -> None:
    """Naming a file, function or run more than once runs what pytest makes of it, and is no error."""
    pytester.makepyfile(
        experiment_a="""
            import pytest

            @pytest.mark.runs(lr=[1, 2])
            def experiment_a(run): ...
        """
    )

    result = pytester.runpytest_subprocess("--mltraq", *arguments)

    result.assert_outcomes(passed=number)
    result.stdout.fnmatch_lines([f"mltraq: {number} runs of 1 experiment", f"a: {number} runs"])


def test_collect_only_shows_runs_and_chain_and_runs_nothing(pytester: pytest.Pytester) -> None:
    """`--collect-only` lists the runs, and of each experiment the number of runs and the chain."""
    pytester.makepyfile(
        experiment_a="""
            import pytest

            def step_train(run):
                raise SystemExit("it ran")

            def step_evaluate(run): ...

            @pytest.mark.runs(lr=[1, 2])
            def experiment_a(run): ...
        """
    )

    result = pytester.runpytest_subprocess("--mltraq", "--collect-only")

    result.stdout.fnmatch_lines(
        [
            "mltraq: 2 runs of 1 experiment",
            "  a: 2 runs, step_train > step_evaluate > experiment_a",
            "*<Function experiment_a[[]lr:1]>",
            "*<Function experiment_a[[]lr:2]>",
        ]
    )
    result.stdout.no_fnmatch_line("*it ran*")


# ---------------------------------------------------------------------------------------------------------- the chain


def trail(rows: Rows, name: str = "a") -> list[str]:
    """Return the names in the field `trail` of the one run of an experiment, as the steps noted them."""
    sql = "SELECT r.fields ->> 'trail' FROM runs r JOIN experiments e USING (id_experiment) WHERE e.name = "
    [(found,)] = rows(f"{sql}'{name}'")
    assert isinstance(found, str)
    return list(json.loads(found))


HELPERS = """
    import functools

    def note(run, what):
        run.fields.trail = [*run.fields.get("trail", []), what]

    def step_shared(run):
        note(run, "shared")

    def split(run):
        note(run, "split")

    def train(run):
        note(run, "train")
"""


def test_the_steps_of_a_module_run_in_the_order_in_which_they_stand(pytester: pytest.Pytester, rows: Rows) -> None:
    """Every `step_*` function of the namespace, imported ones where they are imported; other things are no steps."""
    pytester.makepyfile(
        helpers=HELPERS,
        experiment_a="""
            import functools
            import pytest
            from helpers import note

            step_size = 0.1

            def step_z(run):
                note(run, "z")

            from helpers import step_shared

            class step_class:
                pass

            step_partial = functools.partial(note, what="partial")

            def experiment_a(run):
                note(run, "body")

            def step_after_the_experiment(run):
                note(run, "after")
        """,
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    result.assert_outcomes(passed=1)
    assert trail(rows) == ["z", "shared", "partial", "after", "body"]


def test_a_fixture_is_no_step_whatever_it_is_called(pytester: pytest.Pytester, rows: Rows) -> None:
    """A fixture called `step_...`, of a module or a class, can be requested, and is not in the chain."""
    pytester.makepyfile(
        experiment_a="""
            import pytest

            @pytest.fixture
            def step_size():
                return 0.5

            def experiment_module(run, step_size):
                run.fields.size = step_size

            class ExperimentClass:
                @pytest.fixture
                def step_width(self):
                    return 3

                def experiment_class(self, run, step_width):
                    run.fields.size = step_width
        """
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    result.assert_outcomes(passed=2)
    assert rows("SELECT fields, json_array_length(steps) FROM runs ORDER BY 1") == [
        ('{"size":0.5}', 1),
        ('{"size":3}', 1),
    ]


def test_the_steps_of_a_class_are_its_methods_inherited_ones_first(pytester: pytest.Pytester, rows: Rows) -> None:
    """In definition order, an overridden one at the place of the first; all see one instance; the module's don't run."""
    pytester.makepyfile(
        helpers=HELPERS,
        experiment_a="""
            from helpers import note

            def step_of_the_module(run):
                note(run, "module")

            class Base:
                def step_first(self, run):
                    self.seen = ["first"]

                def step_second(self, run):
                    self.seen.append("second of Base")

                def step_third(self, run):
                    self.seen.append("third")

            class ExperimentA(Base):
                def step_fourth(self, run):
                    self.seen.append("fourth")

                def step_second(self, run):
                    self.seen.append("second")

                def experiment_a(self, run):
                    run.fields.trail = self.seen
        """,
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    result.assert_outcomes(passed=1)
    assert trail(rows) == ["first", "second", "third", "fourth"]


@pytest.mark.parametrize("marker", ["", "@pytest.mark.steps(step_static, step_of_class)"], ids=["found", "named"])
def test_static_and_class_methods_are_steps(pytester: pytest.Pytester, rows: Rows, marker: str) -> None:
    """A step of a class may be a static method or a class method, found by its name or named by `steps`."""
    pytester.makepyfile(
        experiment_a=f"""
            import pytest

            @pytest.fixture
            def data():
                return 7

            class ExperimentA:
                @staticmethod
                def step_static(run, data):
                    run.fields.static = data

                @classmethod
                def step_of_class(cls, run, data):
                    run.fields.name = f"{{cls.__name__}} {{data}}"

                {marker}
                def experiment_a(self, run): ...
        """,
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    result.assert_outcomes(passed=1)
    assert rows("SELECT static, name FROM experiment_a") == [(7, "ExperimentA 7")]


def test_classes_that_inherit_an_experiment_request_what_their_own_steps_do(
    pytester: pytest.Pytester, rows: Rows
) -> None:
    """Two classes share an experiment by inheritance; the fixtures and axes of the one are not those of the other."""
    pytester.makepyfile(
        experiment_a="""
            import pytest

            class Base:
                def experiment_shared(self, run):
                    run.fields.names = sorted(run.fields)

            @pytest.mark.experiment(name="one")
            @pytest.mark.runs(lr=[1, 2])
            class ExperimentOne(Base):
                @pytest.fixture
                def iris(self):
                    return "iris"

                def step_iris(self, run, iris, lr):
                    run.fields.iris = lr

            @pytest.mark.experiment(name="two")
            class ExperimentTwo(Base):
                def step_wine(self, run):
                    run.fields.wine = 3
        """,
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    result.assert_outcomes(passed=3)
    assert rows("SELECT fields FROM runs ORDER BY 1") == [
        ('{"iris":1,"names":["iris"]}',),
        ('{"iris":2,"names":["iris"]}',),
        ('{"wine":3,"names":["wine"]}',),
    ]


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        pytest.param(
            """
            @pytest.mark.steps(train, split, step_here)
            def experiment_a(run):
                note(run, "body")
            """,
            ["train", "split", "here", "body"],
            id="function",
        ),
        pytest.param(
            """
            @pytest.mark.steps(split, train)
            class ExperimentA:
                def step_method(self, run):
                    note(run, "method")

                def experiment_a(self, run):
                    note(run, "body")
            """,
            ["split", "train", "body"],
            id="class",
        ),
        pytest.param(
            """
            class ExperimentA:
                def second(self, run):
                    note(run, f"second of {self.name}")

                def first(self, run):
                    self.name = "first"

                @pytest.mark.steps(first, split, second)
                def experiment_a(self, run):
                    note(run, "body")
            """,
            ["split", "second of first", "body"],
            id="methods",
        ),
        pytest.param(
            """
            pytestmark = [pytest.mark.steps(train, split)]

            def experiment_a(run):
                note(run, "body")
            """,
            ["train", "split", "body"],
            id="pytestmark",
        ),
        pytest.param(
            """
            pytestmark = pytest.mark.steps(train, split)

            @pytest.mark.steps(split, train)
            def experiment_a(run):
                note(run, "body")
            """,
            ["split", "train", "body"],
            id="nearest",
        ),
        pytest.param(
            """
            @pytest.mark.steps.with_args(split)
            def experiment_a(run):
                note(run, "body")
            """,
            ["split", "body"],
            id="one",
        ),
        pytest.param(
            """
            @pytest.mark.steps()
            def experiment_a(run):
                note(run, "body")
            """,
            ["body"],
            id="none",
        ),
    ],
)
def test_the_marker_steps_names_the_chain(
    pytester: pytest.Pytester, rows: Rows, module: str, expected: list[str]
) -> None:
    """On the function, its class or as `pytestmark`, `steps` replaces the steps of the namespace; the nearest counts."""
    header = """
            import pytest
            from helpers import note, split, train

            def step_here(run):
                note(run, "here")
    """
    pytester.makepyfile(helpers=HELPERS, experiment_a=header + module)

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    result.assert_outcomes(passed=1)
    assert trail(rows) == expected


# -------------------------------------------------------------------------------------------------------------- runs


def grid(marks: str, body: str = "") -> str:
    """Write a module with an experiment that has marks."""
    return f"""
import functools
import pytest
{body}
{marks}
def experiment_a(run): ...
"""


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        pytest.param("", [""], id="no-marker"),
        pytest.param(
            "@pytest.mark.runs(b=[1, 2], a=range(3))",
            ["b:1-a:0", "b:1-a:1", "b:1-a:2", "b:2-a:0", "b:2-a:1", "b:2-a:2"],
            id="first-axis-slowest",
        ),
        pytest.param(
            "@pytest.mark.runs([{'a': [1, 2]}, {'b': (3,), 'a': [4]}])", ["a:1", "a:2", "a:4-b:3"], id="union"
        ),
        pytest.param("@pytest.mark.runs({'a': [1], 'b': [2]})", ["a:1-b:2"], id="one-grid"),
        pytest.param(
            "@pytest.mark.runs(a=[1, 2])\n@pytest.mark.runs(b=[3, 4])",
            ["b:3-a:1", "b:3-a:2", "b:4-a:1", "b:4-a:2"],
            id="stacked",
        ),
        pytest.param(
            "pytestmark = pytest.mark.runs(a=[1, 2])\n@pytest.mark.runs(b=[3, 4])",
            ["b:3-a:1", "b:3-a:2", "b:4-a:1", "b:4-a:2"],
            id="module-and-function",
        ),
        pytest.param("@pytest.mark.runs(a=iter([1, 2]), b=(x for x in 'xy'))", None, id="iterators"),
    ],
)
def test_runs_are_the_combinations_of_a_grid(pytester: pytest.Pytester, marks: str, expected: list[str] | None) -> None:
    """One run for each combination, first axis slowest; a list is a union of grids; stacked markers multiply."""
    pytester.makepyfile(experiment_a=grid(marks))

    assert ids(pytester) == (expected or ["a:1-b:x", "a:1-b:y", "a:2-b:x", "a:2-b:y"])


def test_stacked_markers_multiply_in_the_order_of_parametrize(pytester: pytest.Pytester) -> None:
    """`runs` above `runs` gives the runs in the order that `parametrize` above `parametrize` has."""
    pytester.makepyfile(
        experiment_a="""
            import pytest

            @pytest.mark.runs(a=[1, 2])
            @pytest.mark.runs(b=[3, 4])
            def experiment_runs(run): ...

            @pytest.mark.parametrize("a", [1, 2], ids="a:{}".format)
            @pytest.mark.parametrize("b", [3, 4], ids="b:{}".format)
            def experiment_parametrize(run): ...
        """
    )

    found = ids(pytester)

    assert found[:4] == found[4:]


def test_whatever_parametrizes_makes_runs(pytester: pytest.Pytester, rows: Rows) -> None:
    """Axes, `parametrize` (indirect too) and parametrized fixtures that a step requests multiply, all in the params."""
    pytester.makepyfile(
        experiment_a="""
            import pytest

            @pytest.fixture(params=["small", "large"])
            def data(request):
                return {"small": 10, "large": 100}[request.param]

            @pytest.fixture
            def scale(request):
                return request.param * 1000

            def step_train(run, data, lr, scale):
                run.fields.loss = data * lr
                run.fields.scaled = scale

            @pytest.mark.runs(lr=[1, 2])
            @pytest.mark.parametrize("depth", [5, 6])
            @pytest.mark.parametrize("scale", [7], indirect=True)
            def experiment_a(run):
                run.fields.seen = sorted(run.params)
        """
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db", "-k", "experiment_a")

    result.assert_outcomes(passed=8)
    found = rows("SELECT lr, depth, data, scale, loss, scaled FROM experiment_a ORDER BY lr, depth, data DESC")
    assert found == [
        (lr, depth, data, 7, size * lr, 7000)
        for lr in (1, 2)
        for depth in (5, 6)
        for data, size in (("small", 10), ("large", 100))
    ]
    assert rows("SELECT DISTINCT fields ->> 'seen' FROM runs") == [('["data","depth","lr","scale"]',)]


def test_runs_of_a_union_have_the_axes_of_their_grid_only(pytester: pytest.Pytester, rows: Rows) -> None:
    """In a union of grids, an axis that a run's grid doesn't have is not among its params, and is stored as nothing."""
    pytester.makepyfile(
        experiment_a="""
            import pytest

            def step_train(run, kernel, degree=3):
                run.fields.degree = degree

            @pytest.mark.runs([{"kernel": ["poly"], "degree": [2]}, {"kernel": ["linear"]}])
            def experiment_a(run):
                run.fields.params = dict(run.params)
        """
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    result.assert_outcomes(passed=2)
    assert rows("SELECT params, fields ->> 'params', fields ->> 'degree' FROM runs ORDER BY position") == [
        ('{"kernel":"poly","degree":2}', '{"kernel":"poly","degree":2}', 2),
        ('{"kernel":"linear"}', '{"kernel":"linear"}', 3),
    ]


def test_the_value_of_an_axis_may_have_marks(pytester: pytest.Pytester, rows: Rows) -> None:
    """`pytest.param(value, marks=...)` on an axis marks the runs with this value, which is stored as it is."""
    pytester.makepyfile(
        experiment_a=grid(
            "@pytest.mark.runs(lr=[0.1, pytest.param(0.2, marks=pytest.mark.skip), "
            "pytest.param(0.3, marks=[pytest.mark.slow])], seed=[0, 1])"
        )
    )
    pytester.makeini("[pytest]\nmarkers = slow")

    result = pytester.runpytest_subprocess("--mltraq-db=results.db", "--strict-markers")

    result.assert_outcomes(passed=4, skipped=2)
    assert ids(pytester, "-m", "slow") == ["lr:0.3-seed:0", "lr:0.3-seed:1"]
    assert rows("SELECT params, outcome FROM runs WHERE params ->> 'seed' = 1 ORDER BY position") == [
        ('{"lr":0.1,"seed":1}', "passed"),
        ('{"lr":0.2,"seed":1}', "skipped"),
        ('{"lr":0.3,"seed":1}', "passed"),
    ]


# --------------------------------------------------------------------------------------------------------------- ids


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param("[1, 0.5, 1e-05, 'tree', None, True, -3]", "1 0.5 1e-05 tree None True -3", id="literals"),
        pytest.param("['x' * 200, 'short', 'y' * 200]", "0 short 2", id="long-text"),
        pytest.param("[[1, 2], {'a': 1}, (3,), {4}, b'bytes']", "0 1 2 3 4", id="no-short-form"),
        pytest.param(
            "[dict, Inner.Model, train, len, Inner.Model.fit]", "dict Inner.Model train len Inner.Model.fit", id="code"
        ),
        pytest.param(
            "[functools.partial(train, 1, depth=3), functools.partial(dict, f=len)]",
            "train(1,depth=3) dict(f=len)",
            id="partial",
        ),
    ],
)
def test_ids_read_axis_and_value(pytester: pytest.Pytester, values: str, expected: str) -> None:
    """An id has a short literal of the value, of code its qualified name; of other values their index on the axis."""
    body = """
class Inner:
    class Model:
        def fit(self): ...

def train(*args, **kwargs): ...
"""
    pytester.makepyfile(experiment_a=grid(f"@pytest.mark.runs(axis={values})", body))

    found = ids(pytester)

    assert [nodeid.replace(", ", ",") for nodeid in found] == [f"axis:{value}" for value in expected.split()]


def test_values_that_look_alike_are_different_runs(pytester: pytest.Pytester, rows: Rows) -> None:
    """A number and its text have an id of their own each, and a seed of their own."""
    pytester.makepyfile(experiment_a=grid("@pytest.mark.runs(axis=[1, '1', 1.0, True])"))

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    result.assert_outcomes(passed=4)
    assert rows("SELECT count(DISTINCT nodeid), count(DISTINCT seed) FROM runs") == [(4, 4)]


def test_code_values_are_handed_on_as_they_are_and_stored_by_name(pytester: pytest.Pytester, rows: Rows) -> None:
    """A class, function or partial as param reaches the step itself; its qualified name with arguments is stored."""
    pytester.makepyfile(
        experiment_a="""
            import functools
            import pytest

            class Zoo:
                class Model:
                    pass

            def make(**arguments):
                return arguments

            def step_train(run, model):
                run.fields.made = repr(model())
                assert run.params.model is model

            @pytest.mark.runs(model=[dict, functools.partial(make, depth=3), make, Zoo.Model])
            def experiment_a(run): ...
        """
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    result.assert_outcomes(passed=4)
    assert rows("SELECT params ->> 'model', substr(fields ->> 'made', 1, 12) FROM runs ORDER BY position") == [
        ("dict", "{}"),
        ("make(depth=3)", "{'depth': 3}"),
        ("make", "{}"),
        ("Zoo.Model", "<experiment_"),
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(["-k", "model:tree and seed:0"], ["model:tree-seed:0"], id="k-and"),
        pytest.param(["-k", "seed:1"], ["model:logreg-seed:1", "model:tree-seed:1"], id="k-axis"),
        pytest.param(["-m", "experiment(seed=1)"], ["model:logreg-seed:1", "model:tree-seed:1"], id="m-int"),
        pytest.param(
            ["-m", "experiment(model='tree') and not experiment(seed=0)"], ["model:tree-seed:1"], id="m-text-and-not"
        ),
        pytest.param(["-m", "not experiment"], [], id="m-not"),
        pytest.param(["experiment_a.py::experiment_a[model:tree-seed:1]"], ["model:tree-seed:1"], id="node-id"),
        pytest.param(
            ["--deselect", "experiment_a.py::experiment_a[model:tree-seed:1]", "-k", "tree"],
            ["model:tree-seed:0"],
            id="deselect",
        ),
    ],
)
def test_runs_are_selected_by_their_params(
    pytester: pytest.Pytester, arguments: list[str], expected: list[str]
) -> None:
    """`-k` finds axis and value in the id; `-m` finds them in the marker `experiment` that each run carries."""
    pytester.makepyfile(
        experiment_a=grid(
            "@pytest.mark.runs(model=['logreg', 'tree'], seed=range(2))\n@pytest.mark.experiment(config={'seed': 5})"
        )
    )

    assert ids(pytester, "--strict-markers", *arguments) == expected


# ------------------------------------------------------------------------------------------------ names, config, fields


def test_the_marker_names_an_experiment_and_gives_it_config_and_fields(pytester: pytest.Pytester, rows: Rows) -> None:
    """Name, config, fields and docstring are stored with the experiment; runs read config and fields."""
    pytester.makepyfile(
        experiment_a='''
            import pytest

            @pytest.mark.experiment(name="named", config={"epochs": 3, "lr": 0.1}, dataset="iris", version=(1, 2))
            def experiment_a(run, experiment):
                """What it is about."""
                run.fields.epochs = run.config.epochs
                run.fields.dataset = experiment.fields.dataset
                assert (experiment.name, experiment.config) == ("named", run.config)
        '''
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db", "--mltraq-config=lr=0.2")

    result.assert_outcomes(passed=1)
    assert rows("SELECT name, nodeid, doc, config, fields FROM experiments") == [
        (
            "named",
            "experiment_a.py::experiment_a",
            "What it is about.",
            '{"epochs":3,"lr":0.2}',
            '{"dataset":"iris","version":[1,2]}',
        )
    ]
    assert rows("SELECT epochs, dataset FROM experiment_named") == [(3, "iris")]


def test_markers_of_class_and_function_are_joined(pytester: pytest.Pytester, rows: Rows) -> None:
    """A class may give its experiments config and fields, and each experiment its own name and fields over them."""
    pytester.makepyfile(
        experiment_a="""
            import pytest

            @pytest.mark.experiment(config={"epochs": 3}, dataset="iris", owner="ann")
            class ExperimentA:
                def experiment_one(self, run): ...

                @pytest.mark.experiment(name="second", dataset="wine")
                def experiment_two(self, run): ...
        """
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    result.assert_outcomes(passed=2)
    assert rows("SELECT name, config ->> 'epochs', fields FROM experiments ORDER BY name") == [
        ("one", 3, '{"dataset":"iris","owner":"ann"}'),
        ("second", 3, '{"dataset":"wine","owner":"ann"}'),
    ]


def test_a_plain_test_that_requests_run_is_an_experiment_named_by_its_place(
    pytester: pytest.Pytester, rows: Rows
) -> None:
    """Its name is path, class and function, its view is called so too, its params are its parametrization."""
    folder = pytester.mkdir("tests")
    (folder / "test_model.py").write_text(
        """
import pytest

def step_not_for_tests(run):
    raise AssertionError

@pytest.mark.parametrize("model", ["tree", "logreg"])
def test_accuracy(run, model):
    run.fields.accuracy = len(model)
    assert run.params == {"model": model}

class TestInner:
    def test_method(self, experiment, run):
        run.fields.name = experiment.name

def test_without_run(): ...

@pytest.fixture
def tracked(run):
    run.fields.tracked = True

def test_through_a_fixture(tracked): ...
""",
        encoding="utf-8",
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    result.assert_outcomes(passed=5)
    assert rows("SELECT name, nodeid FROM experiments ORDER BY name") == [
        ("tests.test_model.TestInner.test_method", "tests/test_model.py::TestInner::test_method"),
        ("tests.test_model.test_accuracy", "tests/test_model.py::test_accuracy"),
        ("tests.test_model.test_through_a_fixture", "tests/test_model.py::test_through_a_fixture"),
    ]
    assert rows("SELECT model, accuracy FROM experiment_tests_test_model_test_accuracy ORDER BY 1") == [
        ("logreg", 6),
        ("tree", 4),
    ]
    assert rows("SELECT name FROM experiment_tests_test_model_testinner_test_method") == [
        ("tests.test_model.TestInner.test_method",)
    ]


def test_positions_are_the_order_of_the_grid(pytester: pytest.Pytester, rows: Rows) -> None:
    """A run's position is its place among all runs of the experiment, also where only some of them are selected."""
    pytester.makepyfile(experiment_a=grid("@pytest.mark.runs(a=[3, 1, 2], seed=range(2))"))

    result = pytester.runpytest_subprocess("--mltraq-db=results.db", "-k", "seed:1")

    result.assert_outcomes(passed=3, deselected=3)
    assert rows("SELECT position, params ->> 'a', nodeid FROM runs ORDER BY position") == [
        (1, 3, "experiment_a.py::experiment_a[a:3-seed:1]"),
        (3, 1, "experiment_a.py::experiment_a[a:1-seed:1]"),
        (5, 2, "experiment_a.py::experiment_a[a:2-seed:1]"),
    ]
