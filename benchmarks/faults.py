"""Page faults and time of what is done over and over, under the system's allocator and ours.

python -m benchmarks --only faults     # the table
python -m benchmarks.faults window     # one measurement, in this process, as JSON
"""

import resource
import tempfile
from collections import deque
from collections.abc import Iterator
from functools import partial
from itertools import count, islice, repeat
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.measure import apart, in_turns, timed
from benchmarks.subject import BATCH_SIZE, pixels, recipe, small_cnn, split
from benchmarks.table import Section, spread
from polyak import allocator
from polyak.data.augmentations.cutout import Cutout
from polyak.evaluation.evaluator import Evaluator
from polyak.evaluation.logits import BATCH_SIZE as EVALUATED
from polyak.evaluation.logits import Inference
from polyak.maps import windows
from polyak.runs.treatment import Treatment
from polyak.training.trainer import Trainer
from polyak.weights import checkpoint
from polyak.weights.checkpoint import Checkpoint

Cost = tuple[float, float]
"""Of one repetition: minor page faults, and milliseconds."""


def repeated(done: Iterator[object], warm: int, times: int, per: int = 1) -> Cost:
    """Of `times` steps of what is `done`, after `warm` others; of each a `per`-th."""
    for _ in range(warm):
        next(done)
    before = _faults()
    seconds = timed(lambda: deque(islice(done, times), maxlen=0)).wall  # keeps none
    return (_faults() - before) / times / per, 1e3 * seconds / times / per


def _faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def step(folder: Path) -> Cost:
    """A training step of the article's network."""
    trainer = Trainer.begin(recipe(momentum=0.0), *pixels(8 * BATCH_SIZE))
    return repeated((one for epoch in count() for one in trainer.steps(epoch)), 4, 12)


def evaluation(folder: Path) -> Cost:
    """A batch of the article's network's evaluation, four in a split."""
    model = small_cnn()
    evaluator, state = _evaluator(model, 4 * EVALUATED), dict(model.state_dict())
    evaluated = (evaluator.scores(evaluator.logits(state)) for _ in repeat(None))
    return repeated(evaluated, 1, 4, per=4)


def _evaluator(model: nn.Module, images: int) -> Evaluator:
    return Evaluator(model, {"test": split(images)}, torch.device("cpu"), Inference())


class Plain(Treatment):
    """The article's network has no batch norm."""

    def computed(self, weights: Checkpoint) -> dict[str, Tensor]:
        raise NotImplementedError


def window(folder: Path) -> Cost:
    """A window of a map of the article's network, on 50 images: most of it is averaging."""
    model, epochs = small_cnn(), 16
    for epoch in range(epochs):
        checkpoint.save(folder / f"{epoch}.safetensors", model.state_dict())
    wanted = windows.windows(range(epochs), range(epochs + 1))
    found = windows.evaluate(
        *(lambda epoch: folder / f"{epoch}.safetensors", _evaluator(model, 50)),
        *(Plain([], "average"), wanted),
    )
    return repeated(found, epochs, len(wanted) - epochs)


def augmented(folder: Path) -> Cost:
    """A batch that is cropped, flipped and has a square cut out."""
    images, augmentation = pixels(BATCH_SIZE)[0], Cutout()
    drawn = augmentation.draw(BATCH_SIZE, 32, 32, torch.Generator().manual_seed(0))
    return repeated((augmentation.apply(images, drawn) for _ in repeat(None)), 20, 200)


CASES = {"step": step, "evaluation": evaluation, "window": window, "augmented": augmented}
ALLOCATORS = ("system", "kept")


def measured(name: str) -> Cost:
    with tempfile.TemporaryDirectory() as folder:
        return CASES[name](Path(folder))


def sections(turns: int) -> list[Section]:
    """The table."""
    cases = {
        f"{name}/{under}": partial(apart, measured, name, **{allocator.SWITCH: under})
        for name in CASES
        for under in ALLOCATORS
    }
    found = in_turns(cases, turns)
    rows = []
    for name in CASES:
        rows.append([name])
        for under in ALLOCATORS:
            faults, milliseconds = zip(*found[f"{name}/{under}"], strict=True)
            rows[-1] += [spread(faults, ",.0f"), spread(milliseconds, ",.1f")]
    head = ["per", *(f"{what}, {one}" for one in ALLOCATORS for what in ("page faults", "ms"))]
    note = (
        f"n = {turns}, of the article's network: per training step of 128 images, batch "
        "of an evaluation of 250, window of a map on 50 images, batch of 128 that is augmented; "
        "under the system's allocator, and with `polyak.allocator`'s settings (kept)."
    )
    return [Section("Page faults", head, rows, note)]
