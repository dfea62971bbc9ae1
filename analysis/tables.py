"""What the runs say together: mean and spread over seeds for each point of a sweep."""

import pandas as pd

POINT = ["dataset", "model", "optimizer", "scheme", "settings", "optimizer_lr", "start", "end"]


def over_seeds(measured: pd.DataFrame, column: str) -> pd.DataFrame:
    """n, mean and sample standard deviation (NaN for one run) of `column` at each point, in its
    own unit; n counts trajectories."""
    grouped = measured.groupby(POINT)[column]
    return grouped.agg(n="count", mean="mean", sd="std").reset_index()


def text(runs: pd.DataFrame, measured: pd.DataFrame) -> str:
    """The table for a person: the averaged model's test accuracy in %, and its gain in points over
    the mean of the window's checkpoints, mean ± sd over seeds; then what failed or is missing."""
    counts = runs["status"].value_counts().to_dict()
    lines = [", ".join(f"{count} {status}" for status, count in counts.items())]
    repeated = int((runs["status"] == "finished").sum()) - len(measured)
    if repeated:
        lines.append(f"{repeated} runs repeat a measurement and count once")
    if not measured.empty:
        accuracy = over_seeds(measured, "average_test")
        gain = over_seeds(measured, "gain_over_window_mean_test")
        shown = accuracy[POINT].copy()
        numbers = {settings: n for n, settings in enumerate(shown["settings"].unique(), start=1)}
        shown["settings"] = shown["settings"].map(numbers)
        if len(numbers) > 1:
            lines += ["", "settings:", *(f"  {n}: {s}" for s, n in numbers.items())]
        shown["n"] = accuracy["n"]
        shown["average, test %"] = [_shown(row) for row in accuracy.itertuples()]
        shown["gain over window mean, points"] = [_shown(row) for row in gain.itertuples()]
        lines += ["", shown.to_string(index=False)]
    for run in runs[runs["status"] != "finished"].itertuples():
        lines.append(f"{run.status}: {run.directory} {run.reason}")
    return "\n".join(lines)


def _shown(row: object) -> str:
    mean, sd = 100 * row.mean, 100 * row.sd  # type: ignore[attr-defined]
    return f"{mean:.2f}" + ("" if pd.isna(sd) else f" ± {sd:.2f}")
