"""Databases to make pages of: a project with a history, thousands of runs, and values that attack."""

from __future__ import annotations

import contextlib
import datetime
import io
import json
import math
import random
import sqlite3
import struct
import uuid
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import pytest_mltraq as mltraq
from pytest_mltraq.experiment import Experiment
from pytest_mltraq.run import Run, RunError, StepTime
from pytest_mltraq.steps import step_code

START = datetime.datetime(2026, 11, 3, 8, 30, tzinfo=datetime.UTC)
SESSIONS = 24
"""Of the project; in the tenth one accuracy rose."""

MODELS = ("logreg", "tree", "boosting")
LEVELS = {"logreg": 0.912, "tree": 0.884, "boosting": 0.943}

Runs = Iterable[Run]


def step_split(run: Run) -> None:
    """Set a quarter of the samples aside."""


def step_train(run: Run) -> None:
    """Fit the model, and keep the loss of each epoch."""


def step_evaluate(run: Run) -> None:
    """Judge the model by the samples that were set aside."""


CHAIN = (step_split, step_train, step_evaluate)


def make_project(file: Path, sessions: int = SESSIONS, seeds: int = 5) -> Path:
    """Make the database of a project: sessions on `main` with a fall of one model's accuracy in the last one."""
    for number in range(sessions):
        dice = random.Random(number)
        last = number == sessions - 1
        session = mltraq.create_session(file)
        churn = session.create_experiment("churn", dataset="customers-2026")
        churn.doc = "Which customers leave within a month?\n\nEach model is trained on the same three quarters of the customers."
        churn.nodeid = "experiment_churn.py::experiment_churn"
        churn.code = [step_code(step) for step in CHAIN]
        add(churn, _churn_runs(dice, number, seeds, fell=last))
        churn.persist("append")
        latency = session.create_experiment("tests.test_api.test_latency")
        latency.nodeid = "tests/test_api.py::test_latency"
        add(latency, _latency_runs(dice, number))
        latency.persist("append")
        describe_session(file, session.id_session, number, exit_status=int(last))
        session.close()
    _judge(file, sessions)
    return file


def add(experiment: Experiment, runs: Runs) -> None:
    """Add runs to an experiment as if they had been executed."""
    for run in runs:
        experiment.runs.add(run)


def made_run(
    params: dict[str, Any],
    fields: dict[str, Any],
    *,
    steps: dict[str, float] | None = None,
    outcome: str = "passed",
    error: RunError | None = None,
    seed: int = 7,
    started_at: datetime.datetime = START,
) -> Run:
    """Make a run that was executed."""
    run = Run(mltraq.Bunch(params), fields=fields, seed=seed)
    run.outcome, run.error, run.started_at = outcome, error, started_at
    run.steps = [StepTime(name, seconds) for name, seconds in (steps or {}).items()]
    run.duration_s = sum((steps or {}).values())
    return run


def _churn_runs(dice: random.Random, number: int, seeds: int, *, fell: bool) -> Runs:
    started = START + datetime.timedelta(days=number)
    for model in MODELS:
        for lr in (0.001, 0.01, 0.1):
            for seed in range(seeds):
                started += datetime.timedelta(seconds=2)
                level = LEVELS[model] - 0.012 * abs(math.log10(lr) + 2) + (0.006 if number >= 10 else 0)
                if fell and model == "boosting":
                    level -= 0.016
                accuracy = round(level + 0.0025 * math.sin(seed * 2.1) + dice.gauss(0, 0.0012), 4)
                loss = round(2.4 * (1 - accuracy) ** 0.7 + dice.gauss(0, 0.004), 5)
                fields: dict[str, Any] = {
                    "accuracy": accuracy,
                    "f1": round(accuracy - 0.021 + dice.gauss(0, 0.002), 4),
                    "loss": loss,
                    "training": _training(dice, lr, loss, accuracy),
                    "fit_s": round({"logreg": 0.4, "tree": 0.9, "boosting": 3.1}[model] * dice.uniform(0.9, 1.2), 3),
                }
                steps = {
                    "step_split": 0.021,
                    "step_train": fields["fit_s"],
                    "step_evaluate": 0.08,
                    "experiment_churn": 0.001,
                }
                if fell and seed == 0:
                    confusion = np.array([[830, 170 - int(accuracy * 100)], [int((1 - accuracy) * 300), 210]])
                    fields |= {
                        "confusion": confusion,
                        "importances": pd.DataFrame(
                            {"feature": ["tenure", "calls", "plan"], "gain": [0.52, 0.31, 0.17]}
                        ),
                        "roc": roc_picture(accuracy),
                        "heat": png(confusion / confusion.max()),
                        "notes": {"threshold": 0.5, "classes": ["stays", "leaves"], "scaled": True},
                    }
                params = {"model": model, "lr": lr, "seed": seed}
                if fell and (model, lr, seed) == ("logreg", 0.1, 3):
                    error = RunError(
                        "step_train",
                        "FloatingPointError",
                        "the loss is not finite after 3 epochs",
                        'Traceback (most recent call last):\n  File "experiment_churn.py", line 31, in step_train\n'
                        "    raise FloatingPointError(message)\nFloatingPointError: the loss is not finite after 3 epochs\n",
                    )
                    failed = {"training": _training(dice, lr, loss, accuracy, epochs=3)}
                    yield made_run(
                        params,
                        failed,
                        steps={"step_split": 0.02, "step_train": 0.11},
                        outcome="failed",
                        error=error,
                        started_at=started,
                    )
                    continue
                yield made_run(params, fields, steps=steps, seed=1_000_003 * seed + number, started_at=started)


