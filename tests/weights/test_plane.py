"""The plane through three weights, against plain numpy on their concatenated vectors."""

import numpy as np
import pytest
import torch

from polyak.weights.plane import Plane, distance, same

NAMES = ("kernel", "bias")


def weights(seed):
    generator = torch.Generator().manual_seed(seed)
    return {
        "kernel": torch.randn(5, 7, generator=generator),
        "statistic": 1000 * torch.randn(3, generator=generator),
        "bias": torch.randn(6, generator=generator),
        "count": torch.tensor(seed),
    }


def vector(state):
    return np.concatenate([state[name].double().numpy().ravel() for name in NAMES])


@pytest.fixture
def plane():
    return Plane.through(weights(0), weights(1), weights(2), NAMES)


def test_its_axes_are_those_of_gram_and_schmidt(plane):
    first, middle, last = (vector(weights(seed)) for seed in range(3))
    axis = (last - first) / np.linalg.norm(last - first)
    up = middle - first - ((middle - first) @ axis) * axis
    assert plane.width == pytest.approx(np.linalg.norm(last - first), rel=1e-13)
    assert plane.height == pytest.approx(np.linalg.norm(up), rel=1e-13)
    assert plane.lean * plane.width == pytest.approx((middle - first) @ axis, rel=1e-12)


def test_any_weights_are_placed_where_least_squares_puts_them(plane):
    first, middle, last, other = (vector(weights(seed)) for seed in range(4))
    sides = np.stack([middle - first, last - first], axis=1)
    (of_middle, of_last), (square,), *_ = np.linalg.lstsq(sides, other - first)
    place = plane.place(weights(3))
    shares = plane.shares(place.x, place.y)
    assert shares == pytest.approx((1 - of_middle - of_last, of_middle, of_last), rel=1e-10)
    assert place.away == pytest.approx(square**0.5, rel=1e-12)


def test_a_point_of_the_plane_lies_where_its_shares_say(plane):
    for x, y in ((0.3, 0.4), (-1.5, 2.0), (1.25, -0.5)):
        shares = plane.shares(x, y)
        assert sum(shares) == pytest.approx(1, abs=1e-15)
        mixed = {
            name: sum(
                share * weights(seed)[name].double()
                for seed, share in zip(range(3), shares, strict=True)
            )
            for name in NAMES
        }
        assert tuple(plane.place(mixed)) == pytest.approx((x, y, 0), abs=1e-12)


def test_the_three_themselves_have_no_share_of_others(plane):
    assert plane.shares(0, 0) == (1, 0, 0)
    assert plane.shares(plane.lean, 1) == (0, 1, 0)
    assert plane.shares(1, 0) == (0, 0, 1)


def test_a_small_triangle():
    corners = [{"w": torch.tensor(values)} for values in ([0.0, 0, 1], [1.0, 3, 1], [4.0, 0, 1])]
    plane = Plane.through(*corners, ["w"])
    assert (plane.width, plane.height, plane.lean) == (4, 3, 0.25)
    assert plane.place({"w": torch.tensor([2.0, 1.5, 6])}) == (0.5, 0.5, 5)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0, -3.0, 1e4])
def test_weights_on_one_line_have_no_plane(share):
    """Also after rounding to float32, which moves the middle one off the line."""
    first, last = weights(0), weights(1)
    middle = {
        name: (first[name].double() * (1 - share) + share * last[name].double()).float()
        for name in NAMES
    }
    assert Plane.through(first, middle, last, NAMES) is None


def test_a_first_that_is_the_last_has_no_plane():
    assert Plane.through(weights(0), weights(1), weights(0), NAMES) is None


def test_checkpoints_that_are_near_each_other_have_a_plane():
    """A late epoch at a small learning rate moves far more than rounding does."""
    first, *others = (weights(seed) for seed in range(3))
    near = [{name: first[name] + 1e-4 * other[name] for name in NAMES} for other in others]
    plane = Plane.through(first, *near, NAMES)
    assert 0 < plane.height < 1e-3 * np.linalg.norm(vector(first))


def test_distances_leave_out_what_is_no_coordinate():
    one, other = weights(0), weights(1)
    wanted = np.linalg.norm(vector(one) - vector(other))
    assert distance(one, other, NAMES) == pytest.approx(wanted, rel=1e-13)
    assert distance(one, other, [*NAMES, "statistic"]) > 100
    assert same(one, one | {"statistic": other["statistic"]}, NAMES)
    assert not same(one, other, NAMES)
