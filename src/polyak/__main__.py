"""The commands: parse, call the library, print. Each imports what it needs when it runs.

    python -m polyak windows|distances|average|score|store --help

Exit codes: 0; 1 where a command fails, which says why; 2 for wrong arguments; 130 interrupted.
"""

import argparse
import dataclasses
import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyak import arguments
from polyak.errors import ConfigError, PolyakError

if TYPE_CHECKING:
    from polyak.averaging import Scheme


def windows(given: argparse.Namespace) -> int:
    """Every window of a run: windows.csv, the map and a table."""
    from tqdm import tqdm

    from polyak.config.finished import FinishedRun
    from polyak.runs import window_report, windows

    run = FinishedRun(given.run)
    summary, path, spent = run.summary, given.run / "windows.csv", windows.Spent()
    starts = windows.epochs_of(given.starts or f"0:{summary.epochs}", summary.epochs - 1)
    ends = windows.epochs_of(given.ends or f"1:{summary.epochs + 1}", summary.epochs)
    wanted = windows.windows(starts, ends)
    splits = run.evaluated(given.splits)
    missing = windows.missing(windows.read(path), wanted, splits)
    with tqdm(total=len(missing), unit="window", disable=not sys.stderr.isatty()) as bar:
        rows = windows.complete(
            path,
            summary.checkpoint,
            run.evaluator(splits),
            wanted,
            splits=splits,
            spent=spent,
            on_window=bar.update,
        )
    target = given.run / "figures" / "windows.png"
    title = f"{run.data.title}, {len(run.data.train):,} training images, seed {run.config.seed}"
    window_report.draw(target, title=title, rows=rows, configured=summary.window)
    print(f"{window_report.report(rows, spent, summary.window)}\n{target}\n{path}")
    return 0


def distances(given: argparse.Namespace) -> int:
    """Distances between a run's checkpoints: distances.csv and a table."""
    from polyak.runs.summary import Summary

    summary, target = Summary.read(given.run), given.run / "distances.csv"

    import torch

    from polyak.weights import distance_report, distances

    files = {epoch: summary.checkpoint(epoch) for epoch in range(summary.epochs)}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # each call does little: on a busy machine, threads would only wait
    try:
        rows = distances.between(files, summary.average)
    finally:
        torch.set_num_threads(threads)
    distances.write(target, rows)
    print(f"{distance_report.report(rows, summary.window)}\n{target}")
    return 0


def average(given: argparse.Namespace) -> int:
    """The average of any files: a file, and the weight of each."""
    from polyak.averaging.stream import average_files

    if given.output.suffix != ".safetensors":
        raise ValueError(f"{given.output}: allowed: a name that ends in .safetensors")
    count, scheme = len(given.files), given.scheme or "uniform"
    if given.weights is None:
        weights = _weights(scheme, given.set, count)
    elif given.scheme or given.set:
        raise ValueError("--weights: is a scheme of its own; leave --scheme and --set out")
    else:
        weights, scheme = _explicit(given.weights, count), "explicit"
    average_files(given.output, given.files, weights, {"scheme": scheme})
    total = math.fsum(weights)
    for path, weight in zip(given.files, weights, strict=True):
        print(f"{weight / total:8.4f}  {path}")
    print(given.output)
    return 0


def _explicit(weights: list[float], count: int) -> list[float]:
    """The weights of --weights. Raises ValueError, saying what is allowed."""
    if len(weights) != count:
        raise ValueError(f"--weights: {len(weights)} weights for {count} files")
    if any(not math.isfinite(one) or one < 0 for one in weights):
        raise ValueError("--weights: allowed: finite and not negative")
    if not math.isclose(math.fsum(weights), 1, rel_tol=0, abs_tol=1e-6):
        raise ValueError(f"--weights: they sum to {math.fsum(weights):g}; allowed: 1")
    return weights


