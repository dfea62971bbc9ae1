"""What a facet's runs say: chosen on validation, tested once on test, and how sure that is.

    answer = answer_of(facet)
    answer.verdict, answer.contrast   # "gain", Interval(n=3, mean=0.027, ...)

One contrast is named beforehand as the answer: the average minus the mean of the window's
checkpoints on test, paired within each training, for the candidate (learning rate, window, scheme)
of the best mean validation accuracy of the average. Everything else is exploratory.
"""

from dataclasses import dataclass

import pandas as pd

from analysis.compare.candidates import (
    AGAINST,
    PRIMARY,
    by_validation,
    candidates_of,
    comparable_seeds,
    of_candidate,
)
from analysis.compare.groups import Facet
from analysis.statistics.intervals import Interval, bootstrap_interval, t_interval
from analysis.statistics.minimum_detectable_effect import detectable_by_seeds
from analysis.statistics.significance import t_test


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

    @property
    def misleads(self) -> bool:
        """Whether there is a gain over the mean checkpoint, but none over the last one."""
        return self.verdict == "gain" and self.others["last"].mean < 0

    def cautions(self, facet: Facet) -> list[str]:
        """What a reader would be misled by."""
        found = []
        if self.misleads:
            found.append(
                "the average is less accurate than the last checkpoint: the mean of the window's "
                "checkpoints is low because the early ones are"
            )
        if self.chosen and self.candidates["complete"].sum() > 1:
            complete = self.candidates[self.candidates["complete"]]
            for key, what in (("learning_rate", "learning rate"), ("start", "first epoch")):
                values = sorted(complete[key].unique())
                if len(values) > 1 and self.focus[key] in (values[0], values[-1]):
                    end = "smallest" if self.focus[key] == values[0] else "largest"
                    found.append(
                        f"the chosen {what}, {self.focus[key]:g}, is the {end} of the sweep: one "
                        "beyond it may be better"
                    )
        images, low, high = facet.runs["test_images"].iloc[0], self.contrast.low, self.contrast.high
        if low is not None and high is not None and high - low < 2 / images:
            found.append(
                f"the interval is narrower than one of the {images:,} test images: so few "
                "trainings agree by chance, and it says too much"
            )
        return found

    def runs(self, facet: Facet) -> pd.DataFrame:
        """The focus's runs, one a training, by seed."""
        return of_candidate(facet.runs, self.focus).sort_values("seed")


def answer_of(facet: Facet) -> Answer:
    """The answer of a facet, which has at least one run."""
    seeds = comparable_seeds(facet)
    candidates = candidates_of(facet, seeds)
    complete = candidates[candidates["complete"]]
    focus, chosen, how = _choose(facet, candidates)
    rows = of_candidate(facet.runs, focus)
    gains = rows[PRIMARY].to_numpy()
    contrast = t_interval(gains)
    return Answer(
        candidates=candidates,
        seeds=seeds,
        focus=focus,
        chosen=chosen,
        how=how,
        oracle=complete.iloc[int(complete["shared_test"].to_numpy().argmax())],
        contrast=contrast,
        p=t_test(gains),
        bootstrap=bootstrap_interval(gains),
        others={
            what: t_interval(rows[f"gain_over_{what}_test"].to_numpy())
            for what in list(AGAINST)[1:]
            if f"gain_over_{what}_test" in rows and rows[f"gain_over_{what}_test"].notna().all()
        },
        detectable=detectable_by_seeds(contrast.sd, contrast.n) if contrast.sd else None,
    )


def _choose(facet: Facet, candidates: pd.DataFrame) -> tuple[pd.Series, bool, str]:
    """The candidate to report, whether it was chosen without looking at test, and how."""
    complete = candidates[candidates["complete"]]
    number, left_out = len(complete), len(candidates) - len(complete)
    if len(candidates) == 1:
        others = " of which there are numbers" if len(facet.unmeasured) else " there is"
        return candidates.iloc[0], True, f"it is the only learning rate, window and scheme{others}"
    lacking = f"{left_out} more, which lack a seed" if left_out else ""
    if facet.has_validation and number > 1:
        how = f"it was chosen from {number} candidates by mean validation accuracy"
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
