"""What a run imports, imported once. No tensor is made here: its threads would not be forked."""

import torch._dynamo  # as the first optimizer of a process does

from polyak import averaging
from polyak.averaging import greedy
from polyak.config import build
from polyak.evaluation import logits as evaluation
from polyak.runs import comparison, figures, progress
from polyak.runs import records as record
from polyak.store import environment
from polyak.training import epoch as training

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
