"""Weights in the common file formats, read tensor by tensor.

    with open_source(Path("model.pt")) as source:
        source.tensor("layer.weight")

The formats are .safetensors, sharded files by their .safetensors.index.json, torch.save's .pt,
.pth and .bin, and the directories of torch.distributed.checkpoint, read without running any code
that is in them. A state dict may be under a key such as "state_dict" or "model".
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from polyak import files
from polyak.errors import CheckpointError
from polyak.weights import checkpoint, distributed, pickled, recorded

NESTED = ("state_dict", "model_state_dict", "model", "module", "ema", "net", "weights")
"""Keys under which others keep the state dict, in the order in which they are tried."""

INDEX = "model.safetensors.index.json"
"""What Hugging Face's libraries call the index of a directory's shards."""


class Source(Protocol):
    """One checkpoint's tensors, read when asked for."""

    names: tuple[str, ...]
    tied: checkpoint.Ties
    metadata: dict[str, Any]
    """What this project wrote of it."""

    def tensor(self, name: str) -> Tensor:
        """That tensor, on CPU."""

    def outline(self, name: str) -> Tensor:
        """A tensor of its dtype and shape, whose values, if there are any, stay unread."""

    def rows(self, name: str, start: int, stop: int) -> Tensor:
        """The part `[start:stop]`, which it has, of that tensor in its first dimension; of one
        without dimensions, all of it. The rest stays unread."""


class _Shards:
    """Names to the open files that hold them. Ties are those that a shard records of tensors that
    are all its own; metadata are the shards', where they agree."""

    def __init__(self, shards: Mapping[str, checkpoint.OpenFile]) -> None:
        self._shards, self.names = shards, tuple(shards)
        opened = list(dict.fromkeys(shards.values()))
        self.tied: checkpoint.Ties = tuple(
            sorted(
                group
                for file in opened
                for group in file.tied
                if all(shards.get(name) is file for name in group)
            )
        )
        first = opened[0].metadata
        self.metadata: dict[str, Any] = (
            first if all(file.metadata == first for file in opened) else {}
        )

    def tensor(self, name: str) -> Tensor:
        return self._shards[name].tensor(name)

    outline = tensor

    def rows(self, name: str, start: int, stop: int) -> Tensor:
        return self._shards[name].rows(name, start, stop)


class _State:
    """A state dict, whose tensors torch reads from the file as they are used."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        self._state, self.names, self.tied = state, tuple(state), checkpoint.ties(state)
        self.metadata: dict[str, Any] = {}

    def tensor(self, name: str) -> Tensor:
        return self._state[name]

    outline = tensor

    def rows(self, name: str, start: int, stop: int) -> Tensor:
        return checkpoint.rows(self._state[name], start, stop)


@contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """Open a file of weights, or a directory of them: of torch.distributed.checkpoint, or with a
    model.safetensors.index.json or model.safetensors.

    Raises CheckpointError, naming the file, where it is missing, corrupted, of another format, or
    holds anything but weights; and where it records ties that its tensors don't have, as
    `checkpoint.opened` does.
    """
    path = read_by(path)
    files.check_regular(path, CheckpointError)
    with ExitStack() as stack:
        if path.name == distributed.NAME:
            source: Source = distributed.Distributed(path.parent, NESTED)
        elif path.name.endswith(".safetensors"):
            source = stack.enter_context(checkpoint.opened(path))
        elif path.name.endswith(".safetensors.index.json"):
            source = _open_shards(path, stack)
        elif path.suffix in (".pt", ".pth", ".bin"):
            source = _State(_state_dict(path))
        else:
            raise CheckpointError(
                f"{path}: allowed: .safetensors, .safetensors.index.json, .pt, .pth, .bin, a "
                "directory of torch.distributed.checkpoint"
            )
        yield source


def read_by(path: Path) -> Path:
    """The file by which the weights in a directory are read; a file is its own."""
    if not path.is_dir():
        return path
    names = (distributed.NAME, INDEX, "model.safetensors")
    found = [path / name for name in names if files.is_regular(path / name)]
    if len(found) != 1:
        what = "several" if found else "no file"
        raise CheckpointError(f"{path}: is {what}; allowed: one of {', '.join(names)} in it")
    return found[0]


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
