"""The format of a store: which version of this project can read its trajectories.

check(Path("outputs/trajectories"))   # StoreError for a store of another format
"""

import json
from pathlib import Path

from polyak import files
from polyak.errors import StoreError

FORMAT = 3
"""Raise it when trajectories written before can no longer be read, or have other fingerprints.

1: one directory per trajectory. 2: evaluations by key. 3: a fingerprint of exactly the code that
decides the weights, and store.json.
"""


def check(store: Path, *, mark: bool = True) -> None:
    """Raise StoreError where `store` has trajectories of another format, and leave it as it is; an
    empty or new one is marked with this format, unless `mark` is False."""
    path = store / "store.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["format"]
    except FileNotFoundError:
        found = "2 or older" if any(store.glob("*/trajectory.json")) else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path}: can't be read ({error}); move {store} away") from error
    if found not in (None, FORMAT):
        raise StoreError(
            f"{store}: a store of format {found}, and this version reads {FORMAT}. Move it away, "
            "or give another paths.trajectories; runs keep their links to it"
        )
    if found is None and mark:
        files.write_json(path, {"format": FORMAT})
