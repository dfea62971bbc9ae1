"""Which of a source's training images are for validation.

dataset = split(arrays.load(...), validation=0.1, seed=0)
"""

import hashlib

import torch
from torch import Tensor

from polyak.data.dataset import Dataset, Source, Split
from polyak.errors import ConfigError


def split(source: Source, validation: float, seed: int | None = None) -> Dataset:
    """Carve `validation` images (an int: a count; a float: a fraction) from the training split.

    Where the source has groups, whole groups are taken, so that the count is met to within a group.
    Elsewhere ten contiguous blocks, one of each tenth of the file: neighbours, which may be crops
    of one photo, stay together. None for `seed` spreads the groups evenly over the file, and takes
    the block at the end of each tenth. A seed (0 or more) draws the groups from the whole file, and
    each block's place from its tenth, so that images are about equally likely to be taken, and the
    same ones on every machine. Raises ConfigError where nothing would be left to train on.
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
            _blocks(total, count, seed)
            if source.groups is None
            else _whole_groups(source.groups, count, seed)
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


def _blocks(total: int, count: int, seed: int | None) -> Tensor:
    """bool [total] with `count` true: of each of at most ten stretches a block at its end, or
    with a seed anywhere; a block that begins near the end goes on at the stretch's beginning."""
    blocks = min(10, count)
    chosen = torch.zeros(total, dtype=torch.bool)
    begin = 0
    for block in range(blocks):
        before, after = count * block // blocks, count * (block + 1) // blocks
        # The images that stay are shared out too, so that a block never outgrows its stretch.
        end = after + (total - count) * (block + 1) // blocks
        chosen[end - (after - before) : end] = True
        if seed is not None:
            chosen[begin:end] = chosen[begin:end].roll(_drawn(seed, block) % (end - begin))
        begin = end
    return chosen


def _whole_groups(groups: Tensor, count: int, seed: int | None) -> Tensor:
    """bool [N]: whole groups, in order of first appearance or as the seed draws them, whenever the
    quota so far allows."""
    members: dict[int, list[int]] = {}
    for index, group in enumerate(groups.tolist()):
        members.setdefault(group, []).append(index)
    order = list(members.values())
    if seed is not None:
        drawn = [_drawn(seed, number) for number in range(len(order))]
        order = [order[number] for number in sorted(range(len(order)), key=drawn.__getitem__)]
    chosen = torch.zeros(len(groups), dtype=torch.bool)
    seen = taken = 0
    for indices in order:
        seen += len(indices)
        # The group is taken where that leaves the number taken nearer to its quota.
        if abs(taken + len(indices) - count * seen / len(groups)) < abs(
            taken - count * seen / len(groups)
        ):
            chosen[indices] = True
            taken += len(indices)
    return chosen


def _drawn(seed: int, number: int) -> int:
    """64 bits of SHA-256, so that none are correlated and no version of torch decides them."""
    digest = hashlib.sha256(f"polyak split {seed} {number}".encode()).digest()
    return int.from_bytes(digest[:8], "big")
