"""Many cases of one kind, each tried within the limits, and every distinct failure shown once.

explore({"model.pt": pickles(legacy=False)}, attempt, profile, 3.0, record_property, "weights")

A case is a file's name and a mutation of it, tried with `attempt(name, mutation)`. Failures are the
same where they are of one type and come from one line of this project: of each, the case with the
shortest description is shown. The quick profile fits `make test`; the thorough one is slow.

    FUZZ_SEED=random FUZZ_FACTOR=20 python -m pytest -m slow tests/fuzz     # make fuzz
"""

import contextlib
import os
import random
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.limits import Exceeded, within
from tests.fuzz.mutations import Strategy
from tests.small import ROOT


@dataclass(frozen=True)
class Profile:
    """At most so many cases per test, in `factor` times the CPU seconds of its share."""

    name: str
    cases: int
    factor: float


QUICK = Profile("quick", 2_000, 0.6)
THOROUGH = Profile("thorough", 10_000, 2.0)


class UnforeseenError(Exception):
    """A case that broke something that isn't an exception: what, in words."""


@dataclass
class Found:
    """Failures by where they come from, and how many cases of each file had which outcome."""

    outcomes: dict[str, Counter[str]]
    failures: dict[str, tuple[str, str]] = field(default_factory=dict)
    times: Counter[str] = field(default_factory=Counter)

    @property
    def tried(self) -> int:
        return sum(map(Counter.total, self.outcomes.values()))

    def words(self) -> str:
        """ "model.pt 12 (9 refused, 3 read)"."""
        parts = []
        for name, outcomes in self.outcomes.items():
            each = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
            parts.append(f"{name} {outcomes.total()} ({each})")
        return "; ".join(parts)

    def add(self, error: BaseException, case: object) -> None:
        place = _place(error)
        key, shown = f"{_kind(error)} at {place}", repr(case)[:1500]
        self.times[key] += 1
        if key not in self.failures or len(shown) < len(self.failures[key][0]):
            self.failures[key] = (shown, _last(error))

    def report(self) -> str:
        return "\n\n".join(
            f"{key} ({self.times[key]} cases)\n    {error}\n    {case}"
            for key, (case, error) in sorted(self.failures.items())
        )


class _Enough(BaseException):
    """The time is used up. Hypothesis takes no BaseException for a failing case."""


def explore(
    files: Mapping[str, Strategy],
    attempt: Callable[[str, Any], str],
    profile: Profile,
    share: float,
    record: Callable[[str, object], None],
    what: str,
) -> None:
    """Fail with all distinct failures. `attempt` returns a word for how the case ended ("read",
    "refused"), which is counted; `record` is pytest's record_property."""
    found = Found({name: Counter() for name in files})
    began: list[float] = []
    scale = float(os.environ.get("FUZZ_FACTOR", "1"))
    seconds = share * profile.factor * scale

    @settings(
        max_examples=int(profile.cases * scale),
        derandomize="FUZZ_SEED" not in os.environ,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        st.sampled_from(sorted(files)).flatmap(lambda name: st.tuples(st.just(name), files[name]))
    )
    def each(case: tuple[str, Any]) -> None:
        began.append(time.process_time())  # the first: what Hypothesis prepares isn't counted
        if began[-1] - began[0] > seconds:
            raise _Enough
        name, mutation = case
        try:
            found.outcomes[name][attempt(name, mutation)] += 1
        except (Exception, Exceeded) as error:
            found.outcomes[name]["failed"] += 1
            found.add(error, case)

    if chosen := os.environ.get("FUZZ_SEED"):
        number = random.SystemRandom().randrange(2**32) if chosen == "random" else int(chosen)
        record("fuzz seed", f"{what}: FUZZ_SEED={number}")
        each = seed(number)(each)
    with contextlib.suppress(_Enough):
        each()
    record("fuzz", f"fuzz: {what}: {found.tried} cases: {found.words()}")
    assert found.tried
    if found.failures:
        pytest.fail(f"{what}: {found.tried} cases\n\n{found.report()}", pytrace=False)


def limited(allowed: tuple[type[BaseException], ...], call: Callable[[], object]) -> str:
    """How a call within the limits ended; a command's exit code tells too."""
    try:
        with within():
            code = call()
    except allowed:
        return "refused"
    return "refused" if isinstance(code, int) and code else "read"


def _own(error: BaseException) -> list[traceback.FrameSummary]:
    frames = traceback.extract_tb(error.__traceback__)
    rooms = tuple(str(ROOT / room) for room in ("src/polyak", "src/train.py", "analysis"))
    return [frame for frame in frames if frame.filename.startswith(rooms)]


def _place(error: BaseException | None) -> str:
    """The innermost line of this project."""
    while error is not None:
        if own := _own(error):
            name = own[-1].filename.removeprefix(f"{ROOT}/")
            return f"{name}:{own[-1].lineno} ({own[-1].name})"
        error = error.__cause__ or error.__context__
    return "no line of this project"


def _kind(error: BaseException) -> str:
    words = f" {error}" if isinstance(error, Exceeded | UnforeseenError) else ""
    return f"{type(error).__name__}{words}"


def _last(error: BaseException) -> str:
    text = "".join(traceback.format_exception_only(error)).strip().splitlines()[0][:300]
    return text + (f" (from {_last(error.__cause__)})" if error.__cause__ else "")
