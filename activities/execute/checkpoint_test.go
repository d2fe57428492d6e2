package execute

import (
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/canonical"
)

func sample(t testing.TB) []byte {
	t.Helper()
	text, err := canonical.Marshal(Checkpoint{Schema: CheckpointSchema, Action: action.ID(digest.FromString("a")), Architecture: runtime.GOARCH, Step: 7, State: digest.FromString("s"), Previous: digest.FromString("p")})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// FuzzCheckpoint: what is accepted is the one spelling of a checkpoint of the action, and begins as one.
func FuzzCheckpoint(f *testing.F) {
	id := action.ID(digest.FromString("a"))
	f.Add(sample(f))
	f.Add([]byte(strings.ReplaceAll(string(sample(f)), ",", ", ")))
	f.Add([]byte(`{"schema":"cairn/checkpoint/v1"}`))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parseCheckpoint(text, id)
		if err != nil {
			return
		}
		again, err := canonical.Marshal(c)
		if err != nil || string(again) != string(text) || !strings.HasPrefix(string(text), beginning(id)) || c.Action != id || c.Step < 1 {
			t.Errorf("%q was accepted as %+v", text, c)
		}
	})
}

func FuzzTrail(f *testing.F) {
	id := action.ID(digest.FromString("a"))
	text, err := canonical.Marshal(trail{Schema: trailSchema, Action: id, Checkpoints: []mark{{digest.FromString("c"), digest.FromString("s")}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("{}"))
	f.Add([]byte(`{"checkpoints":[{"checkpoint":1}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		first, err := parseTrail(text, id)
		if err != nil {
			return
		}
		once, err := canonical.Marshal(first)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := parseTrail(once, id); err != nil || !slices.Equal(again.Checkpoints, first.Checkpoints) || again.Steps != first.Steps {
			t.Errorf("%q gave %v, and again %v, %v", text, first, again, err)
		}
	})
}

func TestSampleIsACheckpoint(t *testing.T) {
	if c, err := parseCheckpoint(sample(t), action.ID(digest.FromString("a"))); err != nil || c.Step != 7 {
		t.Errorf("%+v, %v", c, err)
	}
}
