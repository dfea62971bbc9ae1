"""Imports without garbage collection."""

import gc
import sys

import pytest

from polyak import imports


@pytest.fixture(autouse=True)
def _unfrozen():
    yield
    gc.unfreeze()


def test_nothing_is_collected_meanwhile_and_what_was_imported_never_is(monkeypatch):
    monkeypatch.setitem(sys.modules, "this_is_new", None)
    monkeypatch.delitem(sys.modules, "this_is_new")
    before = gc.get_freeze_count()
    with imports.quickly():
        assert not gc.isenabled()
        sys.modules["this_is_new"] = sys
    assert gc.isenabled()
    assert gc.get_freeze_count() > before


def test_where_all_is_imported_nothing_is_frozen():
    gc.unfreeze()
    with imports.quickly():
        import json  # noqa: F401
    assert gc.get_freeze_count() == 0


def test_an_exception_leaves_the_collector_as_it_was():
    gc.disable()
    try:
        with pytest.raises(KeyError), imports.quickly():
            raise KeyError
        assert not gc.isenabled()
    finally:
        gc.enable()
