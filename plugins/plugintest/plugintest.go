// Package plugintest judges plugins: it runs one in memory, and it runs one twice, in different places and
// with different numbers of workers, and compares the bytes. Both the tests of our plugins and
// `cairn plugin check` use it.
package plugintest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/tolerance"
	"github.com/cairn-bench/cairn/plugins"
)

// Files is a folder in memory: both a plugins.Tree and, as a result, what a plugin wrote.
type Files map[string][]byte

// Files lists the folder, sorted by path.
func (f Files) Files() []plugins.File {
	var out []plugins.File
	for _, p := range slices.Sorted(maps.Keys(f)) {
		out = append(out, plugins.File{Path: p, Size: int64(len(f[p])), Digest: digest.FromBytes(f[p])})
	}
	return out
}

// Fetched is what a fetch brought: the folder without the document about it.
func (f Files) Fetched() Files {
	out := maps.Clone(f)
	delete(out, document.DatasetFile)
	return out
}

// Open reads one file.
func (f Files) Open(path string) (io.ReadCloser, error) {
	b, err := f.ReadFile(path)
	return io.NopCloser(bytes.NewReader(b)), err
}

// ReadFile reads one whole file.
func (f Files) ReadFile(path string) ([]byte, error) {
	b, ok := f[path]
	if !ok {
		return nil, fmt.Errorf("open %s: %w", path, fs.ErrNotExist)
	}
	return b, nil
}

// Root names the whole folder by one digest, the Merkle root of its files.
func (f Files) Root() digest.Digest {
	return artifact.MerkleRoot(f.list())
}

func (f Files) list() []artifact.File {
	var out []artifact.File
	for _, file := range f.Files() {
		out = append(out, artifact.File(file))
	}
	return out
}

// Case is one execution to judge.
type Case struct {
	Plugin  plugins.Plugin
	Params  string // JSON, "" for the defaults
	Seed    uint64
	Dataset *action.Dataset
	Inputs  map[string]Files
	Env     plugins.Env
	Rerun   tolerance.Bounds // of a plugin of class tolerance: how close it has to come when it runs again

	Partial  string                 // of a fetch: the folder that outlives a failed run
	Progress func(plugins.Progress) // may be nil

	Host func(context.Context, plugins.Plugin, plugins.Call) error // runs it; nil for this process
}

// TB is what a test gives: a command uses this package, too, and has none.
type TB interface {
	Helper()
	Context() context.Context
	Fatalf(format string, args ...any)
	TempDir() string
}

// Run executes a case in memory with that many workers.
func (c Case) Run(ctx context.Context, workers int, scratch string) (Files, error) {
	return c.do(ctx, plugins.Call{Workers: workers, Scratch: scratch})
}

// do makes a call that is complete but for what the case says.
func (c Case) do(ctx context.Context, call plugins.Call) (Files, error) {
	params, err := c.Plugin.Normalise(json.RawMessage(c.Params))
	if err != nil {
		return nil, err
	}
	out := &output{files: Files{}}
	call.Params, call.Seed, call.Dataset, call.Output, call.Env = params, c.Seed, c.Dataset, out, c.Env
	call.Partial = c.Partial
	if c.Progress != nil {
		call.Progress = c.Progress
	}
	for _, name := range slices.Sorted(maps.Keys(c.Inputs)) {
		call.Inputs = append(call.Inputs, plugins.Input{Name: name, Artifact: c.Inputs[name].Root(), Tree: c.Inputs[name]})
	}
	run := c.Host
	if run == nil {
		run = func(ctx context.Context, p plugins.Plugin, call plugins.Call) error { return p.Run(ctx, call) }
	}
	if err := run(ctx, c.Plugin, call); err != nil {
		return nil, err
	}
	return out.files, nil
}

// Must executes a case with two workers and fails the test on an error.
func (c Case) Must(t TB) Files {
	t.Helper()
	files, err := c.Run(t.Context(), 2, t.TempDir())
	if err != nil {
		t.Fatalf("%s/%s: %v", c.Plugin.Spec().Kind, c.Plugin.Spec().Name, err)
	}
	return files
}

// Deterministic runs a case with one, two and five workers in different folders, fails the test if any file
// differs, or is not within the bounds of the case, and returns the files.
func (c Case) Deterministic(t TB) Files {
	t.Helper()
	first := c.Must(t)
	for _, workers := range []int{1, 5} {
		again, err := c.Run(t.Context(), workers, t.TempDir())
		if err != nil {
			t.Fatalf("%d workers: %v", workers, err)
		}
		if diff := c.apart(first, again); diff != "" {
			t.Fatalf("%d workers: %s", workers, diff)
		}
	}
	return first
}

// Diff names the first file in which two folders differ, "" if there is none.
func Diff(a, b Files) string {
	for _, p := range slices.Sorted(maps.Keys(a)) {
		other, ok := b[p]
		switch {
		case !ok:
			return p + " is missing in the second run"
		case !bytes.Equal(a[p], other):
			return fmt.Sprintf("%s differs: %s and %s", p, digest.FromBytes(a[p]), digest.FromBytes(other))
		}
	}
	for _, p := range slices.Sorted(maps.Keys(b)) {
		if _, ok := a[p]; !ok {
			return p + " is only in the second run"
		}
	}
	return ""
}

type output struct {
	mu    sync.Mutex
	files Files
}

func (o *output) Create(path string) (io.WriteCloser, error) {
	if !fs.ValidPath(path) {
		return nil, fmt.Errorf("create %q: not a clean relative path", path)
	}
	return &file{path: path, out: o}, nil
}

type file struct {
	bytes.Buffer
	path string
	out  *output
}

func (f *file) Close() error {
	f.out.mu.Lock()
	defer f.out.mu.Unlock()
	if _, twice := f.out.files[f.path]; twice {
		return fmt.Errorf("close %s: written twice", f.path)
	}
	f.out.files[f.path] = bytes.Clone(f.Bytes())
	return nil
}
