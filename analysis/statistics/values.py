"""What every statistic asks of the values it is given."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Values = Sequence[float] | npt.NDArray[np.floating]

SAME = 1e-12
"""Values no further apart than this are identical: a gain is a difference of accuracies, whose
rounding (1e-16) is no spread. One image of a million is 1e-6."""


def finite(values: Values) -> npt.NDArray[np.float64]:
    given = np.asarray(values, dtype=np.float64)
    if given.ndim != 1 or not np.isfinite(given).all():
        raise ValueError(f"expected a list of finite numbers, not {values}")
    return given


def identical(given: npt.NDArray[np.float64]) -> bool:
    return given.size < 2 or float(np.ptp(given)) <= SAME


def check(level: float, power: float = 0.5) -> None:
    if not 0 < level < 1:
        raise ValueError(f"a level is in (0, 1), not {level}")
    if not 0.5 <= power < 1:
        raise ValueError(f"a power is in [0.5, 1), not {power}")
