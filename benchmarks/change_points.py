"""How well change points are found: on simulated histories, on labelled ones, and what it costs.

A change counts as found within three commits of where it was. What else is found is false. A labelled change of less than one standard
deviation of a commit's mean is passed over, whether it is found or not.
"""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from histories import History, Row, Share, at_least, at_most, make_chance, print_table, read_histories

from pytest_mltraq.change_points import find_change_points, is_autocorrelated

TRIALS = 400
LENGTH = 60
MARGIN = 3
LEAST_EFFECT = 1.0


class Score(NamedTuple):
    """What was found of changes that are known.

    Attributes:
        found: changes that were found.
        missed: changes that were not.
        false: what was found where nothing changed.
    """

    found: int
    missed: int
    false: int

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return 2 * self.found / max(1, 2 * self.found + self.missed + self.false)

    def row(self, what: str, goal: float | None = None) -> Row:
        """Make the row of the table."""
        precision, recall = self.found / max(1, self.found + self.false), self.found / max(1, self.found + self.missed)
        verdict = "" if goal is None else "ok" if self.f1 >= goal else "missed"
        shown = f"F1 {self.f1:.3f} (precision {precision:.2f}, recall {recall:.2f})"
        return Row(what, shown, "", "" if goal is None else f">= {goal:.2f}", verdict)


def main() -> None:
    """Simulate, score and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--trials", type=int, default=TRIALS, help="of each simulation (default: %(default)s)")
    parser.add_argument(
        "histories", nargs="*", type=Path, help="folders with labelled histories, labels.json and runs.csv"
    )
    options = parser.parse_args()
    trials: int = options.trials
    print_table(f"simulated, {trials:,} histories of {LENGTH} each", [*unchanged(trials), *changed(trials)])
    for folder in options.histories:
        print_table(f"labelled, {folder}", list(labelled(list(read_histories(folder)))))
    print_table("cost, CPU time", list(costs()))


def noise(chance: random.Random, kind: str) -> list[float]:
    """Draw a history of variance 1."""
    values = [chance.gauss(0, 1) for _ in range(LENGTH)]
    if kind == "heavy tails":  # Student's t with 3 degrees of freedom
        return [value / (sum(chance.gauss(0, 1) ** 2 for _ in range(3))) ** 0.5 for value in values]
    if kind == "few values":
        return [round(value) * 1.0 for value in values]
    if kind == "autocorrelated":
        return list(itertools.accumulate(values, lambda before, value: 0.5 * before + 0.75**0.5 * value))
    return values


KINDS = ("Gaussian", "heavy tails", "few values")


def unchanged(trials: int) -> Iterator[Row]:
    """Simulate histories without a change."""
    for kind in KINDS:
        chance = make_chance(kind)
        hits = sum(bool(find_change_points(noise(chance, kind))) for _ in range(trials))
        yield at_most(f"no change, {kind}: any found", Share(hits, trials), 0.02)
    chance = make_chance("autocorrelated")
    series = [noise(chance, "autocorrelated") for _ in range(trials)]
    found = [find_change_points(values) for values in series]
    warned = [is_autocorrelated(values, cuts) for values, cuts in zip(series, found, strict=True)]
    yield at_most("no change, autocorrelation .5: any found", Share(sum(map(bool, found)), trials))
    yield at_least("no change, autocorrelation .5: warned of", Share(sum(warned), trials))


def changed(trials: int) -> Iterator[Row]:
    """Simulate histories with one change, anywhere between the first and the last fifth."""
    for kind, effect in itertools.product(KINDS, (1.0, 1.5, 2.5)):
        chance = make_chance(kind, effect)
        score = Score(0, 0, 0)
        for _ in range(trials):
            at = chance.randrange(LENGTH // 5, LENGTH - LENGTH // 5)
            series = [value + effect * (place >= at) for place, value in enumerate(noise(chance, kind))]
            score = add(score, find_change_points(series), at)
        yield score.row(f"one change of {effect:g}, {kind}")
    for length in (5, 20):
        chance = make_chance("passing", length)
        score = Score(0, 0, 0)
        for _ in range(trials):
            at = chance.randrange(LENGTH // 5, LENGTH - LENGTH // 5 - length)
            series = [value + 3 * (at <= place < at + length) for place, value in enumerate(noise(chance, "Gaussian"))]
            found = find_change_points(series)
            middle = at + length // 2  # each of the two changes takes what was found on its side
            score = add(score, [cut for cut in found if cut <= middle], at)
            score = add(score, [cut for cut in found if cut > middle], at + length)
        yield score.row(f"two changes of 3, {length} commits apart, and back")


def add(score: Score, found: list[int], change_at: int | None) -> Score:
    """Add what was found in a history to a score."""
    near = [at for at in found if change_at is not None and abs(at - change_at) <= MARGIN]
    missed = change_at is not None and not near
    return Score(score.found + bool(near), score.missed + missed, score.false + len(found) - bool(near))


def labelled(histories: Iterable[History]) -> Iterator[Row]:
    """Score labelled histories."""
    score, alarms, small, number = Score(0, 0, 0), 0, [], 0
    for history in histories:
        if history.change_at is not None and abs(history.effect) < LEAST_EFFECT:
            continue
        found = find_change_points([statistics.fmean(values.values()) for values in history.values])
        if history.change_at is None:
            number += 1
            alarms += bool(found)
        elif abs(history.effect) < 2.5:  # noqa: PLR2004 - those that can be overlooked by eye
            small.append(add(Score(0, 0, 0), found, history.change_at).found)
        score = add(score, found, history.change_at)
    yield score.row(f"{score.found + score.missed} changes", 0.9)
    yield at_least(f"found of {len(small)} changes of 1 to 2.5", Share(sum(small), len(small)))
    kept = "ok" if alarms == 0 else "missed"
    yield Row(f"no change in {number} histories: any found", f"{alarms}", "", "0", kept)


def costs() -> Iterator[Row]:
    """Look for changes in 100 histories, of which two thirds have one."""
    chance = make_chance("costs")
    series = [[chance.gauss(2.0 * (at > 30 and one % 3 > 0), 1) for at in range(LENGTH)] for one in range(100)]  # noqa: PLR2004
    begin = time.process_time()
    for values in series:
        find_change_points(values)
    seconds = time.process_time() - begin
    yield Row(f"100 histories of {LENGTH}", f"{seconds:.2f} s", "", "<= 3 s", "ok" if seconds <= 3 else "missed")  # noqa: PLR2004


if __name__ == "__main__":
    main()
