"""The page in a real browser with values that attack it, on a phone, in the dark, on paper, and without scripts."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

import pytest_mltraq as mltraq
from tests.page import databases
from tests.page.opened import Open, select, texts, wait_for_ink

PLACES: tuple[dict[str, str], ...] = (
    {},
    {"compare": "last"},
    {"experiment": "churn"},
    {"experiment": "churn", "tab": "parallel"},
    {"experiment": "churn", "tab": "scatter"},
    {"experiment": "churn", "tab": "curves"},
    {"experiment": "churn", "tab": "images"},
    {"experiment": "churn", "tab": "steps"},
)


def test_names_that_attack_are_text(opened: Open) -> None:
    """Whatever a name is, it is shown as it is: on the overview, and in each view and chart of each experiment and its runs."""
    report = opened(databases.make_hostile)
    page = report.go()
    assert databases.ATTACK in page.inner_text("h2 + .table")
    names = [name or "no name" for name in databases.ODD_NAMES]
    found = select(
        report, "SELECT e.name, r.id_run FROM runs r JOIN experiments e USING (id_experiment) WHERE r.position = 1"
    )
    first_runs = {str(name): str(id_run) for name, id_run in found}
    for name in names:
        id_run = first_runs[name]
        tabs = (
            ("history", "parallel", "scatter", "curves", "images", "steps")
            if name == databases.ATTACK
            else ("parallel",)
        )
        for tab in tabs:
            report.go(experiment=name, tab=tab)
            assert page.text_content("h1") == name.replace("\u202e", "\\u202e")
        report.go(experiment=name, run=id_run)
        report.wait("() => document.querySelectorAll('figure img').length")
        assert databases.ATTACK in page.inner_text(".failure")
        assert "damaged" not in page.inner_text("main")
    report.go(session=str(select(report, "SELECT id FROM sessions")[0][0]))

    assert page.get_by_role("link", name="job").count() == 0
    assert report.script("window.attacked") is None
    assert page.frames == [page.main_frame]


def test_a_script_that_gets_into_the_page_does_not_run(opened: Open) -> None:
    """The policy refuses markup as a script's value, inline handlers, other scripts, requests, frames and forms."""
    report = opened()
    page = report.go()
    report.script(
        """() => {
            const script = document.createElement("script");
            window.tried = [];
            const attempt = (what) => { try { what(); } catch (error) { window.tried.push(error.name); } };
            attempt(() => { script.textContent = "window.attacked = 1"; });
            attempt(() => { document.body.innerHTML = "<b>markup</b>"; });
            attempt(() => { document.body.append(script); });
            const image = document.createElement("img");
            attempt(() => image.setAttribute("onerror", "window.attacked = 2"));
            image.src = "data:image/png;base64,AAAA";
            document.body.append(image);
        }"""
    )
    refused = report.script("fetch('http://127.0.0.1:9/').then(() => 'sent', (error) => error.name)")

    assert refused == "TypeError"
    assert "TypeError" in report.script("window.tried")
    assert report.script("window.attacked") is None
    assert page.get_by_text("markup").count() == 0
    assert any("Content Security Policy" in problem or "TrustedHTML" in problem for problem in report.problems)
    report.problems.clear()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_everything_without_scrolling_sideways(opened: Open, scheme: str) -> None:
    """At 360 pixels nothing but tables scrolls sideways, in any view; the list of views opens."""
    report = opened(viewport={"width": 360, "height": 740}, has_touch=True, color_scheme=scheme)
    page = report.page
    for place in PLACES:
        report.go(**place)
        assert report.script("document.documentElement.scrollWidth") == 360, place
    assert page.get_by_role("navigation").is_hidden()
    page.get_by_role("button", name="Views").click()
    page.get_by_role("navigation").get_by_role("link", name="tests.test_api.test_latency").click()
    report.wait_for("h1", "tests.test_api.test_latency")
    assert page.get_by_role("navigation").is_hidden()


