package diff_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/diff"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/plan"
)

// rebuild is a run of three steps: what their actions were, and what they gave.
type rebuild struct {
	lock    *lock.Lock
	actions map[digest.Digest]action.Action
}

// newRebuild does fetch/a, curate/a with some parameters, and evaluate/a with what that gave. salt makes a step give
// something else than its action says.
func newRebuild(params, salt string, value float64) rebuild {
	r := rebuild{&lock.Lock{Benchmark: "small"}, map[digest.Digest]action.Action{}}
	raw := r.step("fetch/a", action.Action{Seed: "1"}, salt)
	curated := r.step("curate/a", action.Action{Params: json.RawMessage(params), Inputs: []action.Input{{Name: "raw", Artifact: raw}}}, "")
	r.step("evaluate/a", action.Action{Inputs: []action.Input{{Name: "data", Artifact: curated}}}, "")
	r.lock.Results = []lock.Result{{Evaluation: "test", Model: "m", Dataset: "a", Metric: "auroc", Value: &value}, {Evaluation: "test", Model: "m", Dataset: "a", Metric: "f1"}}
	return r
}

func (r rebuild) step(name string, a action.Action, salt string) digest.Digest {
	a.Schema, a.Plugin = action.Schema, action.Plugin{Kind: "fetch", Name: "x", Version: "1"}
	id, err := a.ID()
	if err != nil {
		panic(err)
	}
	r.actions[id.Digest()] = a
	made := digest.FromString(string(id) + salt)
	r.lock.Steps = append(r.lock.Steps, lock.Step{Name: name, Action: id.Digest(), Artifact: made})
	return made
}

func compare(was, is rebuild) diff.Comparison {
	return diff.Locks(was.lock, is.lock, func(d digest.Digest) (action.Action, bool) {
		for _, r := range []rebuild{was, is} {
			if a, ok := r.actions[d]; ok {
				return a, true
			}
		}
		return action.Action{}, false
	})
}

var noDigests = cmpopts.IgnoreFields(diff.Step{}, "Was", "Is")

func TestSame(t *testing.T) {
	c := compare(newRebuild(`{"size":1}`, "", 0.5), newRebuild(`{"size":1}`, "", 0.5))
	if !c.Empty() || c.Same != 3 {
		t.Errorf("%+v", c)
	}
}

// TestFirstCause: the step in which it begins comes first and says what of its action changed; the others say from whom
// they have it.
func TestFirstCause(t *testing.T) {
	was, is := newRebuild(`{"size":1}`, "", 0.5), newRebuild(`{"size":2}`, "", 0.75)
	c := compare(was, is)
	want := []diff.Step{
		{Name: "curate/a", State: diff.Action, Cause: true, Why: []plan.Cause{{Component: "params.size", Was: "1", Is: "2"}}},
		{Name: "evaluate/a", State: diff.Action, Why: []plan.Cause{{Component: "input data", Was: was.lock.Steps[1].Artifact.String(), Is: is.lock.Steps[1].Artifact.String(), Because: "curate/a"}}},
	}
	if d := cmp.Diff(want, c.Steps, noDigests); d != "" {
		t.Errorf("steps (-want +got):\n%s", d)
	}
	a, b := 0.5, 0.75
	if d := cmp.Diff([]diff.Result{{Evaluation: "test", Model: "m", Dataset: "a", Metric: "auroc", State: diff.Changed, Was: &a, Is: &b}}, c.Results); d != "" || c.Same != 1 {
		t.Errorf("%d the same; numbers (-want +got):\n%s", c.Same, d)
	}
}

// TestSameActionOtherResult: what gave other bytes for the same action is a cause of its own.
func TestSameActionOtherResult(t *testing.T) {
	c := compare(newRebuild(`{}`, "", 0.5), newRebuild(`{}`, "again", 0.5))
	if len(c.Steps) != 3 || c.Steps[0].Name != "fetch/a" || c.Steps[0].State != diff.Artifact || !c.Steps[0].Cause || c.Steps[1].Name != "curate/a" || c.Steps[1].Cause || c.Steps[2].Cause {
		t.Errorf("%+v", c.Steps)
	}
}

