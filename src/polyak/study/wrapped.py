"""The model inside of what it is compiled into, or wrapped in for several devices."""

from torch import nn
from torch._dynamo.eval_frame import OptimizedModule
from torch.nn.parallel import DataParallel, DistributedDataParallel


def unwrapped(model: nn.Module) -> nn.Module:
    """The module that `torch.compile`, DataParallel and DistributedDataParallel were given, in
    whatever order: its names are those that its checkpoints have everywhere."""
    while True:
        if isinstance(model, OptimizedModule):
            model = model._orig_mod
        elif isinstance(model, DataParallel | DistributedDataParallel):
            model = model.module
        else:
            return model
