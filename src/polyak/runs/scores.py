"""Any file of weights, evaluated on one split, and what that leaves: scores.json, predictions.csv.

scores, logits, refreshed = evaluate(Path("model.pt"), evaluator, "test", batch_norm)
write(directory, weights=Path("model.pt"), data=data, split="test", scores=scores, ...)
"""

from pathlib import Path
from typing import Any

import pandas as pd
from scipy.special import softmax
from torch import Tensor

from polyak import files
from polyak.averaging.stream import STALE
from polyak.data.dataset import Dataset
from polyak.errors import CheckpointError
from polyak.evaluation.evaluator import Evaluator
from polyak.evaluation.scores import Scores
from polyak.runs.batch_norm import BatchNorm
from polyak.weights.checkpoint import Checkpoint
from polyak.weights.foreign import open_source, read_by


def evaluate(
    weights: Path,
    evaluator: Evaluator,
    split: str,
    batch_norm: BatchNorm,
    *,
    refresh: bool | None = None,
) -> tuple[Scores, Tensor, bool]:
    """Scores, and logits float32 [N, classes], of a file of weights on one of the evaluator's
    splits, and whether the statistics of its batch norm were computed anew: where `refresh` says
    so, or by default where the file says that it needs it.

    Raises CheckpointError where it can't be read, or isn't of the evaluator's model.
    """
    found = _read(weights)
    stale = found.metadata.get("batch_norm") == STALE
    anew = batch_norm.there and (stale if refresh is None else refresh)
    try:
        found = batch_norm.refreshed(found) if anew else found
        logits = evaluator.logits(found.tensors)
    except CheckpointError as error:
        raise CheckpointError(f"{weights}: {error}") from None
    return evaluator.scores(logits)[split], logits[split], anew


def check_unused(directory: Path) -> None:
    """Raise FileExistsError where a directory has scores already, or a file of their names."""
    for name in ("scores.json", "predictions.csv"):
        if (directory / name).exists():
            raise FileExistsError(f"{directory}: has a {name} already; name another --output")


def write(
    directory: Path,
    *,
    weights: Path,
    data: Dataset,
    split: str,
    scores: Scores,
    logits: Tensor,
    refreshed: bool,
) -> None:
    """Write predictions.csv, with a row per image (its position in the source, its label, and the
    predicted class with its probability), and scores.json. Raises as `check_unused` does."""
    check_unused(directory)
    images, probabilities = data.splits[split], softmax(logits.double().numpy(), axis=1)
    table = pd.DataFrame(
        {
            "image_id": images.ids.numpy(),
            "label": images.labels.numpy(),
            "prediction": probabilities.argmax(axis=1),
            "probability": probabilities.max(axis=1),
        }
    )
    with files.atomic(directory / "predictions.csv") as temporary:
        table.to_csv(temporary, index=False)
    summary: dict[str, Any] = {
        "weights": str(weights),
        "sha256": files.sha256(read_by(weights)),
        "dataset": data.name,
        "synthetic": data.synthetic,
        "split": split,
        "images": len(images),
        "batch_norm_refreshed": refreshed,
        **scores.by_name,
    }
    files.write_json(directory / "scores.json", summary)


def report(weights: Path, data: Dataset, split: str, scores: Scores, *, refreshed: bool) -> str:
    """The scores for a person: accuracy and calibration error in %."""
    images = len(data.splits[split])
    anew = f", batch norm refreshed on {len(data.train):,} training images" * refreshed
    return (
        f"{weights} on {data.title}, {split}, {images:,} images{anew}\n"
        f"accuracy           {100 * scores.accuracy:8.2f} %\n"
        f"loss               {scores.loss:8.4f} nats\n"
        f"calibration error  {100 * scores.calibration_error:8.2f} %"
    )


def _read(path: Path) -> Checkpoint:
    """A file of weights. Raises CheckpointError."""
    with open_source(path) as source:
        tensors = {name: source.tensor(name).clone() for name in source.names}
        return Checkpoint(tensors, metadata=dict(source.metadata))
