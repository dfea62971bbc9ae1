"""Which of a source's training images are for validation.

dataset = split(arrays.load(...), validation=0.1)
"""

import torch
from torch import Tensor

from polyak.data.dataset import Dataset, Source, Split
from polyak.errors import ConfigError


def split(source: Source, validation: float) -> Dataset:
    """Carve `validation` images (an int: a count; a float: a fraction) from the training split.

    Which images are carved does not depend on any seed. Where the source has groups, whole groups
    spread evenly over the file are taken, so the count is met to within a group. Elsewhere ten
    contiguous blocks, spread evenly: neighbours, which may be crops of one photo, stay together.
    Raises ConfigError where nothing would be left to train on.
    """
    total = len(source.train)
    count = round(validation * total) if isinstance(validation, float) else validation
    if count >= total or (count == 0 and validation > 0):
        raise ConfigError(
            f"dataset.validation = {validation}: {count} of the {total} training images; "
            "allowed: at least one image, and fewer than all"
        )
    train, carved = source.train, None
    if count:
        chosen = (
            _blocks(total, count) if source.groups is None else _whole_groups(source.groups, count)
        )
        if bool(chosen.all()) or not bool(chosen.any()):
            raise ConfigError(
                f"dataset.validation = {validation}: the groups of the {total} training images "
                "cannot be divided so; allowed: another count, or dataset.groups=null"
            )
        train, carved = _take(source.train, ~chosen), _take(source.train, chosen)
    return Dataset(
        name=source.name,
        origin=source.origin,
        synthetic=source.synthetic,
        substitute_for=source.substitute_for,
        classes=source.classes,
        train=train,
        validation=carved,
        test=source.test,
    )


def _take(whole: Split, chosen: Tensor) -> Split:
    return Split(whole.images[chosen], whole.labels[chosen], whole.ids[chosen])


def _blocks(total: int, count: int, blocks: int = 10) -> Tensor:
    """bool [total] with `count` true, in at most `blocks` runs, each at the end of its stretch."""
    blocks = min(blocks, count)
    chosen = torch.zeros(total, dtype=torch.bool)
    for block in range(blocks):
        before, after = count * block // blocks, count * (block + 1) // blocks
        # The images that stay are shared out too, so that a block never outgrows its stretch.
        end = after + (total - count) * (block + 1) // blocks
        chosen[end - (after - before) : end] = True
    return chosen


def _whole_groups(groups: Tensor, count: int) -> Tensor:
    """bool [N]: whole groups, in order of first appearance, whenever the quota so far allows."""
    members: dict[int, list[int]] = {}
    for index, group in enumerate(groups.tolist()):
        members.setdefault(group, []).append(index)
    chosen = torch.zeros(len(groups), dtype=torch.bool)
    seen = taken = 0
    for indices in members.values():
        seen += len(indices)
        # The group is taken where that leaves the number taken nearer to its quota.
        if abs(taken + len(indices) - count * seen / len(groups)) < abs(
            taken - count * seen / len(groups)
        ):
            chosen[indices] = True
            taken += len(indices)
    return chosen
