"""Images as they are, as in the article."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Identity:
    """Nothing is drawn, and nothing changed."""

    def draw(self, count: int, height: int, width: int, generator: torch.Generator) -> Tensor:
        return torch.empty(count, 0, dtype=torch.int64)

    def apply(self, images: Tensor, drawn: Tensor) -> Tensor:
        return images

    def check(self, height: int, width: int) -> None:
        pass
