"""Types of parameters, with their ranges: what the signature of a choice is written in.

    class Cosine:
        def __init__(self, minimum: Share = 0.0) -> None: ...

`polyak.config` checks the values in a YAML file against these annotations. It needs no torch.
"""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, PlainValidator
from pydantic import ValidationInfo as Info

__all__ = [
    *("Byte", "Count", "CountOrShare", "Decay", "Directory", "Dropout", "Epoch", "Exponent"),
    *(
        "File",
        "Interpolation",
        "Label",
        "LearningRate",
        "Mean",
        "NotNegative",
        "Positive",
        "PositiveShare",
    ),
    *("Power", "Seed", "Share", "StandardDeviation", "Steps", "Weights"),
]

LARGEST = 1e30
"""torch refuses what float32 can't hold."""

Byte = Annotated[int, Field(ge=0, le=255)]
Count = Annotated[int, Field(ge=1)]
Epoch = Annotated[int, Field(ge=0)]
Steps = Annotated[int, Field(ge=0)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Positive = Annotated[float, Field(gt=0)]
LearningRate = Annotated[float, Field(gt=0, le=LARGEST)]
NotNegative = Annotated[float, Field(ge=0, le=LARGEST)]
Power = Annotated[float, Field(ge=0, le=10)]
Decay = Annotated[float, Field(ge=0, lt=1)]
Interpolation = Annotated[float, Field(gt=0, lt=1)]
Dropout = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
PositiveShare = Annotated[float, Field(gt=0, le=1)]
Exponent = Annotated[float, Field(ge=0, le=100)]
Label = Annotated[str, Field(pattern=r"^[\w .=,+-]{1,128}$")]


def _absolute(path: str, info: Info) -> str:
    """A path from the command line is the caller's."""
    if not path or path.startswith("~"):
        raise ValueError("allowed: a path, absolute or relative, without ~")
    caller: str = (info.context or {}).get("caller", ".")
    return os.path.abspath(Path(caller, path))


def _existing(path: str) -> str:
    if Path(path).is_dir():
        raise ValueError("it is a directory; allowed: a file")
    if not Path(path).is_file():
        raise ValueError("there is no such file")
    return path


def _count_or_share(value: Any) -> int | float:
    if type(value) is int and value >= 0:
        return value
    if type(value) is float and 0 <= value < 1:
        return value
    raise ValueError("allowed: a count of images (0, 1, 2, ...) or a fraction below 1.0")


def _per_channel(least: float) -> PlainValidator:
    """A number of at least `least`, or a list of them."""

    def checked(value: Any) -> float | list[float]:
        each = value if isinstance(value, list) and value else [value]
        if all(type(one) in (int, float) and least <= one <= 1000 for one in each):
            return [float(one) for one in value] if isinstance(value, list) else float(value)
        raise ValueError(f"allowed: a number from {least:g} to 1000, or a list of one per channel")

    return PlainValidator(checked)


def _sums_to_one(weights: Sequence[float]) -> Sequence[float]:
    if not math.isclose(math.fsum(weights), 1, rel_tol=0, abs_tol=1e-6):
        raise ValueError(f"they sum to {math.fsum(weights):g}; allowed: weights that sum to 1")
    return weights


Directory = Annotated[str, AfterValidator(_absolute)]
File = Annotated[str, AfterValidator(_absolute), AfterValidator(_existing)]
CountOrShare = Annotated[int | float, PlainValidator(_count_or_share)]
Weights = Annotated[list[NotNegative], AfterValidator(_sums_to_one)]
Mean = Annotated[float | list[float], _per_channel(-1000)]
StandardDeviation = Annotated[float | list[float], _per_channel(1e-6)]
