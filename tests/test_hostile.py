"""Hostile databases: nothing of what is in them runs, nothing that they declare is believed, and every reader says where it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

import pytest_mltraq as mltraq
from pytest_mltraq.errors import MltraqError
from tests.attacks import Attack, bombs, pickles, plant, tame
from tests.children import run_module
from tests.program import run as run_command

FAMILIES: dict[str, Callable[[Path], dict[str, Attack]]] = {
    "pickles": pickles,
    "bombs": lambda marker: bombs(),
    "tame": lambda marker: tame(),
}


def read_attacks(url: str, folder: Path, family: str) -> dict[str, Any]:
    """Make a hostile database, and read it in a process of its own, with little memory, in every way there is."""
    marker, made = folder / "exploded", folder / "made"
    made.mkdir()
    plant(url, FAMILIES[family](marker))
    child = run_module("tests.attacks", url, str(made), str(marker))
    assert child.returncode == 0, child.stderr
    assert not marker.exists()
    found: dict[str, Any] = json.loads(child.stdout)
    return found


@pytest.mark.parametrize("family", ["pickles", "bombs"])
def test_an_attack_is_corrupt_data_wherever_it_is_read(database_url: str, tmp_path: Path, family: str) -> None:
    """Nothing runs, memory stays where it is, the path is that of the value, and what is sound is read beside it."""
    found = read_attacks(database_url, tmp_path, family)

    outcomes = {name: (outcome, path) for name, (outcome, path, _) in found["values"].items()}
    assert {name: both for name, both in outcomes.items() if not both[0].startswith(both[1])} == {}
    assert {loss for _, _, loss in found["values"].values()} | set(found["losses"]) == {0.5}
    assert found["frame"] in [path for _, path in outcomes.values()]
    # Commands do their work, or say which value can't be read.
    codes = {name: code for name, (code, _) in found["commands"].items()}
    assert codes == dict.fromkeys(codes, 0) | {"doctor": 1, "export": 2}, found["commands"]
    assert found["commands"]["export"][1].startswith(f"Error: {found['frame']}")
    problems = json.loads(found["commands"]["doctor"][1].partition("\nand ")[0])["problems"]
    assert {problem["what"] for problem in problems} == {"run"}
    assert (found["stored again"], found["page"], found["merge"][0], found["shown"]) == ("read", "read", 0, [0])
    assert found["left"] == ["merged.db", "page.html", "report.html"]


def test_what_says_that_it_is_huge_and_may_be_is_read(database_url: str, tmp_path: Path) -> None:
    """A range of any length is a value like any other: nobody writes it out."""
    found = read_attacks(database_url, tmp_path, "tame")

    assert {outcome for outcome, _, _ in found["values"].values()} == {"read"}
    codes = {name: code for name, (code, _) in found["commands"].items()}
    assert codes == dict.fromkeys(codes, 0), found["commands"]
    done = (found["frame"], found["stored again"], found["page"], found["merge"][0], found["shown"])
    assert done == ("read", "read", "read", 0, [0])
    assert found["left"] == ["merged.db", "out.csv", "page.html", "report.html"]
    exported = (tmp_path / "made" / "out.csv").read_text(encoding="utf-8")
    assert "RangeIndex of 1099511627776, int64" in exported
    assert "1E+999999999999" in exported


DEEP = "[" * 2_000 + "]" * 2_000

DAMAGES = [
    "fields = '[]'",
    "fields = '5'",
    f"fields = '{{\"a\": {DEEP}}}'",
    "types = '[1]'",
    "types = '5'",
    "types = '{\"fields\": 5}'",
    'types = \'{"fields": {"loss": "x"}}\'',
    'types = \'{"fields": {"loss": ["list", {"0": ["list"]}]}}\'',
    'types = \'{"fields": {"other": ["list", {}]}}\'',
    f'types = \'{{"fields": {{"loss": {DEEP}}}}}\'',
    "params = 'null'",
    """params = '{"n": null}', types = '{"params": {"n": "x"}}'""",
    """params = '{"n": null}', types = '{"params": {"n": ["x", 5]}}'""",
    "types = '{\"params\": 5}'",
    "steps = '5'",
    "steps = '[5]'",
    "steps = '[{\"name\": 1}]'",
    "error = '5'",
    "error = '{\"evil\": 1}'",
]
ONLY_SQLITE = [
    "fields = 'no JSON'",
    "fields = x'00ff'",
    "fields = CAST(x'7b22ff223a317d' AS TEXT)",
    "fields = 7",
    "types = x'80'",
    "id_run = 'no id'",
    "started_at = 'no time'",
    "started_at = 7",
    "outcome = x'ff00'",
    "duration_s = 'long'",
]
OF_OTHER_TABLES = [
    ("experiments", "name = x'ff00'"),
    ("experiments", "fields = 1e300"),
    ("experiments", "config = 7"),
    ("experiments", "code = 7"),
    ("sessions", "tags = 7"),
    ("sessions", "ci = 7"),
    ("sessions", "packages = '[]'"),
    ("sessions", "exit_status = 'none'"),
]


COMMANDS = (["doctor"], ["export", "example"], ["show", "example"], ["ls", "runs", "example"], ["report"], ["merge"])
OF_SESSIONS = (["doctor"], ["export", "example"], ["show", "example"], ["show", "last"], ["ls"], ["report"])


def read_damaged(url: str, folder: Path, damage: str, commands: Iterable[list[str]], table: str = "runs") -> None:
    """Damage a row, and read it in every way there is: only errors of ours are raised, and commands end with a message."""
    session = mltraq.create_session(url)
    session.create_experiment("example").add_run(n=1).execute(lambda run: run.fields.update(loss=0.5)).persist(
        "replace"
    )
    with session.db.writing() as connection:
        connection.exec_driver_sql(f"UPDATE {table} SET {damage}".replace("%", "%%"))  # noqa: S608 - the test's own

    try:
        experiment = session.load_experiment("example")
        dict(experiment.runs.first().fields)
        experiment.df()
    except MltraqError as error:
        assert str(error) != ""  # noqa: PT017 - there may be no error
    session.close()

    for name, *arguments in commands:
        to = ["-o", str(folder / f"to.{name}")] if name in ("report", "merge") else []
        result = run_command(name, *([url] if name == "merge" else [*arguments, "--db", url]), *to)
        assert isinstance(result.exception, SystemExit | None), (name, damage, result.exception)


@pytest.mark.parametrize("damage", [*DAMAGES, *ONLY_SQLITE], ids=lambda damage: damage[:40])
def test_no_row_makes_a_reader_fail_with_another_error_than_ours(tmp_path: Path, damage: str) -> None:
    """Whatever stands in a row, programs get an error of ours, and commands end with a message."""
    read_damaged(f"sqlite:///{tmp_path / 'results.db'}", tmp_path, damage, COMMANDS)


@pytest.mark.parametrize(("table", "damage"), OF_OTHER_TABLES, ids=lambda part: part)
def test_no_row_of_an_experiment_or_a_session_does_either(tmp_path: Path, table: str, damage: str) -> None:
    """SQLite takes any value in any column."""
    read_damaged(f"sqlite:///{tmp_path / 'results.db'}", tmp_path, damage, OF_SESSIONS, table)


def test_no_row_of_postgresql_does_either(postgresql: str, tmp_path: Path) -> None:
    """PostgreSQL refuses what is no JSON; what is other JSON is read there as on SQLite."""
    for damage in DAMAGES[::3]:
        read_damaged(postgresql, tmp_path, damage, COMMANDS[:3])
