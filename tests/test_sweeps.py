"""Sweeps are named, continue where they stopped, and train each trajectory once."""

import pickle
import shutil
from pathlib import Path

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from polyak.__main__ import main
from polyak.config import again, sweep
from polyak.config.resolvers import point
from polyak.errors import ConfigError
from polyak.models.initial import initial_model
from polyak.weights import checkpoint
from tests.results import assert_same_results, summary_of
from tests.small import ROOT, network, overrides

STARTS, RATES = (0, 1, 2), ("0.02", "0.05")
AXES = ("averaging.start=0,1,2", "optimizer.lr=0.02,0.05")
POINTS = {f"averaging.start={start},optimizer.lr={lr}" for start in STARTS for lr in RATES}


@pytest.fixture(scope="module")
def swept(tmp_path_factory, arrays, processes):
    """The outputs of one sweep of 3 windows by 2 learning rates. Tests don't change them."""
    directory = tmp_path_factory.mktemp("swept")
    given = overrides(arrays, directory / "outputs")
    done = processes.run(["--multirun", "name=s", *given, *AXES], directory)
    assert done.returncode == 0, done.stderr
    return directory / "outputs"


@pytest.fixture
def copied(swept, tmp_path):
    """A copy of the sweep's directory, in the outputs that the `train` fixture uses."""
    shutil.copytree(swept, tmp_path / "outputs")
    return tmp_path / "outputs" / "sweeps" / "s"


def test_points_are_named_by_what_is_swept_and_each_is_complete(swept):
    directories = [path for path in (swept / "sweeps" / "s").iterdir() if path.is_dir()]
    assert {path.name for path in directories} == POINTS
    epochs = {f"epoch_{epoch:03d}.safetensors" for epoch in range(4)}
    for directory in directories:
        files = {path.name for path in directory.iterdir() if path.is_file()} - {".lock"}
        assert files == {
            *("summary.json", "metrics.csv", "averaged.safetensors", "claim.json", "train.log")
        }
        assert {path.name for path in (directory / "checkpoints").iterdir()} == epochs
        predictions = {path.name for path in (directory / "predictions" / "test").iterdir()}
        assert predictions == epochs | {"average.safetensors", "labels.safetensors"}
        start = int(directory.name.partition(",")[0].removeprefix("averaging.start="))
        wanted = {"start": start, "end": 4, "stride": 1, "count": 4 - start}
        assert summary_of(directory)["window"] == wanted


def test_the_points_that_a_sweep_expects_are_those_it_makes(swept):
    names, command = sweep.expected(swept / "sweeps" / "s")
    assert set(names) == POINTS
    assert {*AXES, "name=s"} <= set(command)


def test_each_trajectory_is_trained_once_and_is_on_disk_once(swept):
    directories = [path.parent for path in swept.glob("sweeps/s/*/summary.json")]
    summaries = [summary_of(directory) for directory in directories]
    assert (
        sorted(summary["trajectory"] for summary in summaries) == ["reused"] * 4 + ["trained"] * 2
    )
    trained = {one["fingerprint"] for one in summaries if one["trajectory"] == "trained"}
    assert trained == {path.name for path in (swept / "trajectories").iterdir() if path.is_dir()}
    inodes = set()
    for directory, summary in zip(directories, summaries, strict=True):
        for path in (directory / "checkpoints").iterdir():
            store = swept / "trajectories" / summary["fingerprint"] / "checkpoints" / path.name
            assert path.stat().st_ino == store.stat().st_ino
            inodes.add(path.stat().st_ino)
    assert len(inodes) == 2 * 4


def test_a_run_that_reused_a_trajectory_is_that_which_trained_it_alone(swept, train, tmp_path):
    assert train("name=alone", "averaging.start=1", "optimizer.lr=0.05").returncode == 0
    alone = tmp_path / "outputs" / "runs" / "alone"
    shared = swept / "sweeps" / "s" / "averaging.start=1,optimizer.lr=0.05"
    assert [summary_of(one)["trajectory"] for one in (alone, shared)] == ["trained", "reused"]
    assert_same_results(alone, shared)


def state(directory: Path) -> dict[str, int]:
    """When each result below `directory` was last written."""
    return {
        str(path.relative_to(directory)): path.stat().st_mtime_ns
        for path in directory.rglob("*")
        if path.suffix in (".safetensors", ".csv", ".png") or path.name == "summary.json"
    }


def test_the_same_sweep_again_runs_nothing(train, copied):
    before = state(copied.parents[1])
    done = train("--multirun", "name=s", *AXES)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("finished before, with the same configuration") == 6
    assert state(copied.parents[1]) == before


