package cli

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/compare"
	"github.com/cairn-bench/cairn/manifests/verdict"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// shaky is a benchmark of two plugins that never give the same bytes twice: their numbers are off by up to a hundredth. Of
// what they do some has bounds that are wide enough, some has bounds that are not, and some has none.
const shaky = `apiVersion: cairn/v1
kind: Benchmark
name: shaky
plugins:
  trainer: mine/trainer
  scorer: mine/scorer
datasets:
  heart:
    title: Heart
    modality: table
    licence: CC0-1.0
    access: open
    fetch: {plugin: dir, params: {path: data}}
    curate: {plugin: table, seed: 3, params: {drop: [id], label: {column: num, classes: {"0": absent, "1": present}}}}
models:
  wide: {plugin: trainer, datasets: [heart], rerun: {compare: tensors, absolute: 0.001, relative: 0.02}}
  tight: {plugin: trainer, datasets: [heart], rerun: {compare: tensors, absolute: 1e-12}}
  bare: {plugin: trainer, datasets: [heart]}
evaluations:
  near: {plugin: scorer, models: [wide], rerun: {compare: metrics, absolute: 0.05}}
  far: {plugin: scorer, models: [wide], rerun: {compare: metrics, absolute: 1e-12}}
claims:
  - {evaluation: near, model: wide, dataset: heart, metric: accuracy, value: 0.5, tolerance: 0.3, rule: interval, level: 0.9, source: a paper}
`

const trainer = `import json, os, random, struct, sys
request = json.load(sys.stdin)
with open(os.path.join(request["inputs"][0]["path"], "dataset.json")) as f:
    info = json.load(f)
out = request["output"]
data = struct.pack("<4f", *[1 + i + random.SystemRandom().uniform(0.001, 0.01) for i in range(4)])
head = json.dumps({"weight": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}).encode()
with open(os.path.join(out, "model.safetensors"), "wb") as f:
    f.write(struct.pack("<Q", len(head)) + head + data)
with open(os.path.join(out, "model.json"), "w") as f:
    json.dump({"schema": "cairn/model/v1", "architecture": "shaky@1", "parameters": 4, "config": {},
        "datasets": [{"id": info["id"], "modality": info["modality"], "task": info["task"], "train": 1}]}, f, sort_keys=True)
print('{"event":"result"}')
`

const scorer = `import json, os, random, sys
request = json.load(sys.stdin)
path = {i["name"]: i["path"] for i in request["inputs"]}["dataset"]
with open(os.path.join(path, "dataset.json")) as f:
    info = json.load(f)
lines, split = [], request["params"]["split"]
value = 0.5 + random.SystemRandom().uniform(0.001, 0.01)
with open(os.path.join(path, "samples.jsonl")) as f:
    for line in f:
        sample = json.loads(line)
        if sample["split"] == split:
            lines.append(json.dumps({"id": sample["id"], "labels": sample["labels"], "scores": [value, 1 - value]}))
with open(os.path.join(request["output"], "predictions.jsonl"), "w") as f:
    f.write("\n".join(lines) + "\n")
with open(os.path.join(request["output"], "metrics.json"), "w") as f:
    json.dump({"schema": "cairn/metrics/v1", "dataset": info["id"], "split": split, "task": info["task"], "samples": len(lines), "counts": {},
        "metrics": [{"name": "accuracy", "value": value, "low": value - 0.2, "high": value + 0.2, "replicates": 9}], "per_class": [],
        "bootstrap": {"method": "percentile", "replicates": 9, "level": 0.9, "unit": "sample"}}, f, sort_keys=True)
print('{"event":"result"}')
`

// shakyMachine has the benchmark, and has run it.
func shakyMachine(t *testing.T) *machine {
	t.Helper()
	m := newMachine(t, shaky)
	m.write("data/heart.csv", table(60))
	m.bringShaky()
	m.want(0, words("run benchmark.yaml"), "0.5 is in our interval")
	return m
}

// bringShaky puts the plugins beside the manifest.
func (m *machine) bringShaky() {
	m.t.Helper()
	if _, err := exec.LookPath("python3"); err != nil {
		m.t.Skip("python3 is not installed")
	}
	for name, kind := range map[string]string{"trainer": "pretrain", "scorer": "evaluate"} {
		m.write("mine/"+name+"/plugin.json", `{"schema": "cairn/plugin/v1", "kind": "`+kind+`", "name": "`+name+`", "version": "1", "summary": "Is never the same.",
			"command": ["python3", "main.py"], "determinism": "tolerance", "reason": "adds in any order"}`)
	}
	m.write("mine/trainer/main.py", trainer)
	m.write("mine/scorer/main.py", scorer)
}

