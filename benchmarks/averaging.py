"""How exact averages are: of checkpoints, and of a training's steps.

    python -m benchmarks.averaging

Means of random float32 entries, some of one size and some over many orders of magnitude, beside the
exact mean (fractions) rounded once; and the same for a running mean in float32, as
torch.optim.swa_utils.AveragedModel keeps it. Then step means of an epoch.
"""

from collections.abc import Sequence
from fractions import Fraction

import torch
from torch import Tensor

from benchmarks.ema import trained
from polyak.averaging import step_mean
from polyak.averaging.mean import mean_of_states
from polyak.averaging.step_mean import StepMean

COUNT = 20_000


def exact(columns: Sequence[Tensor]) -> Tensor:
    """The float32 next to the exact mean of each entry, [N]."""
    means = [
        sum(map(Fraction, entry)) / len(columns) for entry in zip(*_plain(columns), strict=True)
    ]
    guess = torch.tensor([float(mean) for mean in means], dtype=torch.float64).float()
    near = [torch.nextafter(guess, torch.full_like(guess, to)) for to in (-torch.inf, torch.inf)]
    best = [
        min(candidates, key=lambda one: abs(Fraction(one) - mean))
        for mean, *candidates in zip(means, *_plain([guess, *near]), strict=True)
    ]
    return torch.tensor(best, dtype=torch.float32)


def _plain(columns: Sequence[Tensor]) -> list[list[float]]:
    return [column.tolist() for column in columns]


def ours(columns: Sequence[Tensor]) -> Tensor:
    return mean_of_states([{"entries": column} for column in columns])["entries"]


def running(columns: Sequence[Tensor]) -> Tensor:
    """swa_utils' update: mean += (new - mean) / (count + 1), in float32."""
    average = torch.optim.swa_utils.AveragedModel(_Entries(columns[0]))
    for column in columns:
        average.update_parameters(_Entries(column))
    kept: Tensor = average.state_dict()["module.entries"]
    return kept


class _Entries(torch.nn.Module):
    def __init__(self, entries: Tensor) -> None:
        super().__init__()
        self.entries = torch.nn.Parameter(entries.clone())


def off(found: Tensor, wanted: Tensor) -> str:
    """How many of the entries differ, and the most units in the last place."""
    bits = [one.view(torch.int32).long() for one in (found, wanted)]
    ordered = [torch.where(x < 0, -(x & 0x7FFFFFFF), x) for x in bits]
    ulps = (ordered[0] - ordered[1]).abs()
    return f"{int((ulps > 0).sum())} ({int(ulps.max())})"


def of_checkpoints() -> None:
    print(f"{COUNT:,} random entries: how many are not the correctly rounded mean (most ulps off)")
    for spread in (0, 4):
        for count in (5, 10, 50):
            generator = torch.Generator().manual_seed(count)
            columns = []
            for _ in range(count):
                size = 10 ** (spread * torch.randn(COUNT, generator=generator))
                columns.append((torch.randn(COUNT, generator=generator) * size).float())
            wanted = exact(columns)
            print(
                f"K = {count:2}, sizes 10^(+-{spread}):  ours {off(ours(columns), wanted)}  "
                f"running float32 mean {off(running(columns), wanted)}"
            )


def of_steps() -> None:
    kinds = {"float64": step_mean._Wide, "three float32 parts": step_mean._Compensated}
    for name, kind in kinds.items():
        step_mean._sum_of = kind
        trainer, weights = trained(epochs=1)
        mean, columns = StepMean(trainer.model), []
        for now in weights:
            mean.add()
            columns.append(now[:: now.numel() // COUNT])
        state = mean.result()
        found = torch.cat([state[one].flatten() for one, _ in trainer.model.named_parameters()])
        chosen = found[:: found.numel() // COUNT]
        print(
            f"step mean of {mean.count} steps in {name}, {len(chosen):,} entries: "
            f"{off(chosen, exact(columns))}"
        )


def main() -> None:
    of_checkpoints()
    of_steps()


if __name__ == "__main__":
    main()
