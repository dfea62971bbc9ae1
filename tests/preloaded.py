"""What a run imports, imported once. No tensor is made here: its threads would not be forked."""

import torch._dynamo  # as the first optimizer of a process does

from polyak import (
    averaging,
    build,
    comparison,
    environment,
    evaluation,
    figures,
    greedy,
    progress,
    record,
    training,
)

__all__ = [
    "averaging",
    "build",
    "comparison",
    "environment",
    "evaluation",
    "figures",
    "greedy",
    "progress",
    "record",
    "torch",
    "training",
]
