"""Which of a group's runs count: each measurement once, and one trajectory per seed.

kept, notes = counted(runs, finished)
"""

from collections import Counter
from collections.abc import Iterator

import pandas as pd

from analysis.compare.baselines import metric_of
from analysis.compare.settings import split_seed
from analysis.wording import count

MEASUREMENT = ["fingerprint", "test_key", "validation_key", "start", "end", "scheme"]
"""Runs that agree in these measured the same thing."""


def counted(runs: pd.DataFrame, finished: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The runs that count, of a group's among all that are `finished`, and notes: on those that
    don't, and on what differs between the rest."""
    of_split, other_splits = one_split_per_seed(runs.drop_duplicates(MEASUREMENT), finished)
    kept, left_out = one_trajectory_per_seed(of_split)
    return kept, [*_repeats(runs), *other_splits, *left_out, *_differences(kept)]


def one_split_per_seed(
    measured: pd.DataFrame, finished: pd.DataFrame
) -> tuple[pd.DataFrame, list[str]]:
    """The runs of one validation split per seed, and a note where others are left out: learning
    rates are compared like for like, and a seed counts once. Of several, the split counts that most
    trajectories of the seed have, in all groups of the same test images so that these agree too;
    then the smallest `split_seed`."""
    if split_seed(measured["config"].iloc[0]) is None:
        return measured, []
    same = finished[finished["test_key"] == measured["test_key"].iloc[0]]
    trajectories = Counter(
        of for of, _ in set(zip(_splits(same), same["fingerprint"], strict=True))
    )
    splits = _splits(measured)
    counting: dict[int, int] = {}
    for seed, split in sorted(set(splits), key=lambda one: (-trajectories[one], one[1])):
        counting.setdefault(seed, split)
    runs = measured[[counting[seed] == split for seed, split in splits]]
    if len(runs) == len(measured):
        return measured, []
    fewer = measured["fingerprint"].nunique() - runs["fingerprint"].nunique()
    return runs, [
        f"left out as no independent evidence: {count(fewer, 'trajectory')} "
        f"({count(len(measured) - len(runs), 'run')}) of a seed on another validation split; n "
        "counts seeds, with one split each for all learning rates. dataset.split_seed=${seed} "
        "varies both"
    ]


def _splits(runs: pd.DataFrame) -> list[tuple[int, int]]:
    """Each run's seed, and the seed of its validation split."""
    return [
        (seed, split_seed(config))
        for seed, config in zip(runs["seed"], runs["config"], strict=True)
    ]


def one_trajectory_per_seed(measured: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The runs of one trajectory per learning rate and seed, and a note where others are left out:
    a seed trained twice, by other code, is no independent evidence. Of several, the trajectory with
    the most runs counts, then the first."""
    axes = ["learning_rate", "seed"]
    sizes = measured.groupby([*axes, "fingerprint"], sort=False).size().reset_index(name="runs")
    kept = sizes.sort_values("runs", ascending=False, kind="stable").drop_duplicates(axes)
    if len(kept) == len(sizes):
        return measured, []
    runs = measured[measured["fingerprint"].isin(kept["fingerprint"])]
    return runs, [
        f"left out as no independent evidence: {count(len(sizes) - len(kept), 'trajectory')} "
        f"({count(len(measured) - len(runs), 'run')}) of a seed and learning rate that another "
        "trajectory has too, trained by other code or on other images"
    ]


def _repeats(runs: pd.DataFrame) -> Iterator[str]:
    """Runs that measured the same, and whether they agree."""
    if repeated := len(runs) - len(runs.drop_duplicates(MEASUREMENT)):
        what = "with the weights, images, window and scheme of another run"
        yield f"counted once: {count(repeated, 'run')} {what}"
    columns = [f"{what}_test_{metric_of(runs).name}" for what in ("average", "last_refreshed")]
    measured = runs.groupby(MEASUREMENT, dropna=False)[[one for one in columns if one in runs]]
    if (measured.max() - measured.min() > 1e-9).any(axis=None):
        yield "runs that should have measured the same differ: the first one counts"


def _differences(runs: pd.DataFrame) -> Iterator[str]:
    """What differs between the runs beside the axes."""
    for column, what in (("commit", "commits of this project"), ("torch", "versions of torch")):
        values = runs[column].dropna().unique()
        if len(values) > 1:
            yield f"the runs come from {len(values)} {what}: {', '.join(map(str, values))}"
    if unclean := runs["commit"].dropna().astype(str).str.endswith("-dirty").sum():
        yield f"{count(int(unclean), 'run')} ran code that differs from its commit (-dirty)"
