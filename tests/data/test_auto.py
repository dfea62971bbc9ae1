"""The default data: SVHN, or house_numbers in its place, never without saying so."""

import logging

import pytest
import torch

from polyak.data import auto, svhn
from polyak.data import drawn_digits as house_numbers
from polyak.data import house_numbers as synthetic
from polyak.data.dataset import Source, make_split
from polyak.data.splitting import split
from polyak.errors import DataError


@pytest.fixture
def asked(monkeypatch):
    """Lists what SVHN was asked for; the test says what it answers. Drawing is made quick."""
    calls = []

    def answer(with_what):
        def load(datasets, **limits):
            calls.append((datasets, limits))
            if isinstance(with_what, Exception):
                raise with_what
            return with_what

        monkeypatch.setattr(svhn, "load", load)
        return calls

    def generate(split, count, seed):
        return torch.zeros(count, 3, 32, 32, dtype=torch.uint8), torch.arange(count) % 10

    monkeypatch.setattr(house_numbers, "generate", generate)
    return answer


OUT_OF_REACH = DataError("SVHN is not in /there and could not be downloaded (no route to host).")


@pytest.fixture
def real():
    made = make_split(torch.ones(4, 3, 32, 32, dtype=torch.uint8), torch.arange(4), None)
    return Source("SVHN", "SVHN Format 2", False, 10, made, made)


def test_svhn_where_it_is_there(asked, real, tmp_path, caplog):
    calls = asked(real)
    source = auto.load(str(tmp_path), limit_train=3, limit_test=2)
    assert source is real
    assert calls == [(str(tmp_path), {"limit_train": 3, "limit_test": 2})]
    assert source.substitute_for is None
    assert split(source, 1).title == "SVHN"
    assert caplog.records == []
    assert list(tmp_path.iterdir()) == []


def test_the_substitute_says_so_loudly(asked, tmp_path, caplog):
    asked(OUT_OF_REACH)
    source = auto.load(str(tmp_path), limit_train=30, limit_test=20)
    assert source.name == "house_numbers"
    assert source.synthetic
    assert source.substitute_for == "SVHN"
    assert (len(source.train), len(source.test)) == (30, 20)
    data = split(source, 0.1)
    assert data.substitute_for == "SVHN"
    assert data.title == "house_numbers (synthetic, NOT SVHN)"
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert any(str(OUT_OF_REACH) in warning for warning in warnings)
    assert any("NOT SVHN" in warning and "house_numbers" in warning for warning in warnings)


def test_the_substitute_is_that_of_dataset_house_numbers(asked, tmp_path):
    asked(OUT_OF_REACH)
    limits = {"limit_train": 30, "limit_test": 20}
    substitute, chosen = (module.load(str(tmp_path), **limits) for module in (auto, synthetic))
    assert substitute.train.digest() == chosen.train.digest()
    assert substitute.origin == chosen.origin
    assert chosen.substitute_for is None


def test_without_substitute_it_stops_and_draws_nothing(asked, tmp_path, caplog):
    asked(OUT_OF_REACH)
    with pytest.raises(DataError, match="no route to host"):
        auto.load(str(tmp_path), substitute=False)
    assert list(tmp_path.iterdir()) == []
    assert caplog.records == []


def test_a_bug_is_not_taken_for_data_out_of_reach(asked, tmp_path):
    asked(ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError):
        auto.load(str(tmp_path))
    assert list(tmp_path.iterdir()) == []
