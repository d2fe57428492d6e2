package plugins

import (
	"context"
	"crypto/sha256"
	"io"
	"strings"
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

// memory is a source that is one text.
type memory string

func (m memory) List(context.Context) ([]SourceFile, error) { return nil, nil }

func (m memory) Open(_ context.Context, _ SourceFile, from int64) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(string(m[from:]))), nil
}

// What only we know how to check is checked as a whole, also when the rest of it alone is wanted.
func TestSupplyChecksTheRest(t *testing.T) {
	for name, f := range map[string]SourceFile{
		"sum":    {Sum: "md5:900150983cd24fb0d6963f7d28e17f72"},
		"digest": {Digest: digest.SHA512.FromString("abc")},
	} {
		for text, code := range map[memory]Code{"abc": "", "Abc": FaultDiffers} {
			f.Path, f.Size = "x", 3
			list := listing{entries: []Entry{{Path: "x", Size: 3}}, files: []SourceFile{f}}
			out, err := newFetchOutput(Call{Progress: func(Progress) {}}, list)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			err = (&supply{fetching: &fetching{src: text, out: out}, list: list}).Write(t.Context(), 0, 1, &got)
			if FaultCode(err) != code || (err == nil) != (code == "") || got.String() != "bc" {
				t.Errorf("%s of %s: wrote %q, %v", name, text, got.String(), err)
			}
		}
	}
}
