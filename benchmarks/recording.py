"""What recording steps costs, and how close averages made of it are to averages kept live.

    python -m benchmarks.recording cost      # training with and without step means, in turns
    python -m benchmarks.recording errors    # EMAs afterwards beside live ones, and beside EDM2's
    python -m benchmarks.recording own       # polyak.Recorder in a plain loop, in turns
    python -m benchmarks.recording memory    # what Recorder.epoch takes for a model of 1 GB

`errors` trains a small network once, on synthetic digits, and keeps every average live in float64
beside what is recorded. The error of an average is its distance from the live one, relative to the
distance of the live one from the last weights: what the average does.
"""

import argparse
import math
import multiprocessing
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import polyak
from benchmarks import averaging, sharded
from benchmarks.cases import BATCH_SIZE, pixels, small_cnn
from polyak import allocator
from polyak.averaging import step_mean
from polyak.averaging.mean import mean_of_states
from polyak.averaging.scheme import Intervals, Scheme
from polyak.averaging.schemes.ema import Ema
from polyak.averaging.schemes.power import Power
from polyak.averaging.step_mean import StepMean
from polyak.data import house_numbers
from polyak.models.small_cnn import SmallCNN
from polyak.store.manifest import Manifest
from polyak.store.recorder import Recorder
from polyak.store.recording import Recording
from polyak.training.epoch import train_epoch
from polyak.training.recipe import Recipe
from polyak.training.schedules.constant import Constant
from polyak.training.trainer import Trainer

INTERVAL = 57
"""Steps of a tenth of an epoch of SVHN's training split, in batches of 128."""


TURN = 5
"""Steps with adding, then as many without: turns so short that both meet the same other load."""


def cost(turns: int) -> None:
    """The article's network: medians of steps with and without adding to a step mean, and what one
    mean takes that is finished and written, in the training's thread and in the writer's."""
    recipe = Recipe(small_cnn, partial(torch.optim.SGD, lr=0.001), Constant(), BATCH_SIZE, seed=0)
    trainer = Trainer.begin(recipe, *pixels(10 * TURN * BATCH_SIZE))
    train_epoch(trainer, 0)
    mean, taken, done = StepMean(trainer.model), dict[bool, list[float]]({True: [], False: []}), 0
    while done < 2 * TURN * turns:
        began = time.perf_counter()
        for _ in trainer.steps(1 + done):
            adds = done // TURN % 2 == 0
            if adds:
                mean.add()
            now = time.perf_counter()
            taken[adds].append(now - began)
            began, done = now, done + 1
    plain, adding = (statistics.median(taken[adds]) for adds in (False, True))
    spread = [one for _ in range(1000) if (one := _resampled(taken))]
    low, high = statistics.quantiles(spread, n=40)[0], statistics.quantiles(spread, n=40)[-1]
    began = time.perf_counter()
    found = mean.result()
    finished = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(Manifest.read(Path(folder), "", {}), Recording(means=True), INTERVAL)
        recorder.directory.mkdir(parents=True)
        wall, cpu = time.perf_counter(), time.process_time()
        recorder.write("mean_00000057.safetensors", range(INTERVAL), found)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(
        f"{torch.get_num_threads()} threads, n = {turns} turns of {TURN} steps: step "
        f"{1e3 * plain:.1f} ms, with adding {100 * (adding / plain - 1):+.2f} % (95 % bootstrap "
        f"interval {100 * low:+.2f} to {100 * high:+.2f}); per mean, {1e3 * finished:.0f} ms to "
        f"finish it, and {1e3 * wall:.0f} ms ({1e3 * cpu:.0f} of a processor) to write it in the "
        f"thread: {100 * (finished + cpu) / (INTERVAL * plain):.2f} % of {INTERVAL} steps"
    )


def _resampled(taken: dict[bool, list[float]]) -> float:
    medians = [
        statistics.median(random.choices(taken[adds], k=len(taken[adds]))) for adds in (True, False)
    ]
    return medians[0] / medians[1] - 1


OWN: dict[str, dict[str, Any] | None] = {
    "without": None,
    "Recorder": {},
    "Recorder, means=True": {"means": True, "steps_per_epoch": INTERVAL},
}


