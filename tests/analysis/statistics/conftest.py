"""Statistics raise no warnings, and their tests draw from fixed seeds."""

import warnings

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def random(seed=0):
    return np.random.default_rng(seed)
