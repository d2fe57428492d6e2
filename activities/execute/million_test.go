package execute_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/execute"
	"github.com/cairn-bench/cairn/activities/sandbox"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/dir"
)

// TestMillion takes in as many files of 1 KiB as CAIRN_FILES says, a million for the figures in BENCHMARKS.md, finds
// one, changes one, and takes all in again. CAIRN_FILES_DIR keeps the files for the next time.
func TestMillion(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("CAIRN_FILES"))
	if err != nil {
		n = 3000
	}
	folder := os.Getenv("CAIRN_FILES_DIR")
	if folder == "" {
		folder = t.TempDir()
	}
	writeMany(t, folder, n)
	store, err := cas.OpenLayout(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	before := takeIn(t, store, folder, n)
	path := fmt.Sprintf("%04d/%07d.dat", (n/2)/1000, n/2)
	began := time.Now()
	r, err := sandbox.OpenFile(t.Context(), store, before.Digest, path)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	t.Logf("one read by its path in %s", time.Since(began))
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil || !bytes.Equal(text, contentOf(n/2)) {
		t.Errorf("%s has %d bytes, %v", path, len(text), err)
	}

	changed := filepath.Join(folder, filepath.FromSlash(path))
	if err := os.WriteFile(changed, []byte("changed"), 0o600); err != nil {
		t.Fatal(err)
	}
	defer os.WriteFile(changed, contentOf(n/2), 0o600)
	after := takeIn(t, store, folder, n)
	if fresh := newShards(t, store, before.Digest, after.Digest); fresh < 1 || fresh > 2 {
		t.Errorf("one changed file made %d new shards", fresh)
	}
}

func contentOf(i int) []byte { return bytes.Repeat(fmt.Appendf(nil, "%07d\n", i), 128) }

func writeMany(t *testing.T, folder string, n int) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(folder, fmt.Sprintf("%04d/%07d.dat", (n-1)/1000, n-1))); err == nil {
		return
	}
	for i := range n {
		name := filepath.Join(folder, fmt.Sprintf("%04d/%07d.dat", i/1000, i))
		if i%1000 == 0 {
			if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(name, contentOf(i), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// takeIn does a fetch step of fetch/dir as the executor does, plan included.
func takeIn(t *testing.T, store *cas.Layout, folder string, n int) ocispec.Descriptor {
	t.Helper()
	set, err := plugins.NewSet(dir.Plugin())
	if err != nil {
		t.Fatal(err)
	}
	params, err := dir.Plugin().Normalise(json.RawMessage(fmt.Sprintf(`{"path":%q}`, folder)))
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	source, err := dir.Plugin().SourceDigest(t.Context(), params, plugins.Env{})
	if err != nil {
		t.Fatal(err)
	}
	planned := time.Since(began)
	began = time.Now()
	a := action.Action{Plugin: dir.Plugin().Spec().Identity(), Params: params, Source: source}
	d, err := execute.Run(t.Context(), execute.RunRequest{Store: store, Into: store, Plugins: set, Action: a, Scratch: t.TempDir(), Workers: runtime.GOMAXPROCS(0),
		Progress: func(plugins.Progress) {}})
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	t.Logf("%d files: digest of the source in %s, taken in in %s (%.0f files/s), peak memory %s", n, planned, took, float64(n)/took.Seconds(), peak())
	return d
}

// peak is the most memory that this process had.
func peak() string {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			return strings.TrimSpace(rest)
		}
	}
	return "unknown"
}

func newShards(t *testing.T, s cas.Store, before, after digest.Digest) int {
	t.Helper()
	known := map[digest.Digest]bool{}
	layers := func(d digest.Digest) []ocispec.Descriptor {
		m, err := artifact.ReadManifest(t.Context(), s, d)
		if err != nil {
			t.Fatal(err)
		}
		return m.Layers[1:]
	}
	for _, l := range layers(before) {
		known[l.Digest] = true
	}
	fresh := 0
	for _, l := range layers(after) {
		if !known[l.Digest] {
			fresh++
		}
	}
	return fresh
}