// TestCausesFirst: a cause that a rebuild does late comes before what follows from an earlier one.
func TestCausesFirst(t *testing.T) {
	was, is := newRebuild(`{}`, "", 0.5), newRebuild(`{}`, "again", 0.5)
	was.step("evaluate/z", action.Action{Seed: "1"}, "")
	is.step("evaluate/z", action.Action{Seed: "2"}, "")
	var got []string
	for _, s := range compare(was, is).Steps {
		got = append(got, s.Name)
	}
	if d := cmp.Diff([]string{"fetch/a", "evaluate/z", "curate/a", "evaluate/a"}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestUnknownActions: without the actions it is said that they differ, and nothing is said to follow from anything.
func TestUnknownActions(t *testing.T) {
	was, is := newRebuild(`{"size":1}`, "", 0.5), newRebuild(`{"size":2}`, "", 0.5)
	clear(was.actions)
	for _, s := range compare(was, is).Steps {
		if s.State != diff.Action || !s.Cause || len(s.Why) != 1 || s.Why[0].Component != "action" {
			t.Errorf("%+v", s)
		}
	}
}

func TestStepsAddedAndRemoved(t *testing.T) {
	was, is := newRebuild(`{}`, "", 0.5), newRebuild(`{}`, "", 0.5)
	was.lock.Steps = was.lock.Steps[:2]
	is.lock.Steps = is.lock.Steps[1:]
	is.lock.Results = nil
	c := compare(was, is)
	want := []diff.Step{{Name: "fetch/a", State: diff.Removed, Cause: true, Why: []plan.Cause{}}, {Name: "evaluate/a", State: diff.Added, Cause: true, Why: []plan.Cause{}}}
	if d := cmp.Diff(want, c.Steps, noDigests); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if len(c.Results) != 2 || c.Results[0].State != diff.Removed || c.Results[1].State != diff.Removed {
		t.Errorf("numbers %+v", c.Results)
	}
}

func TestSamples(t *testing.T) {
	s := func(id, split, label string) document.Sample {
		return document.Sample{ID: id, Split: split, Subject: id, Labels: []string{label}, Media: []document.Media{{Path: split + "/" + id + ".npy", Type: "image", Shape: []int{2, 2}}}}
	}
	was := []document.Sample{s("a", "train", "x"), s("b", "train", "x"), s("c", "train", "x"), s("d", "train", "x"), s("f", "test", "x")}
	is := []document.Sample{s("a", "train", "x"), s("b", "test", "y"), s("c", "train", "x"), s("e", "train", "x"), s("f", "test", "x")}
	is[4].Media[0].Shape = []int{3, 3}
	file := func(path, text string) artifact.File {
		return artifact.File{Path: path, Digest: digest.FromString(text)}
	}
	got := diff.Samples(was, is, artifact.Differ([]artifact.File{file("train/c.npy", "1")}, []artifact.File{file("train/c.npy", "2")}))
	want := []diff.Sample{
		{ID: "b", State: diff.Changed, What: []diff.Part{{Name: "split", Was: "train", Is: "test"}, {Name: "labels", Was: "x", Is: "y"}}},
		{ID: "c", State: diff.Changed, What: []diff.Part{{Name: "media", Was: "its bytes", Is: "others"}}},
		{ID: "d", State: diff.Removed, What: []diff.Part{}},
		{ID: "e", State: diff.Added, What: []diff.Part{}},
		{ID: "f", State: diff.Changed, What: []diff.Part{{Name: "media",
			Was: `[{"dtype":"","path":"test/f.npy","shape":[2,2],"type":"image"}]`, Is: `[{"dtype":"","path":"test/f.npy","shape":[3,3],"type":"image"}]`}}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
