"""Weights in the common file formats, read tensor by tensor.

    with open_source(Path("model.pt")) as source:
        source.tensor("layer.weight")

The formats are .safetensors, sharded files by their .safetensors.index.json, and torch.save's .pt,
.pth and .bin, read without running any code that is in them. A state dict may be under a key such
as "state_dict" or "model".
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from polyak.errors import CheckpointError
from polyak.weights import checkpoint

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

    def __init__(self, files: Mapping[str, checkpoint.OpenFile]) -> None:
        self._files, self.names = files, tuple(files)
        self.tied: checkpoint.Ties = ()
        self.metadata: dict[str, Any] = {}

    def tensor(self, name: str) -> Tensor:
        return self._files[name].tensor(name)


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
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such file")
    with ExitStack() as stack:
        if path.name.endswith(".safetensors"):
            source: Source = stack.enter_context(checkpoint.opened(path))
        elif path.name.endswith(".safetensors.index.json"):
            source = _open_shards(path, stack)
        elif path.suffix in (".pt", ".pth", ".bin"):
            source = _State(_unpickled(path))
        else:
            raise CheckpointError(
                f"{path}: allowed: .safetensors, .safetensors.index.json, .pt, .pth, .bin"
            )
        yield source


def _open_shards(path: Path, stack: ExitStack) -> Source:
    places = checkpoint.json_object(path.read_bytes(), path).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(one, str) for one in places.values()):
        raise CheckpointError(f'{path}: "weight_map" must name the file of each tensor')
    files = {}
    for shard in sorted(set(places.values())):
        if Path(shard).name != shard or not (path.parent / shard).is_file():
            raise CheckpointError(f"{path}: there is no shard {shard}")
        files[shard] = stack.enter_context(checkpoint.opened(path.parent / shard))
    for name, shard in places.items():
        if name not in files[shard].names:
            raise CheckpointError(f"{path}: shard {shard} has no tensor {name!r}")
    return _Shards({name: files[shard] for name, shard in places.items()})


def _unpickled(path: Path) -> dict[str, Tensor]:
    try:
        try:
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except RuntimeError:  # files of before torch 1.6 can't be mapped
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for files that are corrupted or hold code
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path}: not read, since it isn't weights alone ({first})") from None
    for key in (None, *NESTED):
        found = content if key is None else _under(content, key)
        if isinstance(found, dict) and found and _all_tensors(found):
            return _dense(found, path)
    raise CheckpointError(
        f"{path}: no state dict is in it, nor under {', '.join(NESTED)}; it has {_shown(content)}"
    )


def _dense(state: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    for name, tensor in state.items():
        if tensor.layout != torch.strided or tensor.is_meta:
            raise CheckpointError(
                f"{path}: tensor {name!r} is {tensor.layout} on {tensor.device}; allowed: dense "
                "tensors with values"
            )
    return state


def _under(content: Any, key: str) -> Any:
    return content.get(key) if isinstance(content, dict) else None


def _all_tensors(found: dict[Any, Any]) -> bool:
    return all(isinstance(k, str) and isinstance(v, Tensor) for k, v in found.items())


def _shown(content: Any) -> str:
    return ", ".join(map(str, content)) if isinstance(content, dict) else type(content).__name__
