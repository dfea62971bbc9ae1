"""How close EMAs of what was recorded are to EMAs kept live, and to EDM2's of another width.

    python -m benchmarks.ema

A small network is trained once, on synthetic digits, and every average kept live in float64 beside
step means and EDM2's two tracks (Karras et al. 2024, https://arxiv.org/abs/2312.02696). The error
of an average is its distance from the live one, relative to the distance of the live one from the
last weights: what the average does.
"""

import argparse
import math
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from polyak import allocator
from polyak.averaging.mean import mean_of_states
from polyak.averaging.scheme import Intervals, Scheme
from polyak.averaging.schemes.ema import Ema
from polyak.averaging.schemes.power import Power
from polyak.data import house_numbers
from polyak.models.small_cnn import SmallCNN
from polyak.training.recipe import Recipe
from polyak.training.schedules.constant import Constant
from polyak.training.trainer import Trainer

STEPS = 79
"""Per epoch."""
SNAPSHOTS = 8
"""Steps between those that are kept of EDM2's tracks."""


def trained(epochs: int) -> tuple[Trainer, Iterator[Tensor]]:
    """A training, and the weights after each step, float32 [N]."""
    with tempfile.TemporaryDirectory() as folder:
        data = house_numbers.load(folder, limit_train=32 * STEPS, limit_test=100)
    model = partial(SmallCNN, (3, 32, 32), 10, channels=(16, 32), hidden=64)
    recipe = Recipe(model, partial(torch.optim.SGD, lr=0.02, momentum=0.9), Constant(), 32, seed=0)
    trainer = Trainer.begin(recipe, data.train.images, data.train.labels)

    def steps() -> Iterator[Tensor]:
        for epoch in range(epochs):
            for _ in trainer.steps(epoch):
                yield torch.cat([one.detach().flatten() for one in trainer.model.parameters()])

    return trainer, steps()


class Live:
    """A recursion mean = decay_t mean + (1 - decay_t) weights, in float64, by its `scheme`."""

    def __init__(self, scheme: Ema | Power) -> None:
        self.scheme, self.mean, self.t, self.total = scheme, torch.zeros(()), 0, 0.0

    def add(self, weights: Tensor) -> None:
        self.t += 1
        if isinstance(self.scheme, Ema):
            decay = math.exp(self.scheme.rate)
        else:
            decay = (1 - 1 / self.t) ** (self.scheme.gamma + 1)
        self.mean = decay * self.mean + (1 - decay) * weights.double()
        self.total = decay * self.total + (1 - decay)

    @property
    def value(self) -> Tensor:
        return self.mean / self.total


class Means:
    """The means over intervals of `length` steps, as they are recorded."""

    def __init__(self, length: int) -> None:
        self.length, self.sum = length, torch.zeros((), dtype=torch.float64)
        self.means, self.steps = list[Tensor](), list[range]()

    def add(self, weights: Tensor, step: int, last: bool) -> None:
        self.sum = self.sum + weights.double()
        if step % self.length == 0 or last:
            begin = self.steps[-1].stop if self.steps else 0
            self.steps.append(range(begin, step))
            self.means.append((self.sum / (step - begin)).float())
            self.sum = torch.zeros((), dtype=torch.float64)

    def average(self, scheme: Scheme) -> Tensor:
        weights = scheme.over_steps(Intervals(self.steps, len(self.steps[0]), means=True))
        return mean_of_states([{"all": one.double()} for one in self.means], weights)["all"]


def gamma_of(sigma: float) -> float:
    """The exponent of the power function whose width is `sigma` of the training (EDM2, eq. 126)."""
    s = sigma**-2
    return float(max(np.roots([1, 7, 16 - s, 12 - s]).real))


def inner(t: float, gamma: float, other_t: float, other_gamma: float) -> float:
    """The integral of two profiles, each (gamma + 1) x^gamma / t^(gamma + 1) for x up to t."""
    least, both = min(t, other_t), gamma + other_gamma + 1
    scale = (gamma + 1) * math.log(least / t) + (other_gamma + 1) * math.log(least / other_t)
    return (gamma + 1) * (other_gamma + 1) / both * math.exp(scale) / least


def reconstructed(kept: Sequence[tuple[int, float, Tensor]], end: int, gamma: float) -> Tensor:
    """EDM2's average of another width, from snapshots (step, exponent, average) of the tracks: the
    least-squares fit of its profile."""
    a = np.array([[inner(t, g, u, h) for u, h, _ in kept] for t, g, _ in kept])
    b = np.array([inner(t, g, end, gamma) for t, g, _ in kept])
    shares = np.linalg.lstsq(a, b, rcond=None)[0]
    total = torch.zeros_like(kept[0][2], dtype=torch.float64)
    for share, (_, _, average) in zip(shares, kept, strict=True):
        total += float(share) * average.double()
    return total


def errors(epochs: int) -> None:
    """Print both tables."""
    total = STEPS * epochs
    emas = {s: Ema(half_life=float(round(s * total))) for s in (0.01, 0.05, 0.2)}
    powers = {sigma: Power(gamma_of(sigma)) for sigma in (0.03, 0.075, 0.15, 0.25)}
    tracks = [Power(gamma_of(sigma)) for sigma in (0.05, 0.10)]
    schemes: list[Ema | Power] = [*emas.values(), *powers.values(), *tracks]
    lives: dict[Scheme, Live] = {one: Live(one) for one in schemes}
    means = [Means(length) for length in (8, 20, 40, STEPS)]
    snapshots: list[tuple[int, float, Tensor]] = []
    for step, now in enumerate(trained(epochs)[1], start=1):
        for live in lives.values():
            live.add(now)
        for one in means:
            one.add(now, step, last=step == total)
        if step % SNAPSHOTS == 0 or step == total:
            snapshots += [(step, one.gamma, lives[one].mean.float()) for one in tracks]
    print(f"{now.numel():,} weights, {total} steps; errors relative to |live - last weights|")

    def error(found: Tensor, scheme: Scheme) -> float:
        live = lives[scheme].value
        return float((found - live).norm() / (live - now.double()).norm())

    print("EMA from step means: half-life in steps (share), error by steps per interval, deviation")
    for share, ema in emas.items():
        cells = [
            f"{one.length}: {error(one.average(ema), ema):.2e} ({ema.deviation(one.length):.2e})"
            for one in means
        ]
        print(f"  {ema.half_life:.0f} ({share:.0%})  " + "  ".join(cells))
    print("power-function EMA: sigma, error with as many files: step means / two tracks")
    for sigma, power in powers.items():
        cells = []
        for one in means[1:]:
            files = len(one.means)
            each = max(1, round(total / (files / 2) / SNAPSHOTS)) * SNAPSHOTS
            chosen = [kept for kept in snapshots if kept[0] % each == 0 or kept[0] == total]
            two = error(reconstructed(chosen, total, power.gamma), power)
            ours = error(one.average(power), power)
            cells.append(f"{files} / {len(chosen)} files: {ours:.2e} / {two:.2e}")
        print(f"  {sigma}  " + "  ".join(cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10)
    given = parser.parse_args()
    allocator.keep_freed_memory()
    errors(given.epochs)


if __name__ == "__main__":
    main()