def _training(dice: random.Random, lr: float, loss: float, accuracy: float, epochs: int = 60) -> mltraq.Sequence:
    rate = {0.001: 14.0, 0.01: 7.0, 0.1: 3.0}[lr]
    columns: dict[str, list[Any]] = {
        "epoch": list(range(1, epochs + 1)),
        "loss": [loss + 1.8 * math.exp(-epoch / rate) * dice.uniform(0.9, 1.1) for epoch in range(epochs)],
        "accuracy": [accuracy - 0.4 * math.exp(-epoch / rate) * dice.uniform(0.9, 1.1) for epoch in range(epochs)],
    }
    return mltraq.Sequence.from_columns(
        [1_762_000_000_000_000_000 + 50_000_000 * epoch for epoch in range(epochs)], columns
    )


def _latency_runs(dice: random.Random, number: int) -> Runs:
    started = START + datetime.timedelta(days=number, seconds=200)
    for size in (10, 100, 1000):
        seconds = 0.004 * math.log10(size) * dice.uniform(0.9, 1.1) * (0.8 if number >= 9 else 1)
        yield made_run(
            {"size": size}, {"latency_ms": round(seconds * 1000, 3)}, steps={"call": seconds}, started_at=started
        )


def describe_session(
    file: Path, id_session: uuid.UUID, number: int, *, exit_status: int = 0, branch: str = "main"
) -> None:
    """Have a session be one of a series, a day apart."""
    started = START + datetime.timedelta(days=number)
    finished = started + datetime.timedelta(minutes=3, seconds=number)
    packages = {"numpy": "2.3.1", "pandas": "3.1.1", "scikit-learn": "1.7.2" if number < 9 else "1.8.0"}
    tags = ["v1.0"] if number == 6 else ["nightly"] if number % 5 == 4 else []
    values = {
        "started_at": started.isoformat(sep=" ", timespec="microseconds"),
        "finished_at": finished.isoformat(sep=" ", timespec="microseconds"),
        "exit_status": exit_status,
        "origin": "pytest",
        "tags": json.dumps(tags),
        '"commit"': f"{zlib.crc32(str(number).encode()):08x}" * 5,
        "branch": branch,
        "dirty": int(number == 3),
        "ci": json.dumps({"provider": "github", "job": f"https://github.com/ann/churn/actions/runs/{7000 + number}"}),
        "python": "3.11.7",
        "platform": "Linux-6.1-x86_64",
        "host": "runner-2",
        "packages": json.dumps(packages),
        "command": "pytest --mltraq-db=results.db",
    }
    update(file, "sessions", values, "id", id_session)


def update(file: Path, table: str, values: dict[str, Any], key: str, value: object) -> None:
    """Change a row as a user with the sqlite3 shell would."""
    columns = ", ".join(f"{name} = ?" for name in values)
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(f"UPDATE {table} SET {columns} WHERE {key} = ?", [*values.values(), str(value)])  # noqa: S608


def execute(file: Path, sql: str, rows: Iterable[Iterable[Any]] = ()) -> list[tuple[Any, ...]]:
    """Run a statement, once for each row of values where there are any."""
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        values = [list(row) for row in rows]
        return connection.executemany(sql, values).fetchall() if values else connection.execute(sql).fetchall()


METRICS = [
    {
        "name": "accuracy",
        "direction": "maximize",
        "min": 0.85,
        "max": None,
        "rtol": 0.005,
        "atol": None,
        "over": ["seed"],
    },
    {"name": "loss", "direction": "minimize", "min": None, "max": None, "rtol": 0.02, "atol": None, "over": ["seed"]},
]


