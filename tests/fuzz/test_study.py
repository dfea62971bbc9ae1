"""A recording's files, which somebody's own training or `adopt` left: opened, or refused."""

import numpy as np
import pytest
import torch
from hypothesis import strategies as st

import polyak
from polyak.errors import PolyakError
from polyak.weights import checkpoint
from tests.fuzz.explore import explore, limited
from tests.fuzz.hostile import safetensors_files
from tests.fuzz.mutations import bytes_changed, csv_files, json_files
from tests.fuzz.specimens import Specimen
from tests.fuzz.test_store import Below

STEPS = 2
FILES = {
    "trajectory.json": json_files(),
    "evaluation.json": json_files(),
    "scores.jsonl": st.one_of(bytes_changed(), json_files()),
    "index.jsonl": st.one_of(bytes_changed(), json_files()),
    "mean_00000004.safetensors": safetensors_files(),
    "windows.csv": csv_files(),
    "widths.csv": csv_files(),
}


def evaluate(state):
    """Metrics, which are kept in scores.jsonl."""
    loss = float(np.mean([float(one.float().square().mean()) for one in state.values()]))
    return {"validation": {"loss": loss}, "test": {"loss": loss}}


def look(directory):
    study = polyak.open(directory, evaluate, metric="loss")
    study.windows()
    study.widths([0.5])
    study.average(start=1)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Three epochs with step means, and two tables."""
    made = Specimen(tmp_path_factory.mktemp("recorded") / "specimen")
    made.cwd.mkdir(parents=True)
    model, directory = torch.nn.Linear(2, 2), made.outputs / "run"
    options = {"means": True, "steps_per_epoch": STEPS}
    with polyak.Recorder(directory, model, settings={"seed": 0}, **options) as recorder:
        for _ in range(3):
            for _ in range(STEPS):
                model.weight.data.mul_(0.9)
                recorder.step()
            recorder.epoch({"validation": {"loss": 0.5}})
    look(directory)
    made.remember()
    return made, directory


def test_a_broken_recording_is_opened_or_refused(recorded, profile, record_property):
    made, directory = recorded
    places = {name: next(directory.rglob(name)) for name in FILES}

    def attempt(name, mutation) -> str:
        with made.broken(places[name], mutation, written=Below(directory)):
            return limited((PolyakError,), lambda: look(directory))

    look(directory)
    explore(FILES, attempt, profile, 2.0, record_property, "recording opened")


@pytest.fixture(scope="module")
def adopted(tmp_path_factory):
    """A recording of a link to a file, and of a copy of another; and how it is made again."""
    made = Specimen(tmp_path_factory.mktemp("adopted") / "specimen")
    made.cwd.mkdir(parents=True)
    made.weights.mkdir()
    given = [made.weights / name for name in ("a.safetensors", "b.pt")]
    checkpoint.save(given[0], torch.nn.Linear(2, 2).state_dict())
    torch.save(torch.nn.Linear(2, 2).state_dict(), given[1])

    def adopt():
        polyak.adopt(given, made.outputs / "run", settings={"seed": 0})

    adopt()
    made.remember()
    return made, adopt


def test_a_broken_adopted_recording_is_continued_or_refused(adopted, profile, record_property):
    made, adopt = adopted
    run = made.outputs / "run"
    files = {"trajectory.json": json_files()}

    def attempt(name, mutation) -> str:
        with made.broken(run / name, mutation, written=Below(run)):
            return limited((PolyakError,), adopt)

    adopt()
    explore(files, attempt, profile, 0.2, record_property, "adopted again")
