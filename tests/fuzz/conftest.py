"""The specimen, the profiles, and what the cases of a test are broken in."""

from collections.abc import Iterator
from types import ModuleType

import pytest

from tests.fuzz import specimens
from tests.fuzz.explore import QUICK, THOROUGH, Profile
from tests.fuzz.specimens import Specimen


@pytest.fixture(scope="session")
def specimen(tmp_path_factory: pytest.TempPathFactory, processes: ModuleType) -> Iterator[Specimen]:
    made = specimens.make(tmp_path_factory.mktemp("fuzz") / "specimen")
    yield made
    assert not made.changed()


@pytest.fixture(
    params=[QUICK, pytest.param(THOROUGH, marks=pytest.mark.slow)], ids=lambda p: p.name
)
def profile(request: pytest.FixtureRequest) -> Profile:
    found: Profile = request.param
    return found
