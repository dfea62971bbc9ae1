"""What a run imports, imported once. No tensor is made here: its threads would not be forked."""

import torch._dynamo  # as the first optimizer of a process does

from polyak.config import build
from polyak.runs import average, comparison, figures, records, training

__all__ = ["average", "build", "comparison", "figures", "records", "torch", "training"]
