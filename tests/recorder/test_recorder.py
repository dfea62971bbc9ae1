"""A loop of somebody's own, with the recorder's lines in it."""

import json
import os
import random
import signal
import subprocess
import sys

import numpy as np
import pytest
import schedulefree
import torch
from torch import nn

import polyak
from polyak.averaging.mean import mean_of_states
from polyak.errors import CheckpointError, ConfigError, StoreError
from polyak.recorder.wrapped import unwrapped
from polyak.store import linked, maintenance, paths
from polyak.store.manifest import Manifest
from polyak.store.recorder import Recorder as Records
from polyak.weights import checkpoint, streamed
from tests import own_memory
from tests.small import ROOT

STEPS, EPOCHS = 5, 3


class Small(nn.Module):
    """Tied weights, running statistics, an integer buffer, dropout."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4, bias=False)
        self.norm = nn.BatchNorm1d(4)
        self.second = nn.Linear(4, 4, bias=False)
        self.second.weight = self.first.weight
        self.last = nn.Linear(4, 3)

    def forward(self, values):
        hidden = self.second(torch.relu(self.norm(self.first(values))))
        return self.last(nn.functional.dropout(hidden, 0.5, self.training))


def made(seed=0, optimizer=torch.optim.SGD):
    torch.manual_seed(seed)
    model = Small()
    return model, optimizer(model.parameters(), lr=0.1)


def train(model, optimizer, recorder=None, epochs=range(EPOCHS), forward=None, seen=None):
    """Somebody's loop: random batches from the global generator."""
    for epoch in epochs:
        torch.manual_seed(100 + epoch)
        for _ in range(STEPS):
            loss = (forward or model)(torch.randn(8, 4)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if recorder:
                recorder.step()
            if seen is not None:
                seen.append(copied(model))
        if recorder:
            recorder.epoch({"validation": {"loss": loss.detach(), "accuracy": 0.5}})


def copied(model):
    return {name: one.detach().clone() for name, one in model.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def weights_of(directory, epoch):
    return checkpoint.load(paths.checkpoint(directory, epoch)).tensors


@pytest.mark.parametrize("options", [{}, {"every": 2, "means": True, "steps_per_epoch": STEPS}])
def test_it_changes_neither_weights_nor_optimizer_nor_random_state(tmp_path, options):
    states = []
    for recorded in (False, True):
        model, optimizer = made()
        random.seed(1)
        np.random.seed(2)
        recorder = None
        if recorded:
            recorder = polyak.Recorder(tmp_path / "run", model, settings={"seed": 0}, **options)
        train(model, optimizer, recorder)
        states.append(
            (
                {name: one.tolist() for name, one in model.state_dict().items()},
                str(optimizer.state_dict()),
                torch.random.get_rng_state().tolist(),
                random.getstate(),
                str(np.random.get_state()),
            )
        )
    assert states[0] == states[1]


def test_every_epochs_weights_and_what_is_said_of_them_are_kept(tmp_path):
    (model, optimizer), seen = made(), []
    settings = {"seed": 3, "lr": 0.1, "augmentation": ["crop", {"pad": 4}]}
    with polyak.Recorder(tmp_path / "run", model, settings=settings) as recorder:
        assert (recorder.epochs, recorder.last) == (0, None)
        train(model, optimizer, recorder, seen=seen)
        assert (recorder.epochs, recorder.last) == (3, paths.checkpoint(tmp_path / "run", 2))
    found = Manifest.open(tmp_path / "run")
    assert found.trained == EPOCHS
    assert found.corrupted(EPOCHS) == []
    assert found.values["ingredients"]["settings"] == settings
    for epoch in range(EPOCHS):
        loaded = checkpoint.load(paths.checkpoint(tmp_path / "run", epoch))
        assert same(loaded.tensors, seen[(epoch + 1) * STEPS - 1])
        assert loaded.tied == (("first.weight", "second.weight"),)
        said = found.values["epochs"][epoch]
        assert (said["lr"], said["metrics"]["validation"]["accuracy"]) == (0.1, 0.5)


def test_a_dtype_that_is_not_streamed_is_recorded(tmp_path):
    model = nn.Linear(2, 2)
    model.register_buffer("phase", torch.ones(2, dtype=torch.uint16))
    with polyak.Recorder(tmp_path / "run", model, settings={}) as recorder:
        recorder.epoch()
    assert same(weights_of(tmp_path / "run", 0), copied(model))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_an_epoch_takes_no_copy_of_the_model(tmp_path):
    before = """
import torch, polyak
model = torch.nn.ModuleList(torch.nn.Linear(1 << 20, 1, bias=False) for _ in range(16))
recorder = polyak.Recorder(sys.argv[1], model, settings={})
"""
    _, used = own_memory.beyond(before, "recorder.epoch()", [tmp_path / "run"])
    assert used < 12e6  # of 67 MB


def test_means_are_those_of_the_weights_after_each_step(tmp_path):
    (model, optimizer), seen = made(), []
    recorder = polyak.Recorder(
        tmp_path / "run", model, settings={}, every=2, means=True, steps_per_epoch=STEPS
    )
    train(model, optimizer, recorder, seen=seen)
    folder = paths.recordings(tmp_path / "run", "every_2_steps")
    ends = [2, 4, 5, 7, 9, 10, 12, 14, 15]
    assert [int(path.stem[5:]) for path in sorted(folder.glob("mean_*"))] == ends
    for begin, end in zip([0, *ends], ends, strict=False):
        found = checkpoint.load(folder / paths.record("mean", end)).tensors
        # Integers are the last's, and tied entries one tensor, in both.
        assert same(found, mean_of_states(seen[begin:end]))


@pytest.mark.parametrize("wrap", [torch.compile, nn.DataParallel, lambda one: one])
def test_wrapped_models_have_their_own_names(tmp_path, wrap):
    model, optimizer = made()
    wrapped = wrap(model)
    assert unwrapped(wrapped) is model
    recorder = polyak.Recorder(tmp_path / "run", wrapped, settings={})
    train(model, optimizer, recorder, epochs=range(1))
    assert weights_of(tmp_path / "run", 0).keys() == model.state_dict().keys()


def test_mixed_precision_and_accumulated_gradients(tmp_path):
    model, optimizer = made()
    recorder = polyak.Recorder(
        tmp_path / "run", model, settings={}, means=True, steps_per_epoch=STEPS
    )
    seen = []
    for batch in range(2 * STEPS):
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(torch.randn(8, 4)).square().mean()
        loss.backward()
        if batch % 2:
            optimizer.step()
            optimizer.zero_grad()
            recorder.step()
            seen.append(copied(model))
    recorder.epoch()
    mean = paths.recordings(tmp_path / "run", "1_per_epoch") / paths.record("mean", STEPS)
    assert same(checkpoint.load(mean).tensors, mean_of_states(seen))


def test_a_schedule_free_optimizers_checkpoints_are_what_it_deploys(tmp_path):
    model, optimizer = made(optimizer=schedulefree.SGDScheduleFree)
    optimizer.train()
    recorder = polyak.Recorder(tmp_path / "run", model, settings={}, optimizer=optimizer)
    train(model, optimizer, recorder, epochs=range(1))
    trained_at = copied(model)
    optimizer.eval()
    assert same(weights_of(tmp_path / "run", 0), copied(model))
    assert not same(trained_at, copied(model))


def test_a_schedule_free_optimizer_in_evaluation_mode_stays_in_it(tmp_path):
    def trained(folder, *, recorded):
        model, optimizer = made(optimizer=schedulefree.SGDScheduleFree)
        recorder = polyak.Recorder(folder, model, settings={}, optimizer=optimizer)
        for epoch in range(2):
            optimizer.train()
            train(model, optimizer, epochs=[epoch])
            optimizer.eval()  # as its authors say to before an evaluation
            if recorded:
                recorder.epoch()
        return copied(model)

    untouched = trained(tmp_path / "unused", recorded=False)
    assert same(trained(tmp_path / "run", recorded=True), untouched)
    assert same(weights_of(tmp_path / "run", 1), untouched)


def test_it_goes_on_from_the_weights_that_the_model_has(tmp_path, caplog):
    settings = {"seed": 0}
    model, optimizer = made()
    with polyak.Recorder(tmp_path / "run", model, settings=settings) as recorder:
        train(model, optimizer, recorder)
    last = copied(model)
    with polyak.Recorder(tmp_path / "run", model, settings=settings) as recorder:
        assert recorder.epochs == EPOCHS
    model.load_state_dict(weights_of(tmp_path / "run", 0))
    with polyak.Recorder(tmp_path / "run", model, settings=settings) as recorder:
        assert recorder.epochs == 1
        assert "epochs 1..2 are dropped: the training goes on from epoch 0's" in caplog.text
        assert not paths.checkpoint(tmp_path / "run", 1).exists()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        train(model, optimizer, recorder, epochs=range(1, EPOCHS))
    assert same(copied(model), last)  # plain SGD has no state
    assert same(weights_of(tmp_path / "run", 2), last)


def test_it_goes_on_inside_of_an_epoch_from_what_that_began_with(tmp_path, caplog):
    model, optimizer = made()
    with polyak.Recorder(tmp_path / "run", model, settings={}) as recorder:
        train(model, optimizer, recorder, range(2))
        began = recorder.began
        assert began == checkpoint.digest(weights_of(tmp_path / "run", 1))
        train(model, optimizer, recorder, [2])
        train(model, optimizer, epochs=[3])
    options = {"means": True, "steps_per_epoch": STEPS}
    for given, error, said in (
        ({"within": "0" * 64}, StoreError, "has the weights of none of them"),
        ({"within": began, **options}, ConfigError, "is in the midst of an epoch"),
    ):
        with pytest.raises(error, match=said):
            polyak.Recorder(tmp_path / "run", model, settings={}, **given)
    assert Manifest.open(tmp_path / "run").trained == 3
    with polyak.Recorder(tmp_path / "run", model, settings={}, within=began) as recorder:
        assert (recorder.epochs, recorder.began) == (2, began)
        assert "epochs 2..2 are dropped" in caplog.text
        recorder.epoch()
    first = checkpoint.digest(copied(made()[0]))
    train(model, optimizer, epochs=[4])
    with polyak.Recorder(tmp_path / "run", model, settings={}, within=first) as recorder:
        assert recorder.epochs == 0  # inside of the first
        assert recorder.began == first


def test_metrics_may_come_after_their_epoch(tmp_path):
    model, optimizer = made()
    with polyak.Recorder(tmp_path / "run", model, settings={}) as recorder:
        with pytest.raises(ConfigError, match="has no epoch that metrics could be of"):
            recorder.add_metrics({"test": {"loss": 1}})
        train(model, optimizer, recorder, range(1))
        recorder.add_metrics({"validation": {"accuracy": 0.75}, "test": {"loss": float("nan")}})
        with pytest.raises(ConfigError, match="split 'val'"):
            recorder.add_metrics({"val": {"loss": 1}})
    said = Manifest.open(tmp_path / "run").values["epochs"][0]["metrics"]
    assert said["validation"]["accuracy"] == 0.75
    assert said["validation"].keys() == {"loss", "accuracy"}
    assert said["test"] == {"loss": None}


def test_what_it_can_not_go_on_from_is_said_and_stays(tmp_path):
    model, optimizer = made()
    with polyak.Recorder(tmp_path / "run", model, settings={"lr": 0.1}) as recorder:
        train(model, optimizer, recorder)
    before = (tmp_path / "run" / "trajectory.json").read_bytes()

    def again(seed=0, settings=None, **options):
        return polyak.Recorder(
            tmp_path / "run", made(seed)[0], settings=settings or {"lr": 0.1}, **options
        )

    with pytest.raises(StoreError, match=r"was recorded before, epochs 0\.\.2"):
        again()
    with pytest.raises(StoreError, match="has the weights of none of them; allowed: to load"):
        again(seed=1)
    with pytest.raises(StoreError, match=r"recorded with another settings\.lr, settings\.new"):
        again(settings={"lr": 0.2, "new": 1})
    with pytest.raises(StoreError, match=r"another model\.class, model\.layout_sha256"):
        polyak.Recorder(tmp_path / "run", nn.Linear(2, 2), settings={"lr": 0.1})
    assert (tmp_path / "run" / "trajectory.json").read_bytes() == before
    with again(restart=True) as recorder:
        assert recorder.epochs == 0
        with pytest.raises(StoreError, match="another recorder"):
            again()


def test_epochs_that_a_run_averages_are_not_dropped(tmp_path):
    model, optimizer = made()
    with polyak.Recorder(tmp_path / "run", model, settings={}) as recorder:
        train(model, optimizer, recorder)
    (tmp_path / "average" / "checkpoints").mkdir(parents=True)
    linked.note(tmp_path / "run", tmp_path / "average")
    with pytest.raises(StoreError, match=r"are averaged in .*average, and so"):
        polyak.Recorder(tmp_path / "run", made()[0], settings={}, restart=True)
    assert Manifest.open(tmp_path / "run").corrupted(EPOCHS) == []


def test_strangers_directories_are_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("hello")
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    (tmp_path / "file").write_text("")
    for name in ("mine", "link", "file"):
        with pytest.raises(StoreError, match=name):
            polyak.Recorder(tmp_path / name, made()[0], settings={})
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_a_model_whose_names_change_and_steps_that_do_not_fit(tmp_path):
    model, optimizer = made()
    recorder = polyak.Recorder(
        tmp_path / "run", model, settings={}, every=1.0, means=True, steps_per_epoch=STEPS
    )
    with pytest.raises(ConfigError, match="epoch 0 had 0 steps; allowed: a call of `step`"):
        recorder.epoch()
    train(model, optimizer, recorder, epochs=range(1))
    for _ in range(STEPS):
        recorder.step()
    with pytest.raises(ConfigError, match="this is step 6 of epoch 1"):
        recorder.step()
    recorder.close()
    with polyak.Recorder(tmp_path / "run", model, settings={}) as recorder:
        assert recorder.epochs == 1
        model.extra = nn.Linear(2, 2)
        with pytest.raises(CheckpointError, match=r"began with: extra\.bias, extra\.weight"):
            recorder.epoch()
        del model.extra
        model.last = nn.Linear(4, 5)
        with pytest.raises(CheckpointError, match=r"began with: last\.bias, last\.weight"):
            recorder.epoch()
    assert Manifest.open(tmp_path / "run").trained == 1


def test_a_closed_recorder_writes_nothing_where_another_one_may_be_at_work(tmp_path):
    model, _ = made()
    with polyak.Recorder(tmp_path / "run", model, settings={}) as recorder:
        recorder.epoch()
    for call in (recorder.epoch, lambda: recorder.add_metrics({"test": {"accuracy": 0.5}})):
        with pytest.raises(StoreError, match="this recorder is closed"):
            call()
    assert Manifest.open(tmp_path / "run").trained == 1


class Extra(nn.Linear):
    def get_extra_state(self):
        return {"scale": 1}


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (nn.Sequential(), "Sequential: has no tensors"),
        (Extra(2, 2), "the model's '_extra_state' is dict; allowed"),
        (nn.Linear(2, 2, device="meta"), "'weight' is torch.float32, torch.strided, meta"),
        (nn.Linear(2, 2, dtype=torch.complex64), "'weight' is torch.complex64"),
        (nn.ParameterList([torch.eye(2).to_sparse()]), "'0' is torch.float32, torch.sparse_coo"),
    ],
)
def test_models_that_have_no_average(tmp_path, model, said):
    with pytest.raises(CheckpointError, match=said):
        polyak.Recorder(tmp_path / "run", model, settings={})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("lr", "kept"),
    [(torch.tensor(0.5), 0.5), (float("nan"), None), (float("inf"), None), (-1.0, None)],
)
def test_a_learning_rate_that_can_not_be_is_unknown(tmp_path, lr, kept):
    with polyak.Recorder(tmp_path / "run", made()[0], settings={"lr": -1}) as recorder:
        recorder.epoch(lr=lr)
        with pytest.raises(ConfigError, match="lr = 'fast': allowed: a number"):
            recorder.epoch(lr="fast")
        recorder.epoch()
    assert [one["lr"] for one in Manifest.open(tmp_path / "run").values["epochs"]] == [kept, None]


