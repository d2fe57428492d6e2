# Makes matrix.txt and golden.json: a table of 60 probes, and the five that the rule of CLIMB's geo.py chooses of it, with
# pandas 3.1.1 and SciPy 1.17.1. Also F and p of each probe by scipy.stats.f_oneway. python make.py
import json

import numpy as np
import pandas as pd
from scipy import stats

rng = np.random.default_rng(3)
groups = ["wt"] * 4 + ["ko"] * 3 + ["het"] * 3
x = np.round((rng.normal(6, 1, (60, 10)) + (np.arange(60) % 7 == 0)[:, None] * rng.normal(0, 2, (60, 1)) * np.array([0] * 4 + [1] * 6)) * 8) / 8
x[5] = 0
x[6, 2] = np.nan
cols = [f"GSM{i}" for i in range(1, 11)]
with open("matrix.txt", "w") as f:
    f.write("\t".join(["!Sample_geo_accession"] + cols) + "\n")
    f.write("\t".join(["!Sample_characteristics_ch1"] + [f"genotype/variation: {g}" for g in groups]) + "\n")
    f.write("!series_matrix_table_begin\n" + "\t".join(["ID_REF"] + cols) + "\n")
    for i, row in enumerate(x):
        f.write("\t".join([f"p{i}"] + ["" if np.isnan(v) else repr(float(v)) for v in row]) + "\n")
    f.write("!series_matrix_table_end\n")
table = pd.DataFrame(x, index=[f"p{i}" for i in range(60)], columns=cols)
rows = []
for name, v in table.iterrows():
    parts = [v[[c for c, h in zip(cols, groups) if h == g]] for g in ["wt", "ko", "het"]]
    means = [p.mean() for p in parts]
    folds = [abs(a - b) for i, a in enumerate(means) for b in means[i + 1:] if a != 0 and b != 0]
    cv = [p.std() / p.mean() if p.mean() != 0 else float("inf") for p in parts]
    with np.errstate(all="ignore"):
        f, p = stats.f_oneway(*parts)
    rows.append({"gene": name, "fold": max(folds) if folds else 0, "f": f, "p": p, "cv": np.mean(cv)})
m = pd.DataFrame(rows)
chosen = m.nlargest(2, "fold")["gene"].tolist()
chosen += m[~m.gene.isin(chosen) & (m.p < 0.05)].nlargest(2, "f")["gene"].tolist()
chosen += m[~m.gene.isin(chosen)].nsmallest(max(1, 5 - len(chosen)), "cv")["gene"].tolist()
nan = lambda v: None if np.isnan(v) or np.isinf(v) else float(v)
json.dump({"chosen": chosen, "f": [nan(v) for v in m.f], "p": [nan(v) for v in m.p]}, open("golden.json", "w"))
