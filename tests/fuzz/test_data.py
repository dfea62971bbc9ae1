"""Images of others: read as they are, or refused with a DataError.

The published data sets are read only where their MD5 is right, so they can't be broken.
"""

import io

import numpy as np
import pytest
from hypothesis import strategies as st
from PIL import Image

from polyak.data import arrays
from polyak.data.image_files import read
from polyak.errors import DataError
from tests.fuzz.explore import explore, limited
from tests.fuzz.hostile import Pickled, Zipped
from tests.fuzz.mutations import Strategy, bytes_changed
from tests.small import learnable

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
MODES = {"GIF": ("L", "P"), "PNG": ("RGB", "RGBA", "P", "LA", "I;16"), "TIFF": ("RGB", "I;16", "F")}


def npz_files() -> Strategy:
    members = st.builds(
        Zipped,
        st.sampled_from(["images.npy", "labels.npy", "source_image.npy"]),
        st.sampled_from(["change", "change", "change", "deflate", "leave out"]),
        st.one_of(bytes_changed(), st.builds(Header, st.sampled_from(HEADERS))),
    )
    whole: Strategy = st.sampled_from(["os.system", "numbers"]).map(Pickled)
    return st.one_of(members, members, bytes_changed(), whole)


HEADERS = [
    ("|u1", "(300, 8, 8, 4294967296)"),
    ("|u1", "(1099511627776, 8, 8, 3)"),
    ("|u1", "(0, 8, 8, 3)"),
    ("|u1", "(-1, 8, 8, 3)"),
    ("|u1", "()"),
    ("|O", "(300,)"),
    ("<f8", "(30,)"),
    ("|u1", "(300,)"),
    ("<i8", "(300,)"),
    ("|S1", "(300,)"),
    ("<M8[s]", "(30,)"),
    ("<c16", "(10,)"),
    ("|b1", "(300,)"),
    ("<f2", "(300,)"),
    ("|V1", "(300,)"),
]
"""Of .npy files: dtype and shape."""


class Header:
    """Another header of a .npy file, before the same values."""

    def __init__(self, header: tuple[str, str]) -> None:
        self.header = header

    def __repr__(self) -> str:
        return f"Header({self.header})"

    def __call__(self, content: bytes) -> bytes:
        dtype, shape = self.header
        text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
        return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + content[128:]


def test_broken_arrays_are_read_or_refused(specimen, profile, record_property):
    paths = {name: specimen.root / name for name in ("train.npz", "test.npz")}

    def load() -> None:
        arrays.load(*map(str, paths.values()))

    def attempt(name, mutation) -> str:
        with specimen.broken(paths[name], mutation):
            return limited((DataError,), load)

    load()
    files = dict.fromkeys(paths, npz_files())
    explore(files, attempt, profile, 0.5, record_property, "data: arrays")


@pytest.fixture(scope="module")
def pictures():
    """One file per format and mode, by name."""
    pixels = Image.fromarray(learnable(1, seed=0, side=32)["images"][0])
    made = {}
    for kind in FORMATS:
        for mode in MODES.get(kind, ("RGB",)):
            written = io.BytesIO()
            grey = Image.fromarray(np.asarray(pixels.convert("L")).astype(np.uint16) * 257)
            (grey if mode == "I;16" else pixels.convert(mode)).save(written, kind)
            made[f"{kind} {mode}"] = written.getvalue()
    return made


def test_broken_image_files_are_read_or_refused(pictures, tmp_path, profile, record_property):
    path = tmp_path / "image"

    def attempt(name, mutation) -> str:
        path.write_bytes(mutation(pictures[name]))
        return limited((DataError,), lambda: read(path, 3, (8, 8)))

    changed = st.one_of(bytes_changed(), bytes_changed())
    files = dict.fromkeys(pictures, changed)
    explore(files, attempt, profile, 0.5, record_property, "data: image files")