def test_only_points_that_are_missing_or_failed_are_run(train, swept, copied):
    missing, failed, *finished = sorted(POINTS)
    shutil.rmtree(copied / missing)
    (copied / failed / "summary.json").unlink()
    (copied / failed / "failure.json").write_text('{"reason": "an earlier failure"}')
    before = {name: state(copied / name) for name in finished}
    done = train("--multirun", "name=s", "averaging.start=0,1,2,9", AXES[1])
    assert done.returncode == 1
    assert {name: state(copied / name) for name in finished} == before
    for name in (missing, failed):
        assert_same_results(copied / name, swept / "sweeps" / "s" / name)
        assert summary_of(copied / name)["trajectory"] == "reused"
        assert not (copied / name / "failure.json").exists()
    reason = "averaging.start = 9: allowed: below training.epochs = 4"
    wrong = [f"averaging.start=9,optimizer.lr={lr}" for lr in RATES]
    assert done.stderr.splitlines() == [
        f"failed: 2 in {copied}",
        *(f"{name}: {reason}" for name in wrong),
    ]
    assert done.stdout.count(reason) == 2  # each at once, since a sweep may take hours
    for name in wrong:
        assert reason in (copied / name / "train.log").read_text()


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (["averaging.strt=0,1"], "strt"),
        (["averaging=nothing,uniform"], "averaging = nothing: allowed: ema, explicit, exponential"),
    ],
)
def test_a_sweep_that_can_not_begin_says_why(train, overrides, named):
    done = train("--multirun", "name=s", *overrides)
    assert done.returncode == 1
    assert named in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_once_more_needs_only_what_changes(processes, copied, tmp_path):
    run = copied / "averaging.start=0,optimizer.lr=0.05"
    changed = ["averaging.start=1", "name=later", f"paths.outputs={tmp_path}/outputs"]
    done = processes.run(["--again", run, *changed], tmp_path)
    assert done.returncode == 0, done.stderr
    later = tmp_path / "outputs" / "runs" / "later"
    assert summary_of(later)["trajectory"] == "reused"
    assert_same_results(later, copied / "averaging.start=1,optimizer.lr=0.05")


def test_a_run_once_more_needs_a_runs_directory(processes, tmp_path):
    done = processes.run(["--again", tmp_path], tmp_path)
    wanted = tmp_path / ".hydra" / "overrides.yaml"
    assert done.returncode == 1
    message = f"error: --again {tmp_path}: there is no {wanted}; give a run's directory\n"
    assert done.stderr == message


def test_a_finished_run_is_repeated_as_it_was_finished_whatever_came_after(copied):
    """Hydra writes a point's .hydra/ before the point can be refused."""
    run = copied / "averaging.start=0,optimizer.lr=0.05"
    OmegaConf.save(OmegaConf.create(["seed=7"]), run / ".hydra" / "overrides.yaml")
    expanded = again.expand(["--again", str(run), "averaging.start=1"])
    assert "seed=7" not in expanded
    assert {"experiment=smoke", "optimizer.lr=0.05"} <= set(expanded)
    assert "averaging.start=0" not in expanded


def test_weights_to_start_from_stay_those_of_the_run(train, tmp_path, monkeypatch):
    """Wherever --again is called; and a finished run is opened without them."""
    start, elsewhere = tmp_path / "start.safetensors", tmp_path / "elsewhere"
    checkpoint.save(start, initial_model(network, seed=5).state_dict())
    done = train("training.init=start.safetensors", "name=tuned")  # in tmp_path
    assert done.returncode == 0, done.stderr
    run = tmp_path / "outputs" / "runs" / "tuned"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    (kept,) = [one for one in again.expand(["--again", str(run)]) if "init" in one]
    assert kept == f"training.init='{start}'"
    start.unlink()
    assert main(["windows", str(run), "--starts", "2", "--ends", "3"]) == 0


def test_what_is_given_anew_wins_over_what_the_run_had(tmp_path):
    overrides = ["name=first", "optimizer=adam", "+seed=1", "averaging.start=1"]
    (tmp_path / ".hydra").mkdir()
    OmegaConf.save(OmegaConf.create(overrides), tmp_path / ".hydra" / "overrides.yaml")
    given = ["optimizer=sgd", "--again", str(tmp_path), "--multirun", "seed=2,3"]
    anew = ["averaging.start=1", "name=null", "optimizer=sgd", "seed=2,3"]
    assert again.expand(given) == ["--multirun", *anew]
    once = ["--again", str(tmp_path), "name=second"]
    kept = ["optimizer=adam", "+seed=1", "averaging.start=1"]
    assert again.expand(once) == [*kept, "hydra.mode=RUN", "name=second"]
    assert again.expand(["averaging.start=1"]) == ["averaging.start=1"]
    with pytest.raises(ConfigError, match="--again: give it a run's directory"):
        again.expand(["averaging.start=1", "--again"])


