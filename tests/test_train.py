"""The real commands, in their own processes."""

import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch

from benchmarks import article
from benchmarks.article import ArticleCNN
from polyak.averaging.mean import mean_of_files
from polyak.evaluation.logits import logits
from polyak.evaluation.scores import scores as scores_of
from polyak.runs.metrics import COLUMNS
from polyak.weights import checkpoint
from tests.results import assert_same_results, only_run, summary_of, tensor_files
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
    found = logits(model, images.contiguous(), precision="fp32")
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
    assert summary["window"] == {"start": 1, "end": 4, "count": 3}


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
    found = logits(model, images, precision="fp32")
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


WRONG = [
    *("training.epochs=abc", "training.batch_size=0", "optimizer.lr=-0.1", "optimizer.typo=1"),
    *("+optimizer.typo=1", "averaging.start=4", "averaging.end=5", "averaging.end=2"),
    *("dataset.train=missing.npz", "optimizer._target_=os.system", "optimizer=lion"),
    *("training.batch_size=301", "dataset.limit_train=20"),
    *("dataset.validation=300", "training.device=cuda:7", "dataset.classes=4"),
]
NAMED = {
    "averaging.end=2": "averaging.start",
    "optimizer.typo=1": "Key 'typo' is not in struct",
    "+optimizer.typo=1": "optimizer.typo = 1: there is no such key",
    "optimizer=lion": "Could not find 'optimizer/lion'",
    "dataset.limit_train=20": "training.batch_size = 32: allowed: at most the 20 training images",
    "dataset.train=missing.npz": "missing.npz': there is no such file",
}


@pytest.mark.parametrize("override", WRONG)
def test_a_wrong_config_stops_with_one_message_and_no_result(train, tmp_path, override):
    done = train(override)
    printed = done.stdout + done.stderr
    assert done.returncode == 1
    assert NAMED.get(override, override.split("=")[0]) in printed
    assert "Traceback" not in printed
    written = {path.name for path in (tmp_path / "outputs").rglob("*") if path.is_file()}
    assert not written & {"summary.json", "metrics.csv", "averaged.safetensors"}
    assert not any(name.endswith(".safetensors") for name in written)


@pytest.mark.parametrize("option", [["--help"], ["--cfg", "job"]])
def test_help_and_config_do_not_import_torch(option):
    code = (
        "import sys, runpy; sys.argv = ['train.py', *sys.argv[1:]]\n"
        "try:\n    runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "finally:\n    assert not {'torch', 'pandas', 'matplotlib'} & set(sys.modules)\n"
        "    print('LEAN')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *option], capture_output=True, text=True, cwd=ROOT / "src"
    )
    assert done.returncode == 0, done.stderr
    assert "LEAN" in done.stdout
    assert "averaging" in done.stdout


def test_divergence_stops_with_the_epoch_and_the_lr_and_keeps_the_metrics(train, tmp_path):
    """This weight decay times this lr multiplies every weight by about -1.05 a step."""
    done = train(
        *("optimizer.lr=0.1", "optimizer.momentum=0", "optimizer.weight_decay=20.5"),
        "training.epochs=60",
    )
    assert done.returncode == 1
    directory = only_run(tmp_path / "outputs")
    failure = json.loads((directory / "failure.json").read_text())
    assert failure["stage"] == "training"
    assert failure["kind"] == "DivergedError"
    assert f"epoch {failure['epoch']}" in failure["reason"]
    assert "at lr 0.1" in failure["reason"]
    assert failure["reason"] in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not (directory / "summary.json").exists()
    assert failure["epoch"] >= 1
    assert len(pd.read_csv(directory / "metrics.csv")) == failure["epoch"]


def begun(processes, arrays: Path, directory: Path, fresh: bool = False):
    """A run that would take very long, when it has trained two epochs."""
    outputs = directory / "outputs"
    given = [*overrides(arrays, outputs), "training.epochs=5000"]
    running = processes.start(given, directory, fresh)
    running.wait_until(lambda: len(list(outputs.glob("runs/*/checkpoints/*"))) >= 2)
    return running


@pytest.mark.parametrize(
    ("sent", "code", "fresh"), [(signal.SIGINT, 130, True), (signal.SIGTERM, 143, False)]
)
def test_an_interrupted_run_says_so_and_where(processes, tmp_path, arrays, sent, code, fresh):
    running = begun(processes, arrays, tmp_path, fresh)
    running.send(sent)
    done = running.wait()
    assert done.returncode == code
    printed = done.stdout + done.stderr
    assert "interrupted in stage training" in printed
    assert "Traceback" not in printed
    failure = json.loads((only_run(tmp_path / "outputs") / "failure.json").read_text())
    assert failure["epoch"] >= 1


def test_runs_of_the_same_second_get_two_directories(train, tmp_path):
    given = ["training.epochs=1", "averaging.start=0"]
    with ThreadPoolExecutor(2) as pool:  # the second waits for the trajectory
        done = list(pool.map(lambda _: train(*given), range(2)))
    assert [one.returncode for one in done] == [0, 0], [one.stderr for one in done]
    directories = list((tmp_path / "outputs" / "runs").iterdir())
    assert len(directories) == 2
    summaries = [summary_of(one) for one in directories]
    assert len({json.dumps(summary["results"]) for summary in summaries}) == 1
    assert {summary["trajectory"] for summary in summaries} == {"trained", "reused"}


