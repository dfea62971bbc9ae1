"""Every checkpoint of the window counts the same."""

from collections.abc import Sequence
from dataclasses import dataclass

from polyak.averaging.scheme import Scheme, Validation


@dataclass(frozen=True)
class Uniform(Scheme):
    """The plain mean (SWA: Izmailov et al. 2018, https://arxiv.org/abs/1803.05407)."""

    def weights(
        self, epochs: Sequence[int], validation: Validation | None = None
    ) -> Sequence[float]:
        return [1] * len(epochs)
