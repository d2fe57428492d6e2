package actioncache

import (
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/canonical"
)

// TestCanonical: what is taken for the canonical form of an entry is that, with every field and without the one that
// may be absent.
func TestCanonical(t *testing.T) {
	for _, against := range []digest.Digest{"", digest.FromString("lock")} {
		e := Entry{Schema: Schema, Action: action.ID(digest.FromString("action")), Artifact: digest.FromString("artifact"), Record: digest.FromString("record"), Against: against}
		want, err := canonical.Marshal(e)
		if got := e.canonical(); err != nil || got != string(want) {
			t.Errorf("%s, want %s, %v", got, want, err)
		}
	}
}
