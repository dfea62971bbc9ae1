"""How exact refreshed running statistics are, and how long a refresh takes.

    python -m benchmarks.batch_norm

Synthetic images: ten classes that differ in colour and contrast, with smooth noise. Errors are
those of a layer's buffers beside the statistics of all its inputs at once, concatenated, in a
float64 copy of the network whose batches are normalised by their own statistics, too; the largest
over channels and layers. They are in units of the standard deviation for means, and relative for
variances. `direct` is the alternative to `refresh` that reduces each layer's inputs in float64,
where refresh reads what the layer itself found.
"""

from collections.abc import Callable
from copy import deepcopy
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import update_bn
from torchvision.models import resnet18

from benchmarks.measure import in_turns, timed
from benchmarks.table import ratios, spread
from polyak.averaging.batch_norm import refresh

SEEDS = 10
TURNS = 5
BATCH_SIZE = 64

Refresh = Callable[[nn.Module, list[Tensor]], object]
Inputs = dict[str, list[Tensor]]
Case = tuple[nn.Module, list[Tensor]]
"""A network, and batches of images."""


def images(count: int, seed: int) -> Tensor:
    """float32 [N, 3, 32, 32], one class after the other."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) * 10 // count
    colours = torch.rand(10, 3, 1, 1, generator=generator) - 0.5
    contrasts = 0.2 + 0.3 * torch.rand(10, 1, 1, 1, generator=generator)
    noise = F.interpolate(torch.randn(count, 3, 8, 8, generator=generator), scale_factor=4.0)
    return colours[labels] + contrasts[labels] * noise


def network(seed: int) -> nn.Module:
    """torchvision's ResNet-18 for small images, with random weights."""
    torch.manual_seed(seed)
    model: nn.Module = resnet18(num_classes=10)
    model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    model.maxpool = nn.Identity()
    return model


def small(seed: int) -> nn.Module:
    """Three convolutions, each with batch norm, with random weights."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for channels in ((3, 16), (16, 32), (32, 64)):
        layers += [nn.Conv2d(*channels, 3, stride=2, bias=False), nn.BatchNorm2d(channels[1])]
        layers += [nn.ReLU()]
    return nn.Sequential(*layers)


def layers_of(model: nn.Module) -> dict[str, nn.BatchNorm2d]:
    return {name: one for name, one in model.named_modules() if isinstance(one, nn.BatchNorm2d)}


@torch.no_grad()
def reference(model: nn.Module, batches: list[Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
    """Mean and variance by layer, [channels] each in float64."""
    twin, seen = deepcopy(model).double().train(), Inputs()
    for name, layer in layers_of(twin).items():
        seen[name] = []
        layer.register_forward_pre_hook(lambda _, given, name=name: seen[name].append(given[0]))
    for batch in batches:
        twin(batch.double())
    flat = {name: torch.cat(values).transpose(0, 1).flatten(1) for name, values in seen.items()}
    return {name: (values.mean(1), values.var(1)) for name, values in flat.items()}


@torch.no_grad()
def direct(model: nn.Module, batches: list[Tensor]) -> None:
    """Each layer's inputs reduced in float64; for equal batches, without the variance between."""
    seen, hooks = Inputs(), []
    for name, layer in layers_of(model).items():
        seen[name] = []

        def pooling(_: nn.Module, given: tuple[Tensor], name: str = name) -> None:
            variance, mean = torch.var_mean(given[0].double(), (0, 2, 3))
            seen[name].append(torch.stack([mean, variance]))

        hooks.append(layer.register_forward_pre_hook(pooling))
    model.train()
    for batch in batches:
        model(batch)
    for hook in hooks:
        hook.remove()
    for name, layer in layers_of(model).items():
        mean, variance = torch.stack(seen[name]).mean(0)
        layer.running_mean, layer.running_var = mean.float(), variance.float()


