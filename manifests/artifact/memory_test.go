package artifact_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests/artifact"
)

// blobs is a Sink and a Source; unlike cas.Memory it may be used below activities.
type blobs map[digest.Digest][]byte

func (b blobs) Put(_ context.Context, want digest.Digest, r io.Reader) (digest.Digest, int64, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return "", 0, err
	}
	d := digest.FromBytes(text)
	if want != "" && want != d {
		return "", 0, fmt.Errorf("want %s, have %s", want, d)
	}
	b[d] = text
	return d, int64(len(text)), nil
}

func (b blobs) get(d digest.Digest) ([]byte, error) {
	text, ok := b[d]
	if !ok {
		return nil, fmt.Errorf("blob %s: %w", d, fs.ErrNotExist)
	}
	return text, nil
}

func (b blobs) Stat(_ context.Context, d digest.Digest) (int64, error) {
	text, err := b.get(d)
	return int64(len(text)), err
}

func (b blobs) Open(_ context.Context, d digest.Digest) (io.ReadCloser, error) {
	text, err := b.get(d)
	return io.NopCloser(bytes.NewReader(text)), err
}

type at struct{ *bytes.Reader }

func (at) Close() error { return nil }

func (b blobs) OpenAt(_ context.Context, d digest.Digest) (artifact.ReaderAtCloser, error) {
	text, err := b.get(d)
	return at{bytes.NewReader(text)}, err
}

// folder is what a step wrote: path and content.
type folder map[string]string

func (f folder) files() []artifact.File {
	var out []artifact.File
	for p, text := range f { // in any order: Pack does not mind
		out = append(out, artifact.File{Path: p, Size: int64(len(text)), Digest: digest.FromString(text)})
	}
	return out
}

func (f folder) open(p string) (io.ReadCloser, error) {
	text, ok := f[p]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: p, Err: fs.ErrNotExist}
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

func pack(t testing.TB, b blobs, kind artifact.Kind, f folder) ocispec.Descriptor {
	t.Helper()
	d, err := artifact.Pack(t.Context(), b, kind, f.files(), f.open)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func small() folder {
	return folder{
		"dataset.json":      `{"schema":"cairn/dataset/v1"}`,
		"samples.jsonl":     "{\"id\":\"a\"}\n",
		"curation.json":     "{}",
		"train/a.npy":       "array of a",
		"train/a.json":      "{}",
		"test/b.npy":        "array of b",
		"test/odd\\\nname":  "escaped",
		"train/é.npy":       "not ASCII",
		"train/empty.bytes": "",
	}
}

var errFull = errors.New("no space left")

// fullSink takes a little and fails, as a full disk does.
type fullSink struct{}

func (fullSink) Put(_ context.Context, _ digest.Digest, r io.Reader) (digest.Digest, int64, error) {
	_, _ = r.Read(make([]byte, 10))
	return "", 0, errFull
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}
