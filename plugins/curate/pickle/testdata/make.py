# Makes the vectors of package pickle: `python make.py 2` with NumPy 2.4.6, `python make.py 1` with NumPy 1.26.4.
import sys

import numpy as np

assert np.__version__ == {"1": "1.26.4", "2": "2.4.6"}[sys.argv[1]]
x = np.array([[[1.5, -2, 3], [4, 5, 6]], [[7, 8, 9], [10, 11, -12]]])
d = {
    "corr": x,
    "fortran": np.asfortranarray(x),
    "big": x.astype(">f4"),
    "label": np.array([0, 1]),
    "site": np.array(["NYU", "LÖWEN"]),
    "objects": np.array(["a", 7], dtype=object),
    "scalars": np.array([np.int64(3), np.float32(0.5)], dtype=object),
    "cells": np.array([None, None], dtype=object),
    "note": "text",
    "complex": np.array([1j]),
}
d["cells"][0], d["cells"][1] = x[0], x[1].astype(np.float32)
np.save(f"dict{sys.argv[1]}.npy", d)