def test_a_directory_with_another_finished_run_is_refused(train, tmp_path):
    given = ["training.epochs=1", "averaging.start=0", "name=named"]
    assert train(*given).returncode == 0
    directory = tmp_path / "outputs" / "runs" / "named"
    before = tensor_files(directory)
    done = train(*given, "seed=1")
    assert done.returncode == 1
    assert "another seed was finished here" in done.stdout + done.stderr
    again = train(*given, f"training.threads={THREADS + 1}")
    assert again.returncode == 0
    assert "finished before" in again.stdout
    assert tensor_files(directory) == before
    assert (directory / "summary.json").exists()
    assert not (directory / "failure.json").exists()


def test_a_killed_run_leaves_no_half_written_file_under_a_final_name(processes, tmp_path, arrays):
    begun(processes, arrays, tmp_path).kill()
    outputs = tmp_path / "outputs"
    directory = only_run(outputs)
    assert not (directory / "summary.json").exists()
    weights = [path for path in outputs.rglob("*.safetensors") if not path.name.startswith(".")]
    assert len(weights) >= 4
    for path in weights:
        checkpoint.load(path)
    metrics = pd.read_csv(directory / "metrics.csv")
    assert metrics["test_accuracy"].notna().all()


def test_a_sweep_runs_every_point(train, tmp_path):
    done = train("--multirun", "averaging.start=0,3", "training.epochs=4")
    assert done.returncode == 0, done.stderr
    (sweep,) = (tmp_path / "outputs" / "sweeps").iterdir()
    starts = {summary_of(path.parent)["window"]["start"] for path in sweep.rglob("summary.json")}
    assert starts == {0, 3}


def test_a_failing_point_leaves_the_others_running_and_is_listed(train, tmp_path):
    done = train("--multirun", "training.batch_size=1000,32,0", "training.epochs=3")
    assert done.returncode == 1
    assert len(list((tmp_path / "outputs" / "sweeps").rglob("summary.json"))) == 1
    listed = done.stderr.splitlines()[-3:]
    assert listed[0].startswith("failed: 2 in ")
    assert "training.batch_size = 0" in listed[1]
    assert "training.batch_size = 1000: allowed: at most the 300" in listed[2]


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("paths.outputs=${nowhere}", "nowhere"),
        ("paths.outputs=TAKEN", "TAKEN"),
        ("optimizer=null", "group override must be a string"),
    ],
)
def test_what_fails_before_a_job_begins_is_one_message_too(train, tmp_path, override, named):
    (tmp_path / "TAKEN").write_text("a file, where a directory should be")
    done = train(override)
    assert done.returncode == 1
    assert named in done.stderr
    assert "Traceback" not in done.stderr


def test_a_sweep_does_not_substitute_data_and_a_single_run_says_so(
    processes, tmp_path, monkeypatch
):
    """With a proxy that refuses, SVHN can't be had anywhere."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    def train(*given: str):
        limits = ["dataset.limit_train=64", "dataset.limit_test=32", "training.epochs=1"]
        more = [*overrides(None, tmp_path / "outputs"), *limits, "averaging.start=0"]
        return processes.run([*given, *more], tmp_path)

    swept = train("--multirun", "dataset=auto")
    assert swept.returncode == 1
    assert "SVHN is not in" in swept.stdout + swept.stderr
    strict = train("dataset=svhn")
    assert strict.returncode == 1
    assert "dataset=house_numbers" in strict.stdout + strict.stderr
    assert "Traceback" not in strict.stdout + strict.stderr
    assert not list((tmp_path / "outputs").rglob("summary.json"))
    single = train("dataset=auto")
    assert single.returncode == 0, single.stderr
    assert "NOT SVHN" in single.stdout + single.stderr
    (path,) = (tmp_path / "outputs" / "runs").rglob("summary.json")
    assert summary_of(path.parent)["dataset"]["substitute_for"] == "SVHN"
    assert summary_of(path.parent)["dataset"]["synthetic"] is True


def test_a_strangers_directory_is_refused_before_hydra_writes_into_it(train, tmp_path):
    for name in ("checkpoints/mine.pt", "metrics.csv", ".notes.tmp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    before = {path for path in tmp_path.rglob("*") if not path.name.startswith(".std")}
    for given in (["hydra.run.dir=."], ["--multirun", "hydra.sweep.dir=.", "seed=0,1"]):
        done = train(*given)
        assert done.returncode == 1
        assert "allowed: a new or empty directory" in done.stderr
    assert {path for path in tmp_path.rglob("*") if not path.name.startswith(".std")} == before
    assert (tmp_path / "metrics.csv").read_text() == "mine"


@pytest.mark.parametrize("name", [".", "..", "..."])
@pytest.mark.parametrize("mode", [[], ["--multirun"]])
def test_a_name_of_dots_only_is_refused_and_leaves_nothing(train, tmp_path, name, mode):
    done = train(*mode, f"name={name}")
    assert done.returncode == 1
    assert done.stderr == (
        f"error: name = '{name}': allowed: 1 to 150 letters, digits and _.=,+- that are not dots "
        "alone\n"
    )
    assert not (tmp_path / "outputs").exists()