def test_a_full_disk_costs_no_epoch(tmp_path, monkeypatch):
    model, optimizer = made()
    recorder = polyak.Recorder(tmp_path / "run", model, settings={})

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(streamed, "write", full)
        with pytest.raises(OSError, match="No space left"):
            train(model, optimizer, recorder, epochs=range(1))
    assert Manifest.open(tmp_path / "run").trained == 0
    for failing, name in ((Manifest, "append"), (Records, "commit")):
        with monkeypatch.context() as patch:
            patch.setattr(failing, name, full)
            with pytest.raises(OSError, match="No space left"):
                recorder.epoch()
    recorder.epoch()
    assert same(weights_of(tmp_path / "run", 0), copied(model))
    assert Manifest.open(tmp_path / "run").trained == 1


@pytest.mark.parametrize("once", [True, False])
def test_an_epoch_never_counts_without_what_was_recorded_within_it(tmp_path, monkeypatch, once):
    """The disk is full at the epoch's last mean, which is noticed at the epoch's end."""
    (model, optimizer), save = made(), checkpoint.save
    options = {"every": 2, "means": True, "steps_per_epoch": STEPS}
    recorder = polyak.Recorder(tmp_path / "run", model, settings={}, **options)

    def full(path, *rest):
        if path.name == "mean_00000005.safetensors":
            raise OSError(28, "No space left on device")
        save(path, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", full)
        with pytest.raises(OSError, match="No space left"):
            train(model, optimizer, recorder, epochs=range(1))
    if once:
        with pytest.raises(ConfigError, match="epoch 0 had 0 steps"):
            recorder.epoch()
    train(model, optimizer, recorder, epochs=range(1))
    recorder.close()
    (entry,) = maintenance.entries(tmp_path)
    assert maintenance.problems(entry) == []
    folder = paths.recordings(tmp_path / "run", "every_2_steps")
    assert len(list(folder.glob("mean_*"))) == 3


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ({"val": {"accuracy": 0.5}}, "split 'val': allowed: train, validation, test"),
        ({"test": {"Top 1": 0.5}}, "metric 'Top 1' of test: allowed: lower-case"),
        ({"test": {"accuracy": torch.ones(2)}}, "metric accuracy of test = .*: allowed: a number"),
        ({"test": 0.5}, "by split and name"),
        ({"test": {"accuracy": 10**400}}, "metric accuracy of test = 1000.*: allowed: a number"),
    ],
)
def test_metrics_that_can_not_be(tmp_path, metrics, said):
    recorder = polyak.Recorder(tmp_path / "run", made()[0], settings={})
    with pytest.raises(ConfigError, match=said):
        recorder.epoch(metrics)
    recorder.epoch({"test": {"loss": float("nan")}})
    epochs = Manifest.open(tmp_path / "run").values["epochs"]
    assert [one["metrics"] for one in epochs] == [{"test": {"loss": None}}]


