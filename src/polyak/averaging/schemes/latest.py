"""The window's last checkpoints alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from polyak.averaging.scheme import Scheme, Validation
from polyak.parameters import Count


@dataclass(frozen=True)
class Latest(Scheme):
    """The last `k`, all the same (LAWA: Kaddour 2022, https://arxiv.org/abs/2209.14981). A window
    of fewer than `k` counts whole."""

    k: Count

    def weights(
        self, epochs: Sequence[int], validation: Validation | None = None
    ) -> Sequence[float]:
        return [int(place >= len(epochs) - self.k) for place in range(len(epochs))]
