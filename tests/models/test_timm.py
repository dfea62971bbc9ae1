import sys

import pytest
import timm
import torch

from polyak.errors import ConfigError
from polyak.models.timm import classifier

SHAPE = (3, 32, 32)


def test_is_timms_own():
    torch.manual_seed(0)
    theirs = timm.create_model("test_resnet", num_classes=7, in_chans=1).state_dict()
    torch.manual_seed(0)
    ours = classifier((1, 32, 32), 7, "test_resnet").state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())


@pytest.mark.parametrize(
    "name",
    [
        *("convnext_atto", "deit_tiny_distilled_patch16_224", "efficientnet_b0", "levit_128s"),
        *("mixer_s16_224", "mobilenetv4_conv_small", "regnetx_002", "resnet18"),
        *("resnext50_32x4d", "swin_tiny_patch4_window7_224", "vit_tiny_patch16_224"),
    ],
)
@pytest.mark.parametrize("shape", [(1, 64, 64), (3, 64, 96)], ids=str)
def test_gives_logits_for_the_size_of_the_images(name, shape):
    with torch.device("meta"):
        model = classifier(shape, 7, name)
        for training in (True, False):
            assert model.train(training)(torch.zeros(2, *shape)).shape == (2, 7)


@pytest.mark.parametrize(("patch_size", "patches"), [(None, 4), (8, 16), (4, 64)])
def test_patches_can_be_smaller(patch_size, patches):
    with torch.device("meta"):
        model = classifier(SHAPE, 10, "vit_tiny_patch16_224", patch_size=patch_size)
    assert model.patch_embed.num_patches == patches


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("resnet81", "resnet18"),
        ("resnet18.a1_in1k", "resnet18"),
        ("hf-hub:timm/resnet18", "resnet18"),
        ("local-dir:/tmp/resnet18", ""),
        ("", ""),
    ],
)
def test_what_is_no_name_of_a_network_is_refused_with_the_nearest_ones(name, nearest):
    """Before timm is asked, which would download a configuration from a hub."""
    with pytest.raises(ConfigError) as error:
        classifier(SHAPE, 10, name)
    message, _, named = str(error.value).partition("; nearest: ")
    assert message.startswith(f"model.name = {name}: allowed: a model of timm")
    assert named.startswith(nearest)
    assert set(named.split(", ")) <= set(timm.list_models())


def test_a_patch_size_for_what_has_no_patches_is_refused():
    with pytest.raises(ConfigError, match=r"model\.patch_size = 4: resnet18 has no patches; all"):
        classifier(SHAPE, 10, "resnet18", patch_size=4)


@pytest.mark.parametrize(
    ("name", "shape", "why"),
    [
        ("vit_tiny_patch16_224", (3, 28, 28), "patches of 16x16 don't fill them"),
        ("vit_tiny_patch16_224", (3, 8, 8), "patches of 16x16 don't fill them"),
        ("swin_tiny_patch4_window7_224", (3, 30, 32), "patches of 4x4 don't fill them"),
        ("xcit_nano_12_p8_224", (3, 28, 28), "`patch_size` should divide image dim"),
    ],
)
def test_images_that_a_network_is_not_made_for_are_refused(name, shape, why):
    with torch.device("meta"), pytest.raises(ConfigError, match=why) as error:
        classifier(shape, 10, name)
    assert str(error.value).startswith(f"model.name = {name}: can't take images of {list(shape)}")


def test_says_how_to_install_what_is_not_there(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ConfigError, match=r"can't be imported .* pip install -e '\.\[timm\]'"):
        classifier(SHAPE, 10, "resnet18")
