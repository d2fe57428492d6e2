package plugins

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
)

// runFetch copies everything a source lists into the output. A path that could not be unpacked everywhere is
// refused before the first byte is asked for.
func runFetch(ctx context.Context, c Call, spec catalog.Spec, src Source) error {
	files, err := src.List(ctx)
	if err != nil {
		return fmt.Errorf("list source: %w", err)
	}
	if len(files) == 0 {
		return errors.New("list source: it holds no file")
	}
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b SourceFile) int { return cmp.Compare(a.Path, b.Path) })
	out, err := newFetchOutput(c, files)
	if err != nil {
		return err
	}
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(c.Workers)
	for _, f := range files {
		group.Go(func() error {
			if gctx.Err() != nil {
				return context.Cause(gctx)
			}
			if err := fetchFile(gctx, c, src, f, out); err != nil {
				return fmt.Errorf("fetch %s: %w", f.Path, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return out.writeDocument(spec, src)
}

// fetchFile brings one listed file into the output, or what its archive holds.
func fetchFile(ctx context.Context, c Call, src Source, f SourceFile, out *fetchOutput) error {
	if f.Expand != nil {
		return fetchArchive(ctx, c, src, f, out)
	}
	w, err := out.create(f.Path)
	if err != nil {
		return err
	}
	t := &transfer{src: src, file: f, dst: w, retry: c.Env.Retry, seen: out.progress}
	if err := t.run(ctx); err != nil {
		return err // the file stays open: one that was closed would count
	}
	return w.Close()
}

// fetchArchive keeps the archive in the scratch folder until it is verified, so that nothing of a damaged one
// is unpacked.
func fetchArchive(ctx context.Context, c Call, src Source, f SourceFile, out *fetchOutput) error {
	tmp, err := os.CreateTemp(c.Scratch, "archive-*")
	if err != nil {
		return errors.New("create scratch file: " + withoutPath(err))
	}
	defer func() {
		_ = tmp.Close()
		os.Remove(tmp.Name())
	}()
	t := &transfer{src: src, file: f, dst: tmp, retry: c.Env.Retry, seen: out.progress}
	if err := t.run(ctx); err != nil {
		return err
	}
	return f.Expand(ctx, tmp, t.done, out)
}

// withoutPath is the text of a disk error without the path of this machine.
func withoutPath(err error) string {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// fetchOutput is the output of a fetch: it refuses clashing paths, also between the members of different
// archives, and counts.
type fetchOutput struct {
	out Output

	mu       sync.Mutex
	paths    PathSet
	files    int
	bytes    int64
	arrived  int64
	total    int64
	reported int64
	report   func(Progress)
}

func newFetchOutput(c Call, files []SourceFile) (*fetchOutput, error) {
	o := &fetchOutput{out: c.Output, report: c.Progress}
	for _, own := range ownFiles() {
		if err := o.paths.Add(own); err != nil {
			return nil, err
		}
	}
	for _, f := range files {
		if f.Size < 0 {
			o.total = -1
		} else if o.total >= 0 {
			o.total += f.Size
		}
		if f.Expand != nil {
			continue // it has no place of its own in the artifact
		}
		if err := o.add(f.Path); err != nil {
			return nil, fmt.Errorf("list source: %w", err)
		}
	}
	o.total = max(o.total, 0)
	return o, nil
}

// ownFiles are written by us into every dataset, so a source cannot have them at the same place.
func ownFiles() []string { return []string{document.DatasetFile, document.SumsFile} }

func (o *fetchOutput) add(path string) error {
	err := o.paths.Add(path)
	if err != nil && slices.Contains(ownFiles(), path) {
		return fmt.Errorf("%w: every dataset has one of its own; put the source's into a folder or exclude it", err)
	}
	return err
}

// Create opens a member of an archive for writing.
func (o *fetchOutput) Create(path string) (io.WriteCloser, error) {
	o.mu.Lock()
	err := o.add(path)
	o.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return o.create(path)
}

func (o *fetchOutput) create(path string) (io.WriteCloser, error) {
	w, err := o.out.Create(path)
	if err != nil {
		return nil, err
	}
	return &countedFile{WriteCloser: w, out: o}, nil
}

// progressStep keeps reports rare enough to cost nothing.
const progressStep = 1 << 20

func (o *fetchOutput) progress(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.arrived += int64(n)
	if o.arrived-o.reported >= progressStep {
		o.reported = o.arrived
		o.report(Progress{Done: o.arrived, Total: o.total, Unit: "bytes"})
	}
}

// writeDocument writes dataset.json.
func (o *fetchOutput) writeDocument(spec catalog.Spec, src Source) error {
	from := map[string]string{}
	if d, ok := src.(DescribedSource); ok {
		maps.Copy(from, d.Describe())
	}
	from["plugin"] = spec.Identity().String()
	text, err := json.MarshalIndent(document.Dataset{
		Schema: document.DatasetSchema, Stage: "raw", Source: from, Files: o.files, Bytes: o.bytes,
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", document.DatasetFile, err)
	}
	o.report(Progress{Done: o.arrived, Total: o.total, Unit: "bytes"})
	return WriteFile(o.out, document.DatasetFile, append(text, '\n'))
}

type countedFile struct {
	io.WriteCloser
	out  *fetchOutput
	size int64
}

func (f *countedFile) Write(b []byte) (int, error) {
	n, err := f.WriteCloser.Write(b)
	f.size += int64(n)
	return n, err
}

func (f *countedFile) Close() error {
	if err := f.WriteCloser.Close(); err != nil {
		return err
	}
	f.out.mu.Lock()
	defer f.out.mu.Unlock()
	f.out.files++
	f.out.bytes += f.size
	return nil
}

// isPage says whether a path names a web page, which alone may be one.
func isPage(path string) bool {
	lower := strings.ToLower(path)
	return strings.HasSuffix(lower, ".html") || strings.HasSuffix(lower, ".htm") || strings.HasSuffix(lower, ".xhtml")
}
