"""Average files of weights that anybody made.

    python src/average.py OUT.safetensors A.safetensors B.pt C.pth
    python src/average.py OUT.safetensors A B C --scheme exponential --set decay=0.9
    python src/average.py OUT.safetensors A B --weights 0.25 0.75

The files are taken in the order given, as the checkpoints of epochs 0, 1, ... of one training.
No code that is in a file is run. Memory holds one tensor at a time.
"""

import argparse
import dataclasses
import json
import math
import sys
from pathlib import Path
from typing import Any

from polyak import averaging
from polyak.averaging.stream import average_files
from polyak.errors import PolyakError

SCHEMES = {
    "uniform": averaging.Uniform,
    "latest": averaging.Latest,
    "exponential": averaging.Exponential,
    "power": averaging.Power,
    "ramp": averaging.Ramp,
}


def weights_of(arguments: argparse.Namespace) -> list[float]:
    """The weights that the command asks for. Raises ValueError."""
    count = len(arguments.files)
    if arguments.weights is not None:
        given: list[float] = arguments.weights
        if len(given) != count:
            raise ValueError(f"--weights: {len(given)} weights for {count} files")
        if any(not math.isfinite(one) or one < 0 for one in given):
            raise ValueError("--weights: allowed: finite and not negative")
        if not math.isclose(math.fsum(given), 1, rel_tol=0, abs_tol=1e-6):
            raise ValueError(f"--weights: they sum to {math.fsum(given):g}; allowed: 1")
        return given
    made = SCHEMES[arguments.scheme]
    wanted = {field.name for field in dataclasses.fields(made)} - {"name"}
    values: dict[str, Any] = {}
    for setting in arguments.set:
        key, _, text = setting.partition("=")
        if key not in wanted:
            allowed = ", ".join(sorted(wanted)) or "nothing"
            raise ValueError(f"--set {setting}: {arguments.scheme} takes {allowed}")
        try:
            values[key] = json.loads(text)
        except ValueError:
            values[key] = text
    if missing := sorted(wanted - set(values)):
        raise ValueError(f"--scheme {arguments.scheme}: needs --set {missing[0]}=...")
    scheme: Any = made(**values)
    return list(scheme.weights(range(count)))


def main(argv: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", type=Path, metavar="OUT.safetensors")
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--scheme", choices=SCHEMES, default="uniform")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--weights", type=float, nargs="+", help="one a file, that sum to 1")
    arguments = parser.parse_args(argv)
    try:
        if arguments.output.suffix != ".safetensors":
            raise ValueError(f"{arguments.output}: allowed: a name that ends in .safetensors")
        weights = weights_of(arguments)
        scheme = arguments.scheme if arguments.weights is None else "explicit"
        average_files(arguments.output, arguments.files, weights, {"scheme": scheme})
    except (PolyakError, OSError, ValueError, TypeError) as error:
        sys.exit(f"error: {error}")
    total = math.fsum(weights)
    for path, weight in zip(arguments.files, weights, strict=True):
        print(f"{weight / total:8.4f}  {path}")
    print(f"{arguments.output}")


if __name__ == "__main__":
    main()
