import math

import pytest
import torch

from polyak.averaging.scheme import Intervals
from polyak.averaging.schemes.ema import Ema
from polyak.averaging.schemes.explicit import Explicit
from polyak.averaging.schemes.exponential import Exponential
from polyak.averaging.schemes.greedy import Greedy
from polyak.averaging.schemes.latest import Latest
from polyak.averaging.schemes.power import Power
from polyak.averaging.schemes.ramp import Ramp
from polyak.averaging.schemes.uniform import Uniform

WINDOW = range(10, 20)


def normalised(weights):
    return [weight / math.fsum(weights) for weight in weights]


def test_uniform_and_latest_count_whole_checkpoints():
    assert Uniform().weights(WINDOW) == [1] * 10
    assert Latest(k=4).weights(WINDOW) == [0] * 6 + [1] * 4  # four, not five
    assert Latest(k=99).weights(WINDOW) == [1] * 10


@pytest.mark.parametrize("decay", [0.5, 0.9, 1.0])
def test_exponential_is_the_recursion_corrected_for_its_beginning(decay):
    """Against mean = decay * mean + (1 - decay) * theta from zero, over its total weight (as Adam
    does)."""
    values = torch.randn(10, dtype=torch.float64)
    mean = total = torch.zeros((), dtype=torch.float64)
    for value in values:
        kept, new = (decay, 1 - decay) if decay < 1 else (1, 1)
        mean, total = kept * mean + new * value, kept * total + new
    weights = torch.tensor(normalised(Exponential(decay).weights(WINDOW)), dtype=torch.float64)
    torch.testing.assert_close(weights @ values, mean / total)


@pytest.mark.parametrize("gamma", [0, 0.5, 2.0, 16.97])
def test_power_is_the_papers_recursion(gamma):
    """mean_t = beta_t mean_(t-1) + (1 - beta_t) theta_t, beta_t = (1 - 1/t) ** (gamma + 1)."""
    values = torch.randn(12, dtype=torch.float64)
    mean = torch.zeros((), dtype=torch.float64)
    for t, value in enumerate(values, start=1):
        beta = (1 - 1 / t) ** (gamma + 1)
        mean = beta * mean + (1 - beta) * value
    weights = torch.tensor(normalised(Power(gamma).weights(range(12))), dtype=torch.float64)
    torch.testing.assert_close(weights @ values, mean)


def test_power_of_a_window_is_that_part_of_the_whole():
    whole, part = Power(2.0).weights(range(20)), Power(2.0).weights(WINDOW)
    assert part == pytest.approx(whole[10:])


@pytest.mark.parametrize(
    ("decay", "factor"),
    [("linear", lambda x: 1 - x), ("one_minus_sqrt", lambda x: 1 - math.sqrt(x))],
)
def test_ramp_makes_the_average_what_decayed_updates_would_give(decay, factor):
    count = 8
    updates = torch.randn(count, dtype=torch.float64)  # the first is the first checkpoint itself
    checkpoints = updates.cumsum(0)
    weights = torch.tensor(normalised(Ramp(decay).weights(range(count))), dtype=torch.float64)
    decayed = torch.tensor([factor(i / count) for i in range(count)], dtype=torch.float64)
    torch.testing.assert_close(weights @ checkpoints, decayed @ updates)


def test_linear_ramp_is_the_uniform_average_exactly():
    assert Ramp("linear").weights(WINDOW) == Uniform().weights(WINDOW)


@pytest.mark.parametrize(
    "scheme", [Exponential(0.8), Power(3.0), Ramp("one_minus_sqrt"), Latest(2), Uniform()]
)
@pytest.mark.parametrize("epochs", [range(1), range(7, 8), range(3, 9), range(1000)])
def test_weights_are_finite_not_negative_and_not_all_zero(scheme, epochs):
    weights = scheme.weights(epochs)
    assert len(weights) == len(epochs)
    assert all(math.isfinite(weight) and weight >= 0 for weight in weights)
    assert math.fsum(weights) > 0


def test_a_scheme_is_described_by_its_parameters():
    assert Uniform().description == "uniform"
    assert Exponential(0.8).description == "exponential, decay 0.8"


def test_explicit_weights_must_be_as_many_as_epochs():
    assert Explicit([0.2, 0.8]).weights(range(2)) == [0.2, 0.8]
    with pytest.raises(ValueError, match="2 weights; allowed: 3, one per checkpoint"):
        Explicit([0.2, 0.8]).weights(range(3))


def test_greedy_keeps_what_does_not_harm():
    """An average's accuracy by what is in it: 1 harms, 2 helps, 0 makes no difference."""
    tried = []

    class OnValidation:
        accuracies = (0.4, 0.6, 0.7, 0.4)

        def accuracy_of(self, weights):
            tried.append(weights)
            return 0.5 + 0.1 * weights[2] - 0.2 * weights[1]

    assert Greedy().weights(range(4), OnValidation()) == [1, 0, 1, 1]
    assert tried == [[0, 0, 1, 0], [0, 1, 1, 0], [1, 0, 1, 0], [1, 0, 1, 1]]


def test_greedy_needs_validation():
    with pytest.raises(ValueError, match="needs a validation split"):
        Greedy().weights(range(4))


def steps_of(ends, start=0, means=True, per_epoch=10):
    begins = [start, *ends]
    return Intervals([range(a, b) for a, b in zip(begins, ends, strict=False)], per_epoch, means)