def begun(*overrides: str) -> DictConfig:
    """Hydra's configuration as a sweep of those overrides begins."""
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = GlobalHydra.instance().hydra.compose_config(
            "config", list(overrides), run_mode=RunMode.MULTIRUN, with_log_configuration=False
        )
        sweep.Points().on_multirun_start(config)
    return config


@pytest.fixture(autouse=True)
def _no_sweep(monkeypatch):
    monkeypatch.setattr(sweep.Points, "directory", None)


def test_an_experiment_has_axes_and_a_name():
    hydra = begun("experiment=start_by_lr_demo").hydra
    assert hydra.mode == RunMode.MULTIRUN
    assert hydra.sweeper.params == {
        "averaging.start": "2,6,10,14",
        "optimizer.lr": "0.01,0.02,0.05",
        "seed": "0,1,2,3,4,5",
    }
    assert sweep.Points.directory == ROOT / "outputs" / "sweeps" / "start_by_lr_demo"


def test_an_axis_or_value_given_takes_the_place_of_the_experiments():
    hydra = begun("experiment=start_by_lr_demo", "averaging.start=1,2", "seed=7").hydra
    assert hydra.sweeper.params == {"optimizer.lr": "0.01,0.02,0.05"}
    (excluded,) = hydra.overrides.hydra
    assert excluded == "hydra.job.config.override_dirname.exclude_keys=['experiment','seed']"


def test_a_points_name_is_what_is_swept_and_always_a_file_name():
    assert point("averaging.start=1,optimizer.lr=0.05", 3) == "averaging.start=1,optimizer.lr=0.05"
    assert point("", 3) == "3"
    paths = [point(f"dataset.train=a{separator}b", 0) for separator in "/: "]
    assert all(name.startswith("dataset.train=a_b,") for name in paths)
    assert len(set(paths)) == 3
    long = [point("dataset.name=" + "x" * 300 + end, 0) for end in "ab"]
    assert len(set(long)) == 2
    assert max(len(name) for name in long) < 255


def test_one_run_at_a_time_has_as_many_threads_as_torch_takes():
    hydra = begun("averaging.start=0,1").hydra
    assert sweep.threads(hydra.launcher) is None


CODE = [
    "+hydra.callbacks.e={_target_: pandas.read_pickle, filepath_or_buffer: e.pkl}",
    "hydra.callbacks.points._target_=os.system",
    *("hydra/launcher=joblib", "hydra.run.dir=.", "+dataset@hydra.callbacks.e=arrays"),
    *("--config-dir=/tmp", "-cd=/tmp", "--config-path", "--run", "name=theirs"),
    *("experiment=../../evil", "optimizer=/tmp/evil", "+other=1", "hydra={}", "seed"),
]


def test_of_a_strangers_run_only_keys_of_our_own_config_are_taken_over(tmp_path):
    ours = ["seed=3", "optimizer=adam", "+experiment=demo", "~model.hidden", "dataset.name=a b"]
    (tmp_path / ".hydra").mkdir()
    OmegaConf.save(OmegaConf.create([*CODE, *ours]), tmp_path / ".hydra" / "overrides.yaml")
    assert again.expand(["--again", str(tmp_path)]) == [*ours, "name=null", "hydra.mode=RUN"]


def test_a_strangers_run_runs_no_code(train, tmp_path):
    """A pickle that makes a file, called by a callback that the run's overrides ask for."""

    class Touch:
        def __reduce__(self):
            return Path.touch, (tmp_path / "was_run",)

    (tmp_path / "e.pkl").write_bytes(pickle.dumps(Touch()))
    theirs = tmp_path / "theirs" / ".hydra"
    theirs.mkdir(parents=True)
    OmegaConf.save(OmegaConf.create([*CODE, "seed=3"]), theirs / "overrides.yaml")
    done = train("name=mine", again=theirs.parent)
    assert done.returncode == 0, done.stderr
    assert summary_of(tmp_path / "outputs" / "runs" / "mine")["config"]["seed"] == 3
    assert not (tmp_path / "was_run").exists()
    code = "+hydra.callbacks.e={_target_: pandas.read_pickle, filepath_or_buffer: e.pkl}"
    train("name=asked_for", code)
    assert (tmp_path / "was_run").exists()  # so the attack is one
