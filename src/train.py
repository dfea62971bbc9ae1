"""Train a model, keep every epoch's weights, average a window of them, say whether it helped.

    python src/train.py averaging.start=10
    python src/train.py --multirun averaging.start=0,5,10,15 optimizer.lr=0.02,0.05
    python src/train.py --again outputs/runs/NAME averaging.start=5

docs/files.md describes the run directory that it leaves.
"""

import os
import signal
import sys
import warnings
from collections.abc import Collection, Sequence
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from polyak.config import again, sweep
from polyak.config import schema as configuration
from polyak.errors import PolyakError
from polyak.runs.directory import WRITTEN_BY_HYDRA, Run

failures: list[str] = []
"""What stopped this process's run; its log says more."""


@hydra.main(version_base="1.3", config_path="../conf", config_name="config")
def main(cfg: DictConfig) -> None:
    hydra_config = HydraConfig.get()
    directory = Path(hydra_config.runtime.output_dir)
    in_sweep = hydra_config.mode == RunMode.MULTIRUN
    try:
        run(
            cfg,
            directory,
            caller=Path(hydra_config.runtime.cwd),
            in_sweep=in_sweep,
            threads=sweep.threads(hydra_config.launcher) if in_sweep else None,
            by_hydra=(str(hydra_config.output_subdir), f"{hydra_config.job.name}.log"),
        )
    except Exception as error:
        failures.append(str(error) or type(error).__name__)
        raise  # in a sweep, Hydra lets the other jobs run


def run(
    cfg: DictConfig,
    directory: Path,
    *,
    caller: Path,
    in_sweep: bool,
    threads: int | None,
    by_hydra: Collection[str] = WRITTEN_BY_HYDRA,
) -> None:
    """One job: from the composed configuration to a complete run directory."""
    with Run(directory, by_hydra) as this:
        with this.stage("config"):
            config = configuration.parse(configuration.plain(cfg), caller=caller)
            window = configuration.window(config)
            if this.finished(configuration.resolved(config)):
                this.log_finished()
                return

        with this.stage("imports"):  # here and not above: --help must not wait for torch
            from polyak import averaging
            from polyak.averaging import greedy
            from polyak.config import build
            from polyak.evaluation import logits as evaluation
            from polyak.runs import comparison
            from polyak.runs import records as record
            from polyak.runs.progress import Progress
            from polyak.store import environment
            from polyak.training import epoch as training

        with this.stage("data"):
            wanted = config.training
            device = environment.prepare(wanted.device, wanted.threads or threads, wanted.precision)
            data = build.dataset(config, sweep=in_sweep)
            recipe = build.recipe(config, data)
            scheme = build.scheme(config)
            described = averaging.described(scheme)
            trajectory = build.trajectory(config, recipe, data)
            keys = {
                name: evaluation.evaluation_key(split, recipe.precision)
                for name, split in data.evaluated.items()
            }

        with this.stage("training"):
            metrics = record.Metrics(directory / "metrics.csv")
            records = []
            with Progress(config, data, trajectory, device) as progress:
                this.epoch = 0
                for epoch in trajectory.epochs(
                    recipe,
                    data,
                    count=config.training.epochs,
                    device=device,
                    keys=keys,
                    run=directory,
                    on_step=progress.step,
                ):
                    metrics.add(epoch)
                    record.link_epoch(directory, trajectory, keys, epoch.training.epoch)
                    progress.epoch(epoch)
                    records.append(epoch)
                    this.epoch = epoch.training.epoch + 1
                metrics.write()
            this.epoch = None

        with this.stage("averaging"):
            judge = evaluation.Evaluator(
                training.initial_model(recipe.model, recipe.seed),
                data.evaluated,
                device,
                recipe.precision,
            )
            # The run's own links: another run may be mending this trajectory.
            checkpoints = [record.checkpoint_file(directory, epoch) for epoch in window]
            if isinstance(scheme, averaging.Greedy):
                weightings: list[Sequence[float]] = [
                    greedy.weights(scheme, checkpoints, judge, records, window)
                ]
            else:
                counts = range(1 if config.averaging.running else len(window), len(window) + 1)
                weightings = [scheme.weights(window[:count]) for count in counts]
            for weights, average in zip(
                weightings, averaging.prefix_means(checkpoints, weightings), strict=True
            ):
                answers = judge.answers(average.tensors)
                scores = judge.scores(answers)
                metrics.add_average(window[len(weights) - 1], len(weights), scores)
            ensemble = record.ensemble_scores(directory, data, window, weights)

        with this.stage("recording"):
            from polyak.runs import figures

            record.save_average(directory, average, answers, data, window, described)
            compared = comparison.compare(records, window, scores, ensemble)
            title = record.title(config, data, window, described)
            figures.accuracy(
                directory / "figures" / "accuracy.png",
                title=title,
                epochs=window,
                checkpoints=[records[epoch].scores["test"].accuracy for epoch in window],
                average=scores["test"].accuracy,
                mean=compared["results"]["window_mean"]["test"]["accuracy"],
                ensemble=ensemble["test"].accuracy,
            )
            figures.samples(
                directory / "figures" / "samples.png",
                title=f"training images of {data.title}",
                images=data.train.images,
                labels=data.train.labels,
            )

        this.finish(
            {
                "config": configuration.resolved(config),
                "dataset": record.describe(data),
                "fingerprint": trajectory.fingerprint,
                "training_split": trajectory.ingredients["training_split"],
                "evaluation_keys": keys,
                "window": {"start": window.start, "end": window.stop, "count": len(window)},
                "scheme": described,
                "weights": list(weights),
                **compared,
                "trajectory": trajectory.origin,
                "seconds": this.seconds,
                "environment": environment.describe(device, recipe.precision),
            },
            message=comparison.table(compared, window, described),
        )


def command() -> None:
    """Run `main`; where it fails, say why once, without Hydra's traceback, and exit non-zero."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra raises, and leaves the printing to us
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # conf/hydra/launcher/ has the plugins' names on purpose, and their schemas.
    warnings.filterwarnings("ignore", r"(?s).*validated against ConfigStore schema")
    stopped: Exception | None = None
    try:
        sys.argv[1:] = again.expand(sys.argv[1:])
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        stopped = error
    # A sweep's points may have run in other processes: their directories tell.
    failed = sweep.Points.failures() or failures
    where = f" in {sweep.Points.directory}" if sweep.Points.directory else ""
    lines = [f"failed: {len(failed)}{where}", *failed] if failed else []
    if stopped and not any(str(stopped) in line for line in failed):  # no point's own error
        known = (HydraException, OmegaConfBaseException, PolyakError, OSError, ValueError)
        if not isinstance(stopped, known):
            raise stopped
        causes = [stopped, stopped.__cause__] if stopped.__cause__ else [stopped]
        lines.append("error: " + "\n".join(str(cause).splitlines()[0] for cause in causes))
    if lines:
        sys.exit("\n".join(lines))


if __name__ == "__main__":
    command()
