"""The answer of each budget in words, as a table of its pairs, and as plain values for JSON.

headline(answer)     # "Undecided: -0.27 points for averaging [-1.14, +0.61] (n = 3 seeds)"
"""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pandas as pd

from analysis.compare.beside import Beside, beside, edges
from analysis.compare.estimators import ESTIMATOR
from analysis.compare.fair import Answer, NoAnswer, Side
from analysis.compare.variation import variation_of
from analysis.read.window_table import epochs_of
from analysis.report.speed_sentence import speed_sentence
from analysis.units import amount, limits, named_amount, score, words, words_and_direction
from analysis.wording import count, how_many, p_value


def headline(answer: Answer | NoAnswer) -> str:
    """The conclusion, the difference and its interval."""
    if isinstance(answer, NoAnswer):
        return f"No answer: {answer.reason}"
    found = answer.conclusion
    within = f" within {amount(answer.margin, answer.metric, signed=False)}"
    kind = found.kind.capitalize() + within * (found.kind == "equivalent")
    small = f", though{within}" * (found.within_margin and found.kind != "equivalent")
    return (
        f"{kind}{small}: {amount(found.interval.mean, answer.metric)} for averaging, against the "
        f"best without it{limits(found.interval, answer.metric)} "
        f"(n = {count(found.interval.n, 'seed')})"
    )


def sentences(answer: Answer | NoAnswer) -> list[str]:
    """The pair that is compared; how sure it is; what stands beside it; what varied over seeds;
    the other metrics; the speed; what lies at an edge."""
    if isinstance(answer, NoAnswer):
        return []
    varied = variation_of(answer.groups).sentence
    speed = speed_sentence(answer.speed, words(answer.metric))
    others = [_beside(one, answer) for one in beside(answer)]
    at_edges = [f"{what}: {value}" for what, value in edges(answer)]
    edge = f"At an edge of what was swept, so that more may lie beyond: {'; '.join(at_edges)}."
    return [
        *(_pair(answer), _certainty(answer), *others, varied, *_others(answer), speed),
        *[edge] * bool(at_edges),
    ]


def _pair(answer: Answer) -> str:
    averaged, unaveraged, metric = answer.averaged, answer.unaveraged, answer.metric
    images = answer.groups[0].runs["test_images"].iloc[0]
    scores = [score(side.mean(metric), metric) for side in (averaged, unaveraged)]
    left_out = f" ({count(answer.left_out, 'more recipe')} lack a seed, or one of the sides)"
    left_out *= bool(answer.left_out)
    looks = [count(side.looks, "look") for side in (averaged, unaveraged)]
    return (
        f"The best average, {averaged.name}, has {scores[0]} on the {how_many(images)} test "
        "images; "
        f"the best without averaging, {unaveraged.name}, {scores[1]}. Selected by mean "
        f"validation {words_and_direction(metric)} from "
        f"{count(averaged.candidates, 'average')} ({looks[0]} at "
        f"validation) and {count(unaveraged.candidates, 'candidate')} without ({looks[1]}), over "
        f"the same recipes{left_out}."
    )


def _certainty(answer: Answer) -> str:
    found, metric = answer.conclusion, answer.metric
    if found.reason is not None:
        return f"There is no test: {found.reason}."
    assert found.equivalence is not None
    assert found.detectable is not None
    if answer.two_way is not None and answer.two_way.low is not None:
        images = f"over seeds and images together{limits(answer.two_way, metric)}"
    else:
        images = f"no interval over seeds and images ({answer.without_two_way or 'too few'})"
    return (
        f"95 % t interval over seeds{limits(found.interval, metric)}; {images}; sign-flip test "
        f"{p_value(answer.sign_flip)} (the smallest that {found.interval.n} seeds can give: "
        f"{answer.smallest_p:.2g}); equivalence within "
        f"{amount(answer.margin, metric, signed=False)} {p_value(found.equivalence.p)}. So many "
        f"seeds of this spread would show {amount(found.detectable, metric, signed=False)} with "
        "80 % power."
    )


def _beside(found: Beside, answer: Answer) -> str:
    first, metric = found.side.first, answer.metric
    if found.what == "last":
        what = f"{found.side.name}, the best of its kind"
    else:
        models = len(epochs_of(first))
        what = f"the best ensemble, {found.side.name} ({models} models, {models} times the cost)"
    return (
        f"Beside it, {what}, has {score(found.side.mean(metric), metric)}: "
        f"{amount(found.difference.mean, metric)} for the average"
        f"{limits(found.difference, metric)}."
    )


def _others(answer: Answer) -> Iterator[str]:
    parts = [
        f"{named_amount(found.mean, metric)}{limits(found, metric)}"
        for metric, found in answer.differences.items()
        if metric != answer.metric
    ]
    if parts:
        yield (
            f"The same pair, selected by {words(answer.metric)}, by other metrics, positive where "
            f"the average is better: {'; '.join(parts)}. --metric selects by another."
        )


def pairs(answer: Answer) -> pd.DataFrame:
    """Per seed: both scores and the difference."""
    metric = answer.metric
    table = answer.pairs
    return pd.DataFrame(
        {
            "seed": table.index.tolist(),
            "averaged": [score(value, metric) for value in table["averaged"]],
            "without": [score(value, metric) for value in table["unaveraged"]],
            "difference": [amount(value, metric) for value in table["difference"]],
        }
    )


def plain(answer: Answer | NoAnswer) -> dict[str, Any]:
    """For answers.json."""
    found: dict[str, Any] = {
        "title": answer.title,
        "comparison_groups": [group.name for group in answer.groups],
    }
    if isinstance(answer, NoAnswer):
        return found | {"conclusion": None, "reason": answer.reason}
    variation = variation_of(answer.groups)
    return found | {
        "conclusion": answer.conclusion.kind,
        "varied": variation.varied,
        "fixed": variation.fixed,
        "recipes_left_out": answer.left_out,
        "metric": answer.metric.name,
        "margin": answer.margin,
        "averaged": _side(answer.averaged),
        "unaveraged": _side(answer.unaveraged),
        "difference": asdict(answer.conclusion),
        "differences": {metric.name: asdict(one) for metric, one in answer.differences.items()},
        "sign_flip_p": answer.sign_flip,
        "smallest_p": answer.smallest_p,
        "two_way": asdict(answer.two_way) if answer.two_way else None,
        "without_two_way": answer.without_two_way,
        "beside": {
            one.what: {**_side(one.side), "difference": asdict(one.difference)}
            for one in beside(answer)
        },
        "edges": [f"{what}: {value}" for what, value in edges(answer)],
        "speed": {**asdict(answer.speed), "reached": answer.speed.reached},
        "pairs": answer.pairs.reset_index().to_dict("records"),
    }


def _side(side: Side) -> dict[str, Any]:
    named = {key: side.first[key] for key in ESTIMATOR}
    values = {
        key: value.item() if hasattr(value, "item") else value for key, value in named.items()
    }
    return {**values, "candidates": side.candidates, "looks": side.looks}
