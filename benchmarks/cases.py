"""One measurement, in a process of its own: prints its result as JSON.

    python -m benchmarks.cases training --images 2560

All cases use the same random pixels, in memory; how long a step takes does not depend on them.
"""

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import article
from polyak import allocator
from polyak.averaging.batch_norm import refresh
from polyak.data.augmentation import Augmentation
from polyak.data.augmentations.crop_flip import CropFlip
from polyak.data.augmentations.none import Identity
from polyak.data.inputs import Scaling, scale
from polyak.evaluation.logits import Inference, logits
from polyak.evaluation.scores import scores
from polyak.models.initial import initial_model
from polyak.models.preresnet import PreResNet
from polyak.models.small_cnn import SmallCNN
from polyak.training.epoch import train_epoch
from polyak.training.recipe import Recipe
from polyak.training.schedules.constant import Constant
from polyak.training.trainer import Trainer

BATCH_SIZE = 128
WEIGHT_SETS = 4
"""How many models the evaluation cases evaluate on the same images."""


def pixels(count: int) -> tuple[Tensor, Tensor]:
    """Images uint8 [N, 3, 32, 32] and labels int64 [N], random."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (count, 3, 32, 32), dtype=torch.uint8, generator=generator)
    return images, torch.randint(10, (count,), generator=generator)


def small_cnn() -> nn.Module:
    return initial_model(lambda: SmallCNN((3, 32, 32), 10), seed=0)


def article_training() -> Callable[[Tensor, Tensor], object]:
    """An epoch of the article's loop."""
    model = article.ArticleCNN()
    return lambda images, labels: list(
        article.train(model, images, labels, [torch.randperm(len(labels))], batch_size=BATCH_SIZE)
    )


def preresnet() -> nn.Module:
    return initial_model(lambda: PreResNet((3, 32, 32), 10, depth=8), seed=0)


def our_training(
    precision: str = "fp32",
    augmentation: Augmentation = Identity(),  # noqa: B008  frozen, and without parameters
    make: Callable[[], nn.Module] = small_cnn,
) -> Callable[[Tensor, Tensor], object]:
    """An epoch of this project's loop."""
    model = make()
    factory = partial(torch.optim.SGD, lr=0.001, momentum=0.9)
    recipe = Recipe(
        *(lambda: model, factory, Constant(), BATCH_SIZE),
        seed=0,
        precision=precision,
        augmentation=augmentation,
    )
    optimizer = factory(model.parameters())
    return lambda images, labels: train_epoch(
        Trainer(model, optimizer, recipe, images, labels),
        epoch=0,
    )


def article_evaluation() -> Callable[[Tensor, Tensor], object]:
    """The article's evaluation of several weight sets, one after the other."""
    model = article.ArticleCNN()
    states = [article.ArticleCNN().state_dict() for _ in range(WEIGHT_SETS)]

    def run(images: Tensor, labels: Tensor) -> None:
        for state in states:
            model.load_state_dict(state)
            article.accuracy(model, images, labels)

    return run


def our_evaluation(precision: str) -> Callable[[Tensor, Tensor], object]:
    """This project's evaluation of several weight sets, with all the scores."""
    model = small_cnn()
    states = [small_cnn().state_dict() for _ in range(WEIGHT_SETS)]

    def run(images: Tensor, labels: Tensor) -> None:
        for state in states:
            model.load_state_dict(state)
            scores(logits(model, images, Inference(precision)).numpy(), labels.numpy())

    return run


def refreshing() -> Callable[[Tensor, Tensor], object]:
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


def matrix_product(dtype: torch.dtype) -> Callable[[Tensor, Tensor], object]:
    """As many operations as the forward passes of the images, in products of 2048 x 2048."""
    left, right = (torch.randn(2048, 2048).to(dtype) for _ in range(2))
    forward = operations(backward=False)

    def run(images: Tensor, labels: Tensor) -> None:
        for _ in range(round(len(labels) * forward / (2 * 2048**3))):
            left @ right

    return run


CASES: dict[str, Callable[[], Callable[[Tensor, Tensor], object]]] = {
    "article-training": article_training,
    "training": our_training,
    "training-bf16": lambda: our_training("bf16"),
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
    began = time.perf_counter()
    run(images, labels)
    return time.perf_counter() - began


def operators(case: str, count: int) -> list[tuple[str, float]]:
    """Where the time goes: (operator, milliseconds of its own)."""
    run = CASES[case]()
    images, labels = pixels(count)
    run(images, labels)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        run(images, labels)
    return [(event.key, event.self_cpu_time_total / 1e3) for event in profiler.key_averages()]


def main() -> None:
    allocator.keep_freed_memory()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--images", type=int, default=2560)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--profile", action="store_true", help="operators' own milliseconds")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    measure: Callable[[str, int], Any] = operators if arguments.profile else seconds
    print(json.dumps(measure(arguments.case, arguments.images)))


if __name__ == "__main__":
    main()
