import math
import sys
from fractions import Fraction

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from polyak.averaging.mean import PIECE, Mean, mean_of_files, prefix_means, round_once
from polyak.errors import CheckpointError
from polyak.weights import checkpoint
from polyak.weights.checkpoint import Checkpoint
from tests import own_memory


def states(count, *, dtype=torch.float32, seed=0, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    return [
        Checkpoint(
            {
                "weight": (scale * torch.randn(5, 7, generator=generator)).to(dtype),
                "bias": (scale * torch.randn(7, generator=generator)).to(dtype),
            }
        )
        for _ in range(count)
    ]


def mean(checkpoints, weights=None):
    total = Mean()
    for state, weight in zip(checkpoints, weights or [1] * len(checkpoints), strict=True):
        total.add(state, weight)
    return total.result().tensors


def exact(values, dtype):
    """The rational mean of float tensors, rounded once to float64, then by torch to dtype."""
    flat = [value.double().flatten().tolist() for value in values]
    means = [float(sum(map(Fraction, entries)) / len(flat)) for entries in zip(*flat, strict=True)]
    return torch.tensor(means, dtype=torch.float64).reshape(values[0].shape).to(dtype)


@pytest.mark.parametrize("count", [1, 2, 3, 10, 47])
def test_equals_the_plain_float64_loop_bit_for_bit(count):
    checkpoints = states(count)
    for name, ours in mean(checkpoints).items():
        total = torch.zeros_like(ours, dtype=torch.float64)
        for state in checkpoints:
            total += state.tensors[name].double()
        assert torch.equal(ours, (total / count).float())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("weights", [[1, 1, 1], [1, 0, 3], [0.3, 0.5, 0.2]])
def test_large_tensors_have_the_bits_of_whole_sums_and_stay_as_they_are(dtype, weights):
    generator = torch.Generator().manual_seed(0)
    given = [torch.randn(2, PIECE + 5, generator=generator).to(dtype) for _ in weights]
    for one in given:
        one[0, :3] = torch.tensor([0.0, -0.0, 1e-7])
    before = [one.clone() for one in given]
    ours, total = mean([Checkpoint({"w": one}) for one in given], weights)["w"], None
    for one, weight in zip(before, weights, strict=True):
        term = one.double() * weight
        total = term if total is None else total + term
    assert same_bits(ours, round_once(total / sum(weights), dtype))
    assert all(same_bits(one, was) for one, was in zip(given, before, strict=True))


def same_bits(one, other):
    return torch.equal(checkpoint.as_bytes(one), checkpoint.as_bytes(other))


def test_the_memory_format_of_weights_does_not_matter():
    given = torch.randn(4, 6, 5, 3)
    last = Checkpoint({"w": given.to(memory_format=torch.channels_last)})
    assert torch.equal(mean([last, Checkpoint({"w": given})])["w"], given)


def test_a_result_goes_into_an_earlier_ones_memory_with_the_same_bits():
    total, plain, into = Mean(), Mean(), None
    for state in states(4):
        total.add(state)
        plain.add(state)
        earlier, into = into, total.result(into)
        wanted = plain.result().tensors
        for name, tensor in into.tensors.items():
            assert torch.equal(tensor, wanted[name])
            assert earlier is None or tensor is earlier.tensors[name]


BEFORE = """
import torch
from polyak.averaging.mean import Mean
from polyak.weights.checkpoint import Checkpoint

mean, state = Mean(), Checkpoint({"w": torch.ones(1 << 23)})
mean.add(state)
found = mean.result()
"""

WATCHED = """
mean.add(state, 0.5)
found = mean.result(into=found)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the memory")
def test_a_window_more_takes_no_memory_of_the_weights_size():
    """Weights of 32 MB."""
    _, used = own_memory.beyond(BEFORE, WATCHED, [])
    assert used < 6 << 20


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_a_value_that_is_not_finite_is_found_anywhere(value, dtype):
    given = torch.randn(3, 1001).to(dtype)
    given[2, 997] = value
    with pytest.raises(CheckpointError, match=r"'w' has values that are not finite"):
        mean([Checkpoint({"w": given})])


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_equals_the_correctly_rounded_mean(scale):
    checkpoints = states(10, scale=scale)
    for name, ours in mean(checkpoints).items():
        wanted = exact([state.tensors[name] for state in checkpoints], torch.float32)
        assert torch.equal(ours, wanted)


def test_agrees_with_swa_utils_to_its_float32_rounding_but_not_in_every_bit():
    torch.manual_seed(0)
    model = nn.Linear(64, 64)
    averaged, ours = AveragedModel(model), Mean()
    for _ in range(20):
        with torch.no_grad():
            model.weight.add_(torch.randn_like(model.weight))
        averaged.update_parameters(model)
        ours.add(Checkpoint(dict(model.state_dict())))
    theirs, result = averaged.module.weight.detach(), ours.result().tensors["weight"]
    torch.testing.assert_close(result, theirs, rtol=1e-4, atol=1e-5)
    assert not torch.equal(result, theirs)  # a running mean in float32 rounds at every step


def test_does_not_alias_live_weights():
    model = nn.Linear(3, 3)
    before = model.weight.detach().clone()
    total = Mean()
    total.add(Checkpoint(dict(model.state_dict())))
    with torch.no_grad():
        model.weight.fill_(7.0)
    result = total.result().tensors["weight"]
    assert torch.equal(result, before)
    result.fill_(3.0)
    assert torch.equal(total.result().tensors["weight"], before)


def test_integer_weights_are_exact():
    checkpoints = states(3)
    repeated = [checkpoints[0]] * 3 + [checkpoints[1]] + [checkpoints[2]] * 2
    weighted, plain = mean(checkpoints, [3, 1, 2]), mean(repeated)
    for name in weighted:
        torch.testing.assert_close(weighted[name], plain[name], rtol=0, atol=1e-7)
    assert torch.equal(mean(checkpoints, [0, 0, 5])["bias"], checkpoints[2].tensors["bias"])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_each_tensor_keeps_its_dtype_and_is_rounded_once(dtype):
    checkpoints = states(9, dtype=dtype)
    result = mean(checkpoints)["weight"]
    assert result.dtype == dtype
    total = sum(state.tensors["weight"].double() for state in checkpoints) / 9
    assert torch.equal(result, round_once(total, dtype))


def test_bf16_means_do_not_stop_moving():
    """A running mean kept in bfloat16 stays at 1 for ever; the mean of 1 and 99 times 2 is 1.99."""
    checkpoints = [
        Checkpoint({"w": torch.tensor([value], dtype=torch.bfloat16)})
        for value in [1.0] + [2.0] * 99
    ]
    assert mean(checkpoints)["w"].item() == pytest.approx(1.99, abs=0.005)


def nearest(value, dtype, candidates):
    return min(candidates, key=lambda one: abs(Fraction(one) - Fraction(value)))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_rounding_once_differs_from_torch_just_beside_a_tie(dtype):
    step = torch.finfo(dtype).eps
    just_above_a_tie = 1 + step / 2 + 2**-40  # float32 can't see the 2**-40
    values = torch.tensor([just_above_a_tie, -just_above_a_tie], dtype=torch.float64)
    assert values.to(dtype).tolist() == [1.0, -1.0]  # torch, by way of float32: wrong
    assert round_once(values, dtype).tolist() == [1 + step, -1 - step]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_rounding_once_is_to_nearest(dtype):
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(2000, generator=generator, dtype=torch.float64)
    ours = round_once(values, dtype)
    error = (ours.double() - values).abs()
    for neighbour in (torch.inf, -torch.inf):
        other = torch.nextafter(ours, torch.tensor(neighbour, dtype=dtype)).double()
        assert bool((error <= (other - values).abs()).all())


def test_rounding_keeps_zeros_and_exact_values():
    values = torch.tensor([0.0, -0.0, 1.0, -2.5, 2.0**-24], dtype=torch.float64)
    assert torch.equal(round_once(values, torch.float16).double(), values)


def test_integers_and_booleans_come_from_the_last():
    def state(step, weight):
        return Checkpoint(
            {
                "num_batches_tracked": torch.tensor(step),
                "seen": torch.tensor([step > 1]),
                "running_mean": torch.tensor([weight]),
            }
        )

    result = mean([state(1, 0.0), state(2, 1.0), state(5, 2.0)])
    assert result["num_batches_tracked"].item() == 5
    assert result["num_batches_tracked"].dtype == torch.int64
    assert result["seen"].item() is True
    assert result["running_mean"].item() == 1.0


def test_tied_tensors_are_averaged_once_and_stay_tied():
    def state(value):
        shared = torch.tensor([value])
        return Checkpoint({"encoder": shared, "decoder": shared}, (("encoder", "decoder"),))

    result = mean([state(1.0), state(1.0)])
    assert result["encoder"].item() == 1.0  # in-place addition to both names gives 0.75 or 2
    assert result["encoder"] is result["decoder"]


def test_keeps_the_order_of_the_names():
    assert list(mean(states(3))) == ["weight", "bias"]


def refused(first, second):
    total = Mean()
    total.add(first)
    before = total.result().tensors
    with pytest.raises(CheckpointError) as caught:
        total.add(second, source="epoch_007")
    after = total.result().tensors
    assert total.count == 1
    assert all(torch.equal(before[name], after[name]) for name in before)
    return str(caught.value)


@pytest.mark.parametrize(
    ("second", "named"),
    [
        ({"a": torch.zeros(2)}, "b"),
        ({"a": torch.zeros(2), "b": torch.zeros(2), "c": torch.zeros(2)}, "c"),
        ({"a": torch.zeros(3), "b": torch.zeros(2)}, "a"),
        ({"a": torch.zeros(2, dtype=torch.float64), "b": torch.zeros(2)}, "a"),
        ({"a": torch.zeros(2), "b": torch.tensor([0.0, math.nan])}, "b"),
        ({"a": torch.tensor([math.inf, 0.0]), "b": torch.zeros(2)}, "a"),
    ],
)
def test_refuses_what_does_not_fit_and_names_tensor_and_file(second, named):
    first = Checkpoint({"a": torch.zeros(2), "b": torch.zeros(2)})
    message = refused(first, Checkpoint(second))
    assert "epoch_007" in message
    assert f"'{named}'" in message


@pytest.mark.parametrize("dtype", [torch.complex64, torch.float8_e4m3fn])
def test_refuses_dtypes_that_it_cannot_average(dtype):
    with pytest.raises(CheckpointError, match=f"'a' is {dtype}"):
        Mean().add(Checkpoint({"a": torch.zeros(2).to(dtype)}))


def test_a_checkpoint_without_a_source_is_named_by_its_position():
    total = Mean()
    total.add(Checkpoint({"a": torch.zeros(2)}))
    with pytest.raises(CheckpointError, match=r"^checkpoint 1: .* in checkpoint 0;"):
        total.add(Checkpoint({"a": torch.zeros(3)}))


def test_a_refused_first_checkpoint_leaves_the_mean_open_to_others():
    total = Mean()
    with pytest.raises(CheckpointError, match="not finite"):
        total.add(Checkpoint({"a": torch.tensor([math.nan])}))
    total.add(Checkpoint({"b": torch.ones(3)}))
    assert total.result().tensors["b"].tolist() == [1.0] * 3


def test_refuses_a_mean_that_overflows():
    total = Mean()
    for _ in range(2):
        total.add(Checkpoint({"a": torch.tensor([1.7e308], dtype=torch.float64)}))
    with pytest.raises(CheckpointError, match="'a' overflows"):
        total.result()


def test_refuses_other_ties():
    one = torch.zeros(2)
    tied = Checkpoint({"a": one, "b": one}, (("a", "b"),))
    assert "tied" in refused(tied, Checkpoint({"a": torch.zeros(2), "b": torch.zeros(2)}))


@pytest.mark.parametrize("weight", [-1, math.nan, math.inf])
def test_refuses_weights_that_are_no_weights(weight):
    with pytest.raises(ValueError, match="weight"):
        Mean().add(states(1)[0], weight)


def test_refuses_an_empty_mean():
    with pytest.raises(ValueError, match="at least one"):
        Mean().result()
    with pytest.raises(ValueError, match="0 weights"):
        mean_of_files([])


@pytest.fixture
def saved(tmp_path):
    paths = [tmp_path / f"epoch_{epoch:03d}.safetensors" for epoch in range(6)]
    for path, state in zip(paths, states(6), strict=True):
        checkpoint.save(path, state.tensors)
    return paths


def test_files_give_what_their_contents_give(saved):
    wanted = mean(states(6))
    result = mean_of_files(saved).tensors
    assert all(torch.equal(result[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("count", [5, 7])
def test_every_file_needs_a_weight(saved, count):
    with pytest.raises(ValueError, match=f"{count} weights for 6 checkpoints"):
        mean_of_files(saved, [1] * count)


def test_prefix_means_have_the_bits_of_means_from_the_start(saved):
    counts = range(1, 7)
    for count, ours in zip(counts, prefix_means(saved, ([1] * n for n in counts)), strict=True):
        wanted = mean_of_files(saved[:count]).tensors
        assert all(torch.equal(ours.tensors[name], wanted[name]) for name in wanted)


def test_prefix_means_start_again_where_weights_change(saved):
    weightings = [[1, 2], [2, 2], [1, 2, 4]]
    for weights, ours in zip(weightings, prefix_means(saved, weightings), strict=True):
        wanted = mean_of_files(saved[: len(weights)], weights).tensors
        assert all(torch.equal(ours.tensors[name], wanted[name]) for name in wanted)


def test_a_corrupted_file_is_named(saved):
    saved[3].chmod(0o644)
    saved[3].write_bytes(saved[3].read_bytes()[:-5])
    with pytest.raises(CheckpointError, match="epoch_003"):
        mean_of_files(saved)
