"""What the runs say, as tables for a person: accuracies in %, gains in points.

Each function gives a frame of texts and numbers, which the report and the command line both show.
"""

import pandas as pd

from analysis.compare.candidates import AGAINST, by_validation
from analysis.compare.findings import Answer
from analysis.compare.groups import Facet
from analysis.read.load import STATUSES
from analysis.report.sentences import epochs, p_value, points
from analysis.statistics.intervals import Interval, t_interval


def beside(facet: Facet, answer: Answer) -> pd.DataFrame:
    """The reported candidate: test accuracy of each thing the average is compared with, and the
    average's gain over it."""
    runs = answer.runs(facet)
    rows = []
    for what, label in (AGAINST | {"average": "the average"}).items():
        column = f"{what}_test_accuracy"
        if column not in runs or runs[column].isna().any():
            continue
        gain = answer.contrast if what == "window_mean" else answer.others.get(what)
        rows.append(
            {
                "": label,
                "test accuracy, %": _spread(runs[column]),
                "gain of the average, points": _gain(gain) if gain else "-",
                "n": len(runs),
                "kind": {"window_mean": "the answer", "average": "-"}.get(what, "exploratory"),
            }
        )
    return pd.DataFrame(rows)


def candidates(answer: Answer, most: int = 40) -> pd.DataFrame:
    """The candidates, best on validation first (without validation, in the order of their values):
    mean accuracies, gain over the mean checkpoint, Holm-adjusted p. At most `most` of them, but
    always the reported one and the oracle."""
    table = answer.candidates
    if table["validation"].notna().all():
        table = by_validation(table)
    special = {}
    if len(table) > 1:
        special[answer.oracle.name] = "best on test (oracle)"
        mark = "chosen" if answer.chosen else "reported"
        special[answer.focus.name] = ", ".join(filter(None, [mark, special.get(answer.focus.name)]))
    kept = [place for rank, place in enumerate(table.index) if rank < most or place in special]
    rows = []
    for place in kept:
        row = table.loc[place]
        rows.append(
            {
                "learning rate": f"{row['learning_rate']:g}",
                "averaged": epochs(row["start"], row["end"]),
                "scheme": row["scheme"],
                "n": row["n"],
                "validation, %": _percent(
                    row["shared_validation" if row["complete"] else "validation"]
                ),
                "test, %": _percent(row["test"]),
                "gain over last, points": points(row["gain_over_last"]),
                "gain over mean checkpoint, points": _gain(
                    Interval(
                        row["n"],
                        row["gain"],
                        *(_none(row[k]) for k in ("gain_sd", "gain_low", "gain_high")),
                    )
                ),
                "p (Holm)": _p(row["p_holm"]),
                "": special.get(place, ""),
            }
        )
    return pd.DataFrame(rows)


def trainings(
    facet: Facet,
    answer: Answer,
    tests: pd.DataFrame,
    saved: list[tuple[int, int | None]],
) -> pd.DataFrame:
    """The reported candidate's runs, one a training."""
    runs = answer.runs(facet)
    table = pd.DataFrame(
        {
            "seed": runs["seed"].tolist(),
            "run": runs["run"].tolist(),
            "average, %": [_percent(value) for value in runs["average_test_accuracy"]],
            "mean checkpoint, %": [_percent(value) for value in runs["window_mean_test_accuracy"]],
            "last, %": [_percent(value) for value in runs["last_test_accuracy"]],
            "gain over mean, points": [
                points(value) for value in runs["gain_over_window_mean_test"]
            ],
        }
    )
    if len(tests):
        of_seed = {test["seed"]: test for test in tests.to_dict("records")}
        found = [of_seed.get(seed) for seed in table["seed"]]
        for column, name in {
            "right: average only": "only_average",
            "right: last only": "only_last",
        }.items():
            table[column] = [str(test[name]) if test else "" for test in found]
        table["McNemar p (Holm)"] = [_p(test["p_holm"]) if test else "" for test in found]
    if saved:
        table["epochs saved"] = ["none" if number is None else str(number) for _, number in saved]
    return table


def lacking(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs without numbers, and why."""
    others = runs[runs["status"] != "finished"]
    order = others["status"].map({status: place for place, status in enumerate(STATUSES)})
    return others.loc[order.sort_values(kind="stable").index, ["run", "status", "reason"]]


def ran(facet: Facet) -> pd.DataFrame:
    """What was configured for all runs of a facet, what it ran on, and the values of the axes."""
    runs = facet.runs
    rows = {
        "data": facet.title,
        "trainings, runs": facet.population,
        "learning rates": ", ".join(f"{rate:g}" for rate in sorted(runs["learning_rate"].unique())),
        "seeds": ", ".join(map(str, sorted(runs["seed"].unique()))),
        "windows start with epoch": ", ".join(map(str, sorted(runs["start"].unique()))),
        "windows end with epoch": ", ".join(map(str, sorted(runs["end"].unique() - 1))),
        "schemes": ", ".join(sorted(runs["scheme"].unique())),
        **{
            what: ", ".join(sorted(map(_setting, runs[column].dropna().unique())))
            for what, column in {
                "device": "device",
                "threads": "threads",
                "precision": "precision",
                "commit": "commit",
                "Python": "python",
                "torch": "torch",
            }.items()
        },
        "configuration": "\n".join(
            f"{key}={_setting(value)}"
            for key, value in facet.settings.items()
            if not key.startswith(("averaging.", "paths."))
            and key not in ("seed", "name", "optimizer.lr")
        ),
    }
    return pd.DataFrame({"": rows.keys(), "value": rows.values()})


def _setting(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return f"{value:.0f}"
    return "null" if value is None else str(value)


def _p(value: float) -> str:
    """As in a column of p values: "0.0123", "< 0.0001"."""
    return p_value(value).removeprefix("p ").removeprefix("= ")


def _percent(value: float) -> str:
    return "" if pd.isna(value) else f"{100 * value:.2f}"


def _spread(values: pd.Series) -> str:
    found = t_interval(values.to_numpy())
    return _percent(found.mean) + (f" ± {100 * found.sd:.2f}" if found.sd is not None else "")


def _gain(found: Interval) -> str:
    if found.low is None or found.high is None:
        return points(found.mean)
    return f"{points(found.mean)} [{points(found.low)}, {points(found.high)}]"


def _none(value: float | None) -> float | None:
    return None if value is None or pd.isna(value) else float(value)
