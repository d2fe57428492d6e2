package plugins

import (
	"crypto/sha256"
	"testing"

	"github.com/opencontainers/go-digest"
)

// What was taken is held to what the publisher lists, and to what was received.
func TestSupplyChecks(t *testing.T) {
	right, other := sha256.Sum256([]byte("right")), sha256.Sum256([]byte("other"))
	listed := []SourceFile{{Path: "a", Digest: digest.FromString("right")}}
	local := &supply{list: listing{entries: []Entry{{Path: "a"}}, files: listed}}
	remote := &supply{list: local.list, parts: []arrived{{sum: digest.FromString("right")}}}
	for code, s := range map[Code]*supply{FaultDiffers: local, FaultDisk: remote} {
		if err := s.Check(0, right); err != nil {
			t.Error(err)
		}
		if err := s.Check(0, other); FaultCode(err) != code {
			t.Errorf("%v; want the code %s", err, code)
		}
	}
}
