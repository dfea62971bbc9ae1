"""Commands on finished runs, and on recordings.

of_runs.windows(arguments.parse(["windows", "outputs/runs/NAME"]))
"""

import argparse
import sys
from functools import partial

from polyak.errors import PolyakError
from polyak.store import paths


def windows(given: argparse.Namespace) -> int:
    """Every window of a run, or of a recording: windows.csv, the map and a table."""
    if given.evaluate:
        from polyak.study import command

        return command.windows(given)

    from polyak.config.finished import FinishedRun
    from polyak.maps import window_report, windows
    from polyak.maps.bar import bar
    from polyak.records.windows import TABLE

    run = FinishedRun(given.run)
    epochs, path, spent = run.summary.epochs, given.run / TABLE.name, windows.Spent()
    if not (given.starts and given.ends):
        paths.check_there(given.run, epochs)
    starts = windows.epochs_of("--starts", given.starts or f"0:{epochs}", epochs - 1)
    ends = windows.epochs_of("--ends", given.ends or f"1:{epochs + 1}", epochs)
    wanted = windows.windows(starts, ends)
    evaluator = run.job.evaluator(given.splits)
    with bar("window") as begin:
        rows = windows.complete(
            path,
            partial(paths.checkpoint, given.run),
            evaluator,
            run.job.batch_norm,
            wanted,
            spent=spent,
            bar=begin,
        )
    target = given.run / "figures" / "windows.png"
    title = run.title
    if run.job.batch_norm.there:
        title += f"\nbatch norm of every window, single checkpoints too: {run.job.batch_norm.words}"
    of = run.summary.window
    if of.recording:
        title += f"\nof the checkpoints of epochs' ends alone, without recording {of.recording}"
    window = None if of.recording else of.epochs
    window_report.draw(target, title=title, rows=rows, configured=window)
    print(f"{window_report.report(rows, spent, window)}\n{target}\n{path}")
    return 0


def widths(given: argparse.Namespace) -> int:
    """Averages of every width of a run, or of a recording: widths.csv, the figure and a table."""
    if given.evaluate:
        from polyak.study import command

        return command.widths(given)

    from polyak.config.finished import FinishedRun
    from polyak.maps import width_report
    from polyak.maps.bar import bar
    from polyak.maps.widths import SHARES, Widths
    from polyak.records.widths import TABLE

    run, table = FinishedRun(given.run), given.run / TABLE.name
    job = run.job
    steps = job.recipe.steps(len(job.data.train)) * run.summary.epochs
    found = Widths.of(job.recorded, steps)
    evaluator, wanted = job.evaluator(given.splits), found.wanted(given.shares or SHARES)
    with bar("width") as begin:
        rows = found.complete(table, given.run, evaluator, job.batch_norm, wanted, bar=begin)
    target = given.run / "figures" / "widths.png"
    result = run.summary.results.get("last")
    of_last = {split: score.accuracy for split, score in (result.splits if result else {}).items()}
    last = {split: accuracy for split, accuracy in of_last.items() if accuracy is not None}
    width_report.draw(target, title=run.title, rows=rows, last=last)
    print(f"{width_report.report(rows)}\n{target}\n{table}")
    return 0


def path(given: argparse.Namespace) -> int:
    """The line and the plane through a run's weights: path.csv, the figure and a table."""
    from polyak.config.finished import FinishedRun
    from polyak.maps import path_report, path_table
    from polyak.maps.bar import bar
    from polyak.maps.path import Landscape
    from polyak.maps.windows import Spent

    run, table, spent = FinishedRun(given.run), given.run / "path.csv", Spent()
    window, job = run.summary.window.epochs, run.job
    landscape = Landscape.of(given.run, window)
    points = landscape.line(given.points, given.margin)
    if not given.line_only:
        points += landscape.grid(given.grid, given.margin)
    evaluator = job.evaluator(list(dict.fromkeys(given.splits)))
    with bar("point") as begin:
        rows = path_table.complete(
            table,
            landscape,
            points,
            evaluator,
            job.batch_norm,
            spent=spent,
            bar=begin,
        )
    target = given.run / "figures" / "path.png"
    path_report.draw(target, title=run.title, rows=rows, epochs=landscape.epochs)
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


def track(given: argparse.Namespace) -> int:
    """Finished runs shown by a tool; 1 where one can't be."""
    from polyak.config.compose import configured
    from polyak.tracking import find, live

    options = [f"tracking.{one}" for one in given.set]
    backend = configured([f"tracking={given.to}", *options]).tracker
    backend.check()
    found = [find.finished(directory) for directory in given.directories]
    failed = 0
    for run in dict.fromkeys(run for one in found for run in one.runs):
        try:
            live.track(run, backend)
            print(f"{run}: tracked by {backend.name}")
        except (PolyakError, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
            failed += 1
    for why, left_out in (
        ("failed", [run for one in found for run in one.failed]),
        ("are not finished", [run for one in found for run in one.unfinished]),
    ):
        if left_out:
            print(f"left out, since they {why}: {', '.join(map(str, left_out))}")
    return int(failed > 0)
