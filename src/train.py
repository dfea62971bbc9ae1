"""Train a model, keep every epoch's weights, average a window of them, say whether it helped.

    python src/train.py averaging.start=10
    python src/train.py --multirun averaging.start=0,5,10,15 optimizer.lr=0.02,0.05
    python src/train.py --again outputs/runs/NAME averaging.start=5

docs/files.md describes the run directory that it leaves.
"""

import logging
import os
import signal
import sys
import time
import warnings
from collections.abc import Collection, Sequence
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from polyak import allocator, imports
from polyak.config import again, compose, sweep
from polyak.config.parse import parse, plain
from polyak.config.schema import Config
from polyak.errors import PolyakError
from polyak.records.reading import escaped
from polyak.runs.directory import SAID_LATER, WRITTEN_BY_HYDRA, Run, claimed
from polyak.tracking.live import Tracking, live

failures: dict[str, str] = {}
"""What stopped this process's runs, by the names of their directories; their logs say more."""


@hydra.main(version_base="1.3", config_path="../conf", config_name="config")
def main(cfg: DictConfig) -> None:
    allocator.keep_freed_memory()  # before torch is imported, in every launcher's workers too
    settings = HydraConfig.get()
    in_sweep = settings.mode == RunMode.MULTIRUN
    directory = Path(settings.runtime.output_dir)
    for handler in [] if in_sweep else logging.getLogger().handlers:
        if not isinstance(handler, logging.FileHandler):
            handler.addFilter(lambda record: not hasattr(record, SAID_LATER))  # by `command`
    try:
        run(
            cfg,
            directory,
            caller=Path(settings.runtime.cwd),
            in_sweep=in_sweep,
            threads=sweep.threads(settings.launcher) if in_sweep else None,
            by_hydra=(str(settings.output_subdir), f"{settings.job.name}.log"),
            overrides=list(settings.overrides.task),
        )
    except Exception as error:
        failures[directory.name] = str(error) or type(error).__name__
        raise  # in a sweep, Hydra lets the other jobs run


def run(
    cfg: DictConfig,
    directory: Path,
    *,
    caller: Path,
    in_sweep: bool,
    threads: int | None,
    by_hydra: Collection[str] = WRITTEN_BY_HYDRA,
    overrides: Sequence[str] = (),
) -> None:
    """From the composed configuration to a complete run directory."""
    with claimed(directory, by_hydra) as this:
        with this.stage("config"):
            config = parse(plain(cfg), caller=caller)
            config.tracker.check()
        finished = this.finished(config.resolved)
        with live(config.tracker, directory, config.resolved) as tracking:
            if not finished:
                complete(this, config, overrides, tracking, in_sweep=in_sweep, threads=threads)
            tracking.finish()


def complete(
    this: Run,
    config: Config,
    overrides: Sequence[str],
    tracking: Tracking,
    *,
    in_sweep: bool,
    threads: int | None,
) -> None:
    """The run of a checked configuration, step by step."""
    # Imported here, since --help and wrong values need not wait for torch.
    with imports.quickly():
        from polyak.config.build import build
        from polyak.records.summary import Summary, Window
        from polyak.runs import comparison, metrics, records, training
        from polyak.runs.average import Averager, ensemble_scores
        from polyak.store import environment

    run, window = this.directory, config.window
    with this.stage("data"):
        job = build(config, in_sweep=in_sweep, threads=threads)

    with this.stage("training"):
        epochs = training.train(
            *(run, job.trajectory, job.keys, config.training.epochs, job.device),
            recording=config.recorded,
            recorded=job.recorded,
            on_epoch=tracking.epoch,
        )

    with this.stage("averaging"):
        averager = Averager(run, epochs, job.evaluator(), job.batch_norm, job.recorded)
        averaged = averager.average(
            window, config.scheme, job.method, running=config.averaging.running
        )
        refreshed = averager.last_refreshed(window)
    this.part("batch_norm", of="averaging", seconds=job.batch_norm.seconds)

    with this.stage("ensemble"):
        labels = {split: one.labels for split, one in job.data.evaluated.items()}
        ensemble = ensemble_scores(run, labels, window, averaged.by_epoch)

    with this.stage("recording"):
        metrics.write_metrics(run / "metrics.csv", epochs, averaged.growth)
        records.save_labels(run, job.data)
        averaged.save(run)

    compared = comparison.compare(epochs, window, averaged.scores, ensemble, refreshed)
    with this.stage("figures"):
        with imports.quickly():
            from polyak.runs import figures
        figures.draw(
            *(run / "figures", job.title, epochs, window, compared.results, job.data),
            recorded=job.recorded is not None,
        )

    this.finish(
        Summary(
            config=config.resolved,
            overrides=list(overrides),
            dataset=records.describe(job.data),
            fingerprint=job.trajectory.fingerprint,
            training_split=job.trajectory.ingredients["training_split"],
            evaluation_keys=dict(job.keys),
            window=job.recorded.summary(window) if job.recorded else Window.of(window),
            scheme=job.method,
            weights=list(averaged.weights),
            results=compared.results,
            gains=compared.gains,
            trajectory=job.trajectory.origin,
            seconds=this.seconds,
            environment=environment.describe(job.device, config.training.precision),
        ),
        message=comparison.table(compared, window, averaged.description, averaged.start),
    )


AT_ONCE = 2.0
"""Seconds within which a second signal is the same wish to stop."""


def _take_signals() -> None:
    """Let SIGINT, SIGTERM and SIGHUP end the run by an exception, which leaves failure.json. One
    that comes while that is being written is dropped; a later one ends the process too. What is
    ignored stays so: nohup ignores SIGHUP."""
    last = -AT_ONCE

    def stop(number: int, _: object) -> None:
        nonlocal last
        again, last = time.monotonic() - last < AT_ONCE, time.monotonic()
        if not again:
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(one) != signal.SIG_IGN:
            signal.signal(one, stop)


def command() -> None:
    """Run `main`; where it fails, say why once, without Hydra's traceback, and exit non-zero."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra raises, and leaves the printing to us
    _take_signals()
    # conf/hydra/launcher/ has the plugins' names on purpose, and their schemas.
    warnings.filterwarnings("ignore", r"(?s).*validated against ConfigStore schema")
    sweep.raise_quietly()
    stopped: Exception | None = None
    try:
        sys.argv[1:] = again.expand(sys.argv[1:])
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        stopped = error
    # A sweep's points may have run in other processes: their directories tell.
    failed = sorted((failures | sweep.Points.failures()).items())
    lines = [f"error: {reason}" for _, reason in failed]
    if failed and (where := sweep.Points.directory):
        lines = [f"failed: {len(failed)} in {where}", *(f"{name}: {why}" for name, why in failed)]
    said = escaped(str(stopped), keeping="\n")  # as failures are
    if stopped and not any(said in line for line in lines):  # no point's own error
        known = (HydraException, OmegaConfBaseException, PolyakError, OSError, ValueError)
        # RecursionError: Hydra's, of a value that is nested too deep.
        if not isinstance(stopped, (*known, RecursionError)):
            for line in lines:
                print(line, file=sys.stderr)
            raise stopped
        lines.append(f"error: {compose.explain(stopped)}")
    if lines:
        sys.exit("\n".join(lines))


if __name__ == "__main__":
    command()
