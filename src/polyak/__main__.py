"""The commands: parse, call the library, print. Each imports what it needs when it runs.

    python -m polyak windows|widths|path|distances|average|score|store --help

Exit codes: 0; 1 where a command fails, which says why; 2 for wrong arguments; 130 interrupted.
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from polyak import arguments
from polyak.errors import ConfigError, PolyakError
from polyak.store import paths

if TYPE_CHECKING:
    from polyak.averaging.scheme import Scheme


def windows(given: argparse.Namespace) -> int:
    """Every window of a run, or of a recording: windows.csv, the map and a table."""
    if given.evaluate:
        from polyak.study import command

        return command.windows(given)

    from tqdm import tqdm

    from polyak.config.finished import FinishedRun
    from polyak.records.windows import TABLE
    from polyak.runs import window_report, windows

    run = FinishedRun(given.run)
    epochs, path, spent = run.summary.epochs, given.run / TABLE.name, windows.Spent()
    if not (given.starts and given.ends):
        paths.check_there(given.run, epochs)
    starts = windows.epochs_of("--starts", given.starts or f"0:{epochs}", epochs - 1)
    ends = windows.epochs_of("--ends", given.ends or f"1:{epochs + 1}", epochs)
    wanted = windows.windows(starts, ends)
    data, evaluator = run.job.data, run.job.evaluator(given.splits)
    missing = windows.missing(TABLE.read(path), wanted, evaluator.splits)
    with tqdm(total=len(missing), unit="window", disable=not sys.stderr.isatty()) as bar:
        rows = windows.complete(
            path,
            partial(paths.checkpoint, given.run),
            evaluator,
            run.job.batch_norm,
            wanted,
            spent=spent,
            on_window=bar.update,
        )
    target = given.run / "figures" / "windows.png"
    title = f"{data.title}, {len(data.train):,} training images, seed {run.config.seed}"
    if run.job.batch_norm.there:
        title += f"\nbatch norm of every window, single checkpoints too: {run.job.batch_norm.words}"
    window = run.summary.window.epochs
    window_report.draw(target, title=title, rows=rows, configured=window)
    print(f"{window_report.report(rows, spent, window)}\n{target}\n{path}")
    return 0


def widths(given: argparse.Namespace) -> int:
    """Averages of every width of a run, or of a recording: widths.csv, the figure and a table."""
    if given.evaluate:
        from polyak.study import command

        return command.widths(given)

    from tqdm import tqdm

    from polyak.config.finished import FinishedRun
    from polyak.records.widths import TABLE
    from polyak.runs import width_report
    from polyak.runs.widths import SHARES, Widths, missing

    run, table = FinishedRun(given.run), given.run / TABLE.name
    job = run.job
    steps = job.recipe.steps(len(job.data.train)) * run.summary.epochs
    found = Widths.of(job.recorded, steps)
    evaluator, wanted = job.evaluator(given.splits), found.wanted(given.shares or SHARES)
    lacking = missing(TABLE.read(table), wanted, evaluator.splits)
    with tqdm(total=len(lacking), unit="width", disable=not sys.stderr.isatty()) as bar:
        rows = found.complete(
            table, given.run, evaluator, job.batch_norm, wanted, on_width=bar.update
        )
    target = given.run / "figures" / "widths.png"
    result = run.summary.results.get("last")
    of_last = {split: score.accuracy for split, score in (result.splits if result else {}).items()}
    last = {split: accuracy for split, accuracy in of_last.items() if accuracy is not None}
    title = f"{job.data.title}, {len(job.data.train):,} training images, seed {run.config.seed}"
    width_report.draw(target, title=title, rows=rows, last=last)
    print(f"{width_report.report(rows)}\n{target}\n{table}")
    return 0


def path(given: argparse.Namespace) -> int:
    """The line and the plane through a run's weights: path.csv, the figure and a table."""
    from tqdm import tqdm

    from polyak.config.finished import FinishedRun
    from polyak.runs import path_report, path_table
    from polyak.runs.path import Landscape
    from polyak.runs.windows import Spent

    run, table, spent = FinishedRun(given.run), given.run / "path.csv", Spent()
    window, job = run.summary.window.epochs, run.job
    landscape = Landscape.of(given.run, window)
    points = landscape.line(given.points, given.margin)
    if not given.line_only:
        points += landscape.grid(given.grid, given.margin)
    evaluator = job.evaluator(list(dict.fromkeys(given.splits)))
    missing = path_table.missing(path_table.read(table, landscape), points, evaluator.splits)
    with tqdm(total=len(missing), unit="point", disable=not sys.stderr.isatty()) as bar:
        rows = path_table.complete(
            table,
            landscape,
            points,
            evaluator,
            job.batch_norm,
            spent=spent,
            on_point=bar.update,
        )
    target = given.run / "figures" / "path.png"
    title = f"{job.data.title}, {len(job.data.train):,} training images, seed {run.config.seed}"
    path_report.draw(target, title=title, rows=rows, epochs=landscape.epochs)
    print(f"{path_report.report(rows, spent, landscape)}\n{target}\n{table}")
    return 0


