"""The running statistics of batch norm, computed anew for the weights that a model has now.

    model.load_state_dict(average.tensors)
    refresh(model, (inputs.scale(batch) for batch in images.split(128)))

The statistics of an average's activations are not the average of its checkpoints' statistics. One
pass over the data computes them, as PreciseBN does (Wu and Johnson 2021,
https://arxiv.org/abs/2105.07576): each batch is normalised by its own statistics, while those of
all batches are pooled. docs/batch_norm.md has the cases and the measurements.
"""

import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase
from torch.nn.modules.instancenorm import _InstanceNorm
from torch.nn.parallel import DistributedDataParallel
from torch.nn.parameter import is_lazy

from polyak.averaging.mean import round_once
from polyak.errors import CheckpointError
from polyak.weights.layout import STATISTICS


def statistics(model: nn.Module) -> list[str]:
    """The names of the running means and variances in `model.state_dict()`, in its order: all names
    of a layer that has several, and [] where no layer has running statistics.

    The layers of torch.nn and their subclasses count; other classes, such as torchvision's
    FrozenBatchNorm2d, do not.
    """
    found = {
        f"{name}.{statistic}" if name else statistic
        for name, layer in model.named_modules(remove_duplicate=False)
        if isinstance(layer, _NormBase) and layer.running_mean is not None
        for statistic in STATISTICS
    }
    return [name for name in model.state_dict() if name in found]


@torch.no_grad()
def refresh(model: nn.Module, batches: Iterable[Tensor]) -> None:
    """Give every layer with running statistics those of its own inputs over all of `batches`.

    `batches` are what the model takes, [N, ...] on its device, two or more values per channel in
    each. A batch is normalised by its own statistics, and all else is in evaluation mode, so that
    nothing is random. With n_b values per channel in batch b, N in all:

        mean = sum n_b mean_b / N
        variance = (sum (n_b - 1) variance_b + sum n_b (mean_b - mean)^2) / (N - 1)

    pooled in float64 (Chan et al. 1983, https://doi.org/10.1080/00031305.1983.10483115) and rounded
    once to the buffer's dtype. Instance norm has the mean over instances of their means and
    variances. Nothing but these buffers changes, and after an error they are as before.

    A layer keeps its statistics where training would leave them: where `model.train()` leaves it in
    evaluation mode, where it is in evaluation mode while the model is in training mode, without
    `track_running_stats`, and where no batch reaches it. A subclass with a forward pass of its own
    must do in training mode what torch's does: move the statistics by `momentum`.

    Raises ValueError where there are no batches, a batch has fewer than two values per channel, or
    a layer is lazy, scripted, or doesn't move its statistics; TypeError for a batch that is no
    tensor; CheckpointError where statistics are not finite or overflow the buffer's dtype. All of a
    layer name it.
    """
    with ExitStack() as undo:
        layers = _set_modes(undo, model)
        if not layers:
            return
        reached: list[_Pool] = []
        for layer, name in layers.items():
            _collect(undo, layer, name or type(layer).__name__, reached)
        for module in model.modules():
            if isinstance(module, (nn.DataParallel, DistributedDataParallel)):
                _replace(undo, module, "forward", module.module.__call__)
        if "torch._dynamo" in sys.modules:  # compiled code has the layers' own forward passes in it
            undo.enter_context(torch.compiler.set_stance("force_eager"))
        cuda = [device for layer in layers if (device := _buffers(layer)[0].device).type == "cuda"]
        # A DataLoader draws from the global generator even where it doesn't shuffle.
        undo.enter_context(torch.random.fork_rng(set(cuda), device_type="cuda"))
        count = 0
        for count, batch in enumerate(batches, start=1):
            if not isinstance(batch, Tensor):
                raise TypeError(
                    f"batch {count - 1} is a {type(batch).__name__}; allowed: a tensor, what the "
                    "model takes, without labels"
                )
            model(batch)
        if not count:
            raise ValueError("no images to compute batch-norm statistics on")
        results = [result for pool in reached for result in pool.results()]
    for buffer, values in results:
        buffer.copy_(values)


