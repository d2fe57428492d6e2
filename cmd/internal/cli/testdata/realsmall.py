#!/usr/bin/env python3
"""What the six datasets of manifests/benchmarks/real-small hold, found without any code of Cairn.

    python3 realsmall.py ../../../../../shared/data > realsmall.json

Standard library only: the raw files are read as their formats are documented, and the sides are drawn again
by the rule that plugins/curate_split.go states. realsmall_test.go compares a rebuild with the output.
"""
import collections
import hashlib
import json
import os
import re
import struct
import sys

DATA = sys.argv[1]
SEED = 1  # of every curate step
SIDES = ["train", "validation", "test"]


def files(folder):
    for dir, _, names in os.walk(os.path.join(DATA, folder)):
        for name in names:
            path = os.path.join(dir, name)
            yield os.path.relpath(path, os.path.join(DATA, folder)), path


def read(path):
    with open(path, "rb") as f:
        return f.read()


def key(name):
    """A path as a sample's ID."""
    return re.sub(rb"[^A-Za-z0-9_-]", lambda m: b"~%02x" % m[0][0], name.encode()).decode()


def rank(what, name):
    return hashlib.sha256(f"cairn/split/v1\n{SEED}\n{what}\n{name}".encode()).digest()


def draw(samples, shares):
    """Gives each subject the side that is furthest behind its share, class by class in seeded order."""
    subjects = collections.defaultdict(list)
    for s in samples:
        subjects[s["subject"]].append(s)

    def order(name):
        labels = sorted({s["label"] for s in subjects[name]})
        return rank("stratum", "\n".join(labels)), rank("subject", name)

    given = dict.fromkeys(shares, 0)
    for n, name in enumerate(sorted(subjects, key=order), 1):
        side = max(shares, key=lambda s: shares[s] * n - given[s])  # the first of equals
        given[side] += 1
        for s in subjects[name]:
            s["side"] = side


def sample(name, label, subject=None, side=None):
    return {"id": key(name), "subject": subject or key(name), "label": label, "side": side}


def seeded(samples, train, validation, test):
    draw(samples, {"train": train, "validation": validation, "test": test})


def published(samples, validation):
    draw([s for s in samples if s["side"] == "train"], {"train": 1 - validation, "validation": validation})


def summary(samples, excluded=(), duplicates=(), **more):
    kept = [s for s in samples if s["id"] not in {e["sample"] for e in excluded}]
    classes = sorted({s["label"] for s in samples})
    on = {side: [s for s in kept if s["side"] == side] for side in SIDES}
    return {
        "expected": len(samples),
        "done": len(kept),
        "classes": classes,
        "samples": {side: len(on[side]) for side in SIDES},
        "subjects": {side: len({s["subject"] for s in on[side]}) for side in SIDES},
        "counts": {side: {c: sum(s["label"] == c for s in on[side]) for c in classes} for side in SIDES},
        "sides": hashlib.sha256("".join(sorted(f"{s['id']} {s['side']}\n" for s in kept)).encode()).hexdigest(),
        "excluded": list(excluded),
        "duplicates": list(duplicates),
        "warnings": {},
        **more,
    }


def database(record):
    """The folder of a challenge record, by the prefix of its name; Chapman's numbers end at 10646."""
    if record.startswith("JS"):
        return "chapman_shaoxing" if int(record[2:]) <= 10646 else "ningbo"
    return {"HR": "ptb-xl", "E": "georgia", "A": "cpsc_2018"}[re.match("[A-Z]+", record)[0]]


