"""The answers of several budgets in words, as a table, and as plain values for JSON.

sentences(across)    # "4 budgets: 1 better, 0 worse, 1 equivalent, 2 undecided. ..."
"""

from dataclasses import asdict
from typing import Any

import pandas as pd

from analysis.compare.across import FEWEST, Across
from analysis.compare.fair import NoAnswer
from analysis.units import amount, limits, numbers, score
from analysis.wording import count


def headline(across: Across) -> str:
    """How many budgets are of each kind, and the summary."""
    metric, summary = across.metric, across.summary
    kinds = ", ".join(f"{number} {kind}" for kind, number in across.kinds.items())
    if not across.answers:
        return f"None of {count(len(across.budgets), 'budget')} has an answer"
    answers = count(len(across.answers), "budget")
    if metric is None:
        return f"{answers}: {kinds}. By different metrics, they have no summary: read the rows"
    if summary is None:
        return f"{answers}: {kinds}. Fewer than {FEWEST} are no summary: read the rows"
    return (
        f"{answers}: {kinds}; interquartile mean {amount(summary.mean, metric)}"
        f"{limits(summary, metric)}"
    )


def sentences(across: Across) -> list[str]:
    """What may be concluded of the whole, and what not."""
    if not across.answers:
        return []
    rows = (
        "Each row is a test of its own at 5 %, not adjusted for the number of rows: if averaging "
        "changed nothing, one row in 20 would be better or worse by chance."
    )
    number, summary = len(across.answers), across.summary
    if summary is None:
        return [rows, f"What {count(number, 'budget')} have in common need not hold for others."]
    seeds = min(one.conclusion.interval.n for one in across.answers.values())
    text = (
        f"The interquartile mean is that of the middle half of all seeds' differences, {number} "
        "budgets of one weight"
    )
    if summary.low is None:
        text += "; it has no interval, since a budget has one seed, or all seeds agree"
    else:
        text += "; its 95 % interval, a bootstrap over seeds, is for new seeds of these budgets"
        if seeds < 6:
            text += f", and somewhat too narrow with as few as {seeds} of them"
    return [rows, f"{text}. For other data sets or models {number} budgets say little."]


def table(across: Across) -> pd.DataFrame:
    """One row per budget, for a person; with each difference its t interval over seeds, then the
    limits over seeds and images together."""
    rows = []
    for name, one in zip(across.names, across.budgets, strict=True):
        if isinstance(one, NoAnswer):
            rows.append({"budget": name, "conclusion": f"no answer: {one.reason}"})
            continue
        found, two_way = one.conclusion, one.two_way
        within = " within the margin" * found.within_margin
        rows.append(
            {
                "budget": name,
                "n": str(found.interval.n),
                "averaged": score(one.averaged.mean(one.metric), one.metric),
                "without": score(one.unaveraged.mean(one.metric), one.metric),
                "difference": numbers(found.interval, one.metric),
                "seeds and images": limits(two_way, one.metric).strip() if two_way else "",
                "conclusion": found.kind + within,
            }
        )
    return pd.DataFrame(rows).fillna("")


def plain(across: Across) -> dict[str, Any]:
    """For across.json."""
    return {
        "metric": across.metric.name if across.metric else None,
        "budgets": [
            {key: None if pd.isna(value) else value for key, value in row.items()}
            for row in across.table.to_dict("records")
        ],
        "kinds": across.kinds,
        "interquartile_mean": None if across.summary is None else asdict(across.summary),
        "sentences": [headline(across), *sentences(across)],
    }