@pytest.mark.parametrize(
    ("settings", "options", "said"),
    [
        ({"lr": torch.ones(1)}, {}, "settings: .*allowed: texts, finite numbers"),
        ({"lr": float("inf")}, {}, "settings: "),
        ({"seed": 2**127}, {}, "settings: 'seed' is an integer of 128 bits; allowed"),
        ({"deep": json.loads("[" * 31 + "]" * 31)}, {}, "settings: nested deeper"),
        ({}, {"every": 0}, "every = 0: allowed"),
        ({}, {"every": 1.5}, r"every = 1\.5: allowed"),
        ({}, {"means": True}, "steps_per_epoch = None: allowed with every or means"),
    ],
)
def test_settings_and_options_that_can_not_be(tmp_path, settings, options, said):
    with pytest.raises(ConfigError, match=said):
        polyak.Recorder(tmp_path / "run", made()[0], settings=settings, **options)
    assert not (tmp_path / "run").exists()


def resumed(folder, *, killed=False):
    """Somebody's script with checkpoints of its own."""
    model, optimizer = made()
    saved = folder / "saved.pt"
    if saved.exists():
        states = torch.load(saved)
        model.load_state_dict(states[0])
        optimizer.load_state_dict(states[1])
    recorder = polyak.Recorder(
        folder / "run", model, settings={}, every=2, means=True, steps_per_epoch=STEPS
    )
    for epoch in range(recorder.epochs, 4):
        if epoch == 2 and killed:
            for _ in range(3):
                recorder.step()
            os.kill(os.getpid(), signal.SIGKILL)
        train(model, optimizer, recorder, [epoch])
        torch.save([model.state_dict(), optimizer.state_dict()], saved)
    recorder.close()


def test_killed_within_an_interval_it_goes_on_to_the_same_files(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    resumed(whole)
    call = f"import torch; torch.set_num_threads({torch.get_num_threads()}); "
    call += "from pathlib import Path; from tests.recorder import test_recorder; "
    call += f"test_recorder.resumed(Path({str(killed)!r}), killed=True)"
    done = subprocess.run([sys.executable, "-c", call], check=False, cwd=ROOT)
    assert done.returncode == -signal.SIGKILL
    assert len(list((killed / "run" / "checkpoints").iterdir())) == 2
    resumed(killed)

    def files(folder):
        paths = (folder / "run").rglob("*.safetensors")
        return {str(path.relative_to(folder)): path.read_bytes() for path in paths}

    assert files(whole) == files(killed)
    assert len(files(whole)) == 4 + 4 * (3 + 2)
    assert Manifest.open(killed / "run").trained == 4
