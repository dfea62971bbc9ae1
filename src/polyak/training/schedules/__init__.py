"""Learning-rate schedules: the factor on the optimizer's lr, epoch by epoch.

    Cosine().factor(epoch=10, epochs=20)  # 0.5

They have no state: the factor follows from the epoch alone (and, where `depends_on_epochs`, from
the number of epochs planned), so a resumed training has the same learning rates. One file each:
the file is part of the fingerprint of the trainings that use it, and of no others.
"""

from polyak.training.schedules.constant import Constant
from polyak.training.schedules.cosine import Cosine
from polyak.training.schedules.step import Step

__all__ = ["Constant", "Cosine", "Step"]
