package verify

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// endless gives every blob, and no end of it.
type endless struct{ Store }

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func (endless) Open(context.Context, digest.Digest) (io.ReadCloser, error) {
	return io.NopCloser(endless{}), nil
}

func (endless) Records(context.Context, digest.Digest, digest.Digest) ([]digest.Digest, error) {
	return nil, nil
}

// A blob that is far too large for what it should be is not held in memory.
func TestHugeDocument(t *testing.T) {
	v := newVerifier(t.Context(), "benchmark.lock", endless{}, Records)
	if v.limit != maxDocument {
		t.Errorf("the limit is %d", v.limit)
	}
	v.limit = 1000
	d := digest.FromString("plan")
	if text, ok := v.read(d, "plan"); ok {
		t.Fatalf("%d bytes were read", len(text))
	}
	p := v.verdict().Problems[0]
	if p.Code != Malformed || p.Path != "plan" || p.Digest != d || !strings.Contains(p.Want, "1000 bytes") {
		t.Errorf("%+v", p)
	}
}
