"""What a comparison group shows: a candidate selected on validation, tested once on test.

    findings = findings_of(group)
    findings.verdict, findings.mechanism   # "gain", Interval(n=3, mean=0.027, ...)

The mechanism's comparison is specified beforehand: the average minus the mean of the window's
checkpoints (of networks with batch norm, minus the last checkpoint with refreshed statistics) on
test, paired within each trajectory, for the candidate (learning rate, window,
scheme) whose average has the best mean validation score. Everything else is exploratory.
"""

from dataclasses import dataclass

import pandas as pd

from analysis.compare.baselines import compared, gain_over, last_of, mechanism_of
from analysis.compare.candidates import candidates_of, comparable_seeds, of_candidate
from analysis.compare.groups import Group
from analysis.compare.image_tests import image_tests
from analysis.compare.selection import select
from analysis.read.window_table import epochs_of, window_table
from analysis.statistics.intervals import Interval, bootstrap_interval, t_interval
from analysis.statistics.minimum_detectable_effect import minimum_detectable_effect_over_seeds
from analysis.statistics.sign_flip import smallest_p
from analysis.statistics.significance import t_test
from polyak.evaluation.metric import Metric


@dataclass(frozen=True)
class Findings:
    """`candidates`: one row each, with n (seeds), mean scores, the mechanism gain with sd,
    interval, p and max-T-adjusted p; `complete`: whether it has all `seeds`, those by which
    candidates are compared (`shared_*`: means over these alone). `selected`: the one that is
    reported; `selected_on_validation`: whether validation selected it among several, else it is the
    only one or reported without selection; `reason` says which. `oracle`: the best complete one by
    mean test score.

    `mechanism`: the gain over `baseline` (`mechanism_of`), of the selected candidate; `p`:
    two-sided. `secondary`: its gains over the other BASELINES. `minimum_detectable_effect`: the
    smallest gain that so many seeds detect with 80 % power. All by the group's primary metric, on
    test; gains are positive where the average is better.

    `image_tests`: McNemar's, one row per trajectory; `windows`: see `window_table`; `problems`:
    files that could not be read.
    """

    group: Group
    candidates: pd.DataFrame
    seeds: frozenset[int]
    selected: pd.Series
    selected_on_validation: bool
    reason: str
    oracle: pd.Series
    baseline: str
    mechanism: Interval
    p: float | None
    bootstrap: tuple[float, float] | None
    secondary: dict[str, Interval]
    minimum_detectable_effect: float | None
    image_tests: pd.DataFrame
    windows: pd.DataFrame
    problems: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """ "gain", "loss" or "no gain detected"; "undecided" where there is no interval, "nothing
        averaged" where the window is one checkpoint."""
        if len(epochs_of(self.selected)) == 1:
            return "nothing averaged"
        if self.mechanism.low is None or self.mechanism.high is None:
            return "undecided"
        if self.mechanism.low > 0:
            return "gain"
        return "loss" if self.mechanism.high < 0 else "no gain detected"

    @property
    def metric(self) -> Metric:
        """The primary one."""
        return self.group.metric

    @property
    def exploratory(self) -> bool:
        """Whether the candidate is one of several, and was not selected on validation."""
        return not self.selected_on_validation and len(self.candidates) > 1

    @property
    def status(self) -> str:
        """How the reported candidate came to be reported, for captions and tables."""
        if self.selected_on_validation:
            return "selected on validation"
        return "reported, not selected" if self.exploratory else "the only candidate"

    @property
    def selection_bias(self) -> dict[str, float] | None:
        """By how much the selected candidate is better than the mean of all complete candidates on
        validation, where it was selected, and on test; and by how much the oracle is on test. None
        where nothing was selected."""
        if not self.selected_on_validation:
            return None
        complete = self.candidates[self.candidates["complete"]]
        validation, test = complete["shared_validation"].mean(), complete["shared_test"].mean()
        sign = self.metric.sign
        return {
            "validation": sign * (self.selected["shared_validation"] - validation),
            "test": sign * (self.selected["shared_test"] - test),
            "oracle": sign * (self.oracle["shared_test"] - test),
        }

    @property
    def smallest_adjusted_p(self) -> float:
        """That so many seeds can give any of the candidates, whatever the gains."""
        return smallest_p(len(self.seeds))

    @property
    def below_last(self) -> bool:
        """Whether the average gains over the mean checkpoint and loses to the last one."""
        last = self.secondary.get(self.last)
        return self.verdict == "gain" and last is not None and last.mean < 0

    @property
    def runs(self) -> pd.DataFrame:
        """The selected candidate's runs, one per trajectory, by seed."""
        return of_candidate(self.group.runs, self.selected).sort_values("seed")

    @property
    def last(self) -> str:
        """Which last checkpoint is like the average: headline and image tests are about it."""
        return last_of(self.runs)


def findings_of(group: Group) -> Findings:
    """The findings of a group, which has at least one run."""
    seeds = comparable_seeds(group)
    candidates = candidates_of(group, seeds)
    complete = candidates[candidates["complete"]]
    selection = select(group, candidates)
    rows, baseline = of_candidate(group.runs, selection.candidate), mechanism_of(group.runs)
    gains = rows[gain_over(baseline)].to_numpy()
    mechanism = t_interval(gains)
    windows, unread = window_table(group.runs, group.epochs)
    tests, untested = image_tests(rows.sort_values("seed"))
    return Findings(
        group=group,
        candidates=candidates,
        seeds=seeds,
        selected=selection.candidate,
        selected_on_validation=selection.on_validation,
        reason=selection.reason,
        oracle=complete.iloc[
            int((group.metric.sign * complete["shared_test"].to_numpy()).argmax())
        ],
        baseline=baseline,
        mechanism=mechanism,
        p=t_test(gains),
        bootstrap=bootstrap_interval(gains),
        secondary={
            what: t_interval(rows[gain_over(what)].to_numpy())
            for what in compared(rows)
            if what != baseline
        },
        minimum_detectable_effect=minimum_detectable_effect_over_seeds(mechanism.sd, mechanism.n)
        if mechanism.sd
        else None,
        image_tests=tests,
        windows=windows,
        problems=(*unread, *untested),
    )
