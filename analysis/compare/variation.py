"""Which sources of variation a result includes, and which were held fixed, by the configurations of
its runs.

    found = variation_of(groups)
    found.sentence   # "Over seeds vary: the initial weights, the order of the batches, ..."

An interval over seeds speaks of what varied over them, and of nothing else (Bouthillier et al.
2021, arXiv:2103.03098).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.compare.groups import Group
from analysis.compare.settings import SPLIT_SEED, split_seed


@dataclass(frozen=True)
class Variation:
    """What varied over seeds, and what all of them had in common. `unlike`: seeds whose validation
    split is not the same in all groups."""

    varied: tuple[str, ...]
    fixed: tuple[str, ...]
    unlike: tuple[int, ...]

    @property
    def sentence(self) -> str:
        """Both lists, and what is not compared like for like."""
        varied = f"Over seeds vary: {', '.join(self.varied)}." if self.varied else "One seed."
        unlike = (
            f" Not like for like: the validation split of seed {', '.join(map(str, self.unlike))} "
            "is another in some recipes."
        )
        return f"{varied} Held fixed: {', '.join(self.fixed)}.{unlike * bool(self.unlike)}"


def variation_of(groups: Sequence[Group]) -> Variation:
    """Of all the runs of groups that are compared with each other."""
    configs: list[Mapping[str, Any]] = [
        config for group in groups for config in group.runs["config"]
    ]
    splits = [
        dict(zip(group.runs["seed"], map(split_seed, group.runs["config"]), strict=True))
        for group in groups
    ]
    weights, weights_vary = _initial_weights(configs)
    images, images_vary = _images(configs, splits)
    sources = {
        weights: weights_vary,
        "the order of the batches (and dropout, if any)": True,
        _augmentation(configs): True,
        images: images_vary,
        "the images that both are drawn from" if images_vary else "the training images": False,
        "the hyperparameters": False,
        "the test images (only an interval over seeds and images covers these)": False,
    }
    several = len({seed for group in groups for seed in group.runs["seed"]}) > 1
    varied = tuple(name for name, varies in sources.items() if name and varies and several)
    return Variation(
        varied=varied,
        fixed=tuple(name for name in sources if name and name not in varied),
        unlike=_unlike(splits),
    )


def _initial_weights(configs: Sequence[Mapping[str, Any]]) -> tuple[str, bool]:
    given = [config.get("training.init") is not None for config in configs]
    if all(given):
        return "the initial weights (training.init)", False
    return "the initial weights" + " (but where training.init gives them)" * any(given), True


def _augmentation(configs: Sequence[Mapping[str, Any]]) -> str:
    """ "" where there is none."""
    targets = [str(config.get("augmentation._target_", "none.Identity")) for config in configs]
    augmented = [not target.endswith("none.Identity") for target in targets]
    return "the augmentation" * any(augmented) + " where there is one" * (
        any(augmented) and not all(augmented)
    )


def _images(
    configs: Sequence[Mapping[str, Any]], splits: Sequence[Mapping[int, Any]]
) -> tuple[str, bool]:
    """Of the validation split; "" where there is none."""
    if not any(config.get("dataset.validation") for config in configs):
        return "", False
    which, varies = "which images are validation", any(len(set(one.values())) > 1 for one in splits)
    if varies:
        shared = any(len(set(one.values())) < len(one) for one in splits)
        return (
            f"{which} and which training ({SPLIT_SEED}{', which some seeds share' * shared})",
            True,
        )
    drawn = sorted({split for one in splits for split in one.values() if split is not None})
    value = f" ({SPLIT_SEED}={' or '.join(map(str, drawn))})" * bool(drawn)
    return f"{which}{value}", False


def _unlike(splits: Sequence[Mapping[int, Any]]) -> tuple[int, ...]:
    seeds = sorted({seed for one in splits for seed in one})
    return tuple(seed for seed in seeds if len({one[seed] for one in splits if seed in one}) > 1)
