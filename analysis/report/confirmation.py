"""Whether an answer should be confirmed on new seeds, and how.

confirmation(answer)   # ["To confirm it, train the two selected candidates on new seeds, ..."]
"""

import shlex

import numpy as np

from analysis.compare.estimators import RECIPE
from analysis.compare.fair import Answer, NoAnswer
from analysis.statistics.values import SAME

ENOUGH = 6
"""Seeds from which on the correlation of two candidates says something."""

ERRS = {3: 7, 6: 12, 10: 14}
"""% of sweeps without any gain that are significant at 5 %, by seeds, at a correlation of 0: the
worst of docs/analysis.md, "How often these are right"."""

STRONG = 0.8
"""Correlation over seeds at which a selection on the same seeds errs hardly more often than 5 %:
docs/analysis.md, "How often these are right"."""


def confirmation(answer: Answer | NoAnswer) -> list[str]:
    """One sentence where a difference is claimed by candidates that were selected from several on
    the seeds that they are tested on, and these don't affect both alike, as far as is known; else
    nothing."""
    if isinstance(answer, NoAnswer) or answer.conclusion.kind not in ("better", "worse"):
        return []
    sides = (answer.averaged, answer.unaveraged)
    if all(side.candidates == 1 for side in sides):
        return []
    n, correlation = len(answer.pairs), _correlation(answer)
    if n >= ENOUGH and correlation >= STRONG:
        return []
    most = ERRS[min(ERRS, key=lambda seeds: abs(seeds - n))]
    known = f"r = {correlation:.2f} here" if n >= ENOUGH else f"{n} seeds can't tell"
    return [
        "To confirm it, train the two selected candidates on new seeds, since a test on the seeds "
        f"of the selection errs in up to {most} % of cases instead of 5, the more the less the "
        f"candidates' scores correlate over seeds ({known}): {'; '.join(_commands(answer))}"
    ]


def _correlation(answer: Answer) -> float:
    """Of the two candidates' test scores over seeds; 0 where one of them has no spread."""
    pairs = answer.pairs[["averaged", "unaveraged"]].to_numpy(dtype=float)
    if np.ptp(pairs, axis=0).min() <= SAME:
        return 0.0
    return float(np.corrcoef(pairs.T)[0, 1])


def _commands(answer: Answer) -> list[str]:
    """As many further seeds, of one recipe or of two."""
    if answer.averaged.first.get("own"):
        return ["record trainings of other seeds, and polyak.open(...).run(...) of each"]
    sides = {"confirm_averaged": answer.averaged, "confirm_without": answer.unaveraged}
    if (answer.averaged.first[RECIPE] == answer.unaveraged.first[RECIPE]).all():
        sides = {"confirm": answer.averaged}
    seeds = answer.pairs.index
    new = ",".join(str(seed) for seed in range(seeds.max() + 1, seeds.max() + 1 + len(seeds)))
    return [
        shlex.join(
            ["python", "src/train.py", "--again", str(side.first["directory"]), "--multirun"]
            + [f"name={name}", f"seed={new}"]
        )
        for name, side in sides.items()
    ]
