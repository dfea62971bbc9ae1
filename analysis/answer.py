"""What a facet's runs say: chosen on validation, tested once on test, and how sure that is.

    answer = answer_of(facet)
    answer.verdict, answer.contrast   # "gain", Interval(n=3, mean=0.027, ...)

One contrast is named beforehand as the answer: the average minus the mean of the window's
checkpoints on test, paired within each training, for the candidate (learning rate, window, scheme)
of the best mean validation accuracy of the average. Everything else is exploratory.
"""

from dataclasses import dataclass

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
    interval, p and Holm-adjusted p. `focus`: the one that is reported; `chosen`: whether validation
    chose it, or there was one alone; `how` says so. `oracle`: the best by mean test accuracy.

    `contrast`: the gain over the mean of the window's checkpoints at the focus; `p`: two-sided.
    `others`: the gains over the rest of AGAINST. `detectable`: the smallest gain that so many
    trainings would have shown with 80 % power. All fractions; test split.
    """

    candidates: pd.DataFrame
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
        """ "gain", "loss", "no gain detected", or "undecided" where there is no interval."""
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
        return {
            "validation": self.focus["validation"] - complete["validation"].mean(),
            "test": self.focus["test"] - complete["test"].mean(),
            "oracle": self.oracle["test"] - complete["test"].mean(),
        }

    def runs(self, facet: Facet) -> pd.DataFrame:
        """The focus's runs, one a training, by seed."""
        return of_candidate(facet.runs, self.focus).sort_values(["seed", "fingerprint"])


def of_candidate(runs: pd.DataFrame, candidate: pd.Series) -> pd.DataFrame:
    """The rows of a candidate."""
    return runs[(runs[CANDIDATE] == candidate[CANDIDATE]).all(axis=1)]


def answer_of(facet: Facet) -> Answer:
    """The answer of a facet, which has at least one run."""
    candidates = _candidates(facet)
    complete = candidates[candidates["complete"]]
    focus, chosen, how = _choose(facet, candidates)
    rows = of_candidate(facet.runs, focus)
    gains = rows[PRIMARY].to_numpy()
    contrast = statistics.t_interval(gains)
    return Answer(
        candidates=candidates,
        focus=focus,
        chosen=chosen,
        how=how,
        oracle=complete.iloc[int(complete["test"].to_numpy().argmax())],
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


def _candidates(facet: Facet) -> pd.DataFrame:
    rows = []
    for key, runs in facet.runs.groupby(CANDIDATE, sort=True):
        gain = statistics.t_interval(runs[PRIMARY].to_numpy())
        rows.append(
            {
                **dict(zip(CANDIDATE, key, strict=True)),
                "n": len(runs),
                "validation": _mean(runs, "average_validation_accuracy"),
                "validation_loss": _mean(runs, "average_validation_loss"),
                "test": _mean(runs, "average_test_accuracy"),
                **{f"{what}_test": _mean(runs, f"{what}_test_accuracy") for what in AGAINST},
                "gain": gain.mean,
                "gain_sd": gain.sd,
                "gain_low": gain.low,
                "gain_high": gain.high,
                "p": statistics.t_test(runs[PRIMARY].to_numpy()),
            }
        )
    table = pd.DataFrame(rows)
    table["complete"] = table["n"] == table["n"].max()
    tested = table["p"].notna()
    table["p_holm"] = float("nan")
    table.loc[tested, "p_holm"] = statistics.holm(table.loc[tested, "p"].astype(float).tolist())
    return table


def _mean(runs: pd.DataFrame, column: str) -> float:
    return float(runs[column].mean()) if column in runs else float("nan")


def _choose(facet: Facet, candidates: pd.DataFrame) -> tuple[pd.Series, bool, str]:
    """The candidate to report, whether it was chosen without looking at test, and how."""
    complete = candidates[candidates["complete"]]
    left_out = len(candidates) - len(complete)
    if len(candidates) == 1:
        return candidates.iloc[0], True, "the only learning rate, window and scheme there is"
    if facet.has_validation:
        best = complete.sort_values(
            ["validation", "validation_loss"], ascending=[False, True], kind="stable"
        ).iloc[0]
        how = f"chosen from {len(complete)} candidates by mean validation accuracy"
        if left_out:
            how += (
                f" ({left_out} more, with fewer than {complete['n'].max()} trainings, "
                "could not be chosen)"
            )
        return best, True, how
    # Any rule will do that does not look at results: the start nearest to half of the epochs.
    middle = (complete["start"] - facet.runs["epochs"].max() / 2).abs()
    place = pd.DataFrame({"middle": middle, "rate": complete["learning_rate"].rank(pct=True)})
    place["rate"] = (place["rate"] - 0.5).abs()
    nearest = place.sort_values(["middle", "rate"], kind="stable").index[0]
    how = (
        f"nothing was chosen: without a validation split, any choice among {len(candidates)} "
        "candidates would be made by looking at test; this is the window that starts nearest to "
        "half of the epochs"
    )
    return complete.loc[nearest], False, how
