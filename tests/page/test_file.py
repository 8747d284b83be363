"""The file of a page: written as a whole, with what it shows, and nothing that runs or loads but its own."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from pathlib import Path
from typing import Any

import pytest

import pytest_mltraq as mltraq
from pytest_mltraq.errors import ConfigurationError, NotFoundError, StorageError
from pytest_mltraq.report.page import Limits, write_page
from pytest_mltraq.storage import Database
from tests.page import databases

DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)


def data_of(page: Path) -> dict[str, Any]:
    """Return the JSON in a page."""
    found = DATA.search(page.read_text(encoding="utf-8"))
    assert found is not None
    parsed: dict[str, Any] = json.loads(found[1])
    return parsed


def decode_column(column: dict[str, Any], n: int) -> list[Any]:
    """Read a column as `data.js` does."""
    if "all" in column:
        return list(column["all"])
    return [column["of"][at] for at in column["at"]] if "at" in column else column["of"] * n


def small_database(file: Path, **fields: Any) -> Database:
    """Make a database of one run."""
    experiment = mltraq.create_session(file).create_experiment("one")
    databases.add(experiment, [databases.made_run({"seed": 1}, fields or {"loss": 0.5})])
    experiment.persist()
    return Database(file)


def test_folders_are_made_and_an_earlier_page_is_replaced(tmp_path: Path) -> None:
    """The page is where it was asked for, and nothing else is beside it."""
    file = tmp_path / "new" / "folder" / "page.html"
    database = small_database(tmp_path / "results.db")

    assert write_page(database, file) == file
    first = data_of(file)
    write_page(database, str(file))

    assert list(file.parent.iterdir()) == [file]
    assert data_of(file)["experiments"] == first["experiments"]
    assert first["database"] == "results.db"


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    """Where the path is a folder, the message says so, and no draft is left."""
    folder = tmp_path / "page.html"
    folder.mkdir()

    with pytest.raises(ConfigurationError, match=r"expected a file that can be written, found .*page\.html"):
        write_page(small_database(tmp_path / "results.db"), folder)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "results.db"]


def test_an_empty_database_has_no_page(tmp_path: Path) -> None:
    """There is nothing to show of a database that was never written."""
    with pytest.raises(StorageError, match=r"results\.db is empty"):
        write_page(Database(tmp_path / "results.db"), tmp_path / "page.html")

    assert not (tmp_path / "page.html").exists()


def test_experiments_are_chosen_by_name(tmp_path: Path) -> None:
    """Only what was asked for is in the page; a wrong name says which one is near."""
    database = Database(databases.make_project(tmp_path / "results.db", sessions=2, seeds=1))

    page = write_page(database, tmp_path / "page.html", experiments=["churn"])

    assert [experiment["name"] for experiment in data_of(page)["experiments"]] == ["churn"]
    assert "latency" not in page.read_text(encoding="utf-8")
    with pytest.raises(NotFoundError, match="experiment 'chrn' is not stored; did you mean 'churn'"):
        write_page(database, tmp_path / "page.html", experiments=["chrn"])


def test_only_what_the_page_itself_brings_may_run(tmp_path: Path) -> None:
    """The policy names the digest of each script and of the style, and forbids all else."""
    page = write_page(small_database(tmp_path / "results.db"), tmp_path / "page.html").read_text(encoding="utf-8")

    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in html.unescape(policy[1]).split(";"))
    inline = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    style = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert rules == {
        "default-src": "'none'",
        "script-src": " ".join(map(digest, inline)),
        "style-src": " ".join(map(digest, style)),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "require-trusted-types-for": "'script'",
    }
    assert len(inline) == 2
    assert page.index("Content-Security-Policy") < page.index("<style>") < page.index("<script")


def digest(text: str) -> str:
    """Return what a policy calls a text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_nothing_in_the_data_ends_its_element(tmp_path: Path) -> None:
    """Whatever a name is, the data stays JSON in one element, and braces in it are no marks of the template."""
    page = write_page(Database(databases.make_hostile(tmp_path / "results.db")), tmp_path / "page.html")

    found = DATA.search(page.read_text(encoding="utf-8"))
    assert found is not None
    assert not re.search("[<>&\u2028\u2029]", found[1])
    names = {experiment["name"] for experiment in json.loads(found[1])["experiments"]}
    assert names == {name or "no name" for name in databases.ODD_NAMES}


def test_without_scripts_the_page_says_what_there_is(tmp_path: Path) -> None:
    """Where scripts don't run, experiments and outcomes are there as text; their names are no markup."""
    file = tmp_path / "results.db"
    experiment = mltraq.create_session(file).create_experiment(databases.ATTACK)
    databases.add(experiment, [databases.made_run({}, {}), databases.made_run({}, {}, outcome="failed")])
    experiment.persist()

    page = write_page(Database(file), tmp_path / "page.html").read_text(encoding="utf-8")

    without = re.search(r"<noscript>(.*?)</noscript>", page, re.DOTALL)
    assert without is not None
    assert f"<li>{html.escape(databases.ATTACK)}: 1 failed, 1 passed</li>" in without[1]


def test_a_thousand_runs_are_half_a_megabyte(tmp_path: Path) -> None:
    """A page of 1,000 runs with a few params and numbers stays below 0.5 MB, all runs in it."""
    page = write_page(Database(databases.make_large(tmp_path / "results.db", runs=1000)), tmp_path / "page.html")

    assert data_of(page)["experiments"][0]["runs"]["n"] == 1000
    assert data_of(page)["left_out"] == []
    assert page.stat().st_size < 500_000


