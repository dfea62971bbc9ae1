"""The library of the schedule-free optimizers: `pip install -e '.[schedulefree]'`.

from polyak.training.optimizers.schedule_free import SGDScheduleFree

The method is Defazio et al. 2024, "The Road Less Scheduled" (https://arxiv.org/abs/2405.15682). Of
three sequences, z makes the steps, x is the weighted mean of all z so far, and gradients are taken
in between, at y = (1 - beta) z + beta x. The model has y while it is trained and x afterwards,
which is what the method deploys: the optimizer's `train` and `eval` take it from one to the other.
"""

from polyak.errors import ConfigError

try:
    from schedulefree import AdamWScheduleFree, SGDScheduleFree
except ImportError as error:
    raise ConfigError(
        f"optimizer: a schedule-free one needs schedulefree, which can't be imported ({error}); "
        "allowed: after pip install -e '.[schedulefree]' in the repository"
    ) from error

__all__ = ["AdamWScheduleFree", "SGDScheduleFree"]
