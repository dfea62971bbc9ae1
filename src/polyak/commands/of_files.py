"""Commands on files of weights, and on the stored trajectories.

of_files.average(arguments.parse(["average", "OUT.safetensors", "A.pt", "B.pt"]))
"""

import argparse
import json
import math
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from polyak.errors import ConfigError

if TYPE_CHECKING:
    from polyak.averaging.scheme import Scheme


def average(given: argparse.Namespace) -> int:
    """The average of any files: a file or a directory of shards, and the weight of each."""
    from polyak.averaging.stream import average_files

    sharded = given.max_shard_size is not None
    if sharded == (given.output.suffix == ".safetensors"):
        allowed = "a directory's name" if sharded else "a name that ends in .safetensors"
        raise ValueError(f"{given.output}: allowed: {allowed}")
    scheme = _scheme(given)
    weights = list(scheme.weights(range(len(given.files))))
    stale = average_files(
        given.output,
        given.files,
        weights,
        {"scheme": scheme.name},
        max_shard_size=given.max_shard_size,
        workers=given.workers,
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
    from polyak.store import maintenance, thinning

    thins = given.action == "thin"
    if thins != (given.best is not None):
        raise ValueError("--best N: says what `store thin` keeps; allowed: with it, and only there")
    found = maintenance.chosen(given.store or ROOT / "outputs" / "trajectories", given.more)
    if given.action == "list":
        print("\n".join([maintenance.HEADING, *map(maintenance.line, found)]))
        return 0
    failed, said = False, False
    for entry in found:
        if given.action == "verify":
            outcome = maintenance.verify(entry)
        elif thins:
            outcome = thinning.thin(entry, best=given.best, delete=given.yes)
        else:
            outcome = maintenance.clear(entry, named=bool(given.more), delete=given.yes)
        failed, said = failed or outcome.failed, said or bool(outcome.text)
        print(outcome.text, end="\n" if outcome.text else "")
    if not said:
        nothing = "thin: no trajectory has recordings"
        print(f"nothing to {nothing if thins else 'remove: runs need every trajectory'}")
    if failed and given.action == "verify":
        print("The next run that needs a corrupted trajectory trains it again, and compares.")
    return int(failed)
