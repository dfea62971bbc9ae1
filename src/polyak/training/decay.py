"""Which parameters weight decay applies to.

optimizer = SGD(parameters(model, "weights"), lr=0.1, weight_decay=5e-4)
"""

from typing import Any, Literal

from torch import nn
from torch.optim.optimizer import ParamsT


def parameters(model: nn.Module, decay: Literal["all", "weights"]) -> ParamsT:
    """A model's parameters for its optimizer: in one group, or with biases and the parameters of
    norms (all that have one dimension or none) in a second one without weight decay, as in He et
    al. 2019 (https://arxiv.org/abs/1812.01187), section 3.1."""
    if decay == "all":
        return model.parameters()
    weights = [one for one in model.parameters() if one.dim() > 1]
    others = [one for one in model.parameters() if one.dim() <= 1]
    groups: list[dict[str, Any]] = [{"params": weights}, {"params": others, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]
