"""SVHN where it can be had; else house_numbers in its place, with a warning.

python src/train.py            # dataset=auto is the default
"""

import logging
from dataclasses import replace

from polyak.data import house_numbers as synthetic
from polyak.data import svhn
from polyak.data.dataset import Source
from polyak.errors import DataError
from polyak.parameters import Count, Directory

log = logging.getLogger(__name__)


def load(
    datasets: Directory,
    *,
    substitute: bool = True,
    limit_train: Count | None = None,
    limit_test: Count | None = None,
) -> Source:
    """SVHN, or where it is out of reach and `substitute` allows it, house_numbers.

    Raises DataError as svhn.load does where it is out of reach and may not be replaced.
    """
    try:
        return svhn.load(datasets, limit_train=limit_train, limit_test=limit_test)
    except DataError as error:
        if not substitute:
            raise
        log.warning("%s", error)
        log.warning("NOT SVHN: training on house_numbers, synthetic digits, in its place")
    drawn = synthetic.load(datasets, limit_train=limit_train, limit_test=limit_test)
    return replace(drawn, substitute_for="SVHN")
