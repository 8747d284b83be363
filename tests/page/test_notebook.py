"""What a notebook shows of ours, in a real browser: in the notebook's own colours and place, and users' text as text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

import pytest_mltraq as mltraq

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Page

HOSTILE = '</b></td></script><script>alert(1)</script><img src=x onerror=alert(2)>" onmouseover="alert(3)'

JUPYTER = """
.jp-RenderedHTMLCommon table { border-collapse: collapse; border: none; font-size: 12px; table-layout: fixed; margin-left: auto; margin-bottom: 1em; }
.jp-RenderedHTMLCommon td, .jp-RenderedHTMLCommon th, .jp-RenderedHTMLCommon tr { vertical-align: middle; padding: 0.5em; border: none; }
.jp-RenderedHTMLCommon :not(.dataframe) > thead > tr > th { text-align: right; }
"""
"""What JupyterLab's style sheet says of tables, where ours say nothing of their own."""

Show = Callable[[Any, str], "Page"]


@pytest.fixture
def show(browser: Browser) -> Iterator[Show]:
    """Show a value as JupyterLab does, on a light or dark page; nothing may be run or loaded by it."""
    pages: list[Page] = []
    problems: list[str] = []

    def show_value(value: Any, scheme: str) -> Page:
        page = browser.new_context(viewport={"width": 1000, "height": 700}).new_page()

        def dismiss(dialog: Dialog) -> None:
            problems.append(dialog.message)
            dialog.dismiss()

        page.on("dialog", dismiss)
        page.on("request", lambda request: problems.append(request.url))
        colours = "background: #111; color: #ddd" if scheme == "dark" else "background: #fff; color: #222"
        page.set_content(
            f"<style>body {{ {colours} }} {JUPYTER}</style><div id=cell class=jp-RenderedHTMLCommon>{value._repr_html_()}</div>"
        )
        pages.append(page)
        return page

    yield show_value
    for page in pages:
        page.context.close()
    assert problems == []


def make(name: str) -> mltraq.Experiment:
    def step(run: mltraq.Run) -> None:
        run.fields.update({"accuracy": 0.5, name: name, "note": None, "curve": mltraq.Sequence()})
        run.fields.curve.append(loss=0.5, text=name)

    experiment = mltraq.create_session().create_experiment(name, **{name: name})
    return experiment.add_runs(model=["tree", name], seed=range(3)).execute(step).persist()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("what", ["session", "experiment", "runs", "run", "sequence"])
def test_users_text_is_text_in_the_notebooks_colours(show: Show, what: str, scheme: str) -> None:
    """Nothing of it runs; and it can be read on the page that it is on."""
    experiment = make(HOSTILE)
    run = experiment.runs.first()
    values = {"session": experiment.session, "experiment": experiment, "runs": experiment.runs, "run": run}

    page = show(values.get(what, run.fields.curve), scheme)

    assert HOSTILE in page.inner_text("#cell") or what in ("runs", "sequence")
    assert page.locator("#cell img, #cell script").count() == 0
    colours = page.evaluate(
        "[...new Set([...document.querySelectorAll('#cell *')].map(e => getComputedStyle(e).color))]"
    )
    assert colours == ["rgb(221, 221, 221)" if scheme == "dark" else "rgb(34, 34, 34)"]


@pytest.mark.parametrize("what", ["session", "experiment", "runs", "run", "sequence"])
def test_tables_stand_under_their_heading(show: Show, what: str) -> None:
    """JupyterLab would set them to the right, and their headers too."""
    experiment = make("iris")
    run = experiment.runs.first()
    values = {"session": experiment.session, "experiment": experiment, "runs": experiment.runs, "run": run}

    page = show(values.get(what, run.fields.curve), "light")

    begin = page.evaluate("document.querySelector('#cell').getBoundingClientRect().left")
    assert page.evaluate("[...document.querySelectorAll('table')].map(e => e.getBoundingClientRect().left)") == (
        [begin] * page.locator("table").count()
    )
    aligned = page.evaluate(
        """[...document.querySelectorAll('table:has(thead)')].flatMap(table =>
            [...table.querySelectorAll('th')].map((head, at) => [
                getComputedStyle(head).textAlign,
                ...new Set([...table.querySelectorAll(`tbody td:nth-child(${at + 1})`)]
                    .filter(cell => cell.textContent).map(cell => getComputedStyle(cell).textAlign))]))"""
    )
    assert all(len(set(column)) == 1 for column in aligned), aligned


def test_a_name_turns_no_text_around(show: Show) -> None:
    """A character that has text run from right to left ends with the name."""
    experiment = mltraq.create_session().create_experiment("abc\u202edef")

    page = show(experiment, "light")

    edges = page.evaluate(
        """(() => {
            const walker = document.createTreeWalker(document.querySelector('#cell'), NodeFilter.SHOW_TEXT);
            for (let node; (node = walker.nextNode());) {
                const at = node.textContent.indexOf('runs');
                if (at < 0) continue;
                const edge = index => {
                    const range = document.createRange();
                    range.setStart(node, index);
                    range.setEnd(node, index + 1);
                    return range.getBoundingClientRect().left;
                };
                return [edge(at), edge(at + 3)];
            }
        })()"""
    )
    assert edges[0] < edges[1]