def _judge(file: Path, sessions: int) -> None:
    """Declare the metrics of `churn`, and judge the last session as the gate does."""
    found = execute(
        file,
        "SELECT e.id_experiment, e.id_session FROM experiments e JOIN sessions s ON s.id = e.id_session "
        "WHERE e.name = 'churn' ORDER BY s.started_at",
    )
    execute(file, "UPDATE experiments SET metrics = ? WHERE name = 'churn'", [[json.dumps(METRICS)]])
    (_, baseline), (id_experiment, id_session) = found[-2:]
    means = {
        (model, lr, session): (mean, loss)
        for model, lr, session, mean, loss in execute(
            file,
            "SELECT params ->> 'model', params ->> 'lr', id_experiment, avg(fields ->> 'accuracy'), avg(fields ->> 'loss') "
            "FROM runs WHERE params ->> 'model' IS NOT NULL GROUP BY 1, 2, 3",
        )
    }
    rows: list[dict[str, Any]] = []
    for model in MODELS:
        for lr in (0.001, 0.01, 0.1):
            for at, metric in enumerate(("accuracy", "loss")):
                before, now = means[model, lr, found[-2][0]][at], means[model, lr, id_experiment][at]
                verdict, reason, p = _word(metric, before, now, failed=(model, lr) == ("logreg", 0.1))
                rows.append(
                    {
                        "id_experiment": id_experiment, "position": len(rows), "id_session": id_session,
                        "experiment": "churn", "metric": metric, "params": json.dumps({"model": model, "lr": lr}),
                        "verdict": verdict, "fails": int(verdict == "regressed"), "reason": reason, "method": "paired t",
                        "n": 5, "mean": now, "sd": 0.0018, "baseline_session": baseline, "baseline_n": 5,
                        "baseline_mean": before, "baseline_sd": 0.0019, "change": now - before,
                        "low": now - before - 0.0032, "high": now - before + 0.0032, "p_value": p / 4, "q_value": p,
                        "minimum_detectable_change": 0.0041,
                    }
                )  # fmt: skip
    names = list(rows[0])
    sql = f"INSERT INTO verdicts ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608
    execute(file, sql, [list(row.values()) for row in rows])


def _word(metric: str, before: float, now: float, *, failed: bool) -> tuple[str, str, float]:
    if failed:
        return "undecided", "1 of 5 runs failed", 0.4
    gain = (now - before) * (1 if metric == "accuracy" else -1)
    limit = before * (0.005 if metric == "accuracy" else 0.02)
    if gain < -limit:
        return "regressed", f"{abs(gain):.4f} worse, more than the tolerance of {limit:.4f} and than chance", 0.0004
    if gain > limit:
        return "improved", f"{gain:.4f} better, more than the tolerance of {limit:.4f} and than chance", 0.002
    return "unchanged", f"within the tolerance of {limit:.4f}", 0.6


def make_large(file: Path, runs: int = 10_000) -> Path:
    """Make a database of many runs of one experiment: three params, five numbers."""
    dice = random.Random(1)
    session = mltraq.create_session(file)
    experiment = session.create_experiment("sweep")
    rates = [10 ** (-at / 8) for at in range(8, 40)]

    def of(number: int) -> Run:
        params = {
            "optimizer": ("adam", "sgd", "lion", "rmsprop")[number % 4],
            "lr": rates[number % 32],
            "width": 2 ** (4 + number % 7),
        }
        loss = 1.3 + math.log10(params["lr"]) ** 2 / 9 + dice.gauss(0, 0.06) + 4 / params["width"]
        fields = {
            "loss": loss, "accuracy": 1 / (1 + loss**2), "f1": 0.95 / (1 + loss**2) + dice.gauss(0, 0.004),
            "time_s": params["width"] / 40 * dice.uniform(0.9, 1.4), "memory_mb": params["width"] * 3.1 + dice.gauss(0, 4),
        }  # fmt: skip
        return made_run(params | {"seed": number}, fields, steps={"step_train": fields["time_s"]}, seed=number)

    add(experiment, map(of, range(runs)))
    experiment.persist()
    session.close()
    return file


def png(values: Any) -> bytes:
    """Write values from 0 to 1, shape (rows, columns), as an image, 40 pixels each."""
    pixels = np.kron(255 - (np.asarray(values) * 200).astype(np.uint8), np.ones((40, 40), dtype=np.uint8))
    lines = b"".join(b"\0" + row.tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    data = io.BytesIO(b"\x89PNG\r\n\x1a\n")
    data.seek(0, io.SEEK_END)
    for kind, content in chunks:
        data.write(struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content)))
    return data.getvalue()


