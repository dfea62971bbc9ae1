"""The evaluator that a configuration describes: its model, on its device, for any weights.

evaluator(config, data, {"test": data.test}).answers(checkpoint.load(path).tensors)
"""

from collections.abc import Mapping

from polyak.config import build
from polyak.config.schema import Config
from polyak.data.dataset import Dataset, Split
from polyak.evaluation.logits import Evaluator
from polyak.store import environment
from polyak.training.epoch import initial_model


def evaluator(
    config: Config, data: Dataset, splits: Mapping[str, Split], *, threads: int | None = None
) -> Evaluator:
    """The model that fits `data`, on `splits`. Sets this process's number of CPU threads: the
    configuration's, else `threads`, else torch's choice. Raises ConfigError."""
    wanted = config.training
    device = environment.prepare(wanted.device, wanted.threads or threads, wanted.precision)
    recipe = build.recipe(config, data)
    model = initial_model(recipe.model, recipe.seed)
    return Evaluator(model, splits, device, recipe.precision)