def test_curves_fit_whatever_there_is(tmp_path: Path) -> None:
    """Of a hundred times more points than fit, the page has those that show the shape, and says how much is missing."""
    file = tmp_path / "results.db"
    experiment = mltraq.create_session(file).create_experiment("curves")
    for seed in range(400):
        losses = [seed + 1 / (1 + row) + (7.0 if row == 1234 else 0) for row in range(2000)]
        sequence = mltraq.Sequence.from_columns(range(2000), {"loss": losses, "epoch": list(range(2000))})
        databases.add(experiment, [databases.made_run({"seed": seed}, {"curve": sequence})])
    experiment.persist()

    page = write_page(Database(file), tmp_path / "page.html")

    data = data_of(page)
    assert page.stat().st_size < 600_000
    assert 200 < len(data["curves"]) < 400
    assert data["left_out"] == [
        f"sequences without curves, because there is no room for more: {400 - len(data['curves'])}",
        f"curves that show fewer points than their sequences have: {len(data['curves'])}",
    ]
    rows = [sum(data["curves"][0]["at"][: at + 1]) for at in range(len(data["curves"][0]["at"]))]
    assert {0, 1234, 1999} <= set(rows)
    assert data["curves"][0]["rows"] == 2000


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    """Older sessions, runs, groups, images and long texts beyond the limits are counted in the page."""
    file = tmp_path / "results.db"
    for _ in range(3):
        session = mltraq.create_session(file)
        experiment = session.create_experiment("limited")
        picture = databases.png([[0.1, 0.9]])
        for at in range(4):
            fields = {"text": "x" * 5000, "picture": picture, "n": at, "list": [at] * 300, "m": at}
            databases.add(experiment, [databases.made_run({"at": at}, fields)])
        experiment.persist("append")
    limits = Limits(sessions=2, runs=5, groups=2, metrics=1, text=5200, image=10)

    data = data_of(write_page(Database(file), tmp_path / "page.html", limits=limits))

    assert data["left_out"] == [
        "earlier sessions: 1",
        "long texts that are cut: 2",
        "images that are larger than what is shown: 1",
        "runs that are not listed one by one, but are in means, comparisons and histories: 3",
        "fields without a history, because they are no declared metrics: 1",
        "groups of params without a history of their own: 2",
    ]


def test_a_picture_among_artifacts_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    """It is counted with the other images that are not shown."""
    file = databases.make_pictures(tmp_path / "results.db")
    data = data_of(write_page(Database(file), tmp_path / "page.html", limits=Limits(image=10)))
    assert data["images"] == []
    assert "images that are larger than what is shown: 3" in data["left_out"]


@pytest.mark.parametrize("table", ["runs", "experiments", "sessions"])
def test_damaged_documents_do_not_keep_a_page_from_being_written(tmp_path: Path, table: str) -> None:
    """What can't be read is shown as nothing, and the page says that something is damaged."""
    file = databases.make_project(tmp_path / "results.db", sessions=2, seeds=1)
    column = {"runs": "fields", "experiments": "code", "sessions": "packages"}[table]
    databases.execute(file, f"UPDATE {table} SET {column} = '[1'")  # noqa: S608

    data = data_of(write_page(Database(file), tmp_path / "page.html"))

    assert any(line.startswith("damaged documents (pytest-mltraq doctor says more): ") for line in data["left_out"])


def test_a_damaged_object_is_said_in_its_place(tmp_path: Path) -> None:
    """The value whose object is damaged or missing says so; the others are shown."""
    file = tmp_path / "results.db"
    small_database(file, array=list(range(3)), loss=0.5, blob=b"x" * 5000).close()
    databases.execute(file, "UPDATE objects SET data = X'00'")

    data = data_of(write_page(Database(file), tmp_path / "page.html"))

    assert [more["type"] for more in data["more"]] == ["list of 3", "damaged"]
    assert "is damaged: its content has another digest" in data["more"][1]["text"]


def test_both_databases_give_the_same_page(tmp_path: Path, database_url: str) -> None:
    """What is read of SQLite and PostgreSQL is the same, times included."""
    session = mltraq.create_session(database_url)
    experiment = session.create_experiment("both", owner="ann")
    run = databases.made_run({"lr": 0.1, "seed": 0}, {"loss": float("nan"), "bytes": b"1" * 2000}, steps={"train": 1.5})
    databases.add(experiment, [run])
    experiment.persist()
    session.close()

    data = data_of(write_page(Database(database_url), tmp_path / "page.html"))

    found = data["experiments"][0]
    assert found["columns"] == [
        {"source": "params", "name": "lr", "of": [0.1]},
        {"source": "params", "name": "seed", "of": [0]},
        {"source": "fields", "name": "loss", "of": [["nan"]]},
        {"source": "fields", "name": "bytes", "of": [["more", 0]]},
    ]
    assert found["runs"]["begin"] == round(databases.START.timestamp() * 1000)
    assert found["runs"]["times"] == [[1.5]]
    assert found["history"]["loss"]["mean"] == {"of": [["nan"]]}
    assert data["sessions"]["rows"]["started_at"]["of"][0].endswith("+00:00")
    assert data["database"] == ("results.db" if database_url.startswith("sqlite") else Database(database_url).url)