// TestRerunWithin: what promises a tolerance is judged by the bounds in the lock; without any it is not judged.
func TestRerunWithin(t *testing.T) {
	m := shakyMachine(t)
	if text := m.read("benchmark.lock"); !strings.Contains(text, ", compare: tensors, absolute: 0.001, relative: 0.02}\n") || !strings.Contains(text, ", compare: metrics, absolute: 0.05}\n") {
		t.Fatalf("the lock does not pin the bounds:\n%s", text)
	}
	m.want(0, words("verify benchmark.lock --rerun pretrain/wide"), "level bytes", "1 steps done again (1 of them not with the same bytes, but within the bounds of the lock)",
		"agrees-within: tensors within 0.001 + 0.02 of what they were: 4 of 4 numbers are not what they were, by at most 0.0")
	m.want(0, words("verify benchmark.lock --rerun evaluate/near/wide/heart"), "agrees-within: metrics within 0.05: no metric is more than 0.0")
	m.want(3, words("verify benchmark.lock --rerun pretrain/tight"), "rerun-differs", `"model.safetensors": tensor "weight" at [0 0]: it was 1.0`, "more than 1e-12")
	m.want(3, words("verify benchmark.lock --rerun evaluate/far/wide/heart"), "rerun-differs", `metric "accuracy": it was 0.50`, "more than 1e-12")
	m.want(4, words("verify benchmark.lock --rerun pretrain/bare"), "could not be done again here: pretrain/bare", "the lock has no bounds by which to judge it", "model.safetensors", "level bytes")

	m.want(3, words("verify benchmark.lock --rerun all --attest all.json"), "left   pretrain/bare  class tolerance: the lock has no bounds", "(adds in any order)")
	s, _, err := verdict.Parse([]byte(m.read("all.json")))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, r := range s.Predicate.Details.Reruns {
		got[r.Step] = r.Class + " " + r.Outcome
	}
	for step, want := range map[string]string{"fetch/heart": "exact agrees", "curate/heart": "exact agrees", "pretrain/wide": "tolerance agrees-within", "pretrain/tight": "tolerance differs",
		"pretrain/bare": "tolerance could-not", "evaluate/near/wide/heart": "tolerance agrees-within", "evaluate/far/wide/heart": "tolerance differs"} {
		if got[step] != want {
			t.Errorf("%s %s, want %s", step, got[step], want)
		}
	}
	m.want(3, words("challenge benchmark.lock --with all.json"), "agrees within the bounds: metrics within 0.05: no metric is more than", `metric "accuracy": it was`, "tensor \"weight\" at [0 0]", "NOT agreed")
}

