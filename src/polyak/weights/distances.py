"""How far apart a trajectory's checkpoints lie, from each other and from their average.

    rows = between({epoch: run.checkpoint(epoch) for epoch in range(20)}, averaged)
    write(run.directory / "distances.csv", rows)

Why: the average gains where its checkpoints surround it. SGD at a constant learning rate walks
around the edge of a region of good weights, and the average lies inside (Izmailov et al. 2018,
https://arxiv.org/abs/1803.05407, section 3). Averaging two models gains more the larger the angle
between their displacements from a common point (Wortsman et al. 2022,
https://arxiv.org/abs/2203.05482); theirs is the initialization, here it is the average.
"""

import csv
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import astuple, dataclass, fields
from itertools import combinations
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from polyak import files
from polyak.errors import CheckpointError
from polyak.weights.foreign import Source, open_source
from polyak.weights.layout import common_layout

AVERAGE: Literal["average"] = "average"
"""What the average is called in the place of an epoch."""

ENTRIES = 1 << 21
"""How many weights, over all files, are in memory at once: 16 MB of float64."""


@dataclass(frozen=True)
class Row:
    """Two files: zero-based epochs, or the average, which is always the second.

    With a and b their weights as vectors and m those of the average: `distance` is ||a - b||, in
    the unit of the weights; `cosine` is cos(a, b), None where one is zero; `displacement_cosine`
    is cos(a - m, b - m), None where one is zero, as with the average itself.
    """

    first: int
    second: int | Literal["average"]
    distance: float
    cosine: float | None
    displacement_cosine: float | None


def between(checkpoints: Mapping[int, Path], average: Path, *, entries: int = ENTRIES) -> list[Row]:
    """A row for each pair of `checkpoints` (zero-based epoch to file), in their order, and after a
    checkpoint's pairs with later ones its pair with the `average`.

    A file's vector is all its floating tensors, tied ones once, without the running statistics of
    norms. Other floating buffers count, since a file doesn't say which tensors are parameters;
    integer and boolean ones don't. Sums are in float64. Distances are sums of squared differences,
    never differences of squared norms, so near-identical files lose no digits. Two to three times
    `entries` float64 values are in memory at once, whatever the size and number of tensors and
    files, besides what the matrix products keep. Safetensors files are mapped: as much as all of
    them becomes resident, which the system takes back where it needs memory.

    Raises CheckpointError, naming file and tensor, where a file is missing or corrupted, names,
    shapes, dtypes or ties differ, or a value is not finite.
    """
    paths = [*checkpoints.values(), average]
    count = len(paths)
    width = max(1, entries // count)
    squares = torch.zeros(count * (count - 1) // 2, dtype=torch.float64)
    weights = torch.zeros(count, count, dtype=torch.float64)
    displacements = torch.zeros(count, count, dtype=torch.float64)
    with ExitStack() as stack:
        sources = [stack.enter_context(open_source(path)) for path in paths]
        layout = common_layout(sources, paths)
        for name in layout.weights:
            size = layout.entries[name].shape.numel()
            for start in range(0, size, width):
                block = _read(name, slice(start, min(start + width, size)), sources, paths)
                squares += F.pdist(block).square_()
                weights.addmm_(block, block.T)
                block -= block[-1].clone()
                displacements.addmm_(block, block.T)
    cosines, displaced = _cosines(weights), _cosines(displacements)
    epochs = list(checkpoints)
    labels: list[int | Literal["average"]] = [*epochs, AVERAGE]
    pairs = combinations(range(count), 2)  # the order of pdist, too
    return [
        Row(epochs[a], labels[b], square**0.5, cosines[a][b], displaced[a][b])
        for (a, b), square in zip(pairs, squares.tolist(), strict=True)
    ]


def write(path: Path, rows: Sequence[Row]) -> None:
    """Write distances.csv: the columns of `Row`, every digit, and nothing for None."""
    with files.atomic(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(field.name for field in fields(Row))
        writer.writerows(map(astuple, rows))


def _read(name: str, part: slice, sources: Sequence[Source], paths: Sequence[Path]) -> Tensor:
    """That part of the flattened tensor in every file: float64 [files, entries]."""
    block = torch.empty(len(sources), part.stop - part.start, dtype=torch.float64)
    for row, source in zip(block, sources, strict=True):
        row.copy_(source.tensor(name).flatten()[part])  # a map of the file: only this part is read
    finite = torch.isfinite(block).all(dim=1)
    if not bool(finite.all()):
        raise CheckpointError(
            f"{paths[finite.tolist().index(False)]}: tensor {name!r} has values that are not finite"
        )
    return block


def _cosines(products: Tensor) -> list[list[float | None]]:
    """Cosines from inner products [n, n]; None with a vector of length zero."""
    norms = products.diagonal().sqrt()
    cosines: list[list[float]] = (products / norms / norms[:, None]).clamp(-1, 1).tolist()
    zero = (norms == 0).tolist()
    return [
        [None if zero[a] or zero[b] else cosine for b, cosine in enumerate(row)]
        for a, row in enumerate(cosines)
    ]
