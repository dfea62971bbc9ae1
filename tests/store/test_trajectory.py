import json
from pathlib import Path

import pytest
import torch

from polyak.data import arrays as arrays_module
from polyak.data.splitting import split
from polyak.errors import DivergedError
from polyak.evaluation.logits import Inference, logits
from polyak.evaluation.scores import Scores, scores
from polyak.store import fingerprint as fingerprint_module
from polyak.store import paths, scoring, work
from polyak.store.manifest import Manifest
from polyak.store.trajectory import Trajectory
from polyak.training.optimizers.schedule_free_adamw import ScheduleFreeAdamW
from polyak.training.optimizers.schedule_free_sgd import ScheduleFreeSGD
from polyak.training.schedules.constant import Constant
from polyak.training.schedules.cosine import Cosine
from polyak.training.schedules.step import Step
from polyak.weights import checkpoint
from tests.small import THREADS
from tests.store.trajectories import contents, keys_of, make_recipe, train


@pytest.fixture(scope="module")
def data(arrays):
    source = arrays_module.load(str(arrays / "train.npz"), str(arrays / "test.npz"))
    return split(source, 60)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, data):
    return train(tmp_path_factory.mktemp("store"), data)


def test_every_epoch_leaves_a_checkpoint_that_loads_and_its_logits(trained, data):
    trajectory, records = trained
    assert [record.training.epoch for record in records] == [0, 1, 2]
    model = make_recipe().model()
    for record in records:
        weights = checkpoint.load(paths.checkpoint(trajectory.directory, record.training.epoch))
        model.load_state_dict(weights.tensors)
        for name, part in data.evaluated.items():
            found = logits(model, part.images, Inference())
            path = paths.logits(trajectory.directory, keys_of(data)[name], record.training.epoch)
            stored = checkpoint.load(path).tensors["logits"]
            assert torch.equal(stored, found)
            assert record.scores[name] == scores(found.numpy(), part.labels.numpy())


def test_checkpoints_differ_from_epoch_to_epoch(trained):
    trajectory, _ = trained
    digests = {
        checkpoint.digest(checkpoint.load(paths.checkpoint(trajectory.directory, epoch)).tensors)
        for epoch in range(3)
    }
    assert len(digests) == 3


def test_json_says_what_decided_the_weights_and_names_them(trained):
    trajectory, records = trained
    written = json.loads((trajectory.directory / "trajectory.json").read_text())
    assert written["ingredients"] == json.loads(json.dumps(trajectory.ingredients))
    assert written["fingerprint"] == trajectory.directory.name
    assert written["environments"][0]["environment"]["threads"] == THREADS
    for record, entry in zip(records, written["epochs"], strict=True):
        weights = checkpoint.load(
            paths.checkpoint(trajectory.directory, record.training.epoch)
        ).tensors
        assert entry["weights_sha256"] == checkpoint.digest(weights)
        assert entry["loss"] == record.training.loss


def test_training_in_another_store_gives_the_same_bytes(trained, data, tmp_path):
    again, records = train(tmp_path, data)
    assert again.fingerprint == trained[0].fingerprint
    assert contents(again) == contents(trained[0])
    assert [record.scores for record in records] == [record.scores for record in trained[1]]


def test_a_longer_training_begins_with_the_shorter_one(trained, data, tmp_path):
    longer, _ = train(tmp_path, data, epochs=4)
    assert longer.fingerprint == trained[0].fingerprint
    shorter = contents(trained[0])
    assert {path: contents(longer)[path] for path in shorter} == shorter


def fingerprint(data, **changed):
    return Trajectory(Path("store"), make_recipe(**changed), data).fingerprint


@pytest.mark.parametrize(
    "changed",
    [
        {"seed": 1},
        {"batch_size": 33},
        {"precision": "bf16"},
        {"schedule": Cosine()},
        {"planned_epochs": 4},
        {"described": {"model": {"_target_": "small"}, "optimizer": {"lr": 0.2}}},
    ],
)
def test_all_that_decides_the_weights_is_in_the_fingerprint(data, changed):
    assert fingerprint(data, **changed) != fingerprint(data)


def test_test_images_are_not_in_the_fingerprint_and_training_images_are(arrays, data):
    def loaded(validation=60, **limits):
        source = arrays_module.load(str(arrays / "train.npz"), str(arrays / "test.npz"), **limits)
        return split(source, validation)

    assert fingerprint(loaded(limit_test=10)) == fingerprint(data)
    assert fingerprint(loaded(limit_train=200)) != fingerprint(data)
    assert fingerprint(loaded(validation=30)) != fingerprint(data)


