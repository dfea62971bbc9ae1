"""A small training, its trajectory, and what is in it: for the tests of the store."""

import torch

from polyak.evaluation.key import evaluation_key
from polyak.evaluation.logits import Inference
from polyak.store.trajectory import Trajectory
from tests.small import make_recipe


def keys_of(data):
    return {name: evaluation_key(s, Inference()) for name, s in data.evaluated.items()}


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
