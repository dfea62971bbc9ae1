"""Weights in the common file formats, read tensor by tensor.

    with open_source(Path("model.pt")) as source:
        source.tensor("layer.weight")

The formats are .safetensors, sharded files by their .safetensors.index.json, and torch.save's .pt,
.pth and .bin, read without running any code that is in them. A state dict may be under a key such
as "state_dict" or "model".
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from polyak import files
from polyak.errors import CheckpointError
from polyak.weights import checkpoint, pickled, recorded

NESTED = ("state_dict", "model_state_dict", "model", "module", "ema", "net", "weights")
"""Keys under which others keep the state dict, in the order in which they are tried."""


class Source(Protocol):
    """One checkpoint's tensors, read when asked for."""

    names: tuple[str, ...]
    tied: checkpoint.Ties
    metadata: dict[str, Any]
    """What this project wrote of it."""

    def tensor(self, name: str) -> Tensor:
        """That tensor, on CPU."""


class _Shards:
    """Names to the open files that hold them; no tensor is in two shards, so none are tied."""

    def __init__(self, shards: Mapping[str, checkpoint.OpenFile]) -> None:
        self._shards, self.names = shards, tuple(shards)
        self.tied: checkpoint.Ties = ()
        self.metadata: dict[str, Any] = {}

    def tensor(self, name: str) -> Tensor:
        return self._shards[name].tensor(name)


class _State:
    """A state dict, whose tensors torch reads from the file as they are used."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        self._state, self.names, self.tied = state, tuple(state), checkpoint.ties(state)
        self.metadata: dict[str, Any] = {}

    def tensor(self, name: str) -> Tensor:
        return self._state[name]


@contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """Open a file of weights.

    Raises CheckpointError, naming the file, where it is missing, corrupted, of another format, or
    holds anything but weights; and where it records ties that its tensors don't have, as
    `checkpoint.opened` does.
    """
    files.check_regular(path, CheckpointError)
    with ExitStack() as stack:
        if path.name.endswith(".safetensors"):
            source: Source = stack.enter_context(checkpoint.opened(path))
        elif path.name.endswith(".safetensors.index.json"):
            source = _open_shards(path, stack)
        elif path.suffix in (".pt", ".pth", ".bin"):
            source = _State(_state_dict(path))
        else:
            raise CheckpointError(
                f"{path}: allowed: .safetensors, .safetensors.index.json, .pt, .pth, .bin"
            )
        yield source


def _open_shards(path: Path, stack: ExitStack) -> Source:
    places = recorded.index(path).weight_map
    shards = {}
    for shard in sorted(set(places.values())):
        beside = shard and Path(shard).name == shard
        if not (beside and files.is_regular(path.parent / shard)):
            raise CheckpointError(
                f"{path}: there is no shard {files.shown(shard)} beside it; copy all its files"
            )
        shards[shard] = stack.enter_context(checkpoint.opened(path.parent / shard))
    for name, shard in places.items():
        if name not in shards[shard].names:
            raise CheckpointError(f"{path}: shard {shard} has no tensor {files.shown(name)}")
    return _Shards({name: shards[shard] for name, shard in places.items()})


def _state_dict(path: Path) -> dict[str, Tensor]:
    content = pickled.read(path)
    for key in (None, *NESTED):
        found = content if key is None else _under(content, key)
        if isinstance(found, dict) and found and _all_tensors(found):
            return pickled.state(found, path)
    raise CheckpointError(
        f"{path}: no state dict is in it, nor under {', '.join(NESTED)}; it has {_shown(content)}"
    )


def _under(content: Any, key: str) -> Any:
    return content.get(key) if isinstance(content, dict) else None


def _all_tensors(found: dict[Any, Any]) -> bool:
    return all(isinstance(k, str) and isinstance(v, Tensor) for k, v in found.items())


def _shown(content: Any) -> str:
    """Ten of its keys."""
    if not isinstance(content, dict):
        return type(content).__name__
    keys = [files.shown(key) for key in islice(content, 10)]
    return ", ".join(keys + ["..."] * (len(content) > 10)) or "nothing"
