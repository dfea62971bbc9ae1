"""What a run imports, imported once; not the libraries of `polyak.adapters`. No tensor is made
here: its threads would not be forked."""

import importlib
import pkgutil

import polyak
from polyak.imports import quickly

with quickly():
    for module in pkgutil.walk_packages(polyak.__path__, "polyak."):
        if not module.name.endswith("__main__") and "adapters" not in module.name:
            importlib.import_module(module.name)
