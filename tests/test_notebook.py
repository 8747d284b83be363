"""What a notebook shows of ours: in a real kernel, escaped, and small whatever the size of what is shown."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

import pytest_mltraq as mltraq
from pytest_mltraq.describing import describe

HOSTILE = "</td></table><script>alert(1)</script><img src=x onerror=alert(2)>&amp;\"'"


class Shown(HTMLParser):
    """Reads HTML as a browser does: its elements, its text, its rows."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self.rows: list[list[str]] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == [], "elements that are not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.update(name for name, _ in attrs)
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def shown(value: Any) -> Shown:
    """Return what a notebook shows of a value."""
    return Shown(value._repr_html_())


@pytest.fixture
def experiment() -> mltraq.Experiment:
    """An experiment with four runs, of which one failed."""

    def step(run: mltraq.Run) -> None:
        run.fields.loss = run.params.seed / 4
        run.fields.weights = np.zeros((2, 3))
        if run.params.seed == 3:
            message = "three"
            raise ValueError(message)

    found = mltraq.create_experiment("iris", about="flowers").add_runs(seed=range(4))
    with pytest.raises(mltraq.StepError):
        found.execute(step)
    return found


# -- in a kernel -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kernel() -> Iterator[Any]:
    """A notebook's kernel, as a function that executes code and returns its messages by type."""
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(kernel_name="python3")

    def execute(code: str) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        client.execute_interactive(
            code,
            timeout=60,
            output_hook=lambda message: found.setdefault(message["msg_type"], []).append(message["content"]),
        )
        assert "error" not in found, found["error"]
        return found

    yield execute
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_a_notebook_shows_ours_as_html_and_text(kernel: Any) -> None:
    """IPython finds the method by its name."""
    kernel("""
        import pytest_mltraq as mltraq
        session = mltraq.create_session()
        experiment = session.create_experiment("iris").add_runs(seed=range(3)).persist()
        sequence = mltraq.Sequence()
        sequence.append(loss=0.5)
    """)

    for name in ("session", "experiment", "experiment.runs", "experiment.runs.first()", "sequence"):
        (result,) = kernel(name)["execute_result"]
        assert Shown(result["data"]["text/html"]).rows, name
        assert result["data"]["text/plain"].startswith(("Session(", "Experiment(", "Runs(", "Run(", "Sequence("))


def test_a_notebook_shows_a_bar_for_long_work(kernel: Any) -> None:
    """Its standard error is no terminal, but somebody looks."""
    found = kernel("""
        import pytest_mltraq, pytest_mltraq.progress
        pytest_mltraq.progress.DELAY_S = 0
        pytest_mltraq.create_experiment("x").add_runs(seed=range(3)).execute(lambda run: None);
    """)

    assert "runs: " in "".join(part["text"] for part in found.get("stream", [])) or "display_data" in found


# -- what is shown -----------------------------------------------------------------------------------------------------


def test_an_experiment_is_shown_with_its_runs(experiment: mltraq.Experiment) -> None:
    """A row for each, a column for each param and field."""
    found = shown(experiment)
    table = found.rows[-5:]

    assert "iris" in found.texts
    assert ["about", "flowers"] in found.rows
    assert table[0] == ["id_run", "outcome", "seed", "loss", "weights"]
    assert [row[1:4] for row in table[1:]] == [
        ["passed", "0", "0"],
        ["passed", "1", "0.25"],
        ["passed", "2", "0.5"],
        ["failed", "3", "0.75"],
    ]
    assert table[1][4] == "ndarray of 2 × 3, float64"
    assert shown(experiment.runs).rows == table


def test_a_run_is_shown_with_params_fields_and_error(experiment: mltraq.Experiment) -> None:
    """What is stored of it."""
    found = shown(list(experiment.runs.values())[3])

    assert found.rows == [["seed", "3"], ["loss", "0.75"], ["weights", "ndarray of 2 × 3, float64"]]
    assert "ValueError: three" in " ".join(found.texts)


def test_a_session_is_shown_with_its_newest_experiments() -> None:
    """The newest first."""
    session = mltraq.create_session()
    assert shown(session).rows == []
    for at in range(30):
        session.create_experiment(f"experiment {at}").add_run().persist()

    found = shown(session)

    assert found.rows[0] == ["experiment", "runs", "stored", "branch", "id_experiment"]
    assert [row[:2] for row in found.rows[1:]] == [[f"experiment {at}", "1"] for at in range(29, 9, -1)]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", row[2]) for row in found.rows[1:])
    assert "and 10 more rows" in found.texts
    session.close()


def test_a_sequence_is_shown_with_its_last_rows() -> None:
    """A curve is known by its end."""
    sequence = mltraq.Sequence()
    assert shown(sequence).rows == []
    for at in range(50):
        sequence.append(loss=at / 2)

    found = shown(sequence)

    assert found.rows[0] == ["idx", "timestamp", "loss"]
    assert [(row[0], row[2]) for row in found.rows[1:]] == [(str(at), f"{at / 2:.6g}") for at in range(30, 50)]
    assert "and 30 more rows" in found.texts


@pytest.mark.parametrize("what", ["experiment", "run", "runs", "session", "sequence"])
def test_users_text_is_never_markup(what: str) -> None:
    """In names, params, fields, errors and columns."""

    def step(run: mltraq.Run) -> None:
        run.fields[HOSTILE] = HOSTILE
        run.fields["list"] = [HOSTILE, {HOSTILE: HOSTILE}]
        raise type(HOSTILE, (Exception,), {})(HOSTILE)

    session = mltraq.create_session()
    experiment = session.create_experiment(HOSTILE, **{HOSTILE: HOSTILE}).add_run(**{HOSTILE: HOSTILE})
    with pytest.raises(mltraq.StepError):
        experiment.execute(step)
    experiment.persist()
    sequence = mltraq.Sequence()
    sequence.append(**{HOSTILE: HOSTILE})
    values = {
        "experiment": experiment,
        "run": experiment.runs.first(),
        "runs": experiment.runs,
        "session": session,
        "sequence": sequence,
    }

    found = shown(values[what])

    assert set(found.tags) <= {"div", "span", "b", "bdi", "table", "thead", "tbody", "tr", "td", "th"}
    assert found.attributes == {"style"}
    assert "alert(1)" in "".join(found.texts)
    session.close()


def test_what_is_shown_is_small_whatever_there_is() -> None:
    """A notebook keeps it in its file."""
    experiment = mltraq.create_experiment("big", note="x" * 100_000).add_runs(seed=range(10_000))
    for run in experiment.runs.values():
        run.fields.update({f"field_{at}": "y" * 1000 for at in range(50)})
        break
    sequence = mltraq.Sequence()
    for at in range(10_000):
        sequence.append(**{f"column_{at % 100}": list(range(1000))})

    for value in (experiment, experiment.runs, experiment.runs.first(), sequence):
        assert len(value._repr_html_()) < 60_000
    assert "and 9,980 more rows and 43 more columns" in shown(experiment).texts


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "None"),
        (0.1, "0.1"),
        (math.nan, "nan"),
        (10**5000, "an integer of 16,610 bits"),
        (b"abc", "3 bytes"),
        ("x" * 500, f"{'x' * 400}... 500 characters"),
        (list(range(100)), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ...]"),
        (np.float32(0.5), "0.5"),
        (np.zeros((2, 3)), "ndarray of 2 × 3, float64"),
    ],
    ids=lambda value: str(type(value)),
)
def test_a_value_is_described_in_a_few_words(value: object, said: str) -> None:
    """As a cell shows it."""
    assert describe(value) == said
