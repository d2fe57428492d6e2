# Makes golden.json: what GEOparse 2.0.4 (pandas 3.1.1, Python 3) reads of the two SOFT files beside it.
# Run here: pip install GEOparse==2.0.4 six; python make.py
import json
import math

import GEOparse


def cell(v):
    return None if v is None or (isinstance(v, float) and math.isnan(v)) else float(v)


gds = GEOparse.get_GEO(filepath="GDS1.soft", silent=True)
gse = GEOparse.get_GEO(filepath="GSE1_family.soft", silent=True)
out = {"GDS1.soft": {}, "GSE1_family.soft": {}}
table = gds.table.set_index("ID_REF")
for name in gds.columns.index:
    facts = {k: v for k, v in gds.columns.loc[name].items() if k != "description" and isinstance(v, str)}
    out["GDS1.soft"][name] = {"facts": facts, "values": {p: cell(table.loc[p, name]) for p in table.index}}
for name, gsm in gse.gsms.items():
    facts = dict(c.split(": ", 1) for c in gsm.metadata["characteristics_ch1"])
    values = {r.ID_REF: cell(r.VALUE) for r in gsm.table.itertuples()}
    out["GSE1_family.soft"][name] = {"title": gsm.metadata["title"][0], "facts": facts, "values": values}
with open("golden.json", "w") as f:
    json.dump(out, f, indent=1, sort_keys=True)
    f.write("\n")
