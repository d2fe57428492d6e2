package pin_test

import (
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/pin"
)

func TestHold(t *testing.T) {
	lines := []string{"a 1", "b 2"}
	want := pin.Digest(digest.FromString("a 1\nb 2\n"))
	for _, d := range []pin.Digest{"", want} {
		if got, err := d.Hold(lines); err != nil || got != want || d.Check() != nil {
			t.Errorf("%q: %s, %v; want %s", d, got, err, want)
		}
	}
	got, err := want.Hold(lines[:1])
	if plugins.FaultCode(err) != plugins.FaultManifest || !strings.Contains(err.Error(), string(want)) || !strings.Contains(err.Error(), string(got)) {
		t.Errorf("%v; want both digests", err)
	}
}

func TestCheck(t *testing.T) {
	for _, d := range []pin.Digest{"abc", "sha256:0", pin.Digest("sha512:" + strings.Repeat("0", 128))} {
		if d.Check() == nil {
			t.Errorf("%q is taken for a digest", d)
		}
	}
}
