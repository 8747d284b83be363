"""How often metrics are judged wrongly: false alarms, drops that are found, second looks, and what it costs.

Each simulated value is what its seed does, plus what its session does, plus what is its own; the variance of seeds and own is 1,
`correlation` is the seeds' part of it: so it is the correlation of the same seed's values in two sessions.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import random
import statistics
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from histories import (
    CERTAINTY,
    METRICS,
    History,
    Row,
    Share,
    at_least,
    at_most,
    make_chance,
    print_table,
    read_histories,
)

from pytest_mltraq.compare import Replicate, Sample, Verdict, correct, judge
from pytest_mltraq.metric import Metric, make_metric
from pytest_mltraq.second_look import confirm

TRIALS = 4000
ALPHA = make_metric("m").alpha
TOGETHER = 50
CHANGED = 5
"""Of 50 metrics."""
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
DAMAGE = -1.0
"""Effects that are looked for in real histories, in standard deviations of a commit's mean: this and worse."""


class World(NamedTuple):
    """What is simulated.

    Attributes:
        sessions: of the history.
        seeds: of each of them, the same ones in all.
        correlation: of values of the same seed.
        between: standard deviation of what a session does to all its values.
        candidate: the candidate's seeds.
    """

    sessions: int
    seeds: int
    correlation: float = 0.0
    between: float = 0.0
    candidate: range | None = None

    def draw(self, chance: random.Random, drop: float = 0.0) -> tuple[Sample, list[Sample], Sample]:
        """Draw a candidate, its history, and a second look at the candidate with five fresh seeds."""
        candidate = self.candidate or range(self.seeds)
        effects: dict[int, float] = {}
        history = [self._session(chance, effects, str(at), range(self.seeds)) for at in range(self.sessions)]
        level = chance.gauss(0, self.between) - drop
        first = self._session(chance, effects, "candidate", candidate, level)
        second = self._session(chance, effects, "second look", range(1000, 1005), level)
        return first, history, second

    def _session(
        self, chance: random.Random, effects: dict[int, float], name: str, seeds: range, level: float | None = None
    ) -> Sample:
        level = chance.gauss(0, self.between) if level is None else level
        values = {}
        for seed in seeds:
            if seed not in effects:
                effects[seed] = chance.gauss(0, self.correlation**0.5)
            values[seed] = effects[seed] + level + chance.gauss(0, (1 - self.correlation) ** 0.5)
        return make_sample(name, values)


def main() -> None:
    """Simulate, measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--trials", type=int, default=TRIALS, help="of each simulation (default: %(default)s)")
    parser.add_argument("--histories", type=Path, help="a folder with labelled histories, labels.json and runs.csv")
    options = parser.parse_args()
    trials: int = options.trials
    print_table(f"false alarms, {trials:,} simulations each", list(false_alarms(trials)))
    print_table("drops that are found, in standard deviations of a value", list(drops(trials)))
    print_table("drops of the minimum detectable change, to be found in 80 % of cases", list(detectable(trials)))
    print_table("sessions of 50 metrics, alpha .05", list(many(max(100, trials // 10))))
    print_table("with a second look, five fresh seeds, alpha .05", list(second_looks(trials)))
    if options.histories:
        histories = list(read_histories(options.histories))
        print_table(f"real histories, {len(histories)} of 60 commits", list(real(histories)))
    print_table("cost, CPU time", list(costs()))


def make_sample(name: str, values: dict[int, float]) -> Sample:
    """Make a session of values by seed."""
    replicates = tuple(Replicate(f"seed:{seed}", value, "passed") for seed, value in values.items())
    return Sample(name, NOW, None, None, None, replicates)


def regressed(trials: int, world: World, metric: Metric, drop: float = 0.0) -> Share:
    """Return how often the metric of a world is found to have regressed."""
    chance = make_chance(world, metric.alpha, drop)
    drawn = (world.draw(chance, drop) for _ in range(trials))
    return Share(sum(judge("simulated", metric, {}, first, history).fails for first, history, _ in drawn), trials)


def false_alarms(trials: int) -> Iterator[Row]:
    """Simulate metrics that didn't change."""
    for alpha, sessions, seeds in itertools.product((0.01, 0.05), (5, 10, 30), (1, 5)):
        world = World(sessions, seeds, correlation=0.5, between=0.5)
        share = regressed(trials, world, make_metric("m", alpha=alpha))
        goal = 0.015 if alpha == 0.01 else alpha  # noqa: PLR2004
        yield at_most(f"interval, alpha {alpha:g}, {sessions} sessions of {seeds}", share, goal)
    worlds = {
        "paired": [World(sessions, seeds, 0.9) for sessions in (1, 4) for seeds in (3, 5, 10)],
        "paired, uncorrelated": [World(1, 5)],
        "welch, other seeds": [World(1, seeds, 0.9, candidate=range(50, 50 + seeds)) for seeds in (3, 5, 10)],
        "interval, other seeds": [World(10, 5, rho, candidate=range(50, 55)) for rho in (0.0, 0.5, 0.9)],
        "interval, twice the seeds": [World(10, 5, rho, candidate=range(10)) for rho in (0.0, 0.9)],
        "interval, fewer seeds": [World(10, 5, rho, candidate=range(2)) for rho in (0.0, 0.9)],
    }
    for (name, of_method), alpha in itertools.product(worlds.items(), (0.01, 0.05)):
        for world in of_method:
            what = f"{name}, alpha {alpha:g}, {world.sessions} of {world.seeds}, correlation {world.correlation:g}"
            share = regressed(trials, world, make_metric("m", alpha=alpha))
            yield at_most(what, share, alpha)
    for sessions in (5, 10):
        metric = make_metric("m", alpha=0.05, method="paired")
        share = regressed(trials, World(sessions, 5, 0.5, between=0.5), metric)
        yield at_most(f"pairs forced, sessions that differ by 0.5, {sessions} of 5", share)


