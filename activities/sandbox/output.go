package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/artifact"
)

// Output is what a step writes. It is safe for concurrent use.
//
// Files that are created one by one come in any order and are spooled in a folder. A list of files whose sizes are
// known is taken straight into the shards of the artifact (take.go).
type Output struct {
	store   cas.Uploader
	name    string
	workers int
	every   int64
	spool   *spool

	mu    sync.Mutex
	files map[string]written // closed without an error
	taken map[string]bool
	list  *shards // of Take
}

// written is a file in the spool.
type written struct {
	artifact.File
	place
}

// Options say where an Output keeps what it is given.
type Options struct {
	Dir     string       // a folder that does not exist yet, for the spool
	Store   cas.Uploader // receives the artifact
	Name    string       // of the work, for as long as it gives the same bytes: what is interrupted goes on under that name
	Workers int          // how many shards are written side by side; never changes the bytes
	Save    int64        // bytes of a shard that a kill may cost; 0 means 64 MiB
}

// NewOutput makes the folder.
func NewOutput(o Options) (*Output, error) {
	s, err := newSpool(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	return &Output{store: o.Store, name: o.Name, workers: max(1, o.Workers), every: cmp.Or(o.Save, saveEvery), spool: s, files: map[string]written{}, taken: map[string]bool{}}, nil
}

// Create starts a file. The same path twice and any path that is not clean and relative are refused.
func (o *Output) Create(path string) (io.WriteCloser, error) {
	if !fs.ValidPath(path) || path == "." || strings.ContainsRune(path, 0) {
		return nil, fmt.Errorf("create %q: not a clean relative path", path)
	}
	if artifact.Reserved(path) {
		return nil, fmt.Errorf("create %s: the name is Cairn's own", path)
	}
	if !o.take(path) {
		return nil, fmt.Errorf("create %s: written twice", path)
	}
	return &outputFile{out: o, path: path, hash: digest.SHA256.Digester()}, nil
}

func (o *Output) take(path string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.taken[path] {
		return false
	}
	o.taken[path] = true
	return true
}

type outputFile struct {
	spooled
	out  *Output
	path string
	hash digest.Digester
	err  error // sticky: a file with a failed write never counts
}

var errClosed = errors.New("file is closed")

func (f *outputFile) Write(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	n, err := f.spooled.write(f.out.spool, p)
	f.hash.Hash().Write(p[:n])
	f.err = err
	return n, err
}

func (f *outputFile) Close() error {
	err := f.err
	var at place
	if err == nil {
		at, err = f.spooled.close(f.out.spool)
	} else {
		f.spooled.drop()
	}
	f.err = errClosed
	if err != nil {
		return fmt.Errorf("write %s: %w", f.path, err)
	}
	f.out.mu.Lock()
	defer f.out.mu.Unlock()
	f.out.files[f.path] = written{artifact.File{Path: f.path, Size: f.size, Digest: f.hash.Digest()}, at}
	return nil
}

// Files lists what was created, sorted by path.
func (o *Output) Files() []artifact.File {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []artifact.File
	for _, p := range slices.Sorted(maps.Keys(o.files)) {
		out = append(out, o.files[p].File)
	}
	return out
}

// Open reads a file that was created.
func (o *Output) Open(path string) (io.ReadCloser, error) { return o.open(path, 0) }

func (o *Output) open(path string, from int64) (io.ReadCloser, error) {
	o.mu.Lock()
	f, ok := o.files[path]
	o.mu.Unlock()
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return o.spool.open(f.place, from, f.Size-from)
}

// Pack keeps everything as an artifact of a kind. Before it, nothing is in the store.
func (o *Output) Pack(ctx context.Context, kind artifact.Kind) (ocispec.Descriptor, error) {
	if kind != artifact.Dataset {
		return artifact.Pack(ctx, o.store, kind, o.Files(), o.Open)
	}
	c := artifact.Contents{Open: o.Open}
	var data []artifact.File
	for _, f := range o.Files() {
		if artifact.Document(f.Path) {
			c.Documents = append(c.Documents, f)
		} else {
			data = append(data, f)
		}
	}
	if o.list == nil {
		if _, err := o.takeList(ctx, entriesOf(data), spoolSupply{o, data}); err != nil {
			return ocispec.Descriptor{}, fmt.Errorf("pack dataset: %w", err)
		}
	} else if len(data) > 0 {
		return ocispec.Descriptor{}, fmt.Errorf("pack dataset: %s was created beside a list that was taken", data[0].Path)
	}
	if len(c.Documents)+len(o.list.files) == 0 {
		return ocispec.Descriptor{}, errors.New("pack dataset: there is no file")
	}
	if err := o.list.commit(ctx, &c); err != nil {
		if activities.Kind(err) == activities.Refused { // bytes that must go are not kept in an upload either
			err = errors.Join(err, o.list.discard())
		}
		return ocispec.Descriptor{}, fmt.Errorf("pack dataset: %w", err)
	}
	return artifact.Seal(ctx, o.store, c)
}

func entriesOf(files []artifact.File) []artifact.Entry {
	out := make([]artifact.Entry, len(files))
	for i, f := range files {
		out[i] = artifact.Entry{Path: f.Path, Size: f.Size}
	}
	return out
}

// spoolSupply gives files back that were created.
type spoolSupply struct {
	out   *Output
	files []artifact.File
}

func (s spoolSupply) Write(_ context.Context, i int, from int64, w io.Writer) error {
	r, err := s.out.open(s.files[i].Path, from)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.CopyBuffer(w, struct{ io.Reader }{r}, make([]byte, min(max(s.files[i].Size-from, 512), 128<<10)))
	return err
}

func (s spoolSupply) Check(i int, sum artifact.Sum) error {
	if got := artifact.Digest(sum); got != s.files[i].Digest {
		return fmt.Errorf("it changed while it was packed: %s is now %s", s.files[i].Digest, got)
	}
	return nil
}

// Discard forgets what an interrupted Take has kept: another one would go on with bytes that are wrong.
func (o *Output) Discard() error {
	if o.list == nil {
		return nil
	}
	return o.list.discard()
}

// Close removes the spool.
func (o *Output) Close() error { return o.spool.remove() }