def own(turns: int) -> None:
    """The article's network in a plain loop: an epoch of each kind per turn, each turn in the
    opposite order of the one before, and by how much those with a recorder take longer."""
    images, labels = pixels(BATCH_SIZE)
    inputs = images.float() / 255
    ratios: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        loops = dict[str, Callable[[], tuple[float, float]]]()
        for name, options in OWN.items():
            model, recorder = small_cnn(), None
            if options is not None:
                directory = Path(folder) / f"{len(loops)}"
                recorder = polyak.Recorder(directory, model, settings={}, **options)
                stack.enter_context(recorder)
            loops[name] = partial(_epoch, model, inputs, labels, recorder)
            loops[name]()
        for turn in range(turns):
            taken = {name: loops[name]() for name in list(loops)[:: 1 if turn % 2 else -1]}
            for name, both in taken.items():
                for kind, seconds, plain in zip(
                    ("clock", "processors"), both, taken["without"], strict=True
                ):
                    value = 1e3 * seconds / INTERVAL if name == "without" else seconds / plain - 1
                    ratios.setdefault((kind, name), []).append(value)
    print(f"{torch.get_num_threads()} threads, {INTERVAL} steps per epoch, n = {turns} turns")
    for (kind, name), found in sorted(ratios.items()):
        share, unit = (1.0, "ms per step") if name == "without" else (100.0, "%")
        low, middle, high = (share * one for one in statistics.quantiles(found))
        sign = "" if name == "without" else "+"
        print(f"{kind:10} {name:22} median {middle:{sign}.2f} {unit} ({low:.2f} to {high:.2f})")


def _epoch(
    model: nn.Module, inputs: Tensor, labels: Tensor, recorder: polyak.Recorder | None
) -> tuple[float, float]:
    """Seconds of an epoch with all that is recorded of it, by the clock and of the processors."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
    began = time.perf_counter(), time.process_time()
    for _ in range(INTERVAL):
        loss = nn.functional.cross_entropy(model(inputs), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if recorder:
            recorder.step()
    if recorder:
        recorder.epoch()
    return time.perf_counter() - began[0], time.process_time() - began[1]


def memory(turns: int) -> None:
    """Memory of its own that `Recorder.epoch` takes beyond what a process with the model had."""
    for turn in range(turns):
        ours, theirs = multiprocessing.Pipe()
        child = multiprocessing.get_context("spawn").Process(target=_recorded, args=(theirs,))
        child.start()
        size, began, most, seconds = ours.recv()
        child.join()
        print(
            f"turn {turn}: a model of {size / 1e9:.2f} GB, {began / 1e6:,.0f} MB with it; "
            f"`epoch` took {(most - began) / 1e6:,.0f} MB beyond, and {seconds:.1f} s",
            flush=True,
        )


def _recorded(pipe: Any) -> None:
    model = nn.Module()
    for name, shape in sharded.shapes(16).items():
        model.register_parameter(name.replace(".", "_"), nn.Parameter(torch.ones(shape)))
    size = sum(one.nbytes for one in model.parameters())
    most, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.001):
            most[0] = max(most[0], sharded.memory()[0])

    thread = threading.Thread(target=watch)
    with (
        tempfile.TemporaryDirectory() as folder,
        polyak.Recorder(Path(folder) / "run", model, settings={}) as recorder,
    ):
        began, clock = sharded.memory()[0], time.perf_counter()
        thread.start()
        recorder.epoch()
        clock = time.perf_counter() - clock
    done.set()
    thread.join()
    pipe.send((size, began, most[0], clock))


def states(epochs: int) -> tuple[Trainer, Iterator[Tensor]]:
    """A training of 79 steps per epoch, and the weights after each step, float32 [N]."""
    with tempfile.TemporaryDirectory() as folder:
        data = house_numbers.load(folder, limit_train=2528, limit_test=100)
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


def gamma_of(sigma: float) -> float:
    """The exponent of the power function whose width is `sigma` of the training (EDM2, eq. 126)."""
    s = sigma**-2
    return float(max(np.roots([1, 7, 16 - s, 12 - s]).real))


def inner(t: float, gamma: float, other_t: float, other_gamma: float) -> float:
    """The integral of two profiles, each (gamma + 1) x^gamma / t^(gamma + 1) for x up to t."""
    least, both = min(t, other_t), gamma + other_gamma + 1
    scale = (gamma + 1) * math.log(least / t) + (other_gamma + 1) * math.log(least / other_t)
    return (gamma + 1) * (other_gamma + 1) / both * math.exp(scale) / least


TRACKS = (gamma_of(0.05), gamma_of(0.10))
"""EDM2's: the exponents of the two averages that are kept while training."""


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


def of_means(means: Sequence[Tensor], steps: Sequence[range], scheme: Scheme) -> Tensor:
    weights = scheme.over_steps(Intervals(steps, len(steps[0]), means=True))
    return mean_of_states([{"all": one.double()} for one in means], weights)["all"]


