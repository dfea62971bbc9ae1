"""The recipes of docs/own-training.md, run as they stand."""

import re

import pytest
import torch
from torch import distributed, nn

import polyak
from polyak.errors import ConfigError
from polyak.recorder.averaged import averaged
from polyak.records.summary import Summary
from polyak.store.manifest import Manifest
from polyak.weights import checkpoint
from tests.small import ROOT
from tests.study.test_study import INPUTS, LABELS, made


def blocks(heading):
    """The Python of a section."""
    text = (ROOT / "docs" / "own-training.md").read_text(encoding="utf-8")
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^```python\n(.*?)^```", section, re.M | re.S)


def test_a_plain_loop_and_existing_checkpoints(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    batches = list(zip(INPUTS.split(20), LABELS.split(20), strict=True))
    own = {"model": made(), "loader": batches, "test_loader": batches}
    before = made().state_dict()["0.weight"]
    trained, opened = blocks("A plain loop")
    exec(trained, own)
    exec(opened, own)
    assert not torch.equal(before, own["average"].state_dict["0.weight"])
    (path,) = (tmp_path / "outputs" / "recorded_runs" / "lr0.1_seed0").iterdir()
    scores = Summary.read(path).results["average"].test
    assert scores.accuracy == own["average"].scores["test"]["accuracy"]
    assert str(scores.accuracy) in capsys.readouterr().out
    (tmp_path / "old").mkdir()
    for epoch in range(3):
        torch.save({"state_dict": made(seed=epoch).state_dict()}, f"old/epoch_{epoch}.pt")
    (adopted,) = blocks("Existing checkpoints")
    exec(adopted, own)
    assert own["study"].epochs == 3
    assert isinstance(own["model"], nn.Module)


def test_what_the_readme_says_of_a_training_of_your_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)

    def evaluate(state_dict):
        model = made()
        model.load_state_dict(state_dict)
        with torch.no_grad():
            return dict.fromkeys(("validation", "test"), (model(INPUTS), LABELS))

    exec(code, {"polyak": polyak, "model": made(), "evaluate": evaluate})
    (run,) = (tmp_path / "outputs" / "recorded_runs").rglob("summary.json")
    assert Summary.read(run.parent).window.epochs == range(10, 20)
    assert (tmp_path / "average.safetensors").exists()


def test_a_model_that_is_spread(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = {"model": made()}
    wanted = checkpoint.digest(own["model"].state_dict())
    meeting = f"file://{tmp_path / 'meeting'}"
    distributed.init_process_group("gloo", init_method=meeting, rank=0, world_size=1)
    try:
        (recorded,) = blocks("Sharded training")
        exec(recorded, own)
        with (
            pytest.raises(ConfigError, match="its weights are spread over ranks; allowed"),
            averaged(own["model"], "outputs/recorded/sharded", 0),
        ):
            pass
    finally:
        distributed.destroy_process_group()
    recording = Manifest.open(tmp_path / "outputs" / "recorded" / "sharded")
    assert recording.weights(2) == wanted
