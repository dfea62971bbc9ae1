"""The harness itself: what it is to find, it finds."""

import contextlib
import json
import pickle
import time

import numpy as np
import pytest
import torch
from hypothesis import strategies as st

from tests.fuzz.explore import Profile, UnforeseenError, explore, limited
from tests.fuzz.hostile import HOSTILE, Pickled
from tests.fuzz.limits import Exceeded, within
from tests.fuzz.mutations import CELLS, JSON, TRACE, Bytes, Change, Edit, Text, Whole


def spend(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def test_a_case_that_takes_too_long_is_found_and_one_that_waits_is_not():
    with within(seconds=0.05):
        time.sleep(0.2)
    with pytest.raises(Exceeded, match=r"more than 0\.05 s"), within(seconds=0.05):
        spend(0.07)


def test_a_case_without_end_is_interrupted_even_where_all_exceptions_are_caught():
    def endless() -> None:
        while True:
            with contextlib.suppress(Exception):
                spend(10)

    with pytest.raises(Exceeded, match="interrupted"), within(seconds=0.05):
        endless()


def test_memory_is_found_where_it_is_touched_and_each_time_again():
    for _ in range(2):
        with pytest.raises(Exceeded, match="more than 64 MB"), within(most=64 * 2**20):
            np.ones(80 * 2**20, dtype=np.uint8)
        with within(most=64 * 2**20):
            np.ones(2**20, dtype=np.uint8)


@pytest.mark.parametrize("ask", [lambda: bytearray(2**40), lambda: torch.zeros(2**38)])
def test_a_refused_allocation_is_found_whatever_error_it_became(ask):
    def read() -> None:
        try:
            ask()
        except Exception as error:
            raise ValueError("a broken file") from error

    with pytest.raises(Exceeded, match="asked for more than"), within():
        read()


def test_errors_go_through_the_limits():
    with pytest.raises(KeyError), within():
        raise KeyError
    assert limited((KeyError,), lambda: {}["x"]) == "refused"
    assert limited((), lambda: 1) == "refused"
    assert limited((), lambda: 0) == "read"


def test_every_distinct_failure_is_shown_once_with_its_shortest_case():
    def attempt(name: str, number: int) -> str:
        if number % 2:
            raise UnforeseenError("odd")
        if number % 3 == 0:
            raise UnforeseenError("three")
        return "read"

    recorded = []
    with pytest.raises(pytest.fail.Exception) as failed:
        explore(
            {"file": st.integers(0, 10**6)},
            attempt,
            Profile("test", 200, 1.0),
            5.0,
            lambda *one: recorded.append(one),
            "numbers",
        )
    assert str(failed.value).count("UnforeseenError odd at") == 1
    assert str(failed.value).count("UnforeseenError three at") == 1
    ((_, said),) = recorded
    assert said.startswith("fuzz: numbers: 200 cases: file 200 (")


def test_a_file_that_is_written_or_deleted_or_changed_is_found_and_put_back(specimen):
    path, other = specimen.weights / "zip.pt", specimen.weights / "zip.bin"
    before = path.read_bytes()
    links = (specimen.run / "checkpoints" / "epoch_000.safetensors").stat().st_nlink

    def harm(do) -> None:
        with specimen.broken(path, Bytes("flip", 0.5)):
            assert path.read_bytes() != before
            do()

    for said, do in (
        ("changed weights/zip.bin", lambda: other.write_bytes(b"")),
        ("deleted weights/zip.bin", other.unlink),
        ("changed weights/zip.pt", path.unlink),
        (f"wrote cwd/{TRACE}", lambda: (specimen.cwd / TRACE).touch()),
    ):
        with pytest.raises(UnforeseenError, match=said):
            harm(do)
        harm(lambda: None)
        assert path.read_bytes() == before
    checkpoint = specimen.run / "checkpoints" / "epoch_000.safetensors"
    with specimen.broken(checkpoint, Bytes("flip", 0.5)):
        pass
    assert checkpoint.stat().st_nlink == links


def test_code_in_a_pickle_leaves_a_trace_where_it_is_run(specimen):
    """So that no trace means that no code was run."""
    path = specimen.weights / "legacy.pth"
    for what in ("os.system", "eval", "open"):
        with (
            pytest.raises(UnforeseenError, match=f"wrote cwd/{TRACE}"),
            specimen.broken(path, lambda _, what=what: pickle.dumps(HOSTILE[what]())),
        ):
            pickle.loads(path.read_bytes())


def test_hostile_pickles_can_be_made_in_both_formats():
    made = {what: 0 for what in HOSTILE}
    for what in HOSTILE:
        for legacy in (False, True):
            try:
                made[what] += bool(Pickled(what, legacy)(b""))
            except Exception:
                continue  # some of them only one format takes
    assert [what for what, count in made.items() if not count] == []


def test_edits_change_the_document_where_they_say():
    content = json.dumps({"a": {"b": [1, 2]}, "c": 3}).encode()

    def edited(how: str, *where: int, text: str = "null") -> str:
        return " ".join(Edit((Change(how, where, Text(text)),))(content).decode().split())

    assert edited("replace", 1, 7, text="NaN") == '{ "a": { "b": [ 1, 2 ] }, "c": NaN }'
    assert edited("delete", 2) == '{ "c": 3 }'
    assert edited("twice", 1) == '{ "a": { "b": [ 1, 2 ] }, "c": null, "c": 3 }'
    assert edited("wrap", 0, 0, 0) == '{ "a": { "b": [ [ 1 ], 2 ] }, "c": 3 }'
    assert edited("rename", 1, text='"x"') == '{ "a": { "b": [ 1, 2 ] }, "x": 3 }'


def test_every_value_can_be_written():
    for text in [*JSON, *CELLS]:
        assert isinstance(Whole(Text(text))(b""), bytes)
