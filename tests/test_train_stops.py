"""What stops the real command, and what it says and leaves then."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest

from polyak.weights import checkpoint
from tests.results import only_run, summary_of, tensor_files
from tests.small import ROOT, THREADS, overrides

WRONG = [
    *("training.epochs=abc", "training.batch_size=0", "optimizer.lr=-0.1", "optimizer.typo=1"),
    *("+optimizer.typo=1", "averaging.start=4", "averaging.end=5", "averaging.end=2"),
    *("dataset.train=missing.npz", "optimizer._target_=os.system", "optimizer=lion"),
    *("training.batch_size=301", "dataset.limit_train=20"),
    *("dataset.validation=300", "training.device=cuda:7", "dataset.classes=4"),
]
NAMED = {
    "averaging.end=2": "averaging.start",
    "optimizer.typo=1": "error: optimizer.typo: there is no such key; train.py --help lists",
    "+optimizer.typo=1": "optimizer.typo = 1: there is no such key",
    "optimizer=lion": "error: optimizer = lion: allowed: adam, adamw, schedule_free_adamw, ",
    "dataset.limit_train=20": "training.batch_size = 32: allowed: at most the 20 training images",
    "dataset.train=missing.npz": "missing.npz': there is no such file",
}


@pytest.mark.parametrize("override", WRONG)
def test_a_wrong_config_stops_with_one_message_and_no_result(train, tmp_path, override):
    done = train(override)
    printed = done.stdout + done.stderr
    assert done.returncode == 1
    named = NAMED.get(override, override.split("=")[0])
    (said,) = [line for line in printed.splitlines() if named in line]
    assert done.stderr == f"{said}\n"
    assert "ERROR" not in done.stdout
    written = {path.name for path in (tmp_path / "outputs").rglob("*") if path.is_file()}
    assert not written & {"summary.json", "metrics.csv", "averaged.safetensors"}
    assert not any(name.endswith(".safetensors") for name in written)


def test_a_config_that_is_refused_leaves_no_directory(train, tmp_path):
    done = train("name=mine", "optimizer.lr=-1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: optimizer.lr = -1: input should be greater than 0\n"
    assert not (tmp_path / "outputs").exists()


def test_several_values_need_multirun(train):
    done = train("seed=0,1")
    assert done.stderr == "error: seed=0,1: several values need --multirun\n"


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
    ("sent", "code", "fresh"),
    [(signal.SIGINT, 130, True), (signal.SIGTERM, 143, False), (signal.SIGHUP, 129, False)],
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


@pytest.mark.parametrize("later", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_impatience_costs_neither_the_reason_nor_a_file(processes, tmp_path, arrays, later):
    """Two signals at once, and more while the first is being dealt with."""
    running = begun(processes, arrays, tmp_path)
    for _ in range(20):
        with contextlib.suppress(ProcessLookupError):
            running.send(signal.SIGINT)
            running.send(later)
        time.sleep(0.001)
    done = running.wait()
    assert done.returncode in (129, 130, 143)  # of two at once, Python takes the lower number first
    assert "Traceback" not in done.stdout + done.stderr
    outputs = tmp_path / "outputs"
    directory = only_run(outputs)
    failure = json.loads((directory / "failure.json").read_text())
    assert failure["reason"].startswith("interrupted in stage training")
    assert not (directory / "summary.json").exists()
    assert not list(outputs.rglob(".*.tmp*"))
    for path in outputs.rglob("*.safetensors"):
        checkpoint.load(path)


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
    hydra = (directory / ".hydra" / "overrides.yaml").read_text()
    done = train(*given, "seed=1")
    assert done.returncode == 1
    assert "another seed was finished here" in done.stderr
    assert (directory / ".hydra" / "overrides.yaml").read_text() == hydra
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


def test_a_strangers_folder_in_the_place_of_a_point_is_refused_before_hydra_writes(train, tmp_path):
    mine = tmp_path / "outputs" / "sweeps" / "s" / "seed=1" / "paper.tex"
    assert train("--multirun", "name=s", "seed=0").returncode == 0
    mine.parent.mkdir()
    mine.write_text("mine")
    done = train("--multirun", "name=s", "seed=0,1")
    assert done.returncode == 1
    assert "holds paper.tex, and no run has claimed it" in done.stderr
    assert list(mine.parent.iterdir()) == [mine]
    elsewhere = train("--multirun", "name=s", "seed=0", "hydra.sweep.subdir=../mine")
    assert "hydra.sweep.subdir = ../mine: allowed: this project's own" in elsewhere.stderr
    assert not (tmp_path / "outputs" / "sweeps" / "mine").exists()


@pytest.mark.parametrize("subdir", ["null", "settings"])
def test_hydras_own_files_may_be_elsewhere(train, tmp_path, subdir):
    done = train("name=mine", f"hydra.output_subdir={subdir}")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "outputs" / "runs" / "mine" / "summary.json").exists()