def errors(epochs: int) -> None:
    _, weights = states(epochs)
    total = 79 * epochs
    intervals = [8, 20, 40, 79]
    half_lives = [round(share * total) for share in (0.01, 0.05, 0.2)]
    sigmas = (0.03, 0.075, 0.15, 0.25)
    emas = [Live(Ema(half_life=float(one))) for one in half_lives]
    powers = [Live(Power(gamma_of(sigma))) for sigma in sigmas]
    tracks = [Live(Power(gamma)) for gamma in TRACKS]
    snapshots: list[tuple[int, float, Tensor]] = []
    sums = {length: torch.zeros((), dtype=torch.float64) for length in intervals}
    means: dict[int, list[Tensor]] = {length: [] for length in intervals}
    steps: dict[int, list[range]] = {length: [] for length in intervals}
    step = 0
    for step, now in enumerate(weights, start=1):
        for live in (*emas, *powers, *tracks):
            live.add(now)
        for length in intervals:
            sums[length] = sums[length] + now.double()
            if step % length == 0 or step == total:
                begin = steps[length][-1].stop if steps[length] else 0
                steps[length].append(range(begin, step))
                means[length].append((sums[length] / (step - begin)).float())
                sums[length] = torch.zeros((), dtype=torch.float64)
        if step % 8 == 0 or step == total:
            kept = [
                (step, t.scheme.gamma, t.mean.float())
                for t in tracks
                if isinstance(t.scheme, Power)
            ]
            snapshots += kept
    print(f"{now.numel():,} weights, {step} steps; errors relative to |live - last weights|")

    def error(found: Tensor, live: Live) -> float:
        return float((found - live.value).norm() / (live.value - now.double()).norm())

    print("EMA from step means: half-life in steps (share), error by steps per interval, deviation")
    for half_life, live in zip(half_lives, emas, strict=True):
        cells = [
            f"{length}: {error(of_means(means[length], steps[length], live.scheme), live):.2e} "
            f"({live.scheme.deviation(length):.2e})"  # type: ignore[union-attr]
            for length in intervals
        ]
        print(f"  {half_life} ({half_life / total:.0%})  " + "  ".join(cells))
    print("power-function EMA: sigma, error with as many files: step means / two tracks")
    for sigma, live in zip(sigmas, powers, strict=True):
        cells = []
        for length in (20, 40, 79):
            files = len(means[length])
            each = max(1, round(total / (files / 2) / 8)) * 8  # steps between pairs of snapshots
            chosen = [one for one in snapshots if one[0] % each == 0 or one[0] == total]
            assert isinstance(live.scheme, Power)
            two = error(reconstructed(chosen, total, live.scheme.gamma), live)
            ours = error(of_means(means[length], steps[length], live.scheme), live)
            cells.append(f"{files} / {len(chosen)} files: {ours:.2e} / {two:.2e}")
        print(f"  {sigma}  " + "  ".join(cells))


def exactness() -> None:
    """Step means of a training beside the exact means (fractions), rounded once."""
    kinds = {"float64": step_mean._Wide, "three float32 parts": step_mean._Compensated}
    for name, kind in kinds.items():
        step_mean._sum_of = kind
        trainer, weights = states(1)
        mean, columns = StepMean(trainer.model), []
        for now in weights:
            mean.add()
            columns.append(now[torch.arange(0, now.numel(), now.numel() // averaging.COUNT)])
        state = mean.result()
        found = torch.cat([state[one].flatten() for one, _ in trainer.model.named_parameters()])
        chosen = found[torch.arange(0, found.numel(), found.numel() // averaging.COUNT)]
        wrong = int((chosen != averaging.exact(columns)).sum())
        print(
            f"step mean of {mean.count} steps in {name}: {wrong} of {len(chosen):,} entries are "
            "not the exact mean rounded once"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("cost", "errors", "own", "memory"))
    parser.add_argument("--turns", type=int, default=None, help="of cost 40, own 9, memory 3")
    parser.add_argument("--epochs", type=int, default=10)
    given = parser.parse_args()
    if given.what != "memory":
        allocator.keep_freed_memory()
    if given.what == "cost":
        cost(given.turns or 40)
    elif given.what == "own":
        own(given.turns or 9)
    elif given.what == "memory":
        memory(given.turns or 3)
    else:
        exactness()
        errors(given.epochs)


if __name__ == "__main__":
    main()