def test_the_tables_of_a_laptop_need_no_scrolling_sideways(opened: Open) -> None:
    """What regressed is seen with its history, and two sessions with their verdict."""
    report = opened(viewport={"width": 1200, "height": 740})
    for place in ({}, {"compare": "last"}):
        report.go(**place)
        beyond = "[...document.querySelectorAll('.scroll')].map((table) => table.scrollWidth - table.clientWidth)"
        assert set(report.script(beyond)) == {0}, place


def test_a_phone_shows_several_rows_of_a_comparison(opened: Open) -> None:
    """The reason of a verdict doesn't make them as tall as the screen."""
    report = opened(viewport={"width": 360, "height": 740}, has_touch=True)
    report.go(compare="last")

    assert report.script("Math.max(...[...document.querySelectorAll('tbody tr')].map((row) => row.offsetHeight))") < 110


def test_the_sessions_to_compare_can_be_read(opened: Open) -> None:
    """With the time at which each began."""
    report = opened(viewport={"width": 1200, "height": 740})
    report.go(compare="last")
    needed = """(() => {
        const select = document.querySelector("main select");
        const copy = select.cloneNode(true);
        copy.style.maxWidth = "none";
        copy.style.position = "absolute";
        select.parentElement.append(copy);
        const widths = [select.offsetWidth, copy.offsetWidth];
        copy.remove();
        return widths;
    })()"""
    shown, wanted = report.script(needed)

    assert shown >= min(wanted, 340)


def test_odd_names_and_values_leave_room_for_the_others(opened: Open) -> None:
    """A field with a very long name shows its value; a metric that is never finite says so."""
    report = opened(make_odd, viewport={"width": 1200, "height": 740})
    page = report.go(experiment="odd")

    assert (
        page.locator("figure", has_text="endless").locator("figcaption").inner_text() == "No session has a finite mean."
    )
    heading = page.get_by_role("heading", name="finite", exact=True)
    assert page.locator("figure", has=heading).locator("figcaption").inner_text() == ""
    id_run = str(select(report, "SELECT id_run FROM runs")[0][0])
    report.go(experiment="odd", run=id_run)
    for place in ("Fields", "Params"):
        value = page.locator("section", has=page.get_by_role("heading", name=place)).locator("td").first
        box = value.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= 1200, place
    report.go(session=str(select(report, "SELECT id FROM sessions")[0][0]))
    assert page.inner_text(".crumbs").split() == ["Overview", "›", "Session"]


def test_a_session_without_curves_says_so(opened: Open) -> None:
    """There is no empty chart; another session's curves are shown when it is chosen."""
    report = opened(make_sparse, viewport={"width": 1200, "height": 740})
    page = report.go(experiment="sparse", tab="curves")

    assert page.get_by_text("None of these runs has a curve.").is_visible()
    assert page.locator("main canvas").count() == 0 or page.locator("main canvas").first.is_hidden()
    page.get_by_label("Session", exact=True).select_option(index=1)
    page.locator("main canvas").first.wait_for()
    assert page.get_by_label("y", exact=True).input_value() == "loss"
    assert page.get_by_text("None of these runs has a curve.").count() == 0


def test_what_rounding_does_to_a_mean_is_not_looked_at(opened: Open) -> None:
    """Values that are the same but for their last digit are a line, and their band is as thin."""
    report = opened(make_constant, viewport={"width": 1200, "height": 740})
    report.go(experiment="constant", tab="history")
    painted = """() => {
        const canvas = document.querySelector("figure canvas");
        const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
        copy.drawImage(canvas, 0, 0);
        const found = copy.getImageData(0, 0, canvas.width, canvas.height).data;
        let painted = 0;
        for (let at = 3; at < found.length; at += 4) painted += found[at] > 0;
        return painted / (found.length / 4);
    }"""
    report.wait(f"() => ({painted})() > 0.01")

    assert report.script(painted) < 0.15


