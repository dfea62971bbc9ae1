"""Points on lines and planes through checkpoints."""

from fractions import Fraction

import pytest
import torch

from polyak.averaging.affine import Affine
from polyak.errors import CheckpointError
from polyak.weights.checkpoint import Checkpoint
from tests.weights.states import randn, same_bits


def state(seed, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(4, 5, generator=generator).to(dtype)
    values[0, 0] = -0.0 if seed == 0 else 1.0
    return Checkpoint({"w": values, "count": torch.tensor(10 * seed)})


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_at_a_checkpoint_its_bits(dtype):
    """A share of 0 times 1.0 would make its -0.0 a 0.0."""
    affine = Affine({"a": state(0, dtype), "b": state(1, dtype)}, kept="b")
    found = affine.point({"b": 0.0, "a": 1.0}).tensors
    assert same_bits(found["w"], state(0, dtype).tensors["w"])
    assert found["count"] == 10


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_point_beyond_is_the_exact_sum_rounded_once(dtype):
    first, last = state(0, dtype), state(1, dtype)
    found = Affine({"a": first, "b": last}, kept="a").point({"a": -0.25, "b": 1.25}).tensors["w"]
    exact = [
        float(Fraction(one) * Fraction(-1, 4) + Fraction(other) * Fraction(5, 4))
        for one, other in zip(
            first.tensors["w"].flatten().tolist(), last.tensors["w"].flatten().tolist(), strict=True
        )
    ]
    gaps = (found.flatten().double() - torch.tensor(exact, dtype=torch.float64)).abs()
    units = torch.tensor(exact, dtype=torch.float64).abs() * torch.finfo(dtype).eps
    assert bool((gaps <= units / 2).all())
    assert found.dtype == dtype


def test_just_above_a_tie_is_rounded_up():
    """By way of float32, which loses the 2**-37, it would be a tie and go to the even 1.0."""
    one, next_one = (
        Checkpoint({"w": torch.tensor([value], dtype=torch.bfloat16)}) for value in (1, 1 + 2**-7)
    )
    share = 0.5 + 2**-30
    point = Affine({"a": one, "b": next_one}, kept="b").point({"a": 1 - share, "b": share})
    assert point.tensors["w"].item() == 1 + 2**-7


def test_tied_tensors_stay_one():
    def tied(value):
        shared = randn(3) * value
        return Checkpoint({"embed": shared, "head": shared}, (("embed", "head"),))

    point = Affine({"a": tied(1), "b": tied(2)}, kept="b").point({"a": 0.5, "b": 0.5})
    assert point.tensors["embed"] is point.tensors["head"]
    torch.testing.assert_close(point.tensors["head"], 1.5 * randn(3))
    assert point.tied == (("embed", "head"),)


def test_what_cannot_be_mixed_is_named():
    odd = Checkpoint({"w": torch.ones(2), "count": torch.tensor(0)})
    with pytest.raises(CheckpointError, match=r"b.safetensors: tensor 'w' is .* in a.safetensors"):
        Affine(
            {"a": state(0), "b": odd},
            kept="a",
            sources={"a": "a.safetensors", "b": "b.safetensors"},
        )
    lost = Checkpoint({**state(1).tensors, "w": torch.full((4, 5), torch.nan)})
    with pytest.raises(CheckpointError, match="b: tensor 'w' has values that are not finite"):
        Affine({"a": state(0), "b": lost}, kept="a")


def test_a_point_that_overflows_is_an_error():
    large = Checkpoint({"w": torch.full((2,), 60000.0, dtype=torch.float16)})
    small = Checkpoint({"w": torch.zeros(2, dtype=torch.float16)})
    affine = Affine({"a": small, "b": large}, kept="a")
    with pytest.raises(CheckpointError, match=r"tensor 'w' overflows torch.float16"):
        affine.point({"a": -0.5, "b": 1.5})


def test_shares_that_do_not_sum_to_one_are_refused():
    affine = Affine({"a": state(0), "b": state(1)}, kept="a")
    with pytest.raises(ValueError, match="their sum is 1"):
        affine.point({"a": 0.5, "b": 0.6})
