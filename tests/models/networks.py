"""Facts of networks that several tests ask for."""

import torch
from torch import Tensor, nn


def parameter_count(make, *arguments, **options) -> int:
    """Of the network that `make` makes, made without memory for its weights."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in make(*arguments, **options).parameters())


def lived_in(model: nn.Module) -> nn.Module:
    """`model`, evaluating, with batch norms as after some training: none is the identity."""
    torch.manual_seed(1)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for values in (layer.weight.data, layer.running_var):
                values.uniform_(0.5, 1.5)
            for values in (layer.bias.data, layer.running_mean):
                values.uniform_(-0.5, 0.5)
    return model.eval()


def norm(values: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    """The batch norm `name`, evaluating, by its definition."""
    mean, variance, weight, bias = (
        state[f"{name}.{key}"][:, None, None]
        for key in ("running_mean", "running_var", "weight", "bias")
    )
    return (values - mean) / (variance + 1e-5).sqrt() * weight + bias