UNEVEN = steps_of([4, 8, 10, 14, 18, 20])
"""Every 4 steps of epochs of 10."""
EACH = steps_of(range(1, 21))


@pytest.mark.parametrize(
    "scheme",
    [
        *(Uniform(), Exponential(0.8), Exponential(1.0), Power(3.0), Power(0.0)),
        *(Ramp("linear"), Ramp("one_minus_sqrt"), Ema(decay=0.9), Ema(half_life=3)),
    ],
    ids=lambda scheme: scheme.description,
)
@pytest.mark.parametrize("first", [0, 2])
def test_a_step_mean_weighs_what_its_steps_do(scheme, first):
    """Each step's weight, from intervals of one step, added up."""
    window = Intervals(UNEVEN.steps[first:], 10, means=True)
    each = Intervals([range(s, s + 1) for i in window.steps for s in i], 10, means=True)
    of_steps = dict(zip((one.start for one in each.steps), scheme.over_steps(each), strict=True))
    wanted = [math.fsum(of_steps[step] for step in one) for one in window.steps]
    assert normalised(scheme.over_steps(window)) == pytest.approx(normalised(wanted), rel=1e-12)


@pytest.mark.parametrize(
    "scheme", [Exponential(0.8), Power(2.0), Ramp("one_minus_sqrt"), Latest(3), Uniform()]
)
def test_checkpoints_at_epochs_ends_weigh_as_epochs_do(scheme):
    epochs = steps_of(range(110, 201, 10), start=100, means=False)
    wanted = normalised(scheme.weights(WINDOW))
    assert normalised(scheme.over_steps(epochs)) == pytest.approx(wanted, rel=1e-12)


def test_checkpoints_count_the_same_and_means_by_their_steps():
    assert Uniform().over_steps(UNEVEN) == [4, 4, 2, 4, 4, 2]
    checkpoints = Intervals(UNEVEN.steps, 10, means=False)
    assert Uniform().over_steps(checkpoints) == [1] * 6
    assert Latest(k=2).over_steps(checkpoints) == [0, 0, 0, 0, 1, 1]  # LAWA, every 4 steps
    assert Latest(k=2).over_steps(UNEVEN) == [0, 0, 0, 0, 4, 2]
    assert Explicit([0.1] * 4 + [0.3] * 2).over_steps(checkpoints) == [0.1] * 4 + [0.3] * 2


@pytest.mark.parametrize("scheme", [Ema(decay=0.9), Ema(half_life=6.5)])
def test_ema_is_the_recursion_over_steps_corrected_for_its_beginning(scheme):
    decay = scheme.decay or 0.5 ** (1 / scheme.half_life)
    values = torch.randn(20, dtype=torch.float64)
    mean = total = 0.0
    for value in values:
        mean, total = decay * mean + (1 - decay) * value, decay * total + (1 - decay)
    weights = torch.tensor(normalised(scheme.over_steps(EACH)), dtype=torch.float64)
    torch.testing.assert_close(weights @ values, torch.as_tensor(mean / total))


def test_ema_underflows_to_nothing_and_never_to_nothing_at_all():
    weights = Ema(half_life=0.01).over_steps(EACH)
    assert weights[-1] > 0
    assert all(math.isfinite(weight) and weight >= 0 for weight in weights)


@pytest.mark.parametrize("decay", [0.5, 0.9, 0.999])
@pytest.mark.parametrize("length", [1, 2, 7, 50])
def test_the_deviation_of_an_interval_is_that_of_its_steps_from_their_mean(decay, length):
    shares = normalised([decay**age for age in range(length)])
    wanted = sum(abs(share - 1 / length) for share in shares)
    assert Ema(decay=decay).deviation(length) == pytest.approx(wanted, abs=1e-12)
    assert wanted <= -math.log(decay) * length / 4 + 1e-12  # as docs/averaging.md has it


def test_what_does_not_fit_is_refused():
    for wrong in (Ema(), Ema(decay=0.9, half_life=3)):
        with pytest.raises(ValueError, match=r"^decay = .*, half_life = .*: allowed: exactly one"):
            wrong.over_steps(EACH)
    with pytest.raises(
        ValueError, match=r"^half_life = 21: a half-life of 21 steps is longer than"
    ):
        Ema(half_life=21).check(EACH)
    with pytest.raises(ValueError, match=r"^decay = 0.999: a half-life of 692\.8 steps .* of 20;"):
        Ema(decay=0.999).check(EACH)
    Ema(half_life=20).check(EACH)
    with pytest.raises(ValueError, match=r"^half_life = 1e-320: allowed: from 1e-300"):
        Ema(half_life=1e-320).over_steps(EACH)  # whose rate is infinite, and weights no numbers
    with pytest.raises(ValueError, match=r"allowed: averaging\.of=steps"):
        Ema(half_life=3).weights(WINDOW)
    with pytest.raises(ValueError, match=r"^_target_: greedy weights epochs' checkpoints alone"):
        Greedy().over_steps(EACH)
    with pytest.raises(ValueError, match="2 weights; allowed: 20"):
        Explicit([0.5, 0.5]).over_steps(EACH)


def test_an_emas_description():
    assert Ema(decay=0.999).description == "ema, decay 0.999"
    assert Ema(half_life=500).description == "ema, half-life 500 steps"
