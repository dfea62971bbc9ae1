"""A finished run's files: `python -m polyak` reads them, or says why not."""

import pytest

from polyak.config import again
from polyak.errors import PolyakError
from tests.fuzz.commands import polyak
from tests.fuzz.explore import explore, limited
from tests.fuzz.hostile import pickles, safetensors_files
from tests.fuzz.mutations import csv_files, json_files, yaml_files
from tests.small import blank

WRITTEN = {
    "windows": ("windows.csv", "figures/windows.png"),
    "path": ("path.csv", "figures/path.png"),
    "distances": ("distances.csv",),
    "score": ("scores/scores.json", "scores/predictions.csv"),
}
FILES = {
    "windows": {
        "summary.json": json_files(),
        "windows.csv": csv_files(),
        "checkpoints/epoch_001.safetensors": safetensors_files(),
    },
    "path": {"path.csv": csv_files(), "averaged.safetensors": safetensors_files()},
    "distances": {
        "summary.json": json_files(),
        "averaged.safetensors": safetensors_files(),
        "checkpoints/epoch_001.safetensors": safetensors_files(),
    },
    "score": {
        "summary.json": json_files(),
        "averaged.safetensors": safetensors_files(),
        "weights.pt": pickles(legacy=False),
    },
}


@pytest.mark.parametrize("command", FILES)
def test_a_broken_run_is_read_or_refused(command, specimen, profile, record_property, monkeypatch):
    # What is drawn is under test, and its pixels, which take longest, are not.
    monkeypatch.setattr("polyak.runs.style._render", blank)
    run = specimen.run
    written = {run / one for one in WRITTEN[command]}

    def given(name: str) -> tuple[str, ...]:
        if command == "windows":  # and one split that isn't evaluated yet
            return command, str(run), "--splits", "train", "validation", "test"
        if command != "score":
            return command, str(run)
        weights = run / (name if name.startswith("weights") else "averaged.safetensors")
        return command, str(weights), "--run", str(run), "--output", str(run / "scores")

    def attempt(name, mutation) -> str:
        with specimen.broken(run / name, mutation, written):
            return limited((), lambda: polyak(*given(name)))

    for name in FILES[command]:
        assert polyak(*given(name)) == 0
        assert not specimen.changed(written)
    share = 0.8 if command in ("windows", "path") else 0.4
    explore(FILES[command], attempt, profile, share, record_property, command)


def test_a_broken_run_is_started_again_or_refused(specimen, profile, record_property):
    runs = {
        "summary.json": specimen.run,
        ".hydra/overrides.yaml": specimen.sweep / "averaging.start=1,seed=2",
    }

    def expand(name: str) -> list[str]:
        return again.expand(["--again", str(runs[name])])

    def attempt(name, mutation) -> str:
        with specimen.broken(runs[name] / name, mutation):
            return limited((PolyakError,), lambda: expand(name))

    assert all(map(expand, runs))
    files = {"summary.json": json_files(), ".hydra/overrides.yaml": yaml_files()}
    explore(files, attempt, profile, 0.3, record_property, "--again")
