"""What a run imports, imported once. No tensor is made here: its threads would not be forked."""

import importlib
import pkgutil

import torch._dynamo  # noqa: F401, as the first optimizer of a process does

import polyak

for module in pkgutil.walk_packages(polyak.__path__, "polyak."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
