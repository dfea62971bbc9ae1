"""Evaluate a file of weights on a split.

    python src/score.py WEIGHTS dataset=svhn
    python src/score.py WEIGHTS --run outputs/runs/NAME --split validation

WEIGHTS is a .safetensors, .pt or .pth file, whose names and shapes are those of the model. Model
and data are those of a finished run, or are given as for train.py. Prints accuracy, loss and
calibration error, and writes them to DIR/scores.json, and to DIR/predictions.csv for each image its
position in the source, label, answer and probability.
"""

import argparse
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from torch import Tensor

from polyak import files
from polyak.config import build
from polyak.config import schema as configuration
from polyak.config.finished import FinishedRun
from polyak.data.dataset import Dataset
from polyak.errors import CheckpointError, ConfigError, PolyakError
from polyak.evaluation import logits as evaluation
from polyak.store import environment
from polyak.training import epoch as training
from polyak.weights.foreign import open_source


def configured(overrides: list[str]) -> configuration.Config:
    """The configuration that train.py would have. Raises ConfigError."""
    configuration.register()
    try:
        with initialize_config_dir(str(configuration.ROOT / "conf"), version_base="1.3"):
            cfg = compose("config", overrides)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(str(error).splitlines()[0]) from None
    return configuration.parse(configuration.plain(cfg), caller=Path.cwd())


def read(path: Path) -> dict[str, Tensor]:
    """All tensors of a file of weights. Raises CheckpointError."""
    with open_source(path) as source:
        aliases = {name: group[0] for group in source.tied for name in group[1:]}
        return {name: source.tensor(aliases.get(name, name)).clone() for name in source.names}


def score(
    weights: Path, config: configuration.Config, data: Dataset, split: str
) -> tuple[evaluation.Scores, Tensor]:
    """Scores, and logits [N, classes]. PolyakError where weights, model and data don't fit."""
    if split not in (there := {"train": data.train, **data.evaluated}):
        raise ConfigError(f"--split {split}: allowed: {', '.join(there)}")
    wanted = config.training
    device = environment.prepare(wanted.device, wanted.threads, wanted.precision)
    recipe = build.recipe(config, data)
    model = training.initial_model(recipe.model, recipe.seed)
    judge = evaluation.Evaluator(model, {split: there[split]}, device, recipe.precision)
    try:
        answers = judge.answers(read(weights))
    except RuntimeError as error:  # torch's own words say which tensors don't fit
        lines = " ".join(str(error).split())
        raise CheckpointError(f"{weights}: not this model's weights ({lines})") from None
    return judge.scores(answers)[split], answers[split]


def main(argv: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", type=Path, metavar="WEIGHTS")
    parser.add_argument("overrides", nargs="*", help="as for train.py: dataset=..., model=...")
    parser.add_argument("--run", type=Path, help="a finished run, for its model and data")
    parser.add_argument("--split", default="test", help="test, validation or train")
    parser.add_argument("--output", type=Path, metavar="DIR", help="default: outputs/scores/<time>")
    arguments = parser.parse_args(argv)
    try:
        if arguments.run and arguments.overrides:
            raise ConfigError("--run: has its own configuration; leave the overrides out")
        if arguments.run:
            run = FinishedRun(arguments.run)
            config, data = run.config, run.data
        else:
            config = configured(arguments.overrides)
            data = build.dataset(config, sweep=True)
        found, answers = score(arguments.weights, config, data, arguments.split)
        directory = arguments.output or (
            Path(config.paths.outputs) / "scores" / f"{datetime.now():%Y-%m-%d_%H-%M-%S.%f}"
        )
        write(directory, arguments, data, found, answers)
    except (PolyakError, OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    print(f"{arguments.weights} on {data.title}, {arguments.split}, {len(answers):,} images")
    print(f"accuracy           {100 * found.accuracy:8.2f} %")
    print(f"loss               {found.loss:8.4f} nats")
    print(f"calibration error  {100 * found.calibration_error:8.2f} %")
    print(directory)


def write(
    directory: Path,
    arguments: argparse.Namespace,
    data: Dataset,
    found: evaluation.Scores,
    answers: Tensor,
) -> None:
    """scores.json and predictions.csv. Raises FileExistsError where the first is there."""
    if (directory / "scores.json").exists():
        raise FileExistsError(f"{directory}: has scores already; name another --output")
    split = {"train": data.train, **data.evaluated}[arguments.split]
    probability, answer = answers.double().softmax(1).max(1)
    table = pd.DataFrame(
        {
            "image_id": split.ids.numpy(),
            "label": split.labels.numpy(),
            "answer": answer.numpy(),
            "probability": probability.numpy(),
        }
    )
    with files.atomic(directory / "predictions.csv") as temporary:
        table.to_csv(temporary, index=False)
    summary: dict[str, Any] = {
        "weights": str(arguments.weights),
        "sha256": files.sha256(arguments.weights),
        "dataset": data.name,
        "synthetic": data.synthetic,
        "split": arguments.split,
        "images": len(split),
        **asdict(found),
    }
    files.write_json(directory / "scores.json", summary)


if __name__ == "__main__":
    main()
