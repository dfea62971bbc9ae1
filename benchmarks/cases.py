"""Seconds of one kind of work on random pixels in memory.

python -m benchmarks.cases training --images 2560
"""

import argparse
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import article
from benchmarks.measure import timed
from benchmarks.subject import BATCH_SIZE, pixels, preresnet, recipe, small_cnn
from polyak import allocator
from polyak.averaging.batch_norm import refresh
from polyak.data.augmentations.crop_flip import CropFlip
from polyak.data.inputs import Scaling, scale
from polyak.evaluation.logits import Inference, logits
from polyak.evaluation.scores import scores
from polyak.training.epoch import train_epoch
from polyak.training.trainer import Trainer

Run = Callable[[Tensor, Tensor], object]

WEIGHT_SETS = 4
"""How many models the evaluation cases evaluate on the same images."""


def article_training() -> Run:
    """An epoch of the article's loop."""
    model = article.ArticleCNN()
    return lambda images, labels: list(
        article.train(model, images, labels, [torch.randperm(len(labels))], batch_size=BATCH_SIZE)
    )


def our_training(make: Callable[[], nn.Module] = small_cnn, **options: Any) -> Run:
    """An epoch of this project's loop."""
    model = make()
    given = recipe(lambda: model, **options)
    optimizer = given.optimizer(model.parameters())
    return lambda images, labels: train_epoch(
        Trainer(model, optimizer, given, images, labels), epoch=0
    )


def article_evaluation() -> Run:
    """The article's evaluation of several weight sets, one after the other."""
    model = article.ArticleCNN()
    states = [article.ArticleCNN().state_dict() for _ in range(WEIGHT_SETS)]

    def run(images: Tensor, labels: Tensor) -> None:
        for state in states:
            model.load_state_dict(state)
            article.accuracy(model, images, labels)

    return run


def our_evaluation(precision: str) -> Run:
    """This project's evaluation of several weight sets, with all the scores."""
    model = small_cnn()
    states = [small_cnn().state_dict() for _ in range(WEIGHT_SETS)]

    def run(images: Tensor, labels: Tensor) -> None:
        for state in states:
            model.load_state_dict(state)
            scores(logits(model, images, Inference(precision)).numpy(), labels.numpy())

    return run


def refreshing() -> Run:
    """The statistics of batch norm on as many images."""
    model = preresnet()
    return lambda images, labels: refresh(
        model, (scale(batch, Scaling()) for batch in images.split(BATCH_SIZE))
    )


def operations(*, backward: bool) -> int:
    """Floating-point operations per image: of the convolutions and matrix products alone."""
    model, images = small_cnn(), torch.zeros(2, 3, 32, 32)
    with FlopCounterMode(display=False) as counter:
        outputs = model(images)
        if backward:
            outputs.sum().backward()
    return int(counter.get_total_flops() // 2)


def matrix_product(dtype: torch.dtype) -> Run:
    """As many operations as the forward passes of the images, in products of 2048 x 2048."""
    left, right = (torch.randn(2048, 2048).to(dtype) for _ in range(2))
    forward = operations(backward=False)

    def run(images: Tensor, labels: Tensor) -> None:
        for _ in range(round(len(labels) * forward / (2 * 2048**3))):
            left @ right

    return run


CASES: dict[str, Callable[[], Run]] = {
    "article-training": article_training,
    "training": our_training,
    "training-bf16": lambda: our_training(precision="bf16"),
    "training-crop-flip": lambda: our_training(augmentation=CropFlip()),
    "training-preresnet": lambda: our_training(make=preresnet),
    "refresh-preresnet": refreshing,
    "article-evaluation": article_evaluation,
    "evaluation": lambda: our_evaluation("fp32"),
    "evaluation-bf16": lambda: our_evaluation("bf16"),
    "product": lambda: matrix_product(torch.float32),
    "product-bf16": lambda: matrix_product(torch.bfloat16),
}


def seconds(case: str, count: int) -> float:
    """Seconds that the case takes for `count` images, after a warm-up with a tenth of them."""
    run = CASES[case]()
    images, labels = pixels(count)
    warm = max(count // 10, 3 * BATCH_SIZE)
    run(images[:warm], labels[:warm])
    return timed(lambda: run(images, labels)).wall


def operators(case: str, count: int) -> list[tuple[str, float]]:
    """Where the time goes: (operator, milliseconds of its own)."""
    run = CASES[case]()
    images, labels = pixels(count)
    run(images, labels)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        run(images, labels)
    return [(event.key, event.self_cpu_time_total / 1e3) for event in profiler.key_averages()]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--images", type=int, default=2560)
    given = parser.parse_args()
    allocator.keep_freed_memory()
    print(f"{seconds(given.case, given.images):.3f} s for {given.images:,} images")


if __name__ == "__main__":
    main()
