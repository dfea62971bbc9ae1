"""Many cases of one kind, each tried within the limits, and every distinct failure shown once.

explore(cases, attempt, "weights: .pt", profile, share=0.5)

A case is tried with `attempt(case)`, which may raise what is allowed and nothing else. Failures are
the same where they are of one type and come from one line of this project: of each, the case with
the shortest description is shown. The quick profile fits `make test`; the thorough one is slow.

    FUZZ_SEED=random FUZZ_FACTOR=10 python -m pytest -m slow tests/fuzz     # make fuzz
"""

import os
import random
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.limits import Exceeded, within
from tests.small import ROOT


@dataclass(frozen=True)
class Profile:
    """At most so many cases per test, in `factor` times the CPU seconds of its share."""

    name: str
    cases: int
    factor: float


QUICK = Profile("quick", 300, 1.0)
THOROUGH = Profile("thorough", 20_000, 8.0)


class Unforeseen(Exception):
    """A case that broke something that isn't an exception: what, in words."""


@dataclass
class Found:
    """Failures by where they come from, and how many cases there were of each outcome."""

    outcomes: Counter[str] = field(default_factory=Counter)
    failures: dict[str, tuple[str, str]] = field(default_factory=dict)
    times: Counter[str] = field(default_factory=Counter)

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
    cases: st.SearchStrategy[Any],
    attempt: Callable[[Any], str],
    profile: Profile,
    share: float,
    record: Callable[[str, object], None],
    what: str,
) -> None:
    """Fail with all distinct failures. `attempt` returns a word for how the case ended ("read",
    "refused"), which is counted; `record` is pytest's record_property."""
    found, began = Found(), time.process_time()
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
    @given(cases)
    def each(case: Any) -> None:
        if time.process_time() - began > seconds:
            raise _Enough
        try:
            found.outcomes[attempt(case)] += 1
        except (Exception, Exceeded) as error:
            found.outcomes["failed"] += 1
            found.add(error, case)

    if "FUZZ_SEED" in os.environ:
        chosen = os.environ["FUZZ_SEED"]
        number = random.SystemRandom().randrange(2**32) if chosen == "random" else int(chosen)
        record("fuzz seed", f"{what}: FUZZ_SEED={number}")
        each = seed(number)(each)
    try:
        each()
    except _Enough:
        pass
    tried = sum(found.outcomes.values())
    words = ", ".join(f"{count} {outcome}" for outcome, count in found.outcomes.most_common())
    record("fuzz", f"{what}: {tried} cases: {words}")
    assert tried
    if found.failures:
        pytest.fail(f"{what}: {tried} cases\n\n{found.report()}", pytrace=False)


def limited(allowed: tuple[type[BaseException], ...], call: Callable[[], object]) -> str:
    """How a call within the limits ended."""
    try:
        with within():
            call()
    except allowed:
        return "refused"
    return "read"


def _own(error: BaseException) -> list[traceback.FrameSummary]:
    frames = traceback.extract_tb(error.__traceback__)
    rooms = (str(ROOT / "src" / "polyak"), str(ROOT / "analysis"))
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
    return f"{type(error).__name__}{f' {error}' if isinstance(error, Exceeded | Unforeseen) else ''}"


def _last(error: BaseException) -> str:
    text = "".join(traceback.format_exception_only(error)).strip().splitlines()[0][:300]
    return text + (f" (from {_last(error.__cause__)})" if error.__cause__ else "")