def make_constant(file: Path) -> Path:
    """Make a database with sessions that all measured 0.1; the mean of ten times that is a little less, as computers add."""
    assert sum([0.1] * 10) / 10 != 0.1
    for _ in range(11):
        session = mltraq.create_session(file)
        experiment = session.create_experiment("constant").add_run()
        experiment.execute(lambda run: run.fields.update(v=0.1)).persist("append")
        session.close()
    return file


def make_sparse(file: Path) -> Path:
    """Make a database with two sessions, of which the first has curves."""
    for at in range(2):
        session = mltraq.create_session(file)
        experiment = session.create_experiment("sparse").add_runs(seed=range(2))
        for run in experiment.runs.values():
            run.fields.v = 1.0
            if not at:
                run.fields.curve = mltraq.Sequence.from_columns(
                    range(10), {"loss": [1 / (1 + row) for row in range(10)]}
                )
        experiment.persist("append")
        session.close()
    return file


def make_odd(file: Path) -> Path:
    """Make a database with a name of 200 characters and numbers that no axis shows."""
    session = mltraq.create_session(file)
    for _ in range(2):
        experiment = session.create_experiment("odd").add_run(**{"p" * 200: 1})
        experiment.execute(lambda run: run.fields.update({"f" * 200: 1, "endless": math.inf, "finite": 0.5}))
        experiment.persist("append")
    session.close()
    return file


CONTRAST = """() => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const parse = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const light = (rgb) => rgb.slice(0, 3).map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
        .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
    const behind = (element) => {
        for (let found = element; found; found = found.parentElement) {
            const colour = parse(getComputedStyle(found).backgroundColor);
            if (colour[3] === 255) return colour;
        }
        return [255, 255, 255, 255];
    };
    const poor = [];
    for (const element of document.querySelectorAll("main *, header *, nav *")) {
        const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
        if (!own || !element.checkVisibility() || element.closest("svg, :disabled")) continue;
        const [a, b] = [light(parse(getComputedStyle(element).color)), light(behind(element))].sort((x, y) => y - x);
        const contrast = (a + 0.05) / (b + 0.05);
        if (contrast < 4.5) poor.push(`${contrast.toFixed(2)} ${element.className} ${element.textContent.slice(0, 40)}`);
    }
    return poor;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_can_be_read(opened: Open, scheme: str) -> None:
    """Every text differs from what is behind it by 4.5 to 1 (WCAG 2.2, 1.4.3), on a light and on a dark screen."""
    report = opened(color_scheme=scheme)
    for place in PLACES:
        report.go(**place)
        assert report.script(CONTRAST) == [], place


def test_on_paper_the_page_is_light_and_has_no_controls(opened: Open) -> None:
    """Also where the screen is dark; tables are printed as a whole, and charts as wide as the paper."""
    report = opened(color_scheme="dark")
    page = report.go(experiment="churn", tab="parallel")
    wait_for_ink(report, ".parallel canvas:nth-child(2)")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")

    assert report.script("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.get_by_role("navigation").is_hidden()
    assert page.get_by_label("Filter runs").is_hidden()
    assert report.script("document.querySelector('.parallel canvas').clientWidth") <= 660
    assert report.script("getComputedStyle(document.querySelector('.scroll.tall')).overflow") == "visible"
    pdf = page.pdf(format="A4")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) in (1, 2, 3)

    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert report.script("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"


def test_without_scripts_the_page_says_so(opened: Open) -> None:
    """Where scripts are turned off there is a list of what is stored, and how to see the page."""
    report = opened(java_script_enabled=False)
    report.page.goto(report.file.as_uri())

    assert "needs JavaScript" in report.page.inner_text("noscript")
    assert texts(report, "noscript li") == ["churn: 1 failed, 44 passed", "tests.test_api.test_latency: 3 passed"]


def test_text_that_turns_direction_is_seen(opened: Open) -> None:
    """A name whose characters run backward doesn't pass for another."""
    page = opened(databases.make_hostile).go()

    assert page.get_by_role("navigation").get_by_role("link", name="\\u202etxt.exe").is_visible()