def test_a_loss_that_is_not_finite_on_a_split_is_divergence(data, tmp_path, monkeypatch):
    infinite = Scores(loss=float("inf"), accuracy=0.1, calibration_error=0.5)
    monkeypatch.setattr(scoring, "scores", lambda found, labels: infinite)
    monkeypatch.setattr(scoring, "_known", {})
    with pytest.raises(DivergedError, match=r"validation loss is inf after epoch 0 at lr 0\.1"):
        train(tmp_path, data)


def test_what_drives_the_epochs_is_in_the_fingerprint(data, monkeypatch):
    hashed = []
    monkeypatch.setattr(
        fingerprint_module, "imported_digest", lambda modules: hashed.extend(modules) or "digest"
    )
    fingerprint(data)
    assert {
        "polyak.training.trainer",
        "polyak.models.small_cnn",
        "polyak.training.schedules.constant",
        "polyak.data.augmentations.none",
        "torch.optim.sgd",
    } == set(filter(None, hashed))


def test_a_diverged_training_stops_and_keeps_the_epochs_before(data, tmp_path):
    recipe = make_recipe(
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=1e25, momentum=0.9)
    )
    trajectory = Trajectory(tmp_path, recipe, data)
    for _ in range(2):  # the second time, the store says so
        with pytest.raises(DivergedError, match="diverged"):
            train(tmp_path, data, recipe)
        assert not paths.checkpoint(trajectory.directory, 2).exists()
        assert Manifest.open(trajectory.directory).diverged is not None


def test_a_trajectory_that_diverged_is_not_trained_again(data, tmp_path, monkeypatch):
    recipe = make_recipe(
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=1e25, momentum=0.9)
    )
    with pytest.raises(DivergedError):
        train(tmp_path, data, recipe)
    monkeypatch.setattr(work, "train_epoch", never)
    with pytest.raises(DivergedError, match="diverged"):
        train(tmp_path, data, recipe)


def never(*_, **__):
    pytest.fail("trained")


def test_what_is_in_the_store_is_not_trained_again(data, tmp_path, monkeypatch):
    first, records = train(tmp_path, data)
    before = contents(first)
    monkeypatch.setattr(work, "train_epoch", never)
    again, same = train(tmp_path, data)
    assert (first.origin, again.origin) == ("trained", "reused")
    assert contents(again) == before
    assert [record.training for record in same] == [record.training for record in records]
    assert [record.scores for record in same] == [record.scores for record in records]
    shorter, few = train(tmp_path, data, epochs=2)
    assert shorter.origin == "reused"
    assert [record.scores for record in few] == [record.scores for record in records[:2]]


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9),
        lambda parameters: torch.optim.AdamW(parameters, lr=0.01, betas=(0.8, 0.99)),
        lambda parameters: torch.optim.Adam(parameters, lr=0.01, fused=True),
        lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9, fused=True),
        lambda parameters: ScheduleFreeSGD(parameters, lr=0.5, r=0.5, warmup_steps=20),
        lambda parameters: ScheduleFreeAdamW(parameters, lr=0.01, r=0.5, warmup_steps=20),
    ],
)
@pytest.mark.parametrize("schedule", [Constant(), Step(every=2, gamma=0.5)])
def test_a_continued_training_is_that_without_a_break(data, tmp_path, optimizer, schedule):
    recipe = make_recipe(optimizer=optimizer, schedule=schedule)
    train(tmp_path / "parts", data, recipe, epochs=1)
    parts, records = train(tmp_path / "parts", data, recipe, epochs=3)
    whole, wanted = train(tmp_path / "whole", data, recipe, epochs=3)
    assert parts.origin == "resumed"
    assert contents(parts) == contents(whole)
    assert [record.scores for record in records] == [record.scores for record in wanted]


def test_another_test_split_is_evaluated_without_training(data, tmp_path, arrays, monkeypatch):
    trajectory, _ = train(tmp_path, data)
    source = arrays_module.load(str(arrays / "train.npz"), str(arrays / "test.npz"), limit_test=10)
    fewer = split(source, 60)
    monkeypatch.setattr(work, "train_epoch", never)
    again, records = train(tmp_path, fewer)
    assert again.fingerprint == trajectory.fingerprint
    model = make_recipe().model()
    model.load_state_dict(checkpoint.load(paths.checkpoint(trajectory.directory, 1)).tensors)
    found = logits(model, fewer.test.images, Inference())
    assert records[1].scores["test"] == scores(found.numpy(), fewer.test.labels.numpy())
