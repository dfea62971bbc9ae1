"""Scores of any file of weights, by the command."""

import json

import pandas as pd
import pytest
import torch

from polyak.__main__ import main
from polyak.averaging.stream import average_files
from polyak.weights import checkpoint


@pytest.mark.parametrize("split", ["test", "validation"])
def test_score_gives_the_runs_own_numbers(directory, tmp_path, split, capsys):
    weights, out = directory / "averaged.safetensors", tmp_path / "scores"
    if split == "validation":  # the same weights in shards
        average_files(tmp_path / "shards", [weights], max_shard_size=1000)
        weights = tmp_path / "shards"
    arguments = [str(weights), "--run", str(directory), "--split", split, "--output", str(out)]
    assert main(["score", *arguments]) == 0
    found = json.loads((out / "scores.json").read_text())
    wanted = json.loads((directory / "summary.json").read_text())["results"]["average"][split]
    assert {name: found[name] for name in wanted} == wanted
    predictions = pd.read_csv(out / "predictions.csv")
    assert list(predictions) == ["image_id", "label", "prediction", "probability"]
    assert (predictions["label"] == predictions["prediction"]).mean() == found["accuracy"]
    first, *lines, last = capsys.readouterr().out.splitlines()
    assert first == f"{weights} on train.npz, {split}, {found['images']} images"
    assert lines[0].split() == ["accuracy", f"{100 * found['accuracy']:.2f}", "%"]
    assert lines[1].split() == ["loss", f"{found['loss']:.4f}", "nats"]
    assert lines[2].startswith("calibration error")
    assert last == str(out)


def test_a_configuration_is_composed_as_train_py_has_it(directory, arrays, tmp_path):
    """Also where overrides follow an option."""
    weights, out = str(directory / "averaged.safetensors"), tmp_path / "scores"
    overrides = ["model.channels=[4,8]", "model.hidden=16", "training.batch_size=32"]
    overrides += ["training.threads=2", "training.device=cpu", f"dataset.test={arrays}/test.npz"]
    named = ["dataset=arrays", f"dataset.train={arrays}/train.npz"]
    assert main(["score", weights, *named, "--output", str(out), *overrides]) == 0
    found = json.loads((out / "scores.json").read_text())
    wanted = json.loads((directory / "summary.json").read_text())["results"]["average"]["test"]
    assert {name: found[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    ("file", "arguments", "message"),
    [
        ("other.pt", [], "not this model's weights"),
        ("missing.pt", [], "there is no such file"),
        (
            "averaged.safetensors",
            ["--split=nowhere"],
            "nowhere: no such split; allowed: train, valid",
        ),
        ("averaged.safetensors", ["seed=1"], "--run: has its own configuration"),
    ],
)
def test_score_refuses_what_does_not_fit(directory, tmp_path, file, arguments, message, capsys):
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "other.pt")
    average = checkpoint.load(directory / "averaged.safetensors").tensors
    checkpoint.save(tmp_path / "averaged.safetensors", average)
    given = [str(tmp_path / file), "--run", str(directory), "--output", str(tmp_path / "out")]
    assert main(["score", *given, *arguments]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("override", ["dataset=nowhere", "seed=-1", "sed=1"])
def test_a_wrong_override_is_refused(tmp_path, override, capsys):
    assert main(["score", str(tmp_path / "a.pt"), override]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert override.partition("=")[0] in printed


def test_scores_that_are_there_are_kept(directory, tmp_path, capsys):
    (tmp_path / "scores.json").write_text("mine")
    weights = str(directory / "averaged.safetensors")
    assert main(["score", weights, "--run", str(directory), "--output", str(tmp_path)]) == 1
    assert "has a scores.json already; name another --output" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["scores.json"]