def make_pictures(file: Path) -> Path:
    """Make a database of three runs, each with a picture as an artifact; that of the last was removed since."""
    session = mltraq.create_session(file)
    experiment = session.create_experiment("pictures")
    folder = file.parent / "pictures"
    folder.mkdir()
    for at in range(3):
        picture = folder / f"run{at}.png"
        picture.write_bytes(png([[at / 4, 0.9]]))
        (folder / "notes.txt").write_text("no picture")
        fields = {"picture": mltraq.Artifact(picture), "notes": mltraq.Artifact(folder / "notes.txt")}
        add(experiment, [made_run({"at": at}, fields)])
    experiment.persist()
    last = session.load_experiment("pictures").runs
    digest = list(last.values())[-1].fields.picture.sha256
    (file.with_name(f"{file.name}.artifacts") / digest[:2] / digest).unlink()
    session.close()
    return file


def roc_picture(accuracy: float) -> str:
    """Draw a curve as SVG, as a user's own program might."""
    points = " ".join(f"{20 + 160 * x / 20:.1f},{180 - 160 * (x / 20) ** (1 - accuracy):.1f}" for x in range(21))
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 200" width="200" height="200">'
        '<rect width="200" height="200" fill="white"/><path d="M20 180 180 20" stroke="#bbb"/>'
        f'<polyline points="{points}" fill="none" stroke="#0b6e99" stroke-width="2"/></svg>'
    )


ATTACK = "</script><script>window.attacked = 1</script><img src=x onerror='window.attacked = 2'>"
ODD_NAMES = (
    ATTACK,
    "__proto__",
    "constructor",
    "{{data}}",
    "{{script}}",
    "a\u2028b\u2029c",
    "\u202etxt.exe",
    "toString",
    "",
    "n" * 300,
)


def make_hostile(file: Path) -> Path:
    """Make a database whose every name and text attacks the page that shows it."""
    session = mltraq.create_session(file)
    for name in ODD_NAMES:
        experiment = session.create_experiment(name or "no name", **{ATTACK: ATTACK})
        experiment.doc = experiment.nodeid = ATTACK
        experiment.code = [step_code(step_split)._replace(name=ATTACK, file=ATTACK, source=ATTACK)]
        error = RunError(ATTACK, ATTACK, ATTACK, ATTACK)
        for at in range(3):
            params = {name or "x": ATTACK if at else 1.5, "model": name, "seed": at}
            fields = {key or "x": [at * 0.5, ATTACK, {ATTACK: ATTACK}][at] for key in ODD_NAMES}
            fields["curve"] = mltraq.Sequence.from_columns([0, 1], {key or "x": [at, 2.0] for key in ODD_NAMES})
            fields["picture"] = attacking_picture()
            fields["text"] = ATTACK * 40
            fields["bytes"] = ATTACK.encode() * 40
            fields["table"] = pd.DataFrame({ATTACK: [ATTACK]})
            fields["array"] = np.array([ATTACK])
            outcome = ("passed", "failed", ATTACK)[at]
            add(experiment, [made_run(params, fields, steps={ATTACK: 0.1, name: 0.2}, outcome=outcome, error=error)])
        experiment.persist("append")
    values = {
        "tags": json.dumps([ATTACK]), '"commit"': ATTACK, "branch": ATTACK, "python": ATTACK, "platform": ATTACK, "host": ATTACK,
        "packages": json.dumps({ATTACK: ATTACK, "__proto__": "1"}), "command": ATTACK,
        "ci": json.dumps({"provider": ATTACK, "job": "javascript:window.attacked=3//http://"}),
    }  # fmt: skip
    update(file, "sessions", values, "id", session.id_session)
    session.close()
    metric = {"name": ATTACK, "direction": ATTACK, "over": [ATTACK]}
    execute(file, "UPDATE experiments SET metrics = ?", [[json.dumps([metric])]])
    execute(
        file,
        "INSERT INTO verdicts (id_experiment, position, id_session, experiment, metric, params, verdict, fails, reason, method, "
        "baseline_session, change, details) SELECT id_experiment, 0, id_session, name, ?, ?, ?, 1, ?, ?, ?, 1.0, ? FROM experiments",
        [
            [
                ATTACK,
                json.dumps({ATTACK: ATTACK, "__proto__": 1}),
                ATTACK,
                ATTACK,
                ATTACK,
                ATTACK,
                json.dumps({ATTACK: 1}),
            ]
        ],
    )
    return file


def attacking_picture() -> bytes:
    """Draw an SVG that runs a script and loads an image, where it is allowed to."""
    return (
        b'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9" height="9" onload="parent.attacked=4">'
        b'<script>window.parent.attacked = 5; parent.postMessage("attacked", "*")</script>'
        b'<image xlink:href="http://127.0.0.1:9/attack.png" width="9" height="9"/><rect width="9" height="9"/></svg>'
    )