def distances(given: argparse.Namespace) -> int:
    """Distances between a run's checkpoints: distances.csv and a table."""
    from polyak.records.summary import Summary

    summary, target = Summary.read(given.run), given.run / "distances.csv"
    paths.check_run(given.run)
    paths.check_there(given.run, summary.epochs)

    import torch

    from polyak.weights import distance_report, distances

    files = {epoch: paths.checkpoint(given.run, epoch) for epoch in range(summary.epochs)}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # each call does little: on a busy machine, threads would only wait
    try:
        rows = distances.between(files, paths.average(given.run))
    finally:
        torch.set_num_threads(threads)
    distances.write(target, rows)
    print(f"{distance_report.report(rows, summary.window.epochs)}\n{target}")
    return 0


def average(given: argparse.Namespace) -> int:
    """The average of any files: a file or a directory of shards, and the weight of each."""
    from polyak.averaging.distributed import average_to_distributed
    from polyak.averaging.stream import average_files

    distributed = given.format == "dcp"
    if distributed and given.max_shard_size is not None:
        raise ConfigError("--max-shard-size: is of safetensors; leave it out with --format dcp")
    sharded = distributed or given.max_shard_size is not None
    if sharded == (given.output.suffix == ".safetensors"):
        allowed = "a directory's name" if sharded else "a name that ends in .safetensors"
        raise ValueError(f"{given.output}: allowed: {allowed}")
    scheme = _scheme(given)
    weights = list(scheme.weights(range(len(given.files))))
    said, workers = {"scheme": scheme.name}, given.workers
    if distributed:
        stale = average_to_distributed(given.output, given.files, weights, said, workers=workers)
    else:
        stale = average_files(
            given.output,
            given.files,
            weights,
            said,
            max_shard_size=given.max_shard_size,
            workers=workers,
        )
    total = math.fsum(weights)
    for path, weight in zip(given.files, weights, strict=True):
        print(f"{weight / total:8.4f}  {path}")
    print(given.output)
    if stale:
        print(
            f"{stale} and other statistics of batch norm were averaged like weights; `score` "
            "computes them anew for this file, and docs/batch_norm.md shows the function"
        )
    return 0


def _scheme(given: argparse.Namespace) -> "Scheme":
    """The scheme that the arguments ask for. Raises PolyakError, saying what is allowed."""
    from polyak.config import scheme

    name, values = given.scheme or "uniform", {}
    if given.weights is not None:
        if given.scheme or given.set:
            raise ConfigError("--weights: is a scheme of its own; leave --scheme and --set out")
        name, values = "explicit", {"values": given.weights}
    try:
        scheme.described(name, {})
    except ConfigError as error:
        raise ConfigError(f"--scheme {error}") from None
    for key, _, text in (setting.partition("=") for setting in given.set):
        try:
            values[key] = json.loads(text)
        except ValueError:
            values[key] = text
    try:
        return scheme.named(name, values)
    except ConfigError as error:
        option = "--weights" if given.weights is not None else f"--scheme {name} --set"
        lines = str(error).splitlines()
        raise ConfigError("\n".join(f"{option} {line}" for line in lines)) from None


def score(given: argparse.Namespace) -> int:
    """Scores of any file on a split: scores.json, predictions.csv, and the scores."""
    from polyak.config.build import build
    from polyak.config.compose import configured
    from polyak.config.finished import FinishedRun
    from polyak.runs import scores

    if given.run and given.more:
        raise ConfigError("--run: has its own configuration; leave the overrides out")
    run = FinishedRun(given.run) if given.run else None
    config = run.config if run else configured(given.more)
    now = f"{datetime.now():%Y-%m-%d_%H-%M-%S.%f}"
    directory = given.output or Path(config.paths.outputs, "scores", now)
    scores.check_unused(directory)
    job = run.job if run else build(config, in_sweep=True)
    data, evaluator = job.data, job.evaluator([given.split])
    wanted = {"auto": None, "refresh": True, "keep": False}[given.batch_norm]
    found, logits, refreshed = scores.evaluate(
        given.weights, evaluator, given.split, job.batch_norm, refresh=wanted
    )
    what = {"weights": given.weights, "data": data, "split": given.split, "scores": found}
    scores.write(directory, **what, logits=logits, refreshed=refreshed)
    print(f"{scores.report(**what, refreshed=refreshed)}\n{directory}")
    return 0


def store(given: argparse.Namespace) -> int:
    """The trajectories on disk: a line for each, and 1 where one is corrupted or was kept."""
    from polyak.config.choices import ROOT
    from polyak.store import maintenance

    found = maintenance.chosen(given.store or ROOT / "outputs" / "trajectories", given.more)
    if given.action == "list":
        print("\n".join([maintenance.HEADING, *map(maintenance.line, found)]))
        return 0
    failed, said = False, False
    for entry in found:
        if given.action == "verify":
            outcome = maintenance.verify(entry)
        else:
            outcome = maintenance.clear(entry, named=bool(given.more), delete=given.yes)
        failed, said = failed or outcome.failed, said or bool(outcome.text)
        print(outcome.text, end="\n" if outcome.text else "")
    if not said:
        print("nothing to remove: runs need every trajectory")
    if failed and given.action == "verify":
        print("The next run that needs a corrupted trajectory trains it again, and compares.")
    return int(failed)


COMMANDS = (windows, widths, path, distances, average, score, store)


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
        continues = (
            ": the same command continues" if given.command in ("windows", "widths", "path") else ""
        )
        print(f"interrupted{continues}", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
