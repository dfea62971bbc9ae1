"""What a facet's runs say: chosen on validation, tested once on test, and how sure that is.

    answer = answer_of(facet)
    answer.verdict, answer.contrast   # "gain", Interval(n=3, mean=0.027, ...)

One contrast is named beforehand as the answer: the average minus the mean of the window's
checkpoints on test, paired within each training, for the candidate (learning rate, window, scheme)
of the best mean validation accuracy of the average. Everything else is exploratory.
"""

import math
from dataclasses import dataclass
from statistics import median_low

import pandas as pd

from analysis import statistics
from analysis.facets import Facet
from analysis.statistics import Interval

CANDIDATE = ["learning_rate", "start", "end", "scheme"]
"""What is chosen."""

AGAINST = {
    "window_mean": "the mean of the window's checkpoints",
    "last": "the last checkpoint",
    "best_by_validation": "the best checkpoint by validation",
    "ensemble": "the ensemble of the window's checkpoints",
}
"""What a gain is over."""

PRIMARY = "gain_over_window_mean_test"


@dataclass(frozen=True)
class Answer:
    """`candidates`: a row each, with n (trainings), mean accuracies, the primary gain with sd,
    interval, p and Holm-adjusted p; `complete`: whether it has all `seeds`, those by which
    candidates are compared (`shared_*`: means over these alone). `focus`: the one that is reported;
    `chosen`: whether validation chose it, or there was one alone; `how` says so. `oracle`: the best
    complete one by mean test accuracy.

    `contrast`: the gain over the mean of the window's checkpoints at the focus; `p`: two-sided.
    `others`: the gains over the rest of AGAINST. `detectable`: the smallest gain that so many
    trainings would have shown with 80 % power. All fractions; test split.
    """

    candidates: pd.DataFrame
    seeds: frozenset[int]
    focus: pd.Series
    chosen: bool
    how: str
    oracle: pd.Series
    contrast: Interval
    p: float | None
    bootstrap: tuple[float, float] | None
    others: dict[str, Interval]
    detectable: float | None

    @property
    def verdict(self) -> str:
        """ "gain", "loss" or "no gain detected"; "undecided" where there is no interval, "nothing
        averaged" where the window is one checkpoint."""
        if self.focus["end"] - self.focus["start"] == 1:
            return "nothing averaged"
        if self.contrast.low is None or self.contrast.high is None:
            return "undecided"
        if self.contrast.low > 0:
            return "gain"
        return "loss" if self.contrast.high < 0 else "no gain detected"

    @property
    def curse(self) -> dict[str, float] | None:
        """The winner's curse: by how much the chosen candidate stands above the mean of all
        complete candidates on validation, where it was chosen, and on test; and the oracle on test.
        None where nothing was chosen among several."""
        complete = self.candidates[self.candidates["complete"]]
        if not self.chosen or len(complete) < 2:
            return None
        validation, test = complete["shared_validation"].mean(), complete["shared_test"].mean()
        return {
            "validation": self.focus["shared_validation"] - validation,
            "test": self.focus["shared_test"] - test,
            "oracle": self.oracle["shared_test"] - test,
        }

    def runs(self, facet: Facet) -> pd.DataFrame:
        """The focus's runs, one a training, by seed."""
        return of_candidate(facet.runs, self.focus).sort_values("seed")


def of_candidate(runs: pd.DataFrame, candidate: pd.Series) -> pd.DataFrame:
    """The rows of a candidate."""
    return runs[(runs[CANDIDATE] == candidate[CANDIDATE]).all(axis=1)]


def answer_of(facet: Facet) -> Answer:
    """The answer of a facet, which has at least one run."""
    seeds = comparable_seeds(facet)
    candidates = _candidates(facet, seeds)
    complete = candidates[candidates["complete"]]
    focus, chosen, how = _choose(facet, candidates)
    rows = of_candidate(facet.runs, focus)
    gains = rows[PRIMARY].to_numpy()
    contrast = statistics.t_interval(gains)
    return Answer(
        candidates=candidates,
        seeds=seeds,
        focus=focus,
        chosen=chosen,
        how=how,
        oracle=complete.iloc[int(complete["shared_test"].to_numpy().argmax())],
        contrast=contrast,
        p=statistics.t_test(gains),
        bootstrap=statistics.bootstrap_interval(gains),
        others={
            what: statistics.t_interval(rows[f"gain_over_{what}_test"].to_numpy())
            for what in list(AGAINST)[1:]
            if f"gain_over_{what}_test" in rows and rows[f"gain_over_{what}_test"].notna().all()
        },
        detectable=statistics.detectable_by_seeds(contrast.sd, contrast.n) if contrast.sd else None,
    )


