"""Measure the store against its limits and against BentoML, from installed wheels, in environments made for that.

Run: python benchmarks/store.py [--only SECTION …] [--no-peers] [--effort 1] [--mib 1024] [--folder DIR]

Cases that are compared run in turns, so that a disturbance meets all; the best of all rounds counts, the median stands
beside it. Needs Linux, about 4 GiB on disk, and an index of packages (pip) the first time. Exits with 1 when a limit is
missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from measuring import environments
from measuring.results import show
from store_sections import footprint, large_model, listing, small_model, startup
from store_sections.options import Options

SECTIONS = {
    "startup": startup,
    "listing": listing,
    "small": small_model,
    "large": large_model,
    "footprint": footprint,
}


def main() -> int:
    """Run the chosen sections; return the exit code."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0], epilog="Sections: " + ", ".join(SECTIONS)
    )
    parser.add_argument("--only", action="append", choices=SECTIONS, metavar="SECTION", help="may be given again")
    parser.add_argument("--no-peers", action="store_true", help="without BentoML")
    parser.add_argument("--effort", type=float, default=1.0, help="multiplies the number of rounds")
    parser.add_argument("--mib", type=int, default=1024, help="size of the large model")
    parser.add_argument("--folder", type=Path, help="where stores are made; default: benchmarks/.envs")
    chosen = parser.parse_args()
    tiffin = environments.tiffin("picklable", "sklearn")
    bentoml = None if chosen.no_peers else environments.peer("bentoml", "bentoml", "scikit-learn")
    if chosen.folder:
        Path(chosen.folder).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=chosen.folder or environments.ENVIRONMENTS, prefix="stores-") as folder:
        options = Options(tiffin, bentoml, Path(folder), chosen.effort, chosen.mib)
        hold = True
        for name in chosen.only or SECTIONS:
            hold &= show(SECTIONS[name].TITLE, SECTIONS[name].measure(options))
    print("\nAll limits hold." if hold else "\nA limit is missed.")
    return 0 if hold else 1


if __name__ == "__main__":
    sys.exit(main())
