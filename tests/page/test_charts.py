"""The charts in a real browser: what is drawn, brushed, zoomed and chosen in them."""

from __future__ import annotations

from typing import Any

from tests.page import databases
from tests.page.opened import NEWEST, Open, Opened, column, ink, select, texts, wait_for_ink


def drag(report: Opened, begin: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag the pointer from one place to another."""
    mouse = report.page.mouse
    mouse.move(*begin)
    mouse.down()
    mouse.move((begin[0] + end[0]) / 2, (begin[1] + end[1]) / 2)
    mouse.move(*end)
    mouse.up()


def box(report: Opened, selector: str) -> Any:
    """Return where an element is."""
    found = report.page.locator(selector).first.bounding_box()
    assert found is not None
    return found


def test_an_axis_is_brushed_by_the_pointer(opened: Open) -> None:
    """Dragging along the axis of accuracy keeps the runs in that part, in the chart and in the table; a click gives them back."""
    report = opened()
    page = report.go(experiment="churn", tab="parallel", grouped="0")
    wait_for_ink(report, ".parallel canvas:nth-child(2)")
    before = ink(report, ".parallel canvas:nth-child(2)")

    track = box(report, ".track[title=accuracy]")
    middle = track["x"] + track["width"] / 2
    drag(report, (middle, track["y"] + 1), (middle, track["y"] + track["height"] / 4))

    kept = [float(text) for text in column(report, "accuracy")]
    known = [row[0] for row in select(report, NEWEST)]
    assert 0 < len(kept) < 20
    assert sorted(kept) == sorted(value for value in known if isinstance(value, float) and value >= min(kept))
    assert page.get_by_text(f"{len(kept)} of 45 runs", exact=True).is_visible()
    assert ink(report, ".parallel canvas:nth-child(2)") < before
    assert texts(report, ".chip")[0].startswith("accuracy ≥ 0.9")

    page.mouse.click(middle, track["y"] + 10)
    assert page.get_by_text("45 runs", exact=True).is_visible()


def test_an_axis_is_brushed_by_the_keyboard(opened: Open) -> None:
    """Each axis has two sliders, for numbers and for texts; their values are said."""
    report = opened()
    page = report.go(experiment="churn", tab="parallel", grouped="0")

    upper = page.get_by_role("slider", name="model to")
    upper.focus()
    assert upper.get_attribute("aria-valuetext") == "tree"
    page.keyboard.press("ArrowDown")
    assert upper.get_attribute("aria-valuetext") == "logreg"
    assert set(column(report, "model")) == {"boosting", "logreg"}
    lower = page.get_by_role("slider", name="accuracy from")
    lower.focus()
    for _ in range(5):
        page.keyboard.press("PageUp")
    assert page.get_by_text("45 runs", exact=True).is_hidden()
    assert float(lower.get_attribute("aria-valuetext") or "") > 0.9
    page.keyboard.press("Escape")
    assert page.get_by_text("30 of 45 runs", exact=True).is_visible()


def test_axes_are_chosen(opened: Open) -> None:
    """Columns become axes and are taken away; what was brushed on one goes with it."""
    report = opened()
    page = report.go(experiment="churn", tab="parallel", grouped="0")

    page.get_by_text("Axes", exact=True).click()
    page.locator(".charts").get_by_label("duration [s]").check()
    page.locator(".charts").get_by_label("lr", exact=True).uncheck()

    titles = report.script("[...document.querySelectorAll('.track')].map(track => track.title)")
    assert titles == ["model", "accuracy", "f1", "loss", "fit_s", "duration [s]"]


def test_a_part_of_the_plane_is_brushed(opened: Open) -> None:
    """Dragging in the scatter plot keeps the runs in that part, for both columns."""
    report = opened()
    page = report.go(experiment="churn", tab="scatter", x="fields.loss", y="fields.accuracy", grouped="0")
    wait_for_ink(report, ".scatter canvas")

    area = box(report, ".scatter")
    drag(report, (area["x"] + 70, area["y"] + 14), (area["x"] + area["width"] / 2, area["y"] + area["height"] / 2))

    kept = len(column(report, "loss"))
    assert 0 < kept < 45
    assert [chip.split()[0] for chip in texts(report, ".chip")] == ["loss", "accuracy"]
    assert f"of {kept} runs" in (page.locator(".scatter").get_attribute("aria-label") or "")


def test_a_point_leads_to_its_run(opened: Open) -> None:
    """The pointer shows the nearest run; a click opens it."""
    report = opened(databases.make_project)
    page = report.go(experiment="tests.test_api.test_latency", tab="scatter", x="params.size", y="fields.latency_ms")
    wait_for_ink(report, ".scatter canvas")

    area = box(report, ".scatter")
    page.mouse.move(area["x"] + 66, area["y"] + 312)
    page.mouse.move(area["x"] + 67, area["y"] + 314)
    report.wait_for(".tip", "size 10")
    page.mouse.click(area["x"] + 67, area["y"] + 314)
    report.wait_for("h1", "size 10")


def test_curves_of_picked_runs_are_drawn(opened: Open) -> None:
    """The first runs at first, then those that are ticked in the table; their legend leads to them."""
    report = opened()
    page = report.go(experiment="churn", tab="curves", grouped="0")
    wait_for_ink(report, ".charts .u-wrap canvas")
    assert len(texts(report, ".series li")) == 8

    page.get_by_role("checkbox", name="pick run 21").check()
    page.get_by_role("checkbox", name="pick run 45").check()

    assert texts(report, ".series li") == ["tree · lr 0.01 · seed 0", "boosting · lr 0.1 · seed 4"]
    assert page.locator("tr.picked").count() == 2
    page.get_by_label("x", exact=True).select_option("seconds")
    assert page.get_by_role("img", name="loss against seconds of 2 runs").is_visible()
    page.get_by_text("Numbers", exact=True).click()
    report.wait("() => document.querySelector('details.more table')")
    rows = texts(report, "table:has(caption:text-is('loss of each run')) tbody tr")
    assert rows[0].startswith("churn · tree · lr 0.01 · seed 0 60 ")
    page.get_by_role("link", name="boosting · lr 0.1 · seed 4").click()
    report.wait_for("h1", "boosting · lr 0.1 · seed 4")


def test_curves_are_zoomed_smoothed_and_logarithmic(opened: Open) -> None:
    """Dragging zooms in, the button goes back; each choice changes what is drawn and is kept in the address."""
    report = opened()
    page = report.go(experiment="churn", tab="curves")
    canvas = ".charts .u-wrap canvas"
    wait_for_ink(report, canvas)
    picture = f"document.querySelector('{canvas}').toDataURL()"
    pictures = [report.script(picture)]

    area = box(report, ".u-over")
    drag(report, (area["x"] + 100, area["y"] + 100), (area["x"] + 300, area["y"] + 110))
    report.wait(f"(before) => {picture} !== before", pictures[0])
    pictures.append(report.script(picture))
    page.get_by_role("button", name="Reset zoom").click()
    assert report.script(picture) == pictures[0]
    page.get_by_label("log y").check()
    pictures.append(report.script(picture))
    page.get_by_label("log x").check()
    pictures.append(report.script(picture))
    page.get_by_label("Smoothing").fill("0.9")
    pictures.append(report.script(picture))

    assert len(set(pictures)) == 5
    address = report.script("location.hash")
    assert "ylog=1" in address
    assert "xlog=1" in address
    assert "smooth=0.9" in address


def test_histories_have_bands_changes_and_numbers(opened: Open) -> None:
    """A chart for each metric, with the baseline of the chosen group, the change of its level, and its numbers as a table."""
    report = opened()
    page = report.go(experiment="churn", tab="history")
    assert texts(report, "figure h3")[:2] == ["accuracy larger is better", "loss smaller is better"]
    wait_for_ink(report, "figure .u-wrap canvas")

    page.get_by_label("Params").select_option(label="model boosting · lr 0.01")
    captions = texts(report, "figure figcaption")
    assert (
        captions[0]
        == "Band: the baseline and what chance may add, 0.9491 ± 0.0032; dashed: the limit, 0.94439. ▼: the level changed."
    )
    assert captions[2].startswith("Band: mean ± 2 sd of 13 earlier sessions since the last change; not judged.")
    page.get_by_text("Numbers", exact=True).first.click()
    report.wait("() => document.querySelector('details.more table')")
    rows = texts(report, "table:has(caption:text-is('History of accuracy')) tbody tr")
    assert len(rows) == 25
    newest = select(report, "SELECT substr([commit], 1, 8) FROM sessions ORDER BY started_at DESC LIMIT 1")[0][0]
    assert rows[0].startswith(f"{newest} 26 Nov 2026")
    report.reload()
    assert page.get_by_label("Params").input_value() == "7"


def test_a_point_of_a_history_leads_to_its_session(opened: Open) -> None:
    """The pointer shows mean, group, commit and time of the nearest point; a click opens the session."""
    report = opened()
    page = report.go(experiment="tests.test_api.test_latency", tab="history")
    wait_for_ink(report, "figure .u-wrap canvas")

    area = box(report, ".u-over")
    last = area["x"] + area["width"] * (databases.SESSIONS - 0.6) / (databases.SESSIONS - 0.2)
    found = False
    for step in range(12):
        page.mouse.move(last, area["y"] + area["height"] * step / 12)
        if page.locator(".tip").first.is_visible():
            found = True
            break
    assert found
    assert "26 Nov 2026" in page.locator(".tip").first.inner_text()
    page.mouse.down()
    page.mouse.up()
    report.wait_for(".crumbs", "Session")


def test_images_stand_beside_each_other(opened: Open) -> None:
    """The images of a field of all runs that are looked at; another field can be chosen."""
    report = opened()
    page = report.go(experiment="churn", tab="images")

    assert page.locator(".gallery img").count() == 9
    page.get_by_label("Field", exact=True).select_option("fields.heat")
    page.get_by_label("Filter runs").fill("tree")
    assert texts(report, ".gallery figcaption") == [
        "tree · lr 0.001 · seed 0",
        "tree · lr 0.01 · seed 0",
        "tree · lr 0.1 · seed 0",
    ]


def test_artifacts_that_are_pictures_are_shown(opened: Open) -> None:
    """Of one that was removed it is said."""
    report = opened(databases.make_pictures)
    page = report.go(experiment="pictures", tab="images")

    assert page.locator(".gallery img").count() == 2
    report.wait("() => [...document.querySelectorAll('.gallery img')].every((image) => image.naturalWidth === 80)")
    (id_run,) = select(report, "SELECT id_run FROM runs ORDER BY position DESC LIMIT 1")[0]
    page = report.go(experiment="pictures", run=id_run)
    fields = dict(row.split(" ", 1) for row in texts(report, "table:has(caption:text-is('Fields')) tr"))
    assert fields["notes"].startswith("Artifact 'notes.txt', 10 bytes")
    assert "artifact 'run2.png' is missing" in fields["picture"]


def test_charts_of_ten_thousand_runs(opened: Open) -> None:
    """All of them are lines and points, and can be brushed."""
    report = opened(databases.make_large)
    page = report.go(experiment="sweep", grouped="0")
    wait_for_ink(report, ".parallel canvas:nth-child(2)")

    track = box(report, ".track[title=loss]")
    middle = track["x"] + track["width"] / 2
    drag(report, (middle, track["y"] + track["height"] - 2), (middle, track["y"] + track["height"] / 2))
    loss = [row[0] for row in select(report, "SELECT fields ->> 'loss' FROM runs")]
    half = sum(1 for value in loss if isinstance(value, float) and value <= (min(loss) + max(loss)) / 2 + 0.02)
    said = page.locator(".tools [role=status]").first.inner_text()
    assert abs(int(said.split(" of ")[0].replace("\u202f", "")) - half) < 200

    page.get_by_role("tab", name="Scatter").click()
    wait_for_ink(report, ".scatter canvas")
    assert "of 10" not in (page.locator(".scatter").get_attribute("aria-label") or "")


def test_a_chart_follows_the_width_and_the_colours(opened: Open) -> None:
    """Charts are drawn anew when the window changes, and when the screen becomes dark."""
    report = opened()
    page = report.go(experiment="churn", tab="scatter")
    wait_for_ink(report, ".scatter canvas")
    wide = box(report, ".scatter canvas")["width"]
    page.set_viewport_size({"width": 700, "height": 800})
    report.wait("(wide) => document.querySelector('.scatter canvas').clientWidth < wide", wide)
    light = report.script("document.querySelector('.scatter canvas').toDataURL()")
    page.emulate_media(color_scheme="dark")
    report.wait("(light) => document.querySelector('.scatter canvas').toDataURL() !== light", light)