def comparable_seeds(facet: Facet) -> frozenset[int]:
    """The seeds by which candidates are compared: those that the most candidates have tried (a run
    that failed was tried), not counting the smaller half of the sets, of sweeps that are not yet
    through; of equals the fewest. At least one candidate has them all."""
    measured = {
        key: frozenset(runs["seed"].tolist()) for key, runs in facet.runs.groupby(CANDIDATE)
    }
    lacking = facet.unmeasured
    tried = {}
    for key, seeds in measured.items():
        failed: set[int] = set()
        if {"learning_rate", "start", "end", "seed"} <= set(lacking):
            same = (
                (lacking["learning_rate"] == key[0])
                & (lacking["start"] == key[1])
                & (lacking["end"] == key[2])
            )
            failed = set(lacking.loc[same.fillna(False), "seed"].dropna().tolist())
        tried[key] = seeds | failed
    typical = median_low(len(seeds) for seeds in tried.values())
    able = [
        seeds
        for seeds in set(tried.values())
        if len(seeds) >= typical and any(seeds <= has for has in measured.values())
    ]
    return min(
        able or [max(measured.values(), key=len)],
        key=lambda seeds: (-sum(seeds <= had for had in tried.values()), len(seeds), sorted(seeds)),
    )


def _candidates(facet: Facet, seeds: frozenset[int]) -> pd.DataFrame:
    rows = []
    for key, runs in facet.runs.groupby(CANDIDATE, sort=True):
        gain = statistics.t_interval(runs[PRIMARY].to_numpy())
        complete = seeds <= set(runs["seed"])
        shared = runs[runs["seed"].isin(seeds)] if complete else runs.iloc[:0]
        rows.append(
            {
                **dict(zip(CANDIDATE, key, strict=True)),
                "n": len(runs),
                "complete": complete,
                "validation": _mean(runs, "average_validation_accuracy"),
                "test": _mean(runs, "average_test_accuracy"),
                "shared_validation": _mean(shared, "average_validation_accuracy"),
                "shared_validation_loss": _mean(shared, "average_validation_loss"),
                "shared_test": _mean(shared, "average_test_accuracy"),
                **{f"{what}_test": _mean(runs, f"{what}_test_accuracy") for what in AGAINST},
                "gain": gain.mean,
                "gain_sd": gain.sd,
                "gain_low": gain.low,
                "gain_high": gain.high,
                "p": statistics.t_test(runs[PRIMARY].to_numpy()),
            }
        )
    table = pd.DataFrame(rows)
    tested = table["p"].notna()
    table["p_holm"] = float("nan")
    table.loc[tested, "p_holm"] = statistics.holm(table.loc[tested, "p"].astype(float).tolist())
    return table


def _mean(runs: pd.DataFrame, column: str) -> float:
    """Rounded, so that equal counts of images are equal in whatever order they are added."""
    if column not in runs or runs.empty or runs[column].isna().any():
        return math.nan
    return round(math.fsum(runs[column]) / len(runs), 12)


def by_validation(candidates: pd.DataFrame) -> pd.DataFrame:
    """The candidates, best first: complete ones, by accuracy and then loss on validation."""
    return candidates.sort_values(
        ["complete", "shared_validation", "shared_validation_loss"],
        ascending=[False, False, True],
        kind="stable",
    )


def _choose(facet: Facet, candidates: pd.DataFrame) -> tuple[pd.Series, bool, str]:
    """The candidate to report, whether it was chosen without looking at test, and how."""
    complete = candidates[candidates["complete"]]
    number, left_out = len(complete), len(candidates) - len(complete)
    if len(candidates) == 1:
        others = " of which there are numbers" if len(facet.unmeasured) else " there is"
        return candidates.iloc[0], True, f"the only learning rate, window and scheme{others}"
    lacking = f"{left_out} more, which lack a seed" if left_out else ""
    if facet.has_validation and number > 1:
        how = f"chosen from {number} candidates by mean validation accuracy"
        if left_out:
            how += f" ({lacking}, could not be chosen)"
        return by_validation(candidates).iloc[0], True, how
    # Any rule will do that does not look at results: the start nearest to half of the epochs.
    middle = (complete["start"] - facet.runs["epochs"].max() / 2).abs()
    rate = (complete["learning_rate"].rank(pct=True) - 0.5).abs()
    place = pd.DataFrame({"middle": middle, "rate": rate})
    nearest = place.sort_values(["middle", "rate"], kind="stable").index[0]
    why = (
        f"one candidate alone has the seeds by which they are compared ({lacking})"
        if facet.has_validation
        else f"without a validation split, any choice among {len(candidates)} candidates would be "
        "made by looking at test"
    )
    rule = "" if number == 1 else "; this is the window that starts nearest to half of the epochs"
    return complete.loc[nearest], False, f"nothing was chosen: {why}{rule}"
