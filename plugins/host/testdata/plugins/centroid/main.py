import json, os, random, signal, sys, time

asked = False  # to end


def ask(*_):
    global asked
    asked = True


signal.signal(signal.SIGTERM, ask)


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


request = json.load(sys.stdin)
data = []
for part in request["inputs"]:
    with open(os.path.join(part["path"], "dataset.json")) as f:
        info = json.load(f)
    with open(os.path.join(part["path"], "samples.jsonl")) as f:
        for line in f:
            sample = json.loads(line)
            if sample["split"] == "train":
                with open(os.path.join(part["path"], sample["media"][0]["path"])) as m:
                    data.append((sample["labels"][0], json.load(m)))

rng = random.Random(int(request["seed"]))
state = {"step": 0, "centres": {c: [0.0, 0.0] for c in info["task"]["classes"]}}
if "checkpoint" in request:
    with open(request["checkpoint"]["path"]) as f:
        state = json.load(f)
    version, inner, gauss = state.pop("random")
    rng.setstate((version, tuple(inner), gauss))
    say("resumed", step=state["step"])


def save():
    name = "%d.state" % state["step"]
    path = os.path.join(request["checkpoints"], name)
    with open(path, "w") as f:
        json.dump({**state, "random": rng.getstate()}, f)
    say("checkpoint", step=state["step"], path=name)
    while os.path.exists(path):  # until it is kept
        time.sleep(0.001)


steps, every = request["params"]["steps"], request.get("interval", {"steps": 0, "seconds": 30})
saved, saved_at = state["step"], time.monotonic()
while state["step"] < steps:
    if asked:
        if "checkpoints" in request and state["step"] > saved:
            save()
        say("error", code="interrupted", message="asked to end")
        sys.exit(1)
    label, point = data[rng.randrange(len(data))]
    centre = state["centres"][label]
    for i in range(2):
        centre[i] += (point[i] - centre[i]) * 0.25
    state["step"] += 1
    say("progress", done=state["step"], total=steps, unit="steps")
    due = every["steps"] and state["step"] - saved >= every["steps"] or every["seconds"] and time.monotonic() - saved_at >= every["seconds"]
    if "checkpoints" in request and due and state["step"] < steps:
        save()
        saved, saved_at = state["step"], time.monotonic()

out = request["output"]
with open(os.path.join(out, "centres.json"), "w") as f:
    json.dump(state["centres"], f, sort_keys=True)
with open(os.path.join(out, "model.json"), "w") as f:
    json.dump({
        "schema": "cairn/model/v1", "architecture": "centroid@1", "parameters": 2 * len(state["centres"]), "config": {},
        "datasets": [{"id": info["id"], "modality": info["modality"], "task": info["task"], "train": len(data)}],
    }, f, sort_keys=True)
say("result")