// TestAttackedBounds: bounds and rules are in the plan and in the lock before the run, and whatever is done to them is found.
func TestAttackedBounds(t *testing.T) {
	m := shakyMachine(t)
	text := m.read("benchmark.lock")
	m.want(0, words("verify benchmark.lock"), "pinned before the result: 1 of 1 claim")
	v := object[verify.Verdict](m, 0, "verify", "benchmark.lock")
	for _, b := range v.Bounds {
		if b.Pinned != compare.Before {
			t.Errorf("%+v", b)
		}
	}
	if len(v.Bounds) != 4 {
		t.Errorf("%d bounds, want 4", len(v.Bounds))
	}
	for _, c := range []struct{ name, old, new, code, step, path string }{
		{"wider absolute", "absolute: 1e-12}", "absolute: 1}", verify.BoundsChanged, "evaluate/far/wide/heart", "rerun"},
		{"wider relative", "relative: 0.02", "relative: 0.5", verify.BoundsChanged, "pretrain/wide", "rerun"},
		{"no bounds", ", compare: metrics, absolute: 1e-12}", "}", verify.BoundsChanged, "evaluate/far/wide/heart", "rerun"},
		{"another comparison", "compare: metrics, absolute: 1e-12", "compare: tensors, absolute: 1e-12", verify.BoundsChanged, "evaluate/far/wide/heart", "rerun"},
		{"another rule", "rule: interval, level: 0.9", "rule: at-most", verify.ClaimChanged, "", "benchmark.lock/claims[0]"},
		{"the default rule", "rule: interval, level: 0.9, ", "", verify.ClaimChanged, "", "benchmark.lock/claims[0]"},
		{"another level", "level: 0.9,", "level: 0.99,", verify.ClaimChanged, "", "benchmark.lock/claims[0]"},
		{"a wider interval", "tolerance: 0.3", "tolerance: 1", verify.ClaimChanged, "", "benchmark.lock/claims[0]"},
	} {
		if !strings.Contains(text, c.old) {
			t.Fatalf("%s: no %q in\n%s", c.name, c.old, text)
		}
		body, _, _ := strings.Cut(strings.Replace(text, c.old, c.new, 1), "digest: ")
		m.write("edited.lock", body+"digest: "+digest.FromString(body).String()+"\n")
		v := object[verify.Verdict](m, exitDiffers, "verify", "edited.lock")
		if len(v.Problems) != 1 || v.Problems[0].Code != c.code || v.Problems[0].Step != c.step || v.Problems[0].Path != c.path {
			t.Errorf("%s: %s", c.name, problems(v))
		}
	}
	for _, c := range []struct{ old, new, want string }{
		{"absolute: 0.05}", "absolute: 0.5}", "evaluations.near.rerun: evaluate/near/wide/heart is to agree by metrics within 0.5; benchmark.lock has pinned metrics within 0.05"},
		{", rerun: {compare: tensors, absolute: 1e-12}", "", "models.tight.rerun: pretrain/tight is to agree by no bounds"},
		{"rule: interval, level: 0.9,", "rule: at-least,", "is to be at-least 0.5 within 0.3; benchmark.lock:16 has pinned 0.5 in an interval"},
		{"level: 0.9,", "level: 0.95,", "is to be 0.5 in an interval of level 0.95"},
	} {
		m.write("benchmark.yaml", strings.Replace(shaky, c.old, c.new, 1))
		m.want(3, words("run benchmark.yaml"), c.want, "a new name")
	}

	// Without the lock nothing is pinned beside the manifest, and the ledger still knows.
	must(t, os.Remove(m.path("benchmark.lock")))
	m.write("benchmark.yaml", strings.NewReplacer("rule: interval, level: 0.9,", "rule: at-most,", "absolute: 0.05}", "absolute: 0.5}").Replace(shaky))
	m.want(0, words("run benchmark.yaml"), "nothing to do")
	m.want(3, words("verify benchmark.lock"), "claim-changed", "0.5 in an interval of level 0.9 that reaches no farther than 0.3, as was claimed first", "at-most 0.5 within 0.3, which was claimed when the result was there",
		"bounds-changed", "metrics within 0.05, as was fixed first", "metrics within 0.5, which was fixed when the result was there")
	if v := object[verify.Verdict](m, 3, "verify", "benchmark.lock"); pinnings(v) != string(compare.Changed) {
		t.Errorf("pinned %q", pinnings(v))
	}
}

// TestCheckWithin: a plugin that promises a tolerance is judged by the bounds of the case, and not at all without.
func TestCheckWithin(t *testing.T) {
	m := newMachine(t, "")
	m.bringShaky()
	m.want(1, words("plugin check mine/scorer"), "failed  again", "it promises tolerance (adds in any order), and there are no bounds to judge it by")
	m.write("case/inputs/check/dataset.json", `{"schema":"cairn/dataset/v1","id":"check","modality":"table","task":{"type":"multiclass","classes":["a","b"]}}`)
	for bounds, c := range map[string]struct {
		code int
		want string
	}{
		`{"compare":"tensors","absolute":0.1}`:   {0, "ok      five workers  tensors within 0.1: the numbers are close enough"},
		`{"compare":"tensors","absolute":1e-12}`: {3, "failed  five workers  tensors within 1e-12: \"model.safetensors\": tensor \"weight\" at [0 0]: it was 1."},
		`{"compare":"metrics","absolute":1}`:     {2, "case.json: rerun: compare is \"metrics\", want tensors"},
	} {
		m.write("case/case.json", `{"rerun":`+bounds+`}`)
		got := m.cairn("plugin", "check", "mine/trainer", "--case", "case")
		if text := got.stdout + got.stderr; !strings.Contains(text, c.want) || c.code != 0 && got.code != c.code {
			t.Errorf("%s: code %d, want %d and %s\n%s", bounds, got.code, c.code, c.want, text)
		}
	}
}
