"""An average of a recorded training, as `Study.average` gives it.

average.scores["test"]["accuracy"]
model.load_state_dict(average.state_dict)
average.save("outputs/average.safetensors")
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from torch import Tensor

from polyak.errors import CheckpointError
from polyak.runs.average import Average
from polyak.weights import checkpoint


@dataclass(frozen=True)
class Averaged:
    """Its `state_dict` (on CPU), what it scores by split and metric, and one weight per checkpoint,
    or step mean, of its window; `made_of` says how it was made."""

    state_dict: dict[str, Tensor]
    scores: Mapping[str, Mapping[str, float]]
    weights: list[float]
    made_of: Mapping[str, Any]

    @classmethod
    def of(cls, found: Average, recording: Path) -> Self:
        """That of an average of checkpoints in the directory `recording`."""
        scores = {split: one.by_name for split, one in found.scores.items()}
        window = [found.start, found.window.stop]
        made_of = {"window": window, "scheme": found.method, "recording": str(recording)}
        return cls(found.checkpoint.tensors, scores, list(found.weights), made_of)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it to a new safetensors file, read-only, and return its path. Raises
        CheckpointError for a name that is taken, or ends otherwise."""
        target = Path(path)
        if target.suffix != ".safetensors" or target.exists():
            raise CheckpointError(f"{target}: allowed: a new file, whose name ends in .safetensors")
        checkpoint.save(target, self.state_dict, self.made_of)
        return target
