"""The store's files: listed, verified, continued, or refused with a PolyakError that says why."""

from pathlib import Path

import pytest
import torch
from hypothesis import strategies as st

from polyak import files
from polyak.data import arrays
from polyak.data.splitting import split
from polyak.errors import PolyakError
from polyak.evaluation.key import evaluation_key
from polyak.evaluation.logits import Inference
from polyak.store import paths
from polyak.store.trajectory import Trajectory
from tests.fuzz.commands import polyak
from tests.fuzz.explore import UnforeseenError, explore, limited
from tests.fuzz.hostile import safetensors_files
from tests.fuzz.mutations import bytes_changed, json_files, lines_with_checksums
from tests.fuzz.specimens import Specimen
from tests.small import make_recipe

FILES = {
    "trajectory.json": json_files(),
    "store.json": json_files(),
    "runs.txt": st.one_of(bytes_changed(), json_files()),
    "checkpoints/epoch_001.safetensors": safetensors_files(),
    "state/epoch_001.safetensors": safetensors_files(),
}
LINES = {**FILES, "trajectory.jsonl": lines_with_checksums()}
"""Of a trajectory whose training was killed."""

ACTIONS = ("list", "verify", "remove")
"""Without --yes, remove removes nothing."""


def place(store: Path, name: str) -> Path:
    """Of a file of FILES: in the first trajectory of two epochs."""
    if name == "store.json":
        return store / name
    return next(store.glob("*/state/epoch_001.safetensors")).parents[1] / name


def test_a_broken_store_is_listed_and_verified(specimen, profile, record_property):
    store = str(specimen.store)

    def look() -> int:
        return max(polyak("store", action, "--store", store) for action in ACTIONS)

    def attempt(name, mutation) -> str:
        with specimen.broken(place(specimen.store, name), mutation):
            return limited((), look)

    assert look() == 0
    explore(FILES, attempt, profile, 0.8, record_property, "store list, verify, remove")


class Below:
    """All that is below a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def __contains__(self, path: object) -> bool:
        return isinstance(path, Path) and path.is_relative_to(self._directory)


@pytest.fixture(scope="module")
def images(specimen):
    both = (str(specimen.root / f"{name}.npz") for name in ("train", "test"))
    return split(arrays.load(*both, limit_train=90, limit_test=20), 0)


@pytest.fixture(scope="module")
def continued(tmp_path_factory, images):
    """A store of its own with a trajectory of two epochs; and a function that reads, repairs or
    continues it up to the third, whose weights must come out as they do without faults."""
    made = Specimen(tmp_path_factory.mktemp("continued") / "specimen")
    made.cwd.mkdir(parents=True)
    keys = {name: evaluation_key(one, Inference()) for name, one in images.evaluated.items()}

    def run(count: int, store: Path = made.store, *, whole: bool = True) -> list[str]:
        trajectory = Trajectory(store, make_recipe(), images)
        cpu = torch.device("cpu")
        found = trajectory.epochs(count=count, device=cpu, keys=keys, run=made.root / "run")
        for _ in range(count):
            assert next(found).scores["test"].accuracy >= 0
        if whole:
            assert next(found, None) is None
        found.close()  # type: ignore[attr-defined]
        files_of = (paths.checkpoint(trajectory.directory, epoch) for epoch in range(count))
        return [files.sha256(path) for path in files_of]

    run(2, whole=False)
    made.remember()
    whole = run(3, made.root.parent / "whole")

    def resume() -> None:
        if run(3) != whole:
            raise UnforeseenError("other weights than without faults")

    return made, resume


def test_a_broken_trajectory_is_continued_or_refused(continued, profile, record_property):
    made, resume = continued

    def attempt(name, mutation) -> str:
        with made.broken(place(made.store, name), mutation, written=Below(made.store)):
            return limited((PolyakError,), resume)

    explore(LINES, attempt, profile, 1.2, record_property, "trajectory continued")