def swa_utils(model: nn.Module, batches: list[Tensor]) -> None:
    update_bn(batches, model)


@torch.no_grad()
def evaluation(model: nn.Module, batches: list[Tensor]) -> None:
    model.eval()
    for batch in batches:
        model(batch)


def errors(
    model: nn.Module, wanted: dict[str, tuple[Tensor, Tensor]], how: Refresh, batches: list[Tensor]
) -> tuple[float, float]:
    """The largest of the means, in standard deviations, and of the variances, relative."""
    model = deepcopy(model)
    how(model, batches)
    means, variances = [], []
    for name, layer in layers_of(model).items():
        mean, variance = wanted[name]
        state = layer.state_dict()
        means.append(((state["running_mean"] - mean).abs() / variance.sqrt()).max().item())
        variances.append((state["running_var"] / variance - 1).abs().max().item())
    return max(means), max(variances)


def compare(title: str, ways: dict[str, Refresh], seeds: int, make: Callable[[int], Case]) -> None:
    """Print the errors of each way, over seeds of weights and images."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for seed in range(seeds):
        model, batches = make(seed)
        wanted = reference(model, batches)
        for name, how in ways.items():
            found[name].append(errors(model, wanted, how, batches))
    for name, pairs in found.items():
        means, variances = zip(*pairs, strict=True)
        print(f"{title}: {name}: mean {spread(means, '.1e')}, var {spread(variances, '.1e')}")


def case(seed: int, count: int, shuffled: bool, size: int) -> Case:
    pixels = images(count, seed)
    if shuffled:
        pixels = pixels[torch.randperm(count, generator=torch.Generator().manual_seed(seed))]
    return small(seed), list(pixels.split(size))


def accuracy() -> None:
    print(f"errors, median (smallest to largest), n = {SEEDS} seeds of weights and images")
    cases = {
        "shuffled, 32 batches of 64": (2048, True, 64),
        "shuffled, 32 batches of 64 and one of 2": (2050, True, 64),
        "shuffled, 256 batches of 8": (2048, True, 8),
        "by class, 32 batches of 64": (2048, False, 64),
    }
    ways: dict[str, Refresh] = {"refresh": refresh, "update_bn": swa_utils}
    for name, (count, shuffled, size) in cases.items():
        compare(name, ways, SEEDS, partial(case, count=count, shuffled=shuffled, size=size))


def resnet(seed: int, count: int, format: torch.memory_format) -> Case:
    """Images of all classes in each batch of 64."""
    shown = images(10 * count, seed)[::10].contiguous(memory_format=format)
    return network(seed).to(memory_format=format), list(shown.split(BATCH_SIZE))


def formats() -> None:
    print("ResNet-18, one batch of 64, n = 3 seeds")
    ways: dict[str, Refresh] = {"refresh": refresh, "direct": direct}
    for format in (torch.contiguous_format, torch.channels_last):
        compare(str(format), ways, 3, partial(resnet, count=BATCH_SIZE, format=format))


@torch.no_grad()
def times() -> None:
    threads = torch.get_num_threads()
    print(f"ResNet-18, 5 batches of 64, channels-last, {threads} threads, n = {TURNS} turns")
    model, batches = resnet(0, 5 * BATCH_SIZE, torch.channels_last)
    ways: dict[str, Refresh] = {"evaluation": evaluation, "refresh": refresh}
    ways |= {"update_bn": swa_utils, "direct": direct}
    calls = {name: partial(timed, partial(how, model, batches)) for name, how in ways.items()}
    for warm in calls.values():
        warm()
    found = {name: [one.wall for one in each] for name, each in in_turns(calls, TURNS).items()}
    for name, seconds in found.items():
        more = spread(ratios(seconds, found["evaluation"]))
        print(f"{name}: {spread(seconds)} s, {more} times evaluation")


def main() -> None:
    for measure in (accuracy, formats, times):
        measure()


if __name__ == "__main__":
    main()
