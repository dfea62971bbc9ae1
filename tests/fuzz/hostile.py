"""Files of weights that are broken or hostile: safetensors headers and pickles.

safetensors_files().example()(path.read_bytes())
pickled().example()(b"")      # a .pt file that holds what no state dict should
"""

import io
import json
import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import strategies as st

from tests.fuzz.mutations import (
    DEEP,
    JSON,
    TRACE,
    Edit,
    Mutation,
    Strategy,
    Text,
    bytes_changed,
    json_edits,
)

DTYPES = ["F64", "F32", "F16", "BF16", "I64", "I8", "U8", "U16", "U64", "BOOL", "F8_E4M3", "F4"]
HEADER = [
    *JSON,
    *(f'"{name}"' for name in [*DTYPES, "F8_E8M0", "C64", "F6_E2M3", "f32", "XX"]),
    *("[0, 4]", "[4, 0]", "[0, 0]", f"[0, {2**62}]", f"[{2**62}, {2**63}]", "[-4, 0]", "[0]"),
    *(f"[{2**62}]", f"[{2**32}, {2**32}]", f"[0, {2**40}]", "[1, 1, 1, 1]", "[4, 8, 3, 3, 0]"),
]
RECORDED = [*JSON, '[["a", "b"]]', '["a"]', '[["a", "a"]]', '[["features.0.bias", "x"]]']
"""Of this project's own metadata, which are JSON within JSON."""


@dataclass(frozen=True)
class Header:
    """A change to the JSON header of a safetensors file, whose length then fits again."""

    edit: Edit
    recorded: bool = False
    """Whether what changes is this project's metadata."""

    def __call__(self, content: bytes) -> bytes:
        (length,) = struct.unpack("<Q", content[:8])
        header = content[8 : 8 + length]
        if self.recorded:
            whole = json.loads(header)
            metadata = whole.setdefault("__metadata__", {})
            made = self.edit(metadata.get("polyak", '{"tied": []}').encode())
            metadata["polyak"] = made.decode("utf-8", "replace")
            header = json.dumps(whole).encode()
        else:
            header = self.edit(header)
        return struct.pack("<Q", len(header)) + header + content[8 + length :]


@dataclass(frozen=True)
class Length:
    """Another length of the header than it has."""

    length: int

    def __call__(self, content: bytes) -> bytes:
        return struct.pack("<Q", self.length % 2**64) + content[8:]


def safetensors_files() -> Strategy:
    near = st.integers(0, 4000)
    far = st.sampled_from([-1, 2**63, 2**63 - 1, 2**40, 100_000_000, 100_000_001, 2**32])
    changed = st.builds(Header, json_edits(HEADER))
    recorded = st.builds(Header, json_edits(RECORDED), st.just(True))
    lengths: Strategy = st.builds(Length, near | far)
    return st.one_of(changed, changed, recorded, lengths, bytes_changed())