class _Pool:
    """The statistics of one layer over its calls so far, and the buffers that they are for."""

    def __init__(self, layer: _NormBase, name: str) -> None:
        self.name = name
        self.buffers = _buffers(layer)
        self.instances = isinstance(layer, _InstanceNorm)
        self.lost = 0 if self.instances else 1
        """Degrees of freedom that a variance loses by its own mean."""
        device = self.buffers[0].device
        self.device = torch.device("cpu") if device.type == "mps" else device  # has no float64
        self.total = 0
        self.mean = self.squares = torch.zeros((), dtype=torch.float64, device=self.device)

    def size(self, layer: _NormBase, values: Tensor) -> int:
        """How much inputs weigh: their values per channel, or for instance norm their instances.

        Raises ValueError where there are too few values for a variance.
        """
        each = values.numel() // len(self.buffers[0])
        instances = 1
        if self.instances and values.dim() > layer._get_no_batch_dim():  # type: ignore[operator]
            instances = len(values)
        if each < 2 * instances or not each:
            raise ValueError(
                f"layer {self.name!r}: inputs {list(values.shape)} have fewer than two values per "
                f"channel{' and instance' if self.instances else ''}, and so no variance; give "
                "larger batches"
            )
        return instances if self.instances else each

    def add(self, mean: Tensor, variance: Tensor, size: int) -> None:
        """Pool a call's statistics, [channels] each. Nothing waits for the device."""
        mean, variance = (one.to(self.device).to(torch.float64) for one in (mean, variance))
        total = self.total + size
        difference = mean - self.mean
        self.squares = self.squares + variance * (size - self.lost)
        if not self.instances:
            self.squares = self.squares + difference.square() * (self.total * size / total)
        self.mean = self.mean + difference * (size / total)
        self.total = total

    def results(self) -> list[tuple[Tensor, Tensor]]:
        """Each buffer with its values, [channels] in its dtype."""
        pooled = (self.mean, self.squares / (self.total - self.lost))
        if bool((pooled[1] < 0).any()):
            raise ValueError(
                f"layer {self.name!r} doesn't move its running statistics in training mode; "
                "put it in evaluation mode to keep them"
            )
        found = []
        for statistic, buffer, values in zip(STATISTICS, self.buffers, pooled, strict=True):
            if not bool(torch.isfinite(values).all()):
                raise CheckpointError(
                    f"layer {self.name!r}: {statistic} is not finite, as its inputs are not or are "
                    "too large; these weights have no statistics"
                )
            rounded = round_once(values, buffer.dtype)
            if not bool(torch.isfinite(rounded).all()):
                raise CheckpointError(
                    f"layer {self.name!r}: {statistic} overflows {buffer.dtype}; give the model in "
                    "float32"
                )
            found.append((buffer, rounded))
        return found


def _set_modes(undo: ExitStack, model: nn.Module) -> dict[_NormBase, str]:
    """The layers whose statistics training moves, with their names, in training mode; all other
    modules in evaluation mode."""
    was, by_hand = model.training, {module for module in model.modules() if not module.training}
    for module in model.modules():
        undo.callback(setattr, module, "training", module.training)
    undo.callback(model.train, was)  # a model's own `train` may do more than set modes
    model.train()
    layers = {
        layer: name
        for name, layer in model.named_modules()
        if isinstance(layer, _NormBase) and layer.running_mean is not None
        if layer.training and layer.track_running_stats and not (was and layer in by_hand)
    }
    for name, module in model.named_modules():
        if module in layers and is_lazy(module.running_mean):
            raise ValueError(f"layer {name!r} has no weights yet; give the model a batch first")
        scripted = isinstance(module, torch.jit.ScriptModule)
        if scripted and any(one in STATISTICS for one, _ in module.named_buffers(recurse=False)):
            raise ValueError(f"layer {name!r} is scripted; refresh the model before scripting it")
    model.eval()
    for layer in layers:
        layer.training = True
    return layers


def _collect(undo: ExitStack, layer: _NormBase, name: str, reached: list[_Pool]) -> None:
    """Let `layer` work on buffers of its own, and pool what each call leaves in them. `reached` has
    the layers in the order of their first calls, so that errors name the first that is wrong."""
    pool = _Pool(layer, name)
    forward: Callable[..., Any] = layer.forward
    if (
        isinstance(layer, nn.SyncBatchNorm)
        and getattr(forward, "__func__", None) is nn.SyncBatchNorm.forward
    ):
        forward = partial(_BatchNorm.forward, layer)  # without other processes

    def pooling(*inputs: Any, **named: Any) -> Any:
        size = pool.size(layer, inputs[0] if inputs else named["input"])
        outputs = forward(*inputs, **named)
        if not pool.total:
            reached.append(pool)
        pool.add(*_buffers(layer), size)
        return outputs

    _replace(undo, layer, "forward", pooling)
    _replace(undo, layer, "momentum", 1.0)
    for statistic, buffer, nothing in zip(STATISTICS, pool.buffers, (0, -1), strict=True):
        dtype = torch.promote_types(buffer.dtype, torch.float32)
        _replace(undo, layer, statistic, torch.full_like(buffer, nothing, dtype=dtype))
    if layer.num_batches_tracked is not None:
        _replace(undo, layer, "num_batches_tracked", layer.num_batches_tracked.clone())
    # In 16 bits, as in mixed precision: a layer's parameters are of the dtype of its statistics.
    for parameter, value in list(layer.named_parameters(recurse=False)):
        if value.is_floating_point() and value.dtype.itemsize < 4:
            single = nn.Parameter(value.float(), requires_grad=value.requires_grad)
            _replace(undo, layer, parameter, single)


def _buffers(layer: _NormBase) -> tuple[Tensor, Tensor]:
    mean, variance = (getattr(layer, name) for name in STATISTICS)
    return mean, variance


def _replace(undo: ExitStack, module: nn.Module, name: str, value: Any) -> None:
    """Set an attribute until `undo` closes."""
    if name == "forward" and name not in vars(module):
        undo.callback(delattr, module, name)
    else:
        undo.callback(setattr, module, name, getattr(module, name))
    setattr(module, name, value)
