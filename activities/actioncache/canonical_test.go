package actioncache

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/canonical"
)

// entries are one with every field, and one without the one that may be absent.
func entries() []Entry {
	without := Entry{Schema: Schema, Action: action.ID(digest.FromString("action")), Artifact: digest.FromString("artifact"), Record: digest.FromString("record")}
	with := without
	with.Against = digest.FromString("lock")
	return []Entry{without, with}
}

// TestCanonical: what is taken for the canonical form of an entry is that.
func TestCanonical(t *testing.T) {
	for _, e := range entries() {
		want, err := canonical.Marshal(e)
		if got := e.canonical(); err != nil || got != string(want) {
			t.Errorf("%s, want %s, %v", got, want, err)
		}
	}
}

// FuzzParse: an entry is taken just if encoding/json reads the same of it, and its bytes are canonical.
func FuzzParse(f *testing.F) {
	id := entries()[0].Action
	for _, e := range entries() {
		f.Add(e.canonical())
		f.Add(strings.Replace(e.canonical(), "{", `{"extra":1,`, 1))
		f.Add(strings.Replace(e.canonical(), `"artifact"`, `"record"`, 1))
		f.Add(strings.Replace(e.canonical(), `","`, `", "`, 1))
		f.Add(e.canonical() + "}")
	}
	f.Add(`{"schema":"cairn/action-entry/v9"}`)
	f.Add(`":":":":`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parse([]byte(text), id)
		var want Entry
		bad := json.Unmarshal([]byte(text), &want)
		sound := bad == nil && want.Schema == Schema && want.Action == id && text == want.canonical() && want.check() == nil
		if sound != (err == nil) || sound && got != want {
			t.Errorf("%q: %+v, %v; encoding/json has %+v, %v", text, got, err, want, bad)
		}
	})
}