class _Runs:
    """Unpickled, it runs a command."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.called = (function, arguments)

    def __reduce__(self) -> Any:
        return self.called


def _strided() -> torch.Tensor:
    return torch.zeros(4).as_strided((2**40,), (0,))


def _sparse(size: int) -> torch.Tensor:
    return torch.sparse_coo_tensor(torch.zeros(1, 1, dtype=torch.long), torch.ones(1), (size,))


def _nested(depth: int, leaf: object, kind: type) -> object:
    for _ in range(depth):
        leaf = kind([leaf]) if kind is not dict else {"state_dict": leaf}
    return leaf


def _laughs(times: int) -> object:
    """A tuple that shares its parts: small in a file, 9 ** `times` where it is walked."""
    found: tuple[object, ...] = ("x",)
    for _ in range(times):
        found = (found,) * 9
    return found


def _cycle() -> object:
    found: list[object] = []
    found.append(found)
    return found


w = torch.ones(2, 3)
HOSTILE: dict[str, Callable[[], object]] = {
    "os.system": lambda: {"w": _Runs(os.system, f"touch {TRACE}")},
    "eval": lambda: _Runs(eval, f"open({TRACE!r}, 'w')"),
    "open": lambda: {"w": w, "x": _Runs(open, TRACE, "w")},
    "getattr": lambda: {"w": _Runs(getattr, w, "tolist")},
    "expand": lambda: {"w": torch.zeros(1).expand(10**12)},
    "strided": lambda: {"w": _strided()},
    "expanded and tied": lambda: dict.fromkeys("ab", torch.zeros(1).expand(10**10)),
    "sparse": lambda: {"w": _sparse(2**50)},
    "sparse csr": lambda: {"w": torch.eye(3).to_sparse_csr()},
    "meta": lambda: {"w": torch.empty(2**50, device="meta")},
    "quantized": lambda: {"w": torch.quantize_per_tensor(w, 0.1, 0, torch.qint8)},
    "complex": lambda: {"w": torch.ones(3, dtype=torch.complex64)},
    "conjugate": lambda: {"w": torch.ones(3, dtype=torch.complex64).conj()},
    "negative view": lambda: {"w": torch.ones(3, dtype=torch.complex64).conj().imag},
    "float8": lambda: {"w": w.to(torch.float8_e4m3fn)},
    "nested tensor": lambda: {"w": torch.nested.nested_tensor([w, w], layout=torch.jagged)},
    "parameter": lambda: {"w": torch.nn.Parameter(w)},
    "buffer": lambda: {"w": torch.nn.Buffer(w)},
    "empty": dict,
    "empty tensor": lambda: {"w": torch.zeros(0, 2**40)},
    "scalar": lambda: {"w": torch.tensor(1.0)},
    "many dimensions": lambda: {"w": torch.zeros([1] * 64)},
    "names of numbers": lambda: {0: w, 1.5: w},
    "names of nothing": lambda: {"": w, "\0": w, "\ud800": w, "x" * 10**6: w},
    "tuple of names": lambda: {("a", "b"): w},
    "laughing name": lambda: {_laughs(8): w},
    "laughing list": lambda: [_laughs(12)],
    "laughing values": lambda: {"state_dict": {"w": _laughs(12)}},
    "numbers": lambda: {"w": 1, "x": 2.5, "y": None},
    "half weights": lambda: {"state_dict": {"w": w, "epoch": 3}},
    "list": lambda: [w, w],
    "tensor": lambda: w,
    "set": lambda: {"state_dict": {1, 2, 3}},
    "ordered": lambda: OrderedDict(state_dict=OrderedDict(w=w)),
    "deep": lambda: _nested(240, {"w": w}, dict),
    "deep lists": lambda: _nested(240, 1, list),
    "cycle": _cycle,
    "large number": lambda: {"epoch": 10**400, "model": {"w": w}},
    "module": lambda: torch.nn.Linear(2, 2),
    "dtype": lambda: {"w": torch.float32},
    "size": lambda: torch.Size([2**60]),
    "surrogate": lambda: {"model": {"\udcff": w}},
}


@dataclass(frozen=True)
class Pickled:
    """A file of torch.save with that of HOSTILE in it."""

    what: str
    legacy: bool = False

    def __call__(self, content: bytes) -> bytes:
        made, written = HOSTILE[self.what](), io.BytesIO()
        torch.save(made, written, _use_new_zipfile_serialization=not self.legacy)
        return written.getvalue()


RAW = {
    "deep": b"\x80\x02" + b"]" * DEEP + b"a" * (DEEP - 1) + b".",
    "long": b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"1.",
    "long string": b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"x.",
    "large memo": b"\x80\x02Nr\xff\xff\xff\x7f.",
    "protocol": b"\x80\xffN.",
    "empty": b"",
    "stop": b".",
    "persistent": b"\x80\x02X\x01\x00\x00\x00xQ.",
    "bytearray": b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"x.",
    "text opcodes": pickle.dumps({"w": 1}, protocol=0),
    "os.system": f"cos\nsystem\n(S'touch {TRACE}'\ntR.".encode(),
    "rebuild": b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.",
    "storage": b"\x80\x02ctorch\nFloatStorage\n(K\x01tR.",
    "set state": b"\x80\x02ccollections\nOrderedDict\n)R}(X\x01\x00\x00\x00aK\x01ub.",
}


@dataclass(frozen=True)
class Zipped:
    """Another member of a torch.save zip, whose checksums then fit again."""

    member: str
    how: str
    change: Mutation

    def __call__(self, content: bytes) -> bytes:
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                members = {one: archive.read(one) for one in archive.namelist()}
        except (zipfile.BadZipFile, ValueError):
            return content
        written = io.BytesIO()
        packed = zipfile.ZIP_DEFLATED if self.how == "deflate" else zipfile.ZIP_STORED
        with zipfile.ZipFile(written, "w", packed) as archive:
            for name, found in members.items():
                chosen = name.endswith(self.member)
                if chosen and self.how == "leave out":
                    continue
                new = self.change(found) if chosen else found
                archive.writestr(name, b"\0" * 2**28 if chosen and self.how == "bomb" else new)
        return written.getvalue()


@dataclass(frozen=True)
class Raw:
    """A pickle of RAW."""

    what: str

    def __call__(self, content: bytes) -> bytes:
        return RAW[self.what]


def _members() -> Strategy:
    return st.builds(
        Zipped,
        st.sampled_from(["data.pkl", "data.pkl", "data/0", "version", "byteorder"]),
        st.sampled_from(["change", "change", "change", "deflate", "leave out"]),
        bytes_changed() | st.sampled_from(sorted(RAW)).map(Raw),
    )


def pickles(legacy: bool) -> Strategy:
    """Of a file of torch.save, changed or replaced."""
    whole: Strategy = st.builds(Pickled, st.sampled_from(sorted(HOSTILE)), st.just(legacy))
    return st.one_of(whole, raw_pickles() if legacy else _members(), bytes_changed())


def raw_pickles() -> Strategy:
    """A whole file that is one of RAW."""
    return st.sampled_from(sorted(RAW)).map(Raw)


__all__ = ["HOSTILE", "RAW", "Header", "Text", "pickles", "raw_pickles", "safetensors_files"]
