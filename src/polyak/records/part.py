"""What all schemas share: their base, and the types of numbers and names with their ranges."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _loss(found: float) -> float:
    if found < 0:
        raise ValueError("allowed: from 0")
    return found


def _environment(found: dict[str, Any]) -> dict[str, Any]:
    for key, value in found.items():
        if value is not None and (type(value) is int) != (key == "threads"):
            raise ValueError(f"{key} = {value!r}: allowed: a text; of threads, a number")
    return found


Fraction = Annotated[float, Field(ge=0, le=1)]
Epoch = Annotated[int, Field(ge=0, le=1_000_000)]
Number = Annotated[int, Field(ge=1, le=2**40)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Loss = Annotated[float, AfterValidator(_loss)]
"""In nats; of weights far out, infinite or no number."""
Coordinate = Annotated[float, Field(allow_inf_nan=False)]
Cosine = Annotated[float, Field(ge=-1, le=1)]
Split = Annotated[str, Field(pattern="^(train|validation|test)$")]
Name = Annotated[str, Field(max_length=300)]
METRIC_NAME = "[a-z0-9_]{1,40}"
MetricName = Annotated[str, Field(pattern=f"^{METRIC_NAME}$")]
MOST_OTHERS = 50
"""Metrics of one run beside those of its logits."""
OF_LOGITS = {"accuracy": True, "loss": False, "calibration_error": False}
"""The metrics that are computed from logits, and whether higher is better."""
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Environment = Annotated[
    dict[Name, Annotated[int, Field(ge=1, le=2**16)] | str | None], AfterValidator(_environment)
]
"""Device, threads, versions and commit, as `polyak.store.environment` describes them."""


class Part(BaseModel):
    """Base of all parts: finite numbers of the right types; unknown keys are left out."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False, frozen=True, extra="ignore")
