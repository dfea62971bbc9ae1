"""The real commands, in their own processes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch

from benchmarks import article
from benchmarks.article import ArticleCNN
from polyak.averaging.mean import mean_of_files
from polyak.evaluation.logits import Inference, logits
from polyak.evaluation.scores import scores as scores_of
from polyak.records.metrics import COLUMNS
from polyak.weights import checkpoint
from tests.results import assert_same_results, only_run, summary_of
from tests.small import EPOCHS, ROOT, THREADS, learnable, network, overrides


@pytest.fixture(scope="module")
def finished(tmp_path_factory, arrays, processes):
    """One small run with a validation split, started where its images are, and what it printed."""
    outputs = tmp_path_factory.mktemp("finished")
    relative = ["dataset.train=train.npz", "dataset.test=test.npz"]
    given = [*overrides(arrays, outputs), *relative, "dataset.validation=60", "averaging.start=1"]
    done = processes.run(given, arrays, fresh=True)
    assert done.returncode == 0, done.stderr
    return only_run(outputs), done


def test_a_run_leaves_the_directory_that_the_design_describes(finished):
    directory, _ = finished
    names = {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}
    epochs = [f"epoch_{epoch:03d}.safetensors" for epoch in range(4)]
    assert names == {
        ".hydra/config.yaml",
        ".hydra/hydra.yaml",
        ".hydra/overrides.yaml",
        ".lock",
        "claim.json",
        "train.log",
        "metrics.csv",
        "summary.json",
        "averaged.safetensors",
        "figures/accuracy.png",
        "figures/samples.png",
        *(f"checkpoints/{epoch}" for epoch in epochs),
        *(
            f"predictions/{split}/{name}"
            for split in ("test", "validation")
            for name in [*epochs, "average.safetensors", "labels.safetensors"]
        ),
    }


def test_checkpoints_are_links_into_the_trajectory(finished):
    directory, _ = finished
    store = directory.parents[1] / "trajectories" / summary_of(directory)["fingerprint"]
    for epoch in range(4):
        name = f"checkpoints/epoch_{epoch:03d}.safetensors"
        assert (directory / name).samefile(store / name)


def test_the_averaged_model_loads_and_is_the_float64_mean_bit_for_bit(finished):
    directory, _ = finished
    model = network()
    average = safetensors.torch.load_file(directory / "averaged.safetensors")
    model.load_state_dict(average)
    states = [
        safetensors.torch.load_file(directory / f"checkpoints/epoch_{epoch:03d}.safetensors")
        for epoch in (1, 2, 3)
    ]
    for name, tensor in average.items():
        total = torch.zeros_like(tensor, dtype=torch.float64)
        for state in states:
            total += state[name].double()
        assert torch.equal(tensor, (total / 3).float())


def test_summary_metrics_and_predictions_tell_the_same_story(finished, arrays):
    directory, _ = finished
    summary, metrics = summary_of(directory), pd.read_csv(directory / "metrics.csv")
    assert tuple(metrics.columns) == COLUMNS
    results = summary["results"]
    model = network()
    model.load_state_dict(checkpoint.load(directory / "averaged.safetensors").tensors)
    images = torch.from_numpy(np.load(arrays / "test.npz")["images"]).permute(0, 3, 1, 2)
    found = logits(model, images.contiguous(), Inference())
    predictions = directory / "predictions" / "test"
    labels = checkpoint.load(predictions / "labels.safetensors").tensors
    assert torch.equal(
        found, checkpoint.load(predictions / "average.safetensors").tensors["logits"]
    )
    assert labels["labels"].tolist() == np.load(arrays / "test.npz")["labels"].tolist()
    accuracy = scores_of(found.numpy(), labels["labels"].numpy()).accuracy
    assert results["average"]["test"]["accuracy"] == accuracy
    assert metrics["average_test_accuracy"].iloc[-1] == accuracy
    window = metrics["test_accuracy"].iloc[1:]
    assert results["window_mean"]["test"]["accuracy"] == pytest.approx(window.mean())
    assert results["last"]["test"]["accuracy"] == window.iloc[-1]
    best = metrics["val_accuracy"].idxmax()
    assert results["best_by_validation"]["epoch"] == best
    assert results["best_by_test_oracle"]["test"]["accuracy"] == metrics["test_accuracy"].max()
    assert summary["gains"]["over_last"]["test"] == accuracy - window.iloc[-1]
    assert summary["window"] == {"start": 1, "end": 4, "stride": 1, "count": 3}


def test_summary_says_all_that_the_design_lists(finished):
    summary = summary_of(finished[0])
    assert summary["dataset"]["sizes"] == {"train": 240, "validation": 60, "test": 90}
    assert summary["dataset"]["synthetic"] is False
    assert summary["scheme"] == "uniform"
    assert summary["trajectory"] == "trained"
    assert set(summary["evaluation_keys"]) == {"validation", "test"}
    assert set(summary["seconds"]) >= {"data", "training", "averaging"}
    assert summary["environment"]["torch"] == torch.__version__
    assert summary["environment"]["threads"] == THREADS
    assert summary["config"]["training"]["epochs"] == EPOCHS


def test_the_running_average_is_that_of_each_window(finished):
    directory, _ = finished
    metrics = pd.read_csv(directory / "metrics.csv")
    assert metrics["average_count"].fillna(0).tolist() == [0, 1, 2, 3]
    assert metrics["average_test_accuracy"][1] == metrics["test_accuracy"][1]
    model = network()
    paths = [directory / f"checkpoints/epoch_{epoch:03d}.safetensors" for epoch in (1, 2)]
    model.load_state_dict(mean_of_files(paths).tensors)
    labels = checkpoint.load(directory / "predictions/validation/labels.safetensors").tensors
    source = np.load(metrics_source(directory))["images"][labels["image_ids"].numpy()]
    images = torch.from_numpy(source).permute(0, 3, 1, 2).contiguous()
    found = logits(model, images, Inference())
    scores = scores_of(found.numpy(), labels["labels"].numpy())
    assert metrics["average_val_accuracy"][2] == scores.accuracy


def metrics_source(directory: Path) -> str:
    return summary_of(directory)["config"]["dataset"]["train"]


def test_the_table_is_printed_and_lines_tell_the_progress(finished):
    _, done = finished
    printed = done.stdout + done.stderr
    for text in (
        "mean of the window's checkpoints",
        "last checkpoint, epoch 3",
        "best checkpoint by validation",
        "best checkpoint by test (oracle)",
        "average of epochs 1..3 (uniform)",
        "epoch 0 of 0..3",
        "240 training, 60 validation, 90 test images",
    ):
        assert text in printed, printed
    assert "\r" not in printed  # no bar where there is no terminal


def test_the_same_config_gives_the_same_bits(train, tmp_path):
    for store in ("one", "two"):
        assert train(f"paths.outputs={tmp_path}/{store}").returncode == 0
    assert_same_results(only_run(tmp_path / "one"), only_run(tmp_path / "two"))


def test_the_same_data_has_the_same_fingerprint_however_it_was_named(train, tmp_path, arrays):
    content = np.load(arrays / "train.npz")
    np.savez_compressed(tmp_path / "other.npz", **content)
    given = ["training.epochs=1", "averaging.start=0"]
    assert train(*given).returncode == 0
    named = ["dataset.train=other.npz", "dataset.name=other", f"paths.outputs={tmp_path}/other"]
    assert train(*given, *named).returncode == 0
    fingerprints = {
        summary_of(only_run(outputs))["fingerprint"]
        for outputs in (tmp_path / "outputs", tmp_path / "other")
    }
    assert len(fingerprints) == 1


def test_checkpoints_load_into_the_articles_class_and_average_to_the_same_accuracies(
    processes, tmp_path
):
    """Full-size SmallCNN; the article's own class, evaluation loop and average on its files."""
    for name, count in (("train", 200), ("test", 64)):
        np.savez(tmp_path / f"{name}.npz", **learnable(count, seed=3, side=32))
    given = [
        *("dataset=arrays", "dataset.train=train.npz", "dataset.test=test.npz"),
        *("training.batch_size=32", "training.epochs=4", "averaging.start=2"),
        *(f"training.threads={THREADS}", f"paths.outputs={tmp_path}/outputs"),
    ]
    done = processes.run(given, tmp_path)
    assert done.returncode == 0, done.stderr
    directory = only_run(tmp_path / "outputs")
    metrics, model = pd.read_csv(directory / "metrics.csv"), ArticleCNN()
    held_out = np.load(tmp_path / "test.npz")
    images = torch.from_numpy(held_out["images"]).permute(0, 3, 1, 2).contiguous()
    labels = torch.from_numpy(held_out["labels"]).long()
    states = []
    for epoch in range(4):
        states.append(
            safetensors.torch.load_file(directory / f"checkpoints/epoch_{epoch:03d}.safetensors")
        )
        model.load_state_dict(states[-1])
        assert article.accuracy(model, images, labels) == metrics["test_accuracy"][epoch]
    assert metrics["test_accuracy"].nunique() > 1
    model.load_state_dict(article.average(states[2:]))
    average = summary_of(directory)["results"]["average"]["test"]["accuracy"]
    assert article.accuracy(model, images, labels) == average


def test_a_run_imports_no_compiler_and_draws_without_a_window(arrays, tmp_path):
    """Each takes a quarter of a second or more at a run's start; the compiler as long as torch."""
    code = (
        "import sys, runpy; sys.argv = ['train.py', *sys.argv[1:]]\n"
        "try:\n    runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "finally:\n"
        "    slow = {'torch._dynamo', 'sympy', 'scipy', 'pandas', 'matplotlib.pyplot', "
        "'torchvision'}\n"
        "    print('slow:', *slow & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *overrides(arrays, tmp_path / "outputs"), "training.epochs=3"],
        capture_output=True,
        text=True,
        cwd=ROOT / "src",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "slow:"