def _weights(name: str, settings: Sequence[str], count: int) -> list[float]:
    """The weights that a scheme with settings KEY=VALUE gives `count` files."""
    values: dict[str, Any] = {}
    for key, _, text in (setting.partition("=") for setting in settings):
        try:
            values[key] = json.loads(text)
        except ValueError:
            values[key] = text
    try:
        return list(_scheme(name, values).weights(range(count)))
    except TypeError as error:
        raise ValueError(f"--set {' '.join(settings)}: not for {name} ({error})") from None


def _scheme(name: str, settings: Mapping[str, Any]) -> "Scheme":
    """The scheme of that name with those settings. Raises ValueError, saying what is allowed."""
    from polyak import averaging as a

    known: list[Any] = [a.Uniform, a.Latest, a.Exponential, a.Power, a.Ramp]
    schemes = {made.__name__.lower(): made for made in known}
    if name not in schemes:
        raise ValueError(f"--scheme {name}: allowed: {', '.join(schemes)}")
    wanted = [field.name for field in dataclasses.fields(schemes[name]) if field.name != "name"]
    for key in settings:
        if key not in wanted:
            raise ValueError(f"--set {key}: {name} takes {', '.join(wanted) or 'nothing'}")
    for key in wanted:
        if key not in settings:
            raise ValueError(f"--scheme {name}: needs --set {key}=...")
    scheme: Scheme = schemes[name](**settings)
    return scheme


def score(given: argparse.Namespace) -> int:
    """Scores of any file on a split: scores.json, predictions.csv, and the scores."""
    from polyak.config import build
    from polyak.config.compose import configured
    from polyak.config.evaluator import evaluator
    from polyak.config.finished import FinishedRun
    from polyak.runs import scores

    if given.run and given.more:
        raise ConfigError("--run: has its own configuration; leave the overrides out")
    run = FinishedRun(given.run) if given.run else None
    config = run.config if run else configured(given.more)
    now = f"{datetime.now():%Y-%m-%d_%H-%M-%S.%f}"
    directory = given.output or Path(config.paths.outputs, "scores", now)
    scores.check_unused(directory)
    data = run.data if run else build.dataset(config, sweep=True)
    splits = {given.split: scores.split_named(given.split, data)}
    made = run.evaluator(splits) if run else evaluator(config, data, splits)
    found, logits = scores.evaluate(given.weights, made, given.split)
    what = {"weights": given.weights, "data": data, "split": given.split, "scores": found}
    scores.write(directory, **what, logits=logits)
    print(f"{scores.report(**what)}\n{directory}")
    return 0


def store(given: argparse.Namespace) -> int:
    """The trajectories on disk: a line for each, and 1 where one is corrupted or was kept."""
    from polyak.config.schema import ROOT
    from polyak.store import maintenance

    found = maintenance.chosen(given.store or ROOT / "outputs" / "trajectories", given.more)
    if given.action == "list":
        print("\n".join([maintenance.HEADING, *map(maintenance.line, found)]))
        return 0
    failed = False
    for entry in found:
        if given.action == "verify":
            outcome = maintenance.verify(entry)
        else:
            outcome = maintenance.clear(entry, named=bool(given.more), delete=given.yes)
        failed |= outcome.failed
        print(outcome.text, end="\n" if outcome.text else "")
    if failed and given.action == "verify":
        print("The next run that needs a corrupted trajectory trains it again, and compares.")
    return int(failed)


COMMANDS = (windows, distances, average, score, store)


def main(given: Sequence[str] | None = None) -> int:
    """Run the command of those arguments (None: the process's); returns its exit code.

    Raises SystemExit for wrong arguments and after help.
    """
    try:
        try:
            return _run(arguments.parse(given))
        finally:
            sys.stdout.flush()
    except OSError as error:  # what is printed can't be written; Python would try again at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # the reader has left, as `| head` does
            return 141  # as of a program that SIGPIPE ends
        print(f"error: {error}", file=sys.stderr)
        return 1


def _run(given: argparse.Namespace) -> int:
    try:
        return {command.__name__: command for command in COMMANDS}[given.command](given)
    except BrokenPipeError:
        raise
    except (PolyakError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        continues = ": the same command continues" if given.command == "windows" else ""
        print(f"interrupted{continues}", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
