"""Read what cairn exported with the readers that people use, and say as JSON what they found.

    readers.py FOLDER    with climb/, webdataset/, labelled/, parquet/, dir/ and raw/, the arrays as they were

Each reader is asked for what the Go test knows; a difference is an assertion that fails.
"""

import collections
import glob
import io
import json
import pathlib
import sys

import numpy as np

root = pathlib.Path(sys.argv[1])
found = {}


def raw(path):
    return np.load(root / "raw" / path)


def climb():
    import cv2
    import scipy.io
    from PIL import Image

    base, count = root / "climb", collections.Counter()
    for name in sorted(base.glob("annotation_*.jsonl")):
        split = {"valid": "validation"}.get(name.stem.removeprefix("annotation_"), name.stem.removeprefix("annotation_"))
        for line in name.open():
            a = json.loads(line)
            assert [t["from"] for t in a["conversations"]] == ["human", "gpt"] and a["explanation"] == ""
            human = a["conversations"][0]["value"]
            assert human.count("<image>") == len(a.get("images", [])) and human.count("<video>") == len(a.get("videos", []))
            for p in a.get("images", []):
                assert (np.asarray(Image.open(base / p)) == raw(f"{split}/{a['id']}.npy")).all()
                count["images"] += 1
            for p in a.get("videos", []):  # as CLIMB's src/load_video.py does
                cap, frames = cv2.VideoCapture(str(base / p)), []
                assert cap.get(cv2.CAP_PROP_FPS) == 10
                while cap.isOpened():
                    ok, frame = cap.read()
                    if not ok:
                        break
                    frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
                cap.release()
                parts = sorted(glob.glob(str(root / "raw" / split / f"{a['id']}.[0-9]*.npy")))
                want = np.stack([np.load(q) for q in parts]) if parts else raw(f"{split}/{a['id']}.npy")
                want = want if want.ndim == 4 else np.repeat(want[..., None], 3, -1)
                assert (np.stack(frames) == want).all(), p
                count["videos"] += 1
            for p in a.get("signals", []):
                assert (scipy.io.loadmat(base / p)["val"] == raw(f"{split}/{a['id']}.npy")).all()
                assert int((base / p).with_suffix(".hea").open().readline().split(None, 3)[2]) == 250  # as CLIMB reads it
                count["signals"] += 1
            count[split] += 1
    return count


def shards():
    import torch
    import webdataset

    count = collections.Counter()
    for kind in ("webdataset", "labelled"):
        files = sorted(str(p) for p in (root / kind).glob("*.tar"))
        data = webdataset.WebDataset(files, shardshuffle=False).decode()
        for s in torch.utils.data.DataLoader(data, batch_size=None):
            count[kind] += 1
            for ext in s:
                if ext.endswith("npy"):
                    assert (np.asarray(s[ext]) == raw(f"{s['__key__']}.{ext}")).all()
            if kind == "labelled":
                info = json.load(open(root / kind / "dataset.json"))
                assert info["task"]["classes"][s["cls"]] == s["json"]["labels"][0] and s["json"]["split"] + "/" + s["json"]["id"] == s["__key__"]
    return count


def parquet():
    import duckdb
    import pandas
    import pyarrow.parquet

    file = str(root / "parquet" / "labels.parquet")
    rows = pyarrow.parquet.read_table(file).to_pylist()
    want = [json.loads(line) for line in (root / "webdataset" / "samples.jsonl").open()]
    for r, w in zip(rows, want, strict=True):
        assert (r["id"], r["dataset"], r["split"], r["subject"], r["labels"], r["text"]) == (w["id"], w["dataset"], w["split"], w["subject"], w["labels"], w.get("text", ""))
        assert dict(r["meta"]) == w.get("meta", {}) and r["sources"] == w["sources"]
        assert [(m["path"], m["type"], m["dtype"], m["shape"], m["sampling_rate"]) for m in r["media"]] == \
            [(m["path"], m["type"], m["dtype"], m["shape"], m.get("sampling_rate", 0)) for m in w["media"]]
        assert all(r[k] == (k.removeprefix("class:") in w["labels"]) for k in r if k.startswith("class:"))
    assert len(pandas.read_parquet(file)) == len(want)
    by = duckdb.sql(f"select split, count(*), sum(len(media)) from '{file}' group by split order by split").fetchall()
    return {"rows": len(rows), "columns": list(rows[0])[:5], "splits": [list(map(int, r[1:])) for r in by]}


def folders():
    from torchvision.datasets import ImageFolder

    data = ImageFolder(str(root / "dir" / "train"), allow_empty=True)
    for path, _ in data.samples:
        id = pathlib.Path(path).stem
        want = raw(f"train/{id}.npy")
        got = np.asarray(data.loader(path))
        assert (got == (want if want.ndim == 3 else np.repeat(want[..., None], 3, -1))).all()
    return {"classes": data.classes, "samples": len(data.samples)}


found["climb"], found["shards"], found["parquet"], found["dir"] = climb(), shards(), parquet(), folders()
json.dump(found, sys.stdout)
