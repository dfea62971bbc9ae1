"""Tables for a person: scores and gains in the units of their metric.

Each function gives a frame of texts and numbers, which the report and the command line both show.
"""

import pandas as pd

from analysis.compare.baselines import BASELINES, SHORT, compared, gain_over
from analysis.compare.candidates import by_validation
from analysis.compare.findings import Findings
from analysis.compare.groups import Group
from analysis.compare.settings import shared
from analysis.read.load import STATUSES, Loaded
from analysis.read.window_table import epochs_of
from analysis.statistics.intervals import Interval, t_interval
from analysis.units import bare, column, difference, gain_column, numbers, words
from analysis.wording import count, p_value, window
from polyak.evaluation.metric import Metric


def baselines(findings: Findings) -> pd.DataFrame:
    """The selected candidate: test score of the average and of each baseline, and the gains."""
    runs = findings.runs
    gains = {findings.baseline: findings.mechanism, **findings.secondary}
    metric, rows = findings.metric, []
    labels = BASELINES | {"average": "the average"}
    kinds = {findings.baseline: "mechanism", "average": "-"}
    for what in compared(runs, labels):
        rows.append(
            {
                "": labels[what],
                column(metric, f"test {words(metric)}"): _mean_and_sd(
                    runs[f"{what}_test_{metric.name}"], metric
                ),
                gain_column(metric, "gain of the average"): numbers(gains[what], metric)
                if what in gains
                else "-",
                "n": len(runs),
                "comparison": kinds.get(what, "exploratory"),
            }
        )
    return pd.DataFrame(rows)


def candidates(findings: Findings, most: int = 40) -> pd.DataFrame:
    """The candidates, best on validation first (without validation, in the order of their values):
    mean scores, the gain in the mechanism's comparison with its max-T-adjusted p (unless so few
    seeds can't make any significant), and the gain over the last checkpoint or, where that is the
    same, the mean. At most `most` of them, but always the selected one and the oracle."""
    table, mechanism = findings.candidates, findings.baseline
    other = "window_mean" if mechanism == findings.last else findings.last
    if table["validation"].notna().all():
        table = by_validation(table, findings.metric)
    marks: dict[object, list[str]] = {}
    if len(table) > 1:
        marks.setdefault(findings.selected.name, []).append(findings.status)
        marks.setdefault(findings.oracle.name, []).append("best on test (oracle)")
    kept = [place for rank, place in enumerate(table.index) if rank < most or place in marks]
    shown = pd.DataFrame(
        [
            _candidate(findings, table.loc[place], ", ".join(marks.get(place, [])), other)
            for place in kept
        ]
    )
    return shown if findings.smallest_adjusted_p <= 0.05 else shown.drop(columns="p (max-T)")


def _candidate(findings: Findings, row: pd.Series, mark: str, other: str) -> dict[str, object]:
    metric, mechanism = findings.metric, findings.baseline
    sd, low, high = (
        None if pd.isna(row[key]) else float(row[key])
        for key in ("gain_sd", "gain_low", "gain_high")
    )
    return {
        "learning rate": f"{row['learning_rate']:g}",
        "window": window(row["start"], row["end"], row["stride"]),
        "scheme": row["scheme"],
        "n": row["n"],
        column(metric, "validation"): bare(
            row["shared_validation" if row["complete"] else "validation"], metric
        ),
        column(metric, "test"): bare(row["test"], metric),
        gain_column(metric, f"gain over {SHORT[other]}"): difference(
            row[f"gain_over_{other}"], metric
        ),
        gain_column(metric, f"gain over {SHORT[mechanism]}"): numbers(
            Interval(row["n"], row["gain"], sd, low, high), metric
        ),
        "p (max-T)": _p(row["p_max_t"]),
        "": mark,
    }


def trajectories(findings: Findings) -> pd.DataFrame:
    """The selected candidate's runs, one per trajectory."""
    runs, tests, metric = findings.runs, findings.image_tests, findings.metric
    table = pd.DataFrame(
        {
            "seed": runs["seed"].tolist(),
            "run": runs["run"].tolist(),
            **{
                column(metric, SHORT[what]): [
                    bare(value, metric) for value in runs[f"{what}_test_{metric.name}"]
                ]
                for what in compared(runs, ("average", "window_mean", "last", "last_refreshed"))
            },
            gain_column(metric, f"gain over {SHORT[findings.baseline]}"): [
                difference(value, metric) for value in runs[gain_over(findings.baseline)]
            ],
        }
    )
    if len(tests):
        of_seed = {test["seed"]: test for test in tests.to_dict("records")}
        found = [of_seed.get(seed) for seed in table["seed"]]
        table["right: average only"] = [str(test["only_average"]) if test else "" for test in found]
        table[f"right: {SHORT[findings.last]} only"] = [
            str(test["only_last"]) if test else "" for test in found
        ]
        table["McNemar p (Holm)"] = [_p(test["p_holm"]) if test else "" for test in found]
    return table


def without_results(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs without results, and why."""
    others = runs[runs["status"] != "finished"]
    order = others["status"].map({status: place for place, status in enumerate(STATUSES)})
    return others.loc[order.sort_values(kind="stable").index, ["run", "status", "reason"]]


def counts(loaded: Loaded) -> str:
    """How many runs there are of each status."""
    found = loaded.runs["status"].value_counts().to_dict()
    shown = ", ".join(f"{found[status]:,} {status}" for status in STATUSES if status in found)
    return f"{count(len(loaded.runs), 'run')}: {shown}"


def configuration(group: Group) -> pd.DataFrame:
    """What all runs of a group were configured with and ran on, and the values of the axes."""
    runs = group.runs
    axes = {
        "learning rates": runs["learning_rate"],
        "seeds": runs["seed"],
        "first epochs of the windows": runs["start"],
        "last epochs of the windows": runs.apply(lambda run: epochs_of(run)[-1], axis=1),
        "schemes": runs["scheme"],
    }
    environment = ("device", "threads", "precision", "commit", "python", "torch")
    rows = {
        "data": group.title,
        "runs": group.population,
        **{name: "; ".join(map(_setting, sorted(of.unique()))) for name, of in axes.items()},
        **{
            name: ", ".join(sorted(map(_setting, runs[name].dropna().unique())))
            for name in environment
        },
        "configuration": "\n".join(
            f"{key}={_setting(value)}" for key, value in shared(group.config).items()
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


def _mean_and_sd(values: pd.Series, metric: Metric) -> str:
    found = t_interval(values.to_numpy())
    spread = "" if found.sd is None else f" ± {bare(found.sd, metric)}"
    return bare(found.mean, metric) + spread
