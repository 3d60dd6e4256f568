"""An adapter in a running program, as in a notebook: no package, no entry point.

The adapter is the module of adapter-polynomial/, which is not installed here. Any object whose methods are marked with
`tiffin.hookimpl` does as well.
"""

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.polynomial import Chebyshev

import tiffin


def main() -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parent / "adapter-polynomial" / "src"))
    import tiffin_polynomial  # type: ignore[import-not-found]

    tiffin.register(tiffin_polynomial, name="polynomial")

    x = np.linspace(0, 10, 50)
    curve = Chebyshev.fit(x, np.sin(x), deg=9)
    model = tiffin.save("sine", curve, labels={"unit": "radian"})
    print(f"saved {model.tag} with the adapter {model.framework!r}: {', '.join(model.info.files)}")

    loaded = tiffin.load("sine")
    print(f"loaded a {type(loaded).__name__} that is equal: {loaded == curve}")
    print(f"sin(1) is {np.sin(1):.2f}, and the curve says {tiffin.polynomial.load_model('sine')(1.0):.2f}")

    tiffin.unregister("polynomial")
    try:
        tiffin.load("sine")
    except tiffin.exceptions.AdapterNotFoundError as error:
        print(f"without the adapter: {error.what}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        os.environ["TIFFIN_HOME"] = home  # an example leaves nothing behind
        main()