def ecg():
    samples, warnings = [], {}
    for name, path in sorted(files("cinc2021_ecg")):
        if not name.endswith(".hea"):
            continue
        lines = read(path).decode().splitlines()
        record = name.removesuffix(".hea")  # Georgia's headers call themselves E00271.mat
        _, signals, rate, length = lines[0].split()[:4]
        assert (signals, rate) == ("12", "500")
        leads = [l.split()[-1] for l in lines[1:13]]
        codes = re.search(r"^#Dx: *(.*)$", "\n".join(lines), re.M)[1].split(",")
        id = f"training/{database(record)}/g1/{record}"
        samples.append(sample(id, "sinus" if "426783006" in codes else "other"))
        raw = read(path[:-4] + ".mat")[24:]  # a MATLAB 4 header of 24 bytes, then frames of 16-bit samples
        values = struct.unpack(f"<{len(raw) // 2}h", raw)
        assert len(values) == 12 * int(length)
        flat = [lead for i, lead in enumerate(leads) if len(set(values[i : 12 * 5000 : 12])) == 1]
        found = {"flat-lead": "leads without any change: " + ", ".join(flat)} if flat else {}
        if int(length) > 5000:
            found["long-record"] = f"1000 of {int(length) // 5} samples"
        if found:
            warnings[key(id)] = found
    seeded(samples, 0.6, 0.1, 0.3)
    return summary(samples, warnings=warnings)


def is_image(path):
    return read(path).startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"))


def xray():
    samples = []
    for name, path in files("chest_xray_kermany"):
        side, label, base = name.split("/")
        assert is_image(path)
        child = re.match(r"person\d+|(NORMAL2-)?IM-\d+", base)[0]
        samples.append(sample(name, label.lower(), side + "/" + child, side))
    published(samples, 0.1)
    return summary(samples)


def tumour():
    names = {"glioma_tumor": "glioma", "meningioma_tumor": "meningioma", "no_tumor": "no-tumour", "pituitary_tumor": "pituitary"}
    samples, same = [], collections.defaultdict(list)
    for name, path in files("brain_tumor_mri"):
        side, label, _ = name.split("/")
        assert is_image(path)
        s = sample(name, names[label], side={"Training": "train", "Testing": "test"}[side])
        samples.append(s)
        same[hashlib.sha256(read(path)).hexdigest()].append(s)
    published(samples, 0.1)
    groups = [g for _, g in sorted(same.items()) if len(g) > 1]
    excluded = [s["id"] for g in groups if any(s["side"] == "train" for s in g) for s in g if s["side"] == "test"]
    duplicates = [sorted(s["side"] + "/" + s["id"] for s in g) for g in groups]
    return summary(samples, [{"sample": id, "code": "duplicate-of-train"} for id in sorted(excluded)], duplicates)


def ultrasound():
    samples = []
    for name, path in files("busi_256"):
        assert is_image(path)
        _, label, base = name.split("/")
        samples.append(sample(label + "/" + base, label))
    seeded(samples, 0.6, 0.1, 0.3)
    return summary(samples)


def proteins():
    def column(part):
        return read(os.path.join(DATA, "PROTEINS_full", f"PROTEINS_full_{part}.txt")).decode().split("\n")[:-1]

    labels = column("graph_labels")
    samples = [sample(f"PROTEINS_full-{n:04d}", {"1": "enzyme", "2": "not-enzyme"}[l]) for n, l in enumerate(labels, 1)]
    seeded(samples, 0.7, 0.1, 0.2)
    return summary(samples, nodes=len(column("node_labels")), edges=len(set(column("A"))))


def heart():
    samples, incomplete, missing = [], 0, collections.Counter()
    for name, path in sorted(files("uci_heart_disease")):
        if not name.startswith("processed."):
            continue
        rows = [[c.strip() for c in line.split(",")] for line in read(path).decode().splitlines()]
        for n, row in enumerate(rows[1:], 1):
            cells = dict(zip(rows[0], row, strict=True))
            samples.append(sample(f"{name}-{n:06d}", "absent" if float(cells.pop("num")) == 0 else "present"))
            gone = [c for c, v in cells.items() if v in ("?", "-9") or c in ("chol", "trestbps") and float(v) == 0]
            missing.update(gone)
            incomplete += bool(gone)
    seeded(samples, 0.7, 0.1, 0.2)
    return summary(samples, incomplete=incomplete, missing=dict(sorted(missing.items())))


json.dump(
    {
        "ecg": ecg(),
        "chest-xray": xray(),
        "brain-tumour": tumour(),
        "breast-ultrasound": ultrasound(),
        "proteins": proteins(),
        "heart": heart(),
    },
    sys.stdout,
    indent=1,
)
print()
