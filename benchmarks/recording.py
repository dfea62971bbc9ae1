"""What recording costs a training: step means, and `polyak.Recorder` in a plain loop.

    python -m benchmarks.recording cost             # steps with and without adding to a mean
    python -m benchmarks.recording own --turns 7    # epochs with and without a Recorder

What `Recorder.epoch` takes of memory is in memory.py.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path

import torch
from torch import Tensor, nn

import polyak
from benchmarks.measure import Took, in_turns, timed
from benchmarks.subject import BATCH_SIZE, pixels, recipe, small_cnn
from benchmarks.table import quartiles, ratios
from polyak import allocator
from polyak.averaging.step_mean import StepMean
from polyak.store.manifest import Manifest
from polyak.store.recorder import Recorder
from polyak.store.recording import Recording
from polyak.training.epoch import train_epoch
from polyak.training.trainer import Trainer

INTERVAL = 57
"""Steps of a tenth of an epoch of SVHN's training split, in batches of 128."""
TURN = 5
"""Steps with adding, then as many without: turns so short that both meet the same other load."""


def cost(turns: int) -> None:
    """The article's network: steps with and without adding to a step mean, and what one mean takes
    that is finished and written, in the training's thread and in the writer's."""
    trainer = Trainer.begin(recipe(momentum=0.0), *pixels(10 * TURN * BATCH_SIZE))
    train_epoch(trainer, 0)
    mean, steps = StepMean(trainer.model), (one for e in count(1) for one in trainer.steps(e))

    def some(adds: bool) -> float:
        began = time.perf_counter()
        for _ in range(TURN):
            next(steps)
            if adds:
                mean.add()
        return (time.perf_counter() - began) / TURN

    taken = in_turns({"plain": partial(some, False), "adding": partial(some, True)}, turns)
    more = [one - 1 for one in ratios(taken["adding"], taken["plain"])]
    resampled = [statistics.median(random.choices(more, k=turns)) for _ in range(1000)]
    low, *_, high = statistics.quantiles(resampled, n=40)
    plain, finished, found = statistics.median(taken["plain"]), timed(mean.result), mean.result()
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(Manifest.read(Path(folder), "", {}), Recording(means=True), INTERVAL)
        recorder.directory.mkdir(parents=True)
        name = "mean_00000057.safetensors"
        written = timed(lambda: recorder.write(name, range(INTERVAL), found))
    print(
        f"{torch.get_num_threads()} threads, n = {turns} turns of {TURN} steps: step "
        f"{1e3 * plain:.1f} ms, with adding {statistics.median(more):+.2%} (95 % bootstrap "
        f"interval {low:+.2%} to {high:+.2%}); per mean, {1e3 * finished.wall:.0f} ms to finish "
        f"it, and {1e3 * written.wall:.0f} ms ({1e3 * written.cpu:.0f} of a processor) to write "
        f"it in the thread: {(finished.wall + written.cpu) / (INTERVAL * plain):.2%} of "
        f"{INTERVAL} steps"
    )


def own(turns: int) -> None:
    """The article's network in a plain loop: an epoch of each kind per turn, and by how much those
    with a recorder take longer."""
    images, labels = pixels(BATCH_SIZE)
    options = {"Recorder": {}, "Recorder, means=True": {"means": True, "steps_per_epoch": INTERVAL}}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        loops = {"without": partial(_epoch, small_cnn(), images / 255, labels, None)}
        for name, given in options.items():
            model, directory = small_cnn(), Path(folder) / f"{len(loops)}"
            recorder = polyak.Recorder(directory, model, settings={}, **given)  # type: ignore[arg-type]
            stack.enter_context(recorder)
            loops[name] = partial(_epoch, model, images / 255, labels, recorder)
        cases: dict[str, Callable[[], Took]] = {n: partial(timed, do) for n, do in loops.items()}
        for warm in cases.values():
            warm()
        found = in_turns(cases, turns)
    print(f"{torch.get_num_threads()} threads, {INTERVAL} steps per epoch, n = {turns} turns")
    for kind in Took._fields:
        seconds = {name: [getattr(one, kind) for one in each] for name, each in found.items()}
        plain = seconds.pop("without")
        steps = quartiles([1e3 * one / INTERVAL for one in plain], ".2f")
        print(f"{kind:4} {'without':22} {steps} ms per step")
        for name, each in seconds.items():
            more = quartiles([one - 1 for one in ratios(each, plain)], "+.2%")
            print(f"{kind:4} {name:22} {more}")


def _epoch(
    model: nn.Module, inputs: Tensor, labels: Tensor, recorder: polyak.Recorder | None
) -> None:
    """With all that is recorded of it."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
    for _ in range(INTERVAL):
        loss = nn.functional.cross_entropy(model(inputs), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if recorder:
            recorder.step()
    if recorder:
        recorder.epoch()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("cost", "own"))
    parser.add_argument("--turns", type=int, default=None, help="of cost 40, own 9")
    given = parser.parse_args()
    allocator.keep_freed_memory()
    measure, turns = {"cost": (cost, 40), "own": (own, 9)}[given.what]
    measure(given.turns or turns)


if __name__ == "__main__":
    main()
