"""Damaged data is noticed: whatever changed in what is stored, it is read as a value or is corrupt data with its path."""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
from pathlib import Path
from typing import Any

import pytest

import pytest_mltraq as mltraq
from pytest_mltraq.errors import MltraqError
from tests.children import run_module
from tests.exact import same
from tests.fuzzing import Fuzz, changed_bytes, samples


def faults(count: int, seed: int) -> list[Any]:
    """Try mutations in a process of its own; returns those that were not handled as they must be."""
    child = run_module("tests.fuzzing", "--count", str(count), "--seed", str(seed))
    assert child.returncode == 0, child.stderr
    return [json.loads(line) for line in child.stdout.splitlines()]


def test_a_mutation_is_a_value_or_corrupt_data() -> None:
    """Also where the attacker made the digest anew: no other error, no crash, no memory that was only declared."""
    assert faults(1_000, seed=0) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 6))
def test_a_mutation_is_a_value_or_corrupt_data_in_10_000_cases(seed: int) -> None:
    """The long version of the test above."""
    assert faults(10_000, seed) == []


def test_mutations_reach_every_kind_of_value() -> None:
    """The same seed makes the same mutations; every sample is mutated, and not all of the mutations fail at the first look."""
    first, second = (Fuzz(3) for _ in range(2))
    found = [first.mutation() for _ in range(3_000)]

    assert [name for name, _, _ in found] == [second.mutation()[0] for _ in range(3_000)]
    assert {name for name, _, _ in found} == first.samples.keys()
    assert {part for _, part, _ in found} == {"object", "types", "document"}


def check_stored_mutations(file: Path, count: int, seed: int) -> None:
    """Change objects in a database, one after another; what comes back is the same, or is corrupt data."""
    values = samples()
    session = mltraq.create_session(file)
    experiment = session.create_experiment("example").add_run()
    experiment.execute(lambda run: run.fields.update({name: [value] for name, value in values.items()})).persist()
    (id_run,) = experiment.runs
    rng = random.Random(seed)
    with contextlib.closing(sqlite3.connect(file)) as connection:
        stored = connection.execute("SELECT rowid, data FROM objects").fetchall()
        for _ in range(count):
            (row, data), (_, other) = rng.choice(stored), rng.choice(stored)
            with connection:
                changed = changed_bytes(rng, data, other)
                connection.execute("UPDATE objects SET data = ? WHERE rowid = ?", (changed, row))
            fields = session.load_experiment("example").runs.first().fields
            for name, value in values.items():
                try:
                    assert same(fields[name], [value])
                except mltraq.CorruptDataError as error:
                    path = f"run {id_run}: fields{f'.{name}' if name.isidentifier() else f'[{name!r}]'}"
                    assert error.path.startswith(path)  # noqa: PT017 - there may be no error
            with connection:
                connection.execute("UPDATE objects SET data = ? WHERE rowid = ?", (data, row))
    session.close()


def test_a_mutation_in_a_database_is_the_same_value_or_corrupt_data(tmp_path: Path) -> None:
    """What is stored as an object is known by its digest: nothing that changed is ever read as something else."""
    check_stored_mutations(tmp_path / "results.db", 40, seed=0)


@pytest.mark.slow
def test_a_mutation_in_a_database_is_the_same_value_or_corrupt_data_in_1_000_cases(tmp_path: Path) -> None:
    """The long version of the test above."""
    check_stored_mutations(tmp_path / "results.db", 1_000, seed=1)


def test_a_damaged_file_is_an_error_of_ours(tmp_path: Path) -> None:
    """Wherever a byte of the database's file changed, programs get what is stored, or an error of ours."""
    file, copy = tmp_path / "results.db", tmp_path / "copy.db"
    session = mltraq.create_session(file)
    experiment = session.create_experiment("example").add_run(n=1)
    experiment.execute(lambda run: run.fields.update(samples())).persist()
    session.close()
    sound, rng = file.read_bytes(), random.Random(0)

    for _ in range(100):
        damaged = bytearray(sound)
        for _ in range(8):
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        copy.write_bytes(damaged)
        try:
            session = mltraq.create_session(copy)
            found = session.load_experiment("example").runs.first().fields
            for name in list(found):
                with contextlib.suppress(mltraq.CorruptDataError):
                    found[name]
        except MltraqError as error:
            assert str(error) != ""  # noqa: PT017 - there may be no error
        finally:
            session.close()
