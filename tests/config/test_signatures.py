import pytest

from polyak.config.signatures import REQUIRED, Parameter, definitions, parameters
from polyak.parameters import Count, Share

SOURCE = """
from dataclasses import dataclass
from typing import ClassVar, Literal

class Model(Base):
    def __init__(self, input_shape: Sequence[int], channels: tuple[Count, Count] = (4, 8)) -> None:
        pass

@dataclass(frozen=True)
class Scheme:
    name: ClassVar[str] = "x"
    decay: Share
    kind: Literal["a", "b"] = "a"

def load(path, *, limit: Count | None = None):
    pass

def odd(start: Count = some_function()):
    pass

def _private():
    pass
"""


@pytest.fixture
def path(tmp_path):
    (tmp_path / "source.py").write_text(SOURCE)
    return tmp_path / "source.py"


def test_parameters_are_read_without_importing(path):
    channels = Parameter(tuple[Count, Count], (4, 8))
    assert parameters(path, "Model") == {
        "input_shape": Parameter(None, REQUIRED),
        "channels": channels,
    }
    scheme = parameters(path, "Scheme")
    assert scheme["decay"] == Parameter(Share, REQUIRED)
    assert list(scheme) == ["decay", "kind"]
    assert parameters(path, "load")["limit"] == Parameter(Count | None, None)


def test_what_is_not_defined_there_has_no_parameters(path):
    assert parameters(path, "dataclass") is None
    assert parameters(path.with_name("other.py"), "Model") is None
    assert definitions(path) == ["Model", "Scheme", "load", "odd"]


def test_a_default_is_a_literal(path):
    with pytest.raises(TypeError, match=r"default some_function\(\): write a literal"):
        parameters(path, "odd")
