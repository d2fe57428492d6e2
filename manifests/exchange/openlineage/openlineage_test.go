package openlineage_test

import (
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/exchange/dossier"
	"github.com/cairn-bench/cairn/manifests/exchange/dossier/dossiertest"
	"github.com/cairn-bench/cairn/manifests/exchange/openlineage"
)

var update = flag.Bool("update", false, "write the golden file anew")

// golden compares with a file of testdata: who compares two exports compares bytes.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s: %s", file, diff)
	}
}

func events(t *testing.T, d *dossier.Dossier) []byte {
	t.Helper()
	text, err := openlineage.Events(d)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestGolden(t *testing.T) {
	golden(t, "testdata/events.jsonl", events(t, dossiertest.New(t)))
}

// TestRunID compares with Python: uuid.uuid5(uuid.NAMESPACE_URL, "https://cairn-bench.github.io/run/sha256:" + "0" * 64).
func TestRunID(t *testing.T) {
	const want = "b4995fa4-1cdb-51fa-95ee-29bcaab3d857"
	if got := openlineage.RunID(digest.Digest("sha256:" + strings.Repeat("0", 64))); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

type dataset struct{ Namespace, Name string }

type event struct {
	EventType, EventTime string
	Run                  struct{ RunID string }
	Job                  struct{ Name string }
	Inputs, Outputs      []dataset
}

// TestOrder: what a step reads was given by a step that is complete, and every run has one START and then one COMPLETE.
func TestOrder(t *testing.T) {
	made, state := map[string]bool{}, map[string]string{}
	lines := slices.Collect(strings.Lines(string(events(t, dossiertest.WithTimes(dossiertest.New(t))))))
	before := ""
	for i, line := range lines {
		var e event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if was := state[e.Run.RunID]; e.EventType != map[string]string{"": "START", "START": "COMPLETE"}[was] {
			t.Errorf("line %d: %s after %q", i, e.EventType, was)
		}
		state[e.Run.RunID] = e.EventType
		for _, in := range e.Inputs {
			if !made[in.Name] {
				t.Errorf("line %d: %s reads %s, which nothing gave", i, e.Job.Name, in.Name)
			}
		}
		for _, o := range e.Outputs {
			made[o.Name] = true
		}
		if e.EventTime < before {
			t.Errorf("line %d: %s after %s", i, e.EventTime, before)
		}
		before = e.EventTime
	}
	if len(lines) != 14 || len(made) != 6 || len(state) != 7 {
		t.Errorf("%d events of %d runs, %d artifacts", len(lines), len(state), len(made))
	}
	if text := string(events(t, dossiertest.New(t))); strings.Count(text, `"eventTime":"1970-01-01T00:00:00.000Z"`) != 14 {
		t.Error("a time without being asked for")
	}
}
