"""A small training, its trajectory, and what is in it: for the tests of the store."""

import torch

from polyak.evaluation.key import evaluation_key
from polyak.store.trajectory import Trajectory
from polyak.training.recipe import Recipe
from polyak.training.schedules.constant import Constant
from tests.small import network


def make_recipe(**changed):
    values = {
        "model": network,
        "optimizer": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9),
        "schedule": Constant(),
        "planned_epochs": None,
        "batch_size": 32,
        "precision": "fp32",
        "compiled": False,
        "seed": 0,
        "described": {"model": {"_target_": "small"}, "optimizer": {"lr": 0.1}},
    }
    return Recipe(**values | changed)


def keys_of(data):
    return {name: evaluation_key(s, "fp32") for name, s in data.evaluated.items()}


def train(store, data, recipe=None, epochs=3, **options):
    """The trajectory, and its first epochs' records."""
    trajectory = Trajectory(store, recipe or make_recipe(), data)
    given = {"device": torch.device("cpu"), "keys": keys_of(data)} | options
    return trajectory, list(trajectory.epochs(count=epochs, **given))


def contents(trajectory):
    """The bytes of all checkpoints and logits."""
    return {
        path.relative_to(trajectory.directory): path.read_bytes()
        for path in trajectory.directory.rglob("*.safetensors")
        if path.parent.name != "state"  # of the latest epoch alone
    }
