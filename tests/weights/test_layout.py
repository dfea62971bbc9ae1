"""One check that files are of the same model, whatever they are averaged or compared for."""

import pytest
import torch

from polyak.errors import CheckpointError
from polyak.weights.checkpoint import Checkpoint, ties
from polyak.weights.foreign import open_source
from polyak.weights.layout import Entry, Layout, check_averaged, check_same, common_layout

shared = torch.zeros(2, 3)
STATE = {"head": shared, "steps": torch.tensor(4), "embed": shared, "bias": torch.zeros(3)}


def layout(state=STATE, source="a.pt"):
    return Layout.of(Checkpoint(state, ties(state)), source)


def test_of_a_checkpoint_and_of_the_file_it_is_saved_in_are_equal(tmp_path):
    path = tmp_path / "a.pt"
    torch.save(STATE, path)
    with open_source(path) as source:
        assert Layout.of(source, "a.pt") == layout()
        assert common_layout([source, source], [path, path]) == Layout.of(source, str(path))


def test_says_what_tensors_there_are():
    found = layout()
    assert list(found.entries) == list(STATE)
    assert found.entries["steps"] == Entry(torch.int64, torch.Size([]))
    assert str(found.entries["head"]) == "torch.float32 [2, 3]"


def test_a_tied_tensor_goes_by_the_first_name_of_its_group():
    assert layout().tied == (("embed", "head"),)
    assert layout().copies == {"head": "embed"}
    assert layout().averaged == ["embed", "bias"]


def test_order_is_no_difference():
    check_same(layout(), layout(dict(reversed(STATE.items())), "b.pt"))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"bias": torch.zeros(4)}, r"'bias' is torch.float32 \[4\], but torch.float32 \[3\] in a"),
        ({"bias": torch.zeros(3, 1)}, r"'bias' is torch.float32 \[3, 1\], but"),
        ({"bias": torch.zeros(3).half()}, r"'bias' is torch.float16 \[3\], but torch.float32 \[3"),
        ({"bias": None}, r"'bias' is missing, but torch.float32 \[3\] in a.pt; give checkpoints"),
        ({"more": torch.zeros(1)}, r"'more' is torch.float32 \[1\], but missing in a.pt"),
        ({"head": shared.clone()}, r"tied tensors are \[\], but \[\('embed', 'head'\)\] in a.pt"),
    ],
)
def test_a_difference_is_named_with_both_files(changed, message):
    state = {name: one for name, one in (STATE | changed).items() if one is not None}
    with pytest.raises(CheckpointError, match=f"^b.pt: (tensor )?{message}"):
        check_same(layout(), layout(state, "b.pt"))


@pytest.mark.parametrize("dtype", [torch.complex64, torch.float8_e4m3fn])
def test_a_dtype_without_means_is_named(dtype):
    check_averaged(layout())
    with pytest.raises(
        CheckpointError, match=rf"^b.pt: tensor 'w' is {dtype}; allowed: .*bfloat16"
    ):
        check_averaged(layout({"w": torch.zeros(2).to(dtype)}, "b.pt"))
