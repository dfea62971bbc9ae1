"""Schemes: how the checkpoints of a window are weighted.

    Uniform().weights(range(10, 20))  # [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]

A scheme gives one weight for each epoch of the window, in order. Weights need not sum to one: the
mean divides by their sum. They are integers where they can be, so that this one division is exact
in them. `Greedy` alone needs more than the epochs: how good an average is on validation.
To add one, see docs/extending.md.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol


class Scheme(Protocol):
    """What an averaging scheme must offer."""

    name: str

    def weights(self, epochs: Sequence[int]) -> Sequence[float]:
        """Weights of the checkpoints of zero-based `epochs`: not negative, not all zero."""


def described(scheme: Scheme) -> str:
    """The scheme's name and parameters: "uniform", "exponential, decay 0.8"."""
    values = {key: value for key, value in vars(scheme).items() if key != "name"}
    return ", ".join([scheme.name, *(f"{key} {value}" for key, value in values.items())])


@dataclass(frozen=True)
class Uniform:
    """Every checkpoint counts the same (SWA: Izmailov et al. 2018, arXiv:1803.05407)."""

    name: str = "uniform"

    def weights(self, epochs: Sequence[int]) -> Sequence[float]:
        return [1] * len(epochs)


@dataclass(frozen=True)
class Latest:
    """The window's last `k` checkpoints alone, all the same (LAWA: Kaddour 2022, arXiv:2209.14981).

    A window of fewer than `k` counts whole.
    """

    k: int
    name: str = "latest"

    def weights(self, epochs: Sequence[int]) -> Sequence[float]:
        return [int(place >= len(epochs) - self.k) for place in range(len(epochs))]


@dataclass(frozen=True)
class Exponential:
    """A checkpoint counts `decay` times as much as the next one: an exponential moving average over
    epochs, corrected for its beginning (Tarvainen and Valpola 2017, arXiv:1703.01780;
    Morales-Brotons et al. 2024, arXiv:2411.18704)."""

    decay: float
    name: str = "exponential"

    def weights(self, epochs: Sequence[int]) -> Sequence[float]:
        return [self.decay ** (epochs[-1] - epoch) for epoch in epochs]


@dataclass(frozen=True)
class Power:
    """The power-function EMA with exponent `gamma`: weight grows as t ** gamma with training time.

    With t counted in epochs from 1, these are the weights of the recursion with
    beta_t = (1 - 1/t) ** (gamma + 1) (Karras et al. 2024, arXiv:2312.02696), for any window of it:
    t ** (gamma + 1) - (t - 1) ** (gamma + 1). gamma = 0 is uniform.
    """

    gamma: float
    name: str = "power"

    def weights(self, epochs: Sequence[int]) -> Sequence[float]:
        if self.gamma == 0:
            return [1] * len(epochs)
        end, exponent = epochs[-1] + 1, self.gamma + 1
        return [((epoch + 1) / end) ** exponent - (epoch / end) ** exponent for epoch in epochs]


@dataclass(frozen=True)
class Ramp:
    """Weights that make up for a learning rate decayed to zero over the window, by
    warmup-stable-merge (Tian et al. 2025, arXiv:2507.17634).

    An average sum(c_j theta_j) adds to the window's first checkpoint each later update g_i times
    the sum of c_j over j >= i. For these sums to follow a decay D from 1 to 0 over a window of n,
    c_j = D(j / n) - D((j + 1) / n). "linear" gives the uniform average; "one_minus_sqrt" counts the
    first checkpoints more.
    """

    decay: Literal["linear", "one_minus_sqrt"]
    name: str = "ramp"

    def weights(self, epochs: Sequence[int]) -> Sequence[float]:
        count = len(epochs)
        if self.decay == "linear":
            return [1] * count
        return [math.sqrt((j + 1) / count) - math.sqrt(j / count) for j in range(count)]


@dataclass(frozen=True)
class Explicit:
    """The weights given, one for each checkpoint of the window; they sum to one."""

    values: Sequence[float]
    name: str = "explicit"

    def weights(self, epochs: Sequence[int]) -> Sequence[float]:
        """Raises ValueError where there are not as many as epochs."""
        if len(self.values) != len(epochs):
            raise ValueError(f"{len(self.values)} weights for {len(epochs)} checkpoints")
        return self.values


@dataclass(frozen=True)
class Greedy:
    """Greedy soup: checkpoints in the order of their validation accuracy, each kept where the
    uniform average with it is at least as accurate (Wortsman et al. 2022, arXiv:2203.05482)."""

    name: str = "greedy"

    def choose(
        self, accuracies: Sequence[float], accuracy_of: Callable[[Sequence[int]], float]
    ) -> Sequence[int]:
        """Weights 0 or 1. `accuracies` are the checkpoints' on validation, by which they are
        ordered (the earlier first of equals); `accuracy_of` gives that of an average by weights."""
        weights, best = [0] * len(accuracies), -math.inf
        for place in sorted(range(len(accuracies)), key=lambda place: -accuracies[place]):
            trial = [*weights]
            trial[place] = 1
            accuracy = accuracy_of(trial)
            if accuracy >= best:
                weights, best = trial, accuracy
        return weights
