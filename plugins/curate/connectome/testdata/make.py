# Makes the vectors of package connectome with NumPy 2.4.6 and SciPy 1.17.1: python make.py. The forms are those that CLIMB's
# loaders read of ABCD, ABIDE and PPMI; the edges in golden.json are numpy.nonzero's, as in its graphs.
import json

import numpy as np
import scipy.io

rng = np.random.default_rng(1)
x = rng.integers(-4, 5, (5, 4, 4)) / 4
x = np.triu(x, 1)
x = x + x.transpose(0, 2, 1) + np.eye(4)
np.save("abcd.npy", x)
np.save("abide.npy", {"timeseires": rng.random((5, 2)), "corr": x, "label": np.array([0, 1, 1, 0, 1]), "site": np.array(["NYU", "NYU", "UM", "UM", "KKI"])})
cells = np.empty((5, 1), dtype=object)
for i in range(5):
    cells[i, 0] = np.stack([x[i], 2 * x[i]], axis=-1)
scipy.io.savemat("ppmi.mat", {"X": cells, "label": np.array([[-1], [1], [1], [-1], [1]])})
scipy.io.savemat("one.mat", {"conn": x[0]})
np.savetxt("one.csv", x[0], delimiter=",")
np.savetxt("one.txt", x[1], fmt="%.4g")
np.save("one.npy", x[2].astype("f4"))
golden = []
for m in x:
    r, c = np.nonzero(m)
    golden.append({"nodes": m.ravel().tolist(), "edges": np.stack([r, c], 1).ravel().tolist(), "weights": m[r, c].tolist()})
json.dump(golden, open("golden.json", "w"))
