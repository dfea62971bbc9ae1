"""A facet's answer in three sentences, made from the numbers: what, against what else, how sure."""

import pandas as pd

from analysis.compare.candidates import AGAINST
from analysis.compare.findings import Answer
from analysis.compare.groups import Facet
from analysis.statistics.intervals import Interval


def sentences(facet: Facet, answer: Answer, tests: pd.DataFrame) -> list[str]:
    """Three sentences; `tests` are `images.image_tests` of the focus."""
    found = [_what(facet, answer), _against(answer, tests), _how_sure(answer)]
    return [sentence[0].upper() + sentence[1:] for sentence in found]


def points(value: float) -> str:
    """A difference of accuracies as points: "+2.64"."""
    return f"{100 * value:+.2f}"


def interval(found: Interval) -> str:
    """ "+2.64 points (95 % t interval +1.90 to +3.38)"; it says why there is none."""
    return f"{points(found.mean)} points ({_span(found)})"


def _span(found: Interval) -> str:
    if found.low is not None and found.high is not None:
        return f"95 % t interval {points(found.low)} to {points(found.high)}"
    return "no interval" if found.n == 1 else "identical in all trainings: no interval"


def p_value(p: float | None) -> str:
    """ "p = 0.0123", or "p < 0.0001"; "" for None."""
    if p is None or p != p:
        return ""
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.2g}"


def epochs(start: int, end: int) -> str:
    """A window in words."""
    return f"epochs {start}..{end - 1}" if end - start > 1 else f"epoch {start} alone"


def _what(facet: Facet, answer: Answer) -> str:
    focus, contrast = answer.focus, answer.contrast
    n, test_images = contrast.n, facet.runs["test_images"].iloc[0]
    verdict = {
        "gain": "a gain",
        "loss": "a loss",
        "no gain detected": "no gain detected",
        "undecided": (
            "one training can't tell whether another one would gain, too"
            if n == 1
            else "without spread between the trainings, nobody can say how sure that is"
        ),
        "nothing averaged": "the window is one checkpoint, so nothing was averaged",
    }[answer.verdict]
    tested = ", ".join(
        part
        for part in (_span(contrast), f"n = {n} training{'s' * (n > 1)}", p_value(answer.p))
        if part
    )
    return (
        f"{'' if answer.chosen else 'Exploratory: '}the {focus['scheme']} average of "
        f"{epochs(focus['start'], focus['end'])} at learning rate {focus['learning_rate']:g} "
        f"reaches {100 * focus['test']:.2f} % on the {test_images:,} test images of "
        f"{facet.runs['dataset'].iloc[0]}, {points(contrast.mean)} points over "
        f"{AGAINST['window_mean']} ({tested}): {verdict}; {answer.how}."
    )


def _against(answer: Answer, tests: pd.DataFrame) -> str:
    parts = [f"{interval(found)} over {AGAINST[what]}" for what, found in answer.others.items()]
    text = "Beside it (exploratory): " + ", ".join(parts)
    if answer.contrast.n == 1 and len(tests):
        test = tests.to_dict("records")[0]
        text += (
            f"; of {test['images']:,} test images, only the average gets {test['only_average']} "
            f"right and only the last checkpoint {test['only_last']} (McNemar's exact test, "
            f"{p_value(test['p'])})"
        )
    return text + "."


def _how_sure(answer: Answer) -> str:
    if answer.detectable is None:
        text = "What gain could have been detected, only several trainings can tell"
    else:
        text = (
            f"{answer.contrast.n} trainings that spread like these miss a gain below "
            f"{100 * answer.detectable:.2f} points more than one time in five"
        )
    if curse := answer.curse:
        text += (
            f"; for being chosen, the candidate looked {points(curse['validation'])} points better "
            f"than the mean candidate on validation, of which {points(curse['test'])} are left on "
            "test"
        )
        if curse["oracle"] > curse["test"]:
            text += f" (the best by test, an oracle, has {points(curse['oracle'])})"
        else:
            text += ", where it is the best, too"
    return text + "."
