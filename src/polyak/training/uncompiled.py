"""Optimizers that step without importing torch's compiler, which takes as long as torch itself.

    never_compiled(torch.optim.SGD)     # before one is made

torch's optimizers tell its compiler not to look into them, and import it to say so, also where
nothing is ever compiled. The numbers are the same either way.
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Optimizer

_TOLD = (
    *(Optimizer.add_param_group, Optimizer.zero_grad),
    *(Optimizer.state_dict, Optimizer.load_state_dict),
)
"""Methods that import it when they are first called, to be called as they are ever after."""


def never_compiled(kind: type[Optimizer]) -> None:
    """Let torch's optimizers, and those of `kind`, be used as they are in this process. Where this
    torch is made otherwise, nothing changes but the time that it takes."""
    for method in _TOLD:
        plain: Any = getattr(method, "__wrapped__", None)
        if plain is not None and not hasattr(plain, "__dynamo_disable"):
            setattr(plain, "__dynamo_disable", plain)  # torch's own cache
    classes: tuple[Any, ...] = kind.__mro__
    for one in classes:
        step = vars(one).get("step")
        if getattr(getattr(step, "__code__", None), "co_name", "") == "_use_grad":
            one.step = _with_gradients_as_asked(step.__wrapped__)


def _with_gradients_as_asked(step: Callable[..., Any]) -> Callable[..., Any]:
    """What torch makes of an optimizer's `step`, without the breaks in a graph of its compiler."""

    @functools.wraps(step)
    def stepped(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        with torch.set_grad_enabled(self.defaults["differentiable"]):
            return step(self, *args, **kwargs)

    return stepped
