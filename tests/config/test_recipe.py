"""A recipe fits its data, or says before training what doesn't."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from polyak.config.compose import configured
from polyak.config.recipe import check_optimizer, recipe, tried
from polyak.data.dataset import Source, make_split
from polyak.data.inputs import Scaling
from polyak.data.splitting import split
from polyak.errors import CheckpointError, ConfigError
from polyak.models.initial import initial_model
from polyak.weights import checkpoint
from tests.small import learnable, network

SMALL = ("dataset=house_numbers", "model.channels=[4,8]", "model.hidden=16")


def images(count=65, channels=3):
    pixels = torch.from_numpy(learnable(count, seed=0)["images"]).permute(0, 3, 1, 2)
    one = make_split(pixels[:, :channels], torch.arange(count) % 10, None)
    return split(Source("small", "tests", True, 10, one, one), 0)


def made(*overrides, data=None):
    return fitted([*SMALL, *overrides], data or images())


def fitted(overrides, data):
    found = recipe(configured(overrides), data)
    check_optimizer(found, tried(found, data))
    return found


def test_all_options_arrive():
    found = made(
        *("augmentation=crop_flip", "augmentation.pad=2", "schedule=cosine", "schedule.per=step"),
        *("dataset.mean=[0.4,0.5,0.6]", "dataset.std=0.25", "training.label_smoothing=0.1"),
        *("training.clip_norm=1.0", "training.drop_last=true", "training.decay=weights"),
    )
    assert (found.augmentation.pad, found.per, found.decay) == (2, "step", "weights")
    assert found.scaling == Scaling((0.4, 0.5, 0.6), (0.25,))
    assert (found.label_smoothing, found.clip_norm, found.drop_last) == (0.1, 1.0, True)
    assert found.planned_epochs == 20


def test_weights_to_start_from_are_named_by_their_content(tmp_path):
    path = tmp_path / "start.safetensors"
    checkpoint.save(path, initial_model(network, seed=7).state_dict())
    found = made(f"training.init={path}")
    assert found.init == checkpoint.digest(initial_model(network, seed=7).state_dict())
    assert checkpoint.digest(found.model().state_dict()) == found.init
    with pytest.raises(CheckpointError, match="tensor 'classifier"):
        made(f"training.init={path}", "model.hidden=17")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["dataset.mean=[0.5,0.5]"], "dataset.mean = [0.5, 0.5]: allowed: one number, or a list"),
        (["dataset.std=[1.0]"], None),
        (["augmentation=crop_flip", "augmentation.pad=8"], "augmentation.pad = 8: the images"),
        (["augmentation=cutout", "augmentation.pad=1"], "augmentation.size = 16: the images have"),
        (["optimizer=adam", "training.decay=weights"], None),
        (
            ["optimizer._target_=torch.optim.Rprop", "~optimizer.momentum", "~optimizer.nesterov"]
            + ["~optimizer.weight_decay", "training.decay=weights"],
            "training.decay = weights: Rprop has no weight decay",
        ),
        (["model=torchvision", "model.name=resnet81"], "nearest: resnet18"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_does_not_fit_is_refused(overrides, message):
    if message is None:
        made(*overrides)
        return
    given = [one for one in overrides]
    config = ["dataset=house_numbers", *given] if given[0] == "model=torchvision" else None
    with pytest.raises(ConfigError) as caught:
        fitted(config, images()) if config else made(*overrides)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("override", "size"),
    [
        ("model.hidden=1000000000000", "take 556,000,000,001,672 bytes"),
        ("model.channels=[1000000000000,8]", "bytes"),
        ("model.hidden=9223372036854775807", "take at least 9,223,372,036,854,775,808 bytes"),
        ("model.channels=[9223372036854775807,8]", "take at least"),
    ],
)
def test_a_model_that_cannot_fit_is_refused_before_it_is_made(override, size):
    with pytest.raises(
        ConfigError, match=rf"model SmallCNN: its weights would .*{size}.* this mac"
    ):
        made(override)


class Frozen(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.BatchNorm1d(192).eval(), nn.Linear(192, 10))


def test_a_tried_model_is_in_the_modes_that_it_was_made_in():
    """Batch norm's treatment learns from them what a layer keeps of its statistics."""
    found = tried(replace(made(), model=Frozen), images())
    assert [one.training for one in found.modules()] == [True, True, False, True]


FLAT = ("model=torchvision", "model.name=resnet18", "training.batch_size=32")


def test_a_last_batch_of_one_image_is_refused_where_batch_norm_needs_more():
    """8x8 images end as 1x1 features: one value per channel."""

    def with_batches(*overrides, count=65):
        return fitted(["dataset=house_numbers", *FLAT, *overrides], images(count))

    with pytest.raises(ConfigError, match="the last batch of 65 images has 1") as caught:
        with_batches()
    assert "training.drop_last=true" in str(caught.value)
    assert with_batches("training.drop_last=true").drop_last
    assert with_batches(count=66)
    with pytest.raises(ConfigError, match=r"training\.batch_size = 1: "):
        with_batches("training.batch_size=1", "training.drop_last=true", count=2)


def test_a_last_batch_of_one_is_no_matter_without_batch_norm():
    assert made("training.batch_size=32")
    assert made("training.batch_size=32", "model.batch_norm=true")  # 8x8 values per channel
