import hashlib, json, os, random, sys


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


request = json.load(sys.stdin)
rng = random.Random(int(request["seed"]))
rows = request["params"]["rows"]
text = "id,x,y,label\n"
for i in range(rows):
    label = i % 2
    text += "r%04d,%.3f,%.3f,%s\n" % (i, rng.random() + label, rng.random() - label, "ab"[label])
os.makedirs(os.path.join(request["output"], "data"))
with open(os.path.join(request["output"], "data", "points.csv"), "w") as f:
    f.write(text)
say("file", path="data/points.csv", size=len(text), digest="sha256:" + hashlib.sha256(text.encode()).hexdigest())
say("progress", done=rows, total=rows, unit="rows")
say("result", source={"url": "made up"})
