"""The format of a store: which version of this project can read its trajectories.

check(Path("outputs/trajectories"))   # StoreError for a store of another format
"""

from pathlib import Path

from polyak import files
from polyak.errors import PolyakError, StoreError
from polyak.records import trajectory

FORMAT = 4
"""Raise it when trajectories written before can no longer be read, or have other fingerprints, and
when older versions must not write these.

1: one directory per trajectory. 2: evaluations by key. 3: a fingerprint of exactly the code that
decides the weights, and store.json. 4: a checksum in trajectory.json, which an older version would
leave as it is when it adds an epoch.
"""

READABLE = (3, FORMAT)
"""A trajectory of an older one of these is read, and becomes one of FORMAT as it is written to."""


def check(store: Path, *, mark: bool = True) -> None:
    """Raise StoreError where `store` has trajectories that can't be read, and leave it as it is; an
    empty or new one is marked with this format, unless `mark` is False."""
    found: int | str | None
    try:
        found = trajectory.format_of(store)
    except FileNotFoundError:
        found = "2 or older" if any(store.glob("*/trajectory.json")) else None
    except PolyakError as error:
        raise StoreError(f"{error}; move {store} away") from error
    if found not in (None, *READABLE):
        raise StoreError(
            f"{store}: a store of format {found}, and this version reads "
            f"{' and '.join(map(str, READABLE))}. Move it away, or give another "
            "paths.trajectories; runs keep their links to it"
        )
    if found is None and mark:
        files.write_json(store / trajectory.STORE, {"format": FORMAT})
