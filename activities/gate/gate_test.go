package gate_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/gate"
	"github.com/cairn-bench/cairn/activities/keys"
	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/approval"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/plugins"
)

type source struct{ env plugins.Env }

func (source) List(context.Context) ([]plugins.SourceFile, error) { return nil, nil }
func (source) Open(context.Context, plugins.SourceFile, int64) (io.ReadCloser, error) {
	return nil, io.EOF
}
func (s source) Missing(context.Context) ([]plugins.Missing, error) {
	return plugins.Secrets(s.env, "https://x.test/keys", []string{"TOKEN"}), nil
}

var plugin = plugins.Fetch(catalog.Spec{Name: "x", Version: "1", Summary: "For tests.", Determinism: catalog.Exact, Queue: catalog.QueueIO, Secrets: []string{"TOKEN"}},
	struct{}{}, func(_ struct{}, env plugins.Env, _ uint64) (plugins.Source, error) { return source{env}, nil })

var step = plan.Step{Name: "fetch/d", Params: []byte(`{}`), Gate: &plan.Gate{Dataset: "d", Version: "1", Terms: []manifests.Term{
	{ID: "A-1", URL: "https://x.test/a", Steps: []string{"Do this.", "Do that."}}, {ID: "B-1", URL: "https://x.test/b"}}}}

func newGate(t *testing.T) *gate.Gate {
	t.Helper()
	home := t.TempDir()
	return gate.Open(home, keys.Home(home, ""))
}

func approve(t *testing.T, g *gate.Gate, id, url string) gate.Record {
	t.Helper()
	r, err := g.Approve(t.Context(), approval.Approval{Dataset: "d", Version: "1", Terms: approval.Terms{ID: id, URL: url}, By: "Ada", At: time.Unix(1, 0)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func missing(t *testing.T, g *gate.Gate, token string) string {
	t.Helper()
	all, err := g.Missing(t.Context(), step, plugin, plugins.Env{Lookup: func(string) (string, bool) { return token, token != "" }})
	if err != nil {
		t.Fatal(err)
	}
	var what []string
	for _, m := range all {
		what = append(what, m.What)
	}
	return strings.Join(what, "; ")
}

// TestMissing: terms are accepted one by one, and what is accepted and the credentials are there in any order.
func TestMissing(t *testing.T) {
	home := t.TempDir() + "/with [brackets]"
	g := gate.Open(home, keys.Home(home, ""))
	all, err := g.Missing(t.Context(), step, plugin, plugins.Env{})
	if err != nil {
		t.Fatal(err)
	}
	want := activities.Missing{What: "terms A-1", Do: "Do this. Do that.", Page: "https://x.test/a", Terms: "A-1"}
	if diff := cmp.Diff(want, all[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := missing(t, g, ""); got != "terms A-1; terms B-1; credentials TOKEN" {
		t.Errorf("missing: %s", got)
	}
	approve(t, g, "A-1", "https://x.test/a")
	if got := missing(t, g, "t"); got != "terms B-1" {
		t.Errorf("missing: %s", got)
	}
	approve(t, g, "B-1", "https://x.test/elsewhere")
	if got := missing(t, g, "t"); got != "terms B-1" {
		t.Errorf("with an approval of another text, missing: %s", got)
	}
	approve(t, g, "B-1", "https://x.test/b")
	if got := missing(t, g, "t"); got != "" {
		t.Errorf("missing: %s", got)
	}
	records, terms := g.Covering(step.Gate)
	if len(records) != 2 || len(terms) != 0 || records[0].Terms.ID != "A-1" || records[1].Terms.ID != "B-1" {
		t.Errorf("covering: %v, %v", records, terms)
	}
	if all, err := g.Approvals(); err != nil || len(all) != 3 {
		t.Errorf("%d approvals, %v", len(all), err)
	}
	if got := missing(t, nil, "t"); got != "terms A-1; terms B-1" {
		t.Errorf("without a gate, missing: %s", got)
	}
}

// TestDoesNotCount: an approval that somebody else has signed, or has edited, opens nothing, and is told of.
func TestDoesNotCount(t *testing.T) {
	g, other := newGate(t), newGate(t)
	mine, theirs := approve(t, g, "A-1", "https://x.test/a"), approve(t, other, "B-1", "https://x.test/b")
	if err := os.WriteFile(filepath.Join(filepath.Dir(mine.Path), "copied.json"), theirs.Text, 0o644); err != nil {
		t.Fatal(err)
	}
	if got := missing(t, g, "t"); got != "terms B-1" {
		t.Errorf("missing: %s", got)
	}
	all, err := g.Approvals()
	if len(all) != 1 || err == nil || !strings.Contains(err.Error(), "copied.json") || !strings.Contains(err.Error(), "not signed by a key that counts here") {
		t.Errorf("%d approvals, %v", len(all), err)
	}
	if err := os.WriteFile(mine.Path, []byte(strings.Replace(string(mine.Text), "payload", "Payload", 1)+"x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := missing(t, g, "t"); got != "terms A-1; terms B-1" {
		t.Errorf("missing: %s", got)
	}
}

// TestKeys: what is accepted is signed with the key that signs the records, and what the home's former key has signed still counts.
func TestKeys(t *testing.T) {
	home := t.TempDir()
	before := gate.Open(home, keys.Home(home, ""))
	approve(t, before, "A-1", "https://x.test/a")
	other, _, err := keys.LoadOrMake(filepath.Join(t.TempDir(), "other.pem"))
	if err != nil {
		t.Fatal(err)
	}
	former, err := keys.Home(home, "").Known()
	if err != nil {
		t.Fatal(err)
	}
	now := gate.Open(home, other, former)
	approve(t, now, "B-1", "https://x.test/b")
	if got := missing(t, now, "t"); got != "" {
		t.Errorf("missing: %s", got)
	}
	if got := missing(t, before, "t"); got != "terms B-1" {
		t.Errorf("by the former key alone, missing: %s", got)
	}
	if _, err := gate.Open(home, other).Approvals(); err == nil || !strings.Contains(err.Error(), "not signed by a key that counts here") {
		t.Errorf("the former key counts by itself: %v", err)
	}
}
