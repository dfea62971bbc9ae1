"""A small training, its trajectory, and what is in it: for the tests of the store."""

import torch

from polyak.evaluation import logits as evaluation
from polyak.store.trajectory import Trajectory
from polyak.training.recipe import Recipe
from polyak.training.schedules import Constant
from tests.small import network


def make_recipe(**changed):
    values = {
        "model": network,
        "optimizer": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9),
        "schedule": Constant(),
        "batch_size": 32,
        "precision": "fp32",
        "compiled": False,
        "seed": 0,
        "described": {"model": {"_target_": "small"}, "optimizer": {"lr": 0.1}},
    }
    return Recipe(**values | changed)


def keys_of(data):
    return {name: evaluation.evaluation_key(s, "fp32") for name, s in data.evaluated.items()}


def train(store, data, recipe=None, epochs=3, **options):
    """The trajectory, and its first epochs' records."""
    recipe = recipe or make_recipe()
    trajectory = Trajectory(store, recipe.ingredients(data, epochs))
    records = list(
        trajectory.epochs(
            recipe, data, count=epochs, device=torch.device("cpu"), keys=keys_of(data), **options
        )
    )
    return trajectory, records


def contents(trajectory):
    """The bytes of all checkpoints and logits."""
    return {
        path.relative_to(trajectory.directory): path.read_bytes()
        for path in trajectory.directory.rglob("*.safetensors")
        if path.parent.name != "state"  # of the latest epoch alone
    }
