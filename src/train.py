"""Train a model, keep every epoch's weights, average a window of them, say whether it helped.

    python src/train.py averaging.start=10
    python src/train.py --multirun averaging.start=0,5,10,15 optimizer.lr=0.02,0.05

docs/files.md describes the run directory that it leaves.
"""

import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from polyak import config as configuration
from polyak.errors import PolyakError

configuration.register()


@hydra.main(version_base="1.3", config_path="../conf", config_name="config")
def main(cfg: DictConfig) -> None:
    hydra_config = HydraConfig.get()
    sweep = hydra_config.mode == RunMode.MULTIRUN
    directory = Path(hydra_config.runtime.output_dir)
    try:
        run(cfg, directory, caller=Path(hydra_config.runtime.cwd), sweep=sweep)
    except (PolyakError, KeyboardInterrupt):
        if sweep:
            raise  # Hydra lets the other jobs run, and exits with 1 at the end
        sys.exit(1)  # the run has logged the message


def run(cfg: DictConfig, directory: Path, *, caller: Path, sweep: bool) -> None:
    """One job: from the composed configuration to a complete run directory."""
    from polyak.run import Run

    with Run(directory) as this:
        with this.stage("config"):
            config = configuration.parse(configuration.plain(cfg), caller=caller)
            window = configuration.window(config)

        with this.stage("imports"):  # here and not above: --help must not wait for torch
            from polyak import (
                averaging,
                build,
                comparison,
                environment,
                evaluation,
                figures,
                record,
            )
            from polyak.progress import Progress

        with this.stage("data"):
            device = environment.prepare(config.training.device, config.training.threads)
            data = build.dataset(config, sweep=sweep)
            recipe = build.recipe(config, data)
            scheme = build.scheme(config)
            trajectory = build.trajectory(config, recipe, data)
            keys = {
                name: evaluation.evaluation_key(split, recipe.precision)
                for name, split in data.evaluated.items()
            }

        with this.stage("training"):
            metrics = record.Metrics(directory / "metrics.csv")
            records = []
            with Progress(config, data, trajectory, device) as progress:
                for epoch in trajectory.train(
                    recipe,
                    data,
                    epochs=config.training.epochs,
                    device=device,
                    keys=keys,
                    on_step=progress.step,
                ):
                    metrics.add(epoch)
                    record.link_epoch(directory, trajectory, keys, epoch.epoch)
                    progress.epoch(epoch)
                    records.append(epoch)

        with this.stage("averaging"):
            model = recipe.model().to(device)
            checkpoints = [trajectory.checkpoint(epoch) for epoch in window]
            counts = range(1 if config.averaging.running else len(window), len(window) + 1)
            means = averaging.prefix_means(checkpoints, map(scheme.weights, counts))
            for count, average in zip(counts, means, strict=True):
                model.load_state_dict(average.tensors)
                answers = {
                    name: evaluation.logits(
                        model, split.images.to(device), precision=recipe.precision
                    )
                    for name, split in data.evaluated.items()
                }
                scores = {
                    name: evaluation.scores(answers[name], split.labels)
                    for name, split in data.evaluated.items()
                }
                metrics.add_average(window[count - 1], count, scores)

        with this.stage("recording"):
            record.save_average(directory, average, answers, data, window, scheme.name)
            compared = comparison.compare(records, window, scores)
            title = record.title(config, data, window, scheme.name)
            figures.accuracy(
                directory / "figures" / "accuracy.png",
                title=title,
                epochs=window,
                checkpoints=[records[epoch].scores["test"].accuracy for epoch in window],
                average=scores["test"].accuracy,
                mean=compared["results"]["window_mean"]["test"]["accuracy"],
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
                "evaluation_keys": keys,
                "window": {"start": window.start, "end": window.stop, "count": len(window)},
                "scheme": scheme.name,
                **compared,
                "trajectory": "trained",
                "seconds": this.seconds,
                "environment": environment.describe(device, recipe.precision),
            },
            message=comparison.table(compared, window, scheme.name),
        )


if __name__ == "__main__":
    main()
