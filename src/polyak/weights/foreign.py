"""Files of weights that anybody made, read tensor by tensor.

    with open_source(Path("model.pt")) as source:
        source.tensor("layer.weight")

Taken are .safetensors files, sharded ones by their .safetensors.index.json, and .pt, .pth or .bin
files of torch.save, read without running any code that is in them. A state dict may be under a key
such as "state_dict" or "model".
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

import safetensors
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

    def tensor(self, name: str) -> Tensor:
        """That tensor, on CPU."""


class _Safetensors:
    """Names to open files, one or several."""

    def __init__(self, files: Mapping[str, Any], tied: checkpoint.Ties) -> None:
        self._files, self.names, self.tied = files, tuple(files), tied

    def tensor(self, name: str) -> Tensor:
        found: Tensor = self._files[name].get_tensor(name)
        return found


class _State:
    """A state dict, whose tensors torch reads from the file as they are used."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        self._state, self.names, self.tied = state, tuple(state), checkpoint.ties(state)

    def tensor(self, name: str) -> Tensor:
        return self._state[name]


@contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """Open a file of weights. Raises CheckpointError, naming it, where it is missing, damaged, of
    another kind, or holds anything but weights."""
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such file")
    with ExitStack() as stack:
        try:
            if path.name.endswith(".safetensors"):
                source: Source = _open_safetensors(path, stack)
            elif path.name.endswith(".safetensors.index.json"):
                source = _open_shards(path, stack)
            elif path.suffix in (".pt", ".pth", ".bin"):
                source = _State(_unpickled(path))
            else:
                raise CheckpointError(
                    f"{path}: allowed: .safetensors, .safetensors.index.json, .pt, .pth, .bin"
                )
        except (safetensors.SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{path}: not a whole file of weights ({error})") from error
        yield source


def _open_safetensors(path: Path, stack: ExitStack) -> Source:
    file = stack.enter_context(safetensors.safe_open(path, framework="pt"))
    text = (file.metadata() or {}).get(checkpoint.METADATA_KEY, "{}")
    tied = tuple(tuple(group) for group in json.loads(text).get("tied", ()))
    return _Safetensors(dict.fromkeys(file.keys(), file), tied)


def _open_shards(path: Path, stack: ExitStack) -> Source:
    places: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
    files = {}
    for shard in sorted(set(places.values())):
        if Path(shard).name != shard or not (path.parent / shard).is_file():
            raise CheckpointError(f"{path}: there is no shard {shard}")
        opened = safetensors.safe_open(path.parent / shard, framework="pt")
        files[shard] = stack.enter_context(opened)
    for name, shard in places.items():
        if name not in files[shard].keys():  # noqa: SIM118 (no mapping)
            raise CheckpointError(f"{path}: shard {shard} has no tensor {name!r}")
    return _Safetensors({name: files[shard] for name, shard in places.items()}, ())


def _unpickled(path: Path) -> dict[str, Tensor]:
    try:
        try:
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except RuntimeError:  # files of before torch 1.6 can't be mapped
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for files that are damaged or hold code
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path}: not read, since it isn't weights alone ({first})") from None
    for key in (None, *NESTED):
        found = content if key is None else _under(content, key)
        if isinstance(found, dict) and found and _all_tensors(found):
            return dict(found)
    raise CheckpointError(
        f"{path}: no state dict is in it, nor under {', '.join(NESTED)}; it has {_shown(content)}"
    )


def _under(content: Any, key: str) -> Any:
    return content.get(key) if isinstance(content, dict) else None


def _all_tensors(found: dict[Any, Any]) -> bool:
    return all(isinstance(k, str) and isinstance(v, Tensor) for k, v in found.items())


def _shown(content: Any) -> str:
    return ", ".join(map(str, content)) if isinstance(content, dict) else type(content).__name__
