// Package curated reads a curated dataset where it lies in the store, for those who look at it or bring it out: its
// documents, its samples one after the other, and the arrays of a sample. It holds one sample at a time and never
// the whole list, and it takes nothing for granted that an artifact of a stranger says of itself.
package curated

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/sandbox"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/npy"
)

// Bounds of what is read into memory.
const (
	maxDocument = 256 << 20
	maxLine     = 16 << 20
	// MaxMedia bounds one array of a sample.
	MaxMedia = 1 << 30
)

// NotCuratedError says that an artifact is something else.
type NotCuratedError struct {
	Artifact digest.Digest
	Is       string
}

func (e *NotCuratedError) Error() string {
	return fmt.Sprintf("%s is %s and not a curated dataset", e.Artifact, e.Is)
}

// Dataset is a curated dataset in a store. It is safe for concurrent use.
type Dataset struct {
	Artifact digest.Digest
	Manifest ocispec.Manifest
	Info     document.Dataset // its Task is there

	ctx    context.Context // until which the dataset is of use, as of a tree of package sandbox
	store  cas.Store
	reader *artifact.Reader
}

// Open opens the dataset of an artifact. It is of use until ctx ends or Close is called.
func Open(ctx context.Context, store cas.Store, id digest.Digest) (*Dataset, error) {
	m, err := artifact.ReadManifest(ctx, store, id)
	if err != nil {
		return nil, err
	}
	if !artifact.IsDataset(m) {
		return nil, &NotCuratedError{id, kindOf(m)}
	}
	r, err := artifact.NewReader(ctx, store, m)
	if err != nil {
		return nil, fmt.Errorf("artifact %s: %w", id, err)
	}
	d := &Dataset{Artifact: id, Manifest: m, ctx: ctx, store: store, reader: r}
	if err := d.info(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return d, nil
}

func kindOf(m ocispec.Manifest) string {
	switch m.ArtifactType {
	case artifact.ModelType:
		return "a model"
	case artifact.EvaluationType:
		return "an evaluation"
	}
	return "something else"
}

func (d *Dataset) info() error {
	text, err := d.Read(document.DatasetFile, maxDocument)
	if errors.Is(err, fs.ErrNotExist) {
		return &NotCuratedError{d.Artifact, "a tree of files"}
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &d.Info); err != nil {
		return fmt.Errorf("%s of %s: %w", document.DatasetFile, d.Artifact, err)
	}
	switch {
	case d.Info.Schema != document.DatasetSchema:
		return fmt.Errorf("%s of %s: schema %q is not known here, want %s", document.DatasetFile, d.Artifact, d.Info.Schema, document.DatasetSchema)
	case d.Info.Stage != "curated" || d.Info.Task == nil:
		return &NotCuratedError{d.Artifact, "a dataset of stage " + d.Info.Stage}
	}
	return nil
}

// Close ends the use of the dataset.
func (d *Dataset) Close() error { return d.reader.Close() }

// Curation reads what became of every candidate. Members that this version does not know are left alone.
func (d *Dataset) Curation() (document.Curation, error) {
	var c document.Curation
	text, err := d.Read(document.CurationFile, maxDocument)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		return c, fmt.Errorf("%s of %s: %w", document.CurationFile, d.Artifact, err)
	}
	return c, nil
}

// Files gives all files in the order of their paths, as artifact.Reader does.
func (d *Dataset) Files() iter.Seq2[artifact.Place, error] { return d.reader.All() }

// Open opens a file; its bytes are checked before io.EOF.
func (d *Dataset) Open(name string) (io.ReadCloser, error) {
	r, _, err := d.open(name)
	return r, err
}

func (d *Dataset) open(name string) (io.ReadCloser, int64, error) {
	p, ok, err := d.reader.Find(name)
	if err == nil && !ok {
		err = &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	if err != nil {
		return nil, 0, fmt.Errorf("artifact %s: %w", d.Artifact, err)
	}
	r, err := sandbox.OpenPlace(d.ctx, d.store, p)
	return r, p.Size, err
}

// OpenPlace opens a file that Files gave.
func (d *Dataset) OpenPlace(p artifact.Place) (io.ReadCloser, error) {
	return sandbox.OpenPlace(d.ctx, d.store, p)
}

// Blob opens a blob of the artifact, such as a shard; its bytes are checked before io.EOF.
func (d *Dataset) Blob(id digest.Digest) (io.ReadCloser, error) { return d.store.Open(d.ctx, id) }

// Read reads a whole file of at most limit bytes.
func (d *Dataset) Read(name string, limit int64) ([]byte, error) {
	r, size, err := d.open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if size > limit {
		return nil, fmt.Errorf("artifact %s: %s has %d bytes, the most that is read is %d", d.Artifact, name, size, limit)
	}
	return io.ReadAll(r)
}

// Array reads an array of a sample.
func (d *Dataset) Array(m document.Media) (npy.Array, error) {
	b, err := d.Read(m.Path, MaxMedia)
	if err != nil {
		return npy.Array{}, err
	}
	a, err := npy.Decode(b)
	if err != nil {
		return a, fmt.Errorf("%s: %w", m.Path, err)
	}
	return a, nil
}

// Samples gives the samples in the order of their ids. What could not be the name of a file is an error.
func (d *Dataset) Samples() iter.Seq2[document.Sample, error] {
	return func(yield func(document.Sample, error) bool) {
		fail := func(err error) {
			yield(document.Sample{}, fmt.Errorf("%s of %s: %w", document.SamplesFile, d.Artifact, err))
		}
		r, err := d.Open(document.SamplesFile)
		if err != nil {
			fail(err)
			return
		}
		defer r.Close()
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, maxLine)
		before := ""
		for n := 1; lines.Scan(); n++ {
			s, err := parse(lines.Bytes(), before)
			if err != nil {
				fail(fmt.Errorf("line %d: %w", n, err))
				return
			}
			before = s.ID
			if !yield(s, nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			fail(err)
		}
	}
}

func parse(line []byte, before string) (document.Sample, error) {
	var s document.Sample
	if err := json.Unmarshal(line, &s); err != nil {
		return s, err
	}
	if err := plugins.CheckKey(s.ID); err != nil {
		return s, err
	}
	switch {
	case s.ID <= before:
		return s, fmt.Errorf("sample %s comes after %s", s.ID, before)
	case !slices.Contains(document.Splits(), s.Split):
		return s, fmt.Errorf("sample %s is on side %q", s.ID, s.Split)
	}
	for _, m := range s.Media {
		if ext, ok := strings.CutPrefix(m.Path, s.Split+"/"+s.ID+"."); !ok || !extension.MatchString(ext) {
			return s, fmt.Errorf("sample %s has media at %q, want %s/%[1]s and an extension", s.ID, m.Path, s.Split)
		}
	}
	return s, nil
}

// extension is what plugins.Curate lets a recipe give to an array.
var extension = regexp.MustCompile(`^[a-z0-9]+(\.[a-z0-9]+)*$`)

// Extension is what comes after the id of its sample in the path of media, such as "edges.npy".
func Extension(m document.Media) string {
	_, ext, _ := strings.Cut(path.Base(m.Path), ".") // an id has no dot
	return ext
}
