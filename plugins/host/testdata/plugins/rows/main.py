import csv, json, os, sys


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


request = json.load(sys.stdin)
raw, out = request["inputs"][0]["path"], request["output"]
column = request["params"]["label"]
with open(os.path.join(raw, "data", "points.csv"), newline="") as f:
    rows = list(csv.DictReader(f))
if rows and column not in rows[0]:
    say("error", code="permanent", message="points.csv has no column %r; it has %s" % (column, ", ".join(rows[0])))
    sys.exit(1)
with open(os.path.join(out, "samples.jsonl"), "w") as samples:
    for i, row in enumerate(rows):
        split = "test" if i % 5 == 4 else "train"
        media = "%s/%s.json" % (split, row["id"])
        os.makedirs(os.path.join(out, split), exist_ok=True)
        with open(os.path.join(out, media), "w") as f:
            json.dump([float(row["x"]), float(row["y"])], f)
        samples.write(json.dumps({
            "id": row["id"], "split": split, "labels": [row[column]],
            "media": [{"path": media, "type": "table", "shape": [2], "dtype": "float64"}],
        }) + "\n")
say("progress", done=len(rows), total=len(rows), unit="samples")
say("result", task={"type": "multiclass", "classes": sorted({r[column] for r in rows})}, features=["x", "y"])
