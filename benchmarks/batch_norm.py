"""How exact refreshed running statistics are, and how long a refresh takes.

    python -m benchmarks.batch_norm

Synthetic images: ten classes that differ in colour and contrast, with smooth noise. Errors are
those of a layer's buffers beside the statistics of all its inputs at once, concatenated, in a
float64 copy of the network whose batches are normalised by their own statistics, too; the largest
over channels and layers. They are in units of the standard deviation for means, and relative for
variances. `direct` is the alternative to `refresh` that reduces each layer's inputs in float64,
where refresh reads what the layer itself found.
"""

import statistics
import time
from collections.abc import Callable, Iterable
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import update_bn
from torchvision.models import resnet18

from polyak.averaging.batch_norm import refresh

SEEDS = 10
TURNS = 5
BATCH_SIZE = 64

Refresh = Callable[[nn.Module, list[Tensor]], object]
Inputs = dict[str, list[Tensor]]


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


def spread(values: Iterable[float], form: str) -> str:
    """Median (smallest to largest)."""
    sorted_ = sorted(values)
    return f"{statistics.median(sorted_):{form}} ({sorted_[0]:{form}} to {sorted_[-1]:{form}})"


def accuracy() -> None:
    print(f"errors, median (smallest to largest), n = {SEEDS} seeds of weights and images")
    cases = {
        "shuffled, 32 batches of 64": (2048, True, 64),
        "shuffled, 32 batches of 64 and one of 2": (2050, True, 64),
        "shuffled, 256 batches of 8": (2048, True, 8),
        "by class, 32 batches of 64": (2048, False, 64),
    }
    for name, (count, shuffled, size) in cases.items():
        found: dict[str, list[tuple[float, float]]] = {"refresh": [], "update_bn": []}
        for seed in range(SEEDS):
            pixels, model = images(count, seed), small(seed)
            if shuffled:
                pixels = pixels[
                    torch.randperm(count, generator=torch.Generator().manual_seed(seed))
                ]
            batches = list(pixels.split(size))
            wanted = reference(model, batches)
            found["refresh"].append(errors(model, wanted, refresh, batches))
            found["update_bn"].append(errors(model, wanted, swa_utils, batches))
        for how, pairs in found.items():
            means, variances = zip(*pairs, strict=True)
            print(f"{name}: {how}: mean {spread(means, '.1e')}, var {spread(variances, '.1e')}")


def formats() -> None:
    print("ResNet-18, one batch of 64, n = 3 seeds")
    for format in (torch.contiguous_format, torch.channels_last):
        found: dict[str, list[tuple[float, float]]] = {"refresh": [], "direct": []}
        for seed in range(3):
            model = network(seed).to(memory_format=format)
            batches = [images(640, seed)[::10].contiguous(memory_format=format)]
            wanted = reference(model, batches)
            found["refresh"].append(errors(model, wanted, refresh, batches))
            found["direct"].append(errors(model, wanted, direct, batches))
        for how, pairs in found.items():
            means, variances = zip(*pairs, strict=True)
            print(f"{format}: {how}: mean {spread(means, '.1e')}, var {spread(variances, '.1e')}")


def times() -> None:
    threads = torch.get_num_threads()
    print(f"ResNet-18, 5 batches of 64, channels-last, {threads} threads, n = {TURNS} turns")
    model = network(0).to(memory_format=torch.channels_last)
    batches = list(
        images(5 * BATCH_SIZE, 0).contiguous(memory_format=torch.channels_last).split(64)
    )
    cases: dict[str, Refresh] = {
        "evaluation": evaluation,
        "refresh": refresh,
        "update_bn": swa_utils,
        "direct": direct,
    }
    found: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(-1, TURNS):  # the first one warms up
        for name, run in cases.items():
            began = time.perf_counter()
            with torch.no_grad():
                run(model, batches)
            if turn >= 0:
                found[name].append(time.perf_counter() - began)
    for name, seconds in found.items():
        ratios = [one / plain for one, plain in zip(seconds, found["evaluation"], strict=True)]
        print(f"{name}: {spread(seconds, '.2f')} s, {spread(ratios, '.2f')} times evaluation")


def main() -> None:
    accuracy()
    formats()
    times()


if __name__ == "__main__":
    main()