def drops(trials: int) -> Iterator[Row]:
    """Simulate metrics that became worse."""
    for rho, drop in itertools.product((0.0, 0.5, 0.9), (0.5, 1.0)):
        goals = {(0.9, 0.5): 0.6}
        share = regressed(trials, World(1, 5, rho), make_metric("m"), drop)
        yield at_least(f"five pairs, correlation {rho:g}, drop {drop:g}", share, goals.get((rho, drop)))
        unpaired = World(1, 5, rho, candidate=range(50, 55))
        share = regressed(trials, unpaired, make_metric("m"), drop)
        yield at_least(f"the same with other seeds (Welch), correlation {rho:g}, drop {drop:g}", share)
    for sessions, drop in itertools.product((4, 10, 30), (0.5, 1.0)):
        share = regressed(trials, World(sessions, 5, 0.9), make_metric("m", alpha=0.01), drop)
        yield at_least(f"{sessions} sessions of 5, correlation 0.9, alpha 0.01, drop {drop:g}", share)


def detectable(trials: int) -> Iterator[Row]:
    """Move candidates by the minimum detectable change that their verdict has, on average."""
    worlds = {
        "interval": World(10, 5, 0.5, between=0.3),
        "paired": World(1, 5, 0.5),
        "welch": World(1, 5, candidate=range(50, 55)),
    }
    for method, world in worlds.items():
        chance = make_chance(method)
        found = [judge("simulated", make_metric("m"), {}, *world.draw(chance)[:2]) for _ in range(trials // 4)]
        squares = [verdict.minimum_detectable_change**2 for verdict in found if verdict.minimum_detectable_change]
        drop = (sum(squares) / len(squares)) ** 0.5
        share = regressed(trials, world, make_metric("m"), drop)
        yield at_least(f"{method}, drop {drop:.2f}", share, 0.75)


def many(trials: int) -> Iterator[Row]:
    """Simulate sessions of 50 metrics: none that became worse, and five of them by three standard deviations."""
    world, metric = World(10, 1), make_metric("m")
    chance = make_chance("many")

    def session(changed: int) -> list[Verdict]:
        drawn = (world.draw(chance, 3.0 if at < changed else 0.0) for at in range(TOGETHER))
        return [judge("simulated", metric, {}, candidate, history) for candidate, history, _ in drawn]

    unchanged = [session(0) for _ in range(trials)]
    raw = sum(any(verdict.fails for verdict in verdicts) for verdicts in unchanged)
    corrected = sum(any(verdict.fails for verdict in correct(verdicts)) for verdicts in unchanged)
    yield at_most("none changed: any alarm, not corrected", Share(raw, trials))
    yield at_most("none changed: any alarm", Share(corrected, trials), ALPHA)
    false, found = [], 0
    for _ in range(trials):
        failing = [at for at, verdict in enumerate(correct(session(CHANGED))) if verdict.fails]
        found += sum(at < CHANGED for at in failing)
        false.append(sum(at >= CHANGED for at in failing) / max(1, len(failing)))
    reach = CERTAINTY * statistics.stdev(false) / trials**0.5
    rate, low = statistics.fmean(false), max(0.0, statistics.fmean(false) - reach)
    kept = "ok" if low <= ALPHA else "missed"
    bounds = f"{low:.1%} to {rate + reach:.1%}"
    yield Row("five changed: false among the alarms, on average", f"{rate:.1%}", bounds, f"<= {ALPHA:.1%}", kept)
    yield at_least("five changed: found", Share(found, CHANGED * trials))
    judged = [
        judge("simulated", metric, {}, *world.draw(chance)[:2], tests=TOGETHER).minimum_detectable_change or 0.0
        for _ in range(TOGETHER)
    ]
    drop = (statistics.fmean(size**2 for size in judged)) ** 0.5
    found = 0
    for _ in range(trials):
        others = session(0)[1:]
        candidate, history, _ = world.draw(chance, drop)
        found += correct([judge("simulated", metric, {}, candidate, history), *others])[0].fails
    yield at_least("one changed by its minimum detectable change: found", Share(found, trials), 0.75)


def second_looks(trials: int) -> Iterator[Row]:
    """Look again at what fails, as `--mltraq-confirm=5` does."""
    metric = make_metric("m")
    for sessions, rho, drop in itertools.product((1, 10), (0.0, 0.5, 0.9), (0.0, 1.0)):
        world = World(sessions, 5, rho)
        chance = make_chance(world, drop)
        once = twice = both = 0
        for _ in range(trials):
            candidate, history, again = world.draw(chance, drop)
            first = judge("simulated", metric, {}, candidate, history)
            once += first.fails
            if first.fails:
                second = judge("simulated", metric, {}, again, history)
                twice += confirm(first, second).fails
                both += second.fails
        what = f"{sessions} of 5, correlation {rho:g}, {f'drop {drop:g}' if drop else 'no change'}"
        if drop:
            yield at_least(f"{what}: one look", Share(once, trials))
            yield at_least(f"{what}: confirmed", Share(twice, trials))
            yield at_least(f"{what}: were both to be significant", Share(both, trials))
        else:
            yield at_most(f"{what}: one look", Share(once, trials), 0.05)
            yield at_most(f"{what}: confirmed", Share(twice, trials), 0.05)


def real(histories: Sequence[History]) -> Iterator[Row]:
    """Judge each commit of real histories by those before, where nothing changed, and where a damage was planted."""
    for alpha, seeds, sessions in itertools.product((0.01, 0.05), (5, 1), (1, 5, 10, 20, 30)):
        if sessions == 1 and seeds == 1:
            continue
        goal = 0.03 if alpha == 0.01 and sessions > 1 else None  # noqa: PLR2004
        alarms, found = judge_commits(histories, sessions, seeds, alpha)
        what = f"alpha {alpha:g}, {sessions} of {seeds}"
        yield at_most(f"{what}: false alarms of {alarms.total:,}", alarms, goal)
        yield at_least(f"{what}: found of {found.total} damages", found)


def judge_commits(histories: Iterable[History], sessions: int, seeds: int, alpha: float) -> tuple[Share, Share]:
    """Return how many unchanged commits were called regressed, and how many damages were found at their first commit."""
    alarms, found = Counter[bool](), Counter[bool]()
    for history in histories:
        metric = make_metric(history.metric, direction=METRICS[history.metric], alpha=alpha)
        samples = [
            make_sample(str(at), {seed: values[seed] for seed in range(seeds)})
            for at, values in enumerate(history.values)
        ]
        change_at = len(samples) if history.change_at is None else history.change_at
        for at in range(sessions, len(samples)):
            is_damage = at == change_at and history.is_damage and history.effect <= DAMAGE
            if at - sessions < change_at <= at and not is_damage:
                continue
            fails = judge("real", metric, {}, samples[at], samples[at - sessions : at]).fails
            (found if is_damage else alarms)[fails] += 1
    return Share(alarms[True], alarms.total()), Share(found[True], found.total())


def costs() -> Iterator[Row]:
    """Judge 1,000 metrics of five replicates by 30 sessions."""
    chance = make_chance("costs")
    drawn = [World(30, 5, 0.5).draw(chance) for _ in range(1000)]
    metric = make_metric("m", rtol=0.01)
    begin = time.process_time()
    correct([judge("simulated", metric, {}, candidate, history) for candidate, history, _ in drawn])
    seconds = time.process_time() - begin
    yield Row("1,000 metrics, 30 sessions of 5", f"{seconds:.2f} s", "", "<= 1 s", "ok" if seconds <= 1 else "missed")


if __name__ == "__main__":
    main()
