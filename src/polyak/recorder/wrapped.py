"""The model inside of what it is compiled into, or wrapped in for several devices."""

import sys

from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel


def unwrapped(model: nn.Module) -> nn.Module:
    """The module that `torch.compile`, DataParallel and DistributedDataParallel were given, in
    whatever order: its names are those that its checkpoints have everywhere."""
    while True:
        inner = model.module if isinstance(model, DataParallel | DistributedDataParallel) else None
        if dynamo := sys.modules.get("torch._dynamo"):  # a second to import, where nothing has
            compiled = isinstance(model, dynamo.OptimizedModule)
            inner = model._orig_mod if compiled else inner
        if not isinstance(inner, nn.Module):
            return model
        model = inner


def class_of(model: nn.Module) -> type[nn.Module]:
    """The class that a model has without FSDP2, which gives it one of its own."""
    module = sys.modules.get("torch.distributed.fsdp")
    found = type(model)
    if module and isinstance(model, module.FSDPModule):
        return next(one for one in found.__bases__ if one is not module.FSDPModule)
    return found
