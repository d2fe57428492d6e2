package publish_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"go.temporal.io/sdk/temporal"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/activitytest"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/report"
)

// twins is a manifest in which a and b fetch the same, and the seed of b puts the other file on the training side; c has nothing
// in common with them.
func twins(overlap string) string {
	text := strings.Replace(activitytest.Text("a", "b", "c"), "params: {name: b}}, curate: {plugin: files,", "params: {name: a}}, curate: {plugin: files, seed: 3,", 1)
	return strings.Replace(text, "\nmodels:", overlap+"\nmodels:", 1)
}

const (
	fails = "\noverlap: {same: fail}"
	says  = "overlap.same is fail, and 2 groups of samples are the same on two sides of several datasets: a/"
)

func (b *bench) keep(t *testing.T, text string) {
	t.Helper()
	d, err := cas.PutBytes(t.Context(), b.Store, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	b.request.Manifest = d
}

func (b *bench) compare(t *testing.T, p activities.Prepared, known digest.Digest) (activities.Compared, error) {
	t.Helper()
	return b.publisher.Compare(t.Context(), activities.CompareRequest{Plan: p.Plan, Manifest: b.request.Manifest, Only: b.request.Only, Shared: known})
}

// wantFinal fails unless the error says that and no other try follows.
func wantFinal(t *testing.T, err error, want string) {
	t.Helper()
	var app *temporal.ApplicationError
	if err == nil || !strings.HasPrefix(err.Error(), want) || !errors.As(activities.Report(err), &app) || !app.NonRetryable() || app.Type() != activities.Failed {
		t.Errorf("error %v, want a final %q", err, want)
	}
}

// TestHeld: only a manifest that does not want samples in common has anything wait, and that is what uses datasets.
func TestHeld(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct {
		overlap string
		only    []string
		want    bool
	}{
		{"", nil, false},
		{"\noverlap: {same: report, near: report}", nil, false},
		{fails, nil, true},
		{"\noverlap: {near: fail}", nil, true},
		{"\noverlap: {subjects: [[a, b]]}", nil, false},
		{"\noverlap: {subject: fail, subjects: [[a, b]]}", nil, true},
		{fails, []string{"fetch/a"}, false},
		{fails, []string{"curate/a"}, true},
		{fails, []string{"evaluate/test/all/a"}, true},
	} {
		b.keep(t, twins(c.overlap))
		b.request.Only = c.only
		p := b.prepare(t)
		for _, n := range p.Todo {
			if uses := strings.HasPrefix(n.Step, "pretrain/") || strings.HasPrefix(n.Step, "evaluate/"); n.Held != (uses && c.want) {
				t.Errorf("%q, only %q: %s is held: %v", c.overlap, c.only, n.Step, n.Held)
			}
		}
		if p.Compare != c.want {
			t.Errorf("%q, only %q: compare is %v", c.overlap, c.only, p.Compare)
		}
	}
	b.keep(t, strings.Replace(activitytest.Text("a"), "\nmodels:", fails+"\nmodels:", 1))
	b.request.Only = nil
	if p := b.prepare(t); p.Compare {
		t.Error("one dataset is to be compared")
	}
	b.keep(t, twins(fails))
	b.request.Plan, b.request.From = b.prepare(t).Plan, 6
	if p := b.prepare(t); !p.Compare || len(p.Todo) != 4 || !p.Todo[0].Held {
		t.Errorf("a later part of the plan: %+v", p)
	}
}

// TestCompare: of the datasets that are there, and only for who wants one that has something in common with another.
func TestCompare(t *testing.T) {
	b := newBench(t)
	b.keep(t, twins(fails))
	p := b.prepare(t)
	if _, err := b.compare(t, p, ""); err != nil {
		t.Errorf("nothing is there: %v", err)
	}
	for _, only := range []string{"curate/a", "curate/c"} {
		b.request.Only = []string{only}
		if _, err := b.compare(t, b.do(t), ""); err != nil {
			t.Errorf("%s has nothing beside it: %v", only, err)
		}
	}
	b.request.Only = []string{"curate/b"}
	_, err := b.compare(t, b.do(t), "")
	wantFinal(t, err, says)
	b.request.Only = []string{"curate/c"}
	if _, err := b.compare(t, p, ""); err != nil {
		t.Errorf("c has nothing in common with the others: %v", err)
	}
	b.request.Only = nil
	_, err = b.compare(t, p, "")
	wantFinal(t, err, says)
	for lists, want := range map[string]string{"[[a, c]]": "", "[[a, b]]": "overlap.subject is fail, and 2 groups of samples are of one subject each on two sides of several datasets: a/"} {
		b.keep(t, twins("\noverlap: {subject: fail, subjects: "+lists+"}"))
		if _, err = b.compare(t, p, ""); want == "" && err != nil {
			t.Errorf("%s: %v", lists, err)
		} else if want != "" {
			wantFinal(t, err, want)
		}
	}
	if n := b.Runs("pretrain/all"); n != 0 {
		t.Errorf("%d trainings", n)
	}
	_, err = b.publisher.Publish(t.Context(), activities.PublishRequest{Plan: p.Plan, Manifest: b.request.Manifest}, "run")
	if err == nil || !strings.Contains(err.Error(), "has no result") {
		t.Errorf("published: %v", err)
	}
	b.keep(t, twins(fails)+"\n")
	b.do(t) // as a home in which all was done before the manifest said so
	_, err = b.publisher.Prepare(t.Context(), b.request, "run")
	wantFinal(t, err, says)
}

// TestComparedOnce: what was found before is what the report says, as long as it is of the same artifacts, and the same bytes as if
// it was found there; what is lost or of others is found again.
func TestComparedOnce(t *testing.T) {
	b := newBench(t)
	b.keep(t, twins(""))
	p := b.do(t)
	found, err := b.compare(t, p, "")
	if err != nil {
		t.Fatal(err)
	}
	publish := func(known digest.Digest, text string) activities.Published {
		t.Helper()
		b.keep(t, text)
		out, err := b.publisher.Publish(t.Context(), activities.PublishRequest{Plan: p.Plan, Manifest: b.request.Manifest, Shared: known}, "run")
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	alter := func(was, is string) digest.Digest { // and the names, so that it is seen whether it counts
		t.Helper()
		text := string(b.read(t, found.Shared))
		if !strings.Contains(text, was) {
			t.Fatalf("no %s in %s", was, text)
		}
		d, err := cas.PutBytes(t.Context(), b.Store, []byte(strings.ReplaceAll(strings.Replace(text, was, is, 1), `"a/`, `"A/`)))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	names := func(out activities.Published) []string {
		t.Helper()
		var r report.Report
		if err := json.Unmarshal(b.read(t, out.Report), &r); err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, d := range r.Duplicates {
			all = append(all, d.Samples...)
		}
		return all
	}
	alone := publish("", twins("")+"\n") // a comment more is another manifest, of the same plan
	if same := publish(found.Shared, twins("")+"\n\n"); same.Report != alone.Report || len(names(alone)) != 4 {
		t.Errorf("report %s with duplicates %q, and %s with %q where they were known", alone.Report, names(alone), same.Report, names(same))
	}
	if again, err := b.compare(t, p, found.Shared); err != nil || again != found {
		t.Errorf("compared again: %+v, %v; want %+v", again, err, found)
	}
	if got := names(publish(alter("", ""), twins("")+"\n#1\n")); !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "A/") }) {
		t.Errorf("what is known of the same artifacts was found again: %q", got)
	}
	for what, known := range map[string]digest.Digest{
		"of other artifacts": alter(`"of":{"a":"sha256:`, `"of":{"a":"sha256:0`), "of another version": alter(`"by":"`, `"by":"x`), "of another schema": alter("cairn/shared/v1", "cairn/shared/v2"),
		"not there": digest.FromString("lost"), "no document": b.request.Manifest,
	} {
		if got := names(publish(known, twins("")+"\n# "+what+"\n")); !slices.Equal(got, names(alone)) {
			t.Errorf("%s: duplicates %q, want %q", what, got, names(alone))
		}
	}
}
