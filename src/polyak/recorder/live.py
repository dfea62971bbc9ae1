"""The weights of a model while it trains: on one device, or spread over ranks.

    live = live_of(model, optimizer)
    epochs = live.together(lambda weights: write(weights))      # on every rank; rank 0 works
    with live.following(records, recording, steps, epoch=0) as on_step:
        ...                                                     # on_step() after each step

A `Whole` one is read by rank 0 alone. Of a `Spread` one each rank holds its part;
step means are summed part by part, and what rank 0 writes is gathered tensor by tensor.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from polyak.averaging.step_mean import StepMean
from polyak.errors import ConfigError
from polyak.recorder import ranks, told
from polyak.recorder.gathered import Gathered, check_no_fsdp1, is_sharded
from polyak.store.recorder import Recorder as Records
from polyak.store.recorder import wanted
from polyak.store.recording import Recording
from polyak.store.steps import Reads, Steps, Summed, deployed
from polyak.weights import streamed
from polyak.weights.layout import Entry

Work = Callable[[Mapping[str, Tensor]], int]


class Whole:
    """Every rank has all weights."""

    def __init__(self, model: nn.Module, optimizer: Optimizer | None) -> None:
        self._model, self._optimizer = model, optimizer

    @property
    def follows(self) -> bool:
        """Whether this rank has a part in what is recorded after a step."""
        return ranks.first()

    def together(self, work: Work) -> int:
        """What `work` gives of the weights, called on rank 0 alone; as `ranks.told`."""
        return ranks.told(lambda: work(self._weights()))

    def _weights(self) -> Mapping[str, Tensor]:
        """The live tensors, written one after the other; a copy where that can't be."""
        told.check_weights(self._model)
        live = Gathered({name: one.detach() for name, one in self._model.state_dict().items()})
        known = all(entry.dtype in streamed.DTYPES for entry in live.entries.values())
        if known and not hasattr(self._optimizer, "eval"):
            return live
        return deployed(self._model, self._optimizer)

    def following(
        self, records: Records | None, recording: Recording, steps: int, epoch: int
    ) -> Any:
        """A context that gives what is to be called after each step of an epoch; on leaving it, all
        of them are on disk. `records` are rank 0's."""
        assert records
        return records.epoch(self._model, self._optimizer, epoch)


class Spread:
    """Each rank has a part of the weights; as `Whole`."""

    follows = True

    def __init__(self, model: nn.Module, optimizer: Optimizer | None) -> None:
        if hasattr(optimizer, "eval"):
            raise ConfigError(
                f"optimizer = {type(optimizer).__name__}: deploys other weights than it trains at; "
                "allowed where weights are spread over ranks: an optimizer without `eval`"
            )
        self._model = model
        layout = [(name, str(one)) for name, one in Gathered.of(model).entries.items()]
        if not ranks.agreed(layout):
            raise ConfigError(
                f"{type(model).__name__}: has other tensors on other ranks; allowed: the same "
                "names, dtypes and full shapes on all"
            )

    def together(self, work: Work) -> int:
        weights = Gathered.of(self._model)
        return ranks.told(lambda: work(weights), weights.help)

    @contextmanager
    def following(
        self, records: Records | None, recording: Recording, steps: int, epoch: int
    ) -> Iterator[Callable[[], None]]:
        lacking, failed = wanted(recording, epoch, steps), list[BaseException]()

        def put(file: str, steps: range, tensors: Mapping[str, Tensor]) -> None:
            assert isinstance(tensors, Gathered)
            try:
                ranks.told(lambda: _done(records, file, steps, tensors), tensors.help)
            except BaseException as error:
                failed.append(error)
                raise

        def check() -> None:
            if failed:
                raise failed[0]

        follow = Steps(_Parts(self._model), epoch * steps, lacking, put, check)
        if records is None:
            yield follow
            check()
            return
        with records.writing(lacking):
            yield follow
            check()


def live_of(model: nn.Module, optimizer: Optimizer | None) -> Whole | Spread:
    """That of a model without wrappers. Raises CheckpointError for FSDP1; ConfigError for weights
    that are spread in a way that can't be recorded."""
    check_no_fsdp1(model)
    return (Spread if is_sharded(model) else Whole)(model, optimizer)


def entries_of(weights: Mapping[str, Tensor]) -> dict[str, Entry]:
    """What their tensors are."""
    if isinstance(weights, Gathered):
        return weights.entries
    return {name: Entry(one.dtype, one.shape) for name, one in weights.items()}


def _done(records: Records | None, file: str, steps: range, tensors: Mapping[str, Tensor]) -> int:
    assert records
    records.write(file, steps, tensors)
    return 0


class _Parts(Reads):
    """What is read on each rank of its own part."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model, None)

    def mean(self) -> Summed:
        return _PartsMean(self._model)

    def weights(self) -> Gathered:
        return Gathered.of(self._model)


class _PartsMean:
    """The mean of this rank's parts; a rank's sums are of its own values alone."""

    def __init__(self, model: nn.Module) -> None:
        self._model, self._mean = model, StepMean(_Local(model))

    def add(self) -> None:
        self._mean.add()

    def result(self) -> Gathered:
        return Gathered.of(self._model).with_parts(self._mean.result())


class _Local:
    """As a model whose tensors are the parts that are here."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model

    def state_dict(self) -> dict[str, Any]:
        return dict(Gathered.of(self._model).parts)
