package plugins

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
)

// fetching is one execution of a fetch.
type fetching struct {
	call  Call
	spec  catalog.Spec
	src   Source
	hosts *gate

	out      *fetchOutput
	partials *partials // nil if the source needs no network
	passing  bool      // the partial files go with the call
}

// run copies everything a source lists into the output. A path that could not be unpacked everywhere is
// refused before the first byte is asked for.
func (r *fetching) run(ctx context.Context) error {
	files, err := r.src.List(ctx)
	if err != nil {
		return fmt.Errorf("list source: %w", err)
	}
	if len(files) == 0 {
		return errors.New("list source: it holds no file")
	}
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b SourceFile) int { return cmp.Compare(a.Path, b.Path) })
	if r.out, err = newFetchOutput(r.call, files); err != nil {
		return err
	}
	if r.spec.Network {
		done, err := r.openPartials()
		if err != nil {
			return err
		}
		defer done()
	}
	if err := r.all(ctx, files); err != nil {
		return err
	}
	return r.out.writeDocument(r.spec, r.src)
}

// openPartials opens the folder that outlives the call, or one that does not.
func (r *fetching) openPartials() (done func(), err error) {
	dir := r.call.Partial
	if r.passing = dir == ""; r.passing {
		if dir, err = os.MkdirTemp(r.call.Scratch, "partial-*"); err != nil {
			return nil, errors.New("make folder of partial files: " + withoutPath(err))
		}
	}
	if r.partials, err = openPartials(dir, r.call.Env.Block); err != nil {
		return nil, err
	}
	return func() {
		r.partials.close()
		if r.passing {
			_ = os.RemoveAll(dir)
		}
	}, nil
}

// all fetches side by side. Who waits for the network needs no core of his own.
func (r *fetching) all(ctx context.Context, files []SourceFile) error {
	workers := r.call.Workers
	if r.spec.Network {
		workers = max(workers, perHost)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for _, f := range files {
		group.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			fetch := r.fromDisk
			if r.spec.Network {
				fetch = r.fromNetwork
			}
			if err := fetch(ctx, f); err != nil {
				return fmt.Errorf("fetch %s: %w", f.Path, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// fromNetwork brings one listed file into the output, or what its archive holds, once all of it is here and is
// what it should be.
func (r *fetching) fromNetwork(ctx context.Context, f SourceFile) error {
	part, err := r.partials.open(f)
	if err != nil {
		return err
	}
	if r.passing {
		defer part.remove()
	} else {
		defer part.close() // a later call needs it if this one fails at another file
	}
	d := &download{src: r.src, file: f, part: part, retry: r.call.Env.Retry, hosts: r.hosts, seen: r.out.progress,
		note: func(code Code) { r.out.note(f.Path, code) }}
	sum, err := d.run(ctx)
	if err != nil {
		return err
	}
	if f.Expand != nil {
		_, _, size := part.state()
		err := f.Expand(ctx, part.file, size, r.out)
		if err != nil && ctx.Err() == nil {
			err = errors.Join(err, d.forget()) // a refused archive is of no use to a later call: its publisher may have mended it
		}
		return err
	}
	return r.write(f.Path, func(w io.Writer) error { return d.copyTo(ctx, w, sum) })
}

// fromDisk does so for a file that lies on this machine, and could be read again at any time.
func (r *fetching) fromDisk(ctx context.Context, f SourceFile) error {
	if f.Expand == nil {
		return r.write(f.Path, func(w io.Writer) error { _, err := r.copyFile(ctx, f, w); return err })
	}
	tmp, err := os.CreateTemp(r.call.Scratch, "archive-*")
	if err != nil {
		return errors.New("create scratch file: " + withoutPath(err))
	}
	defer func() {
		_ = tmp.Close()
		_ = os.Remove(tmp.Name())
	}()
	size, err := r.copyFile(ctx, f, tmp)
	if err != nil {
		return err
	}
	return f.Expand(ctx, tmp, size, r.out)
}

// write makes one file. After an error it stays open: one that was closed would count.
func (r *fetching) write(path string, content func(io.Writer) error) error {
	w, err := r.out.create(path)
	if err != nil {
		return err
	}
	if err := content(w); err != nil {
		return err
	}
	return w.Close()
}

// copyFile copies a file from disk and compares it with what was listed.
func (r *fetching) copyFile(ctx context.Context, f SourceFile, w io.Writer) (int64, error) {
	algorithm, err := f.algorithm()
	if err != nil {
		return 0, err
	}
	body, err := r.src.Open(ctx, f, 0)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	buffered := bufio.NewReaderSize(body, sniffBytes)
	head, _ := buffered.Peek(sniffBytes) // its error comes again below
	if err := sniff(f, head); err != nil {
		return 0, err
	}
	size, sum := int64(0), algorithm.Digester()
	err = copyChunks(ctx, buffered, func(chunk []byte) error {
		size += int64(len(chunk))
		r.out.progress(int64(len(chunk)))
		sum.Hash().Write(chunk)
		_, err := w.Write(chunk)
		return err
	})
	switch {
	case err != nil:
		return 0, err
	case f.Size >= 0 && f.Size != size:
		return 0, wrongSize(f.Size, size)
	case f.Digest != "" && f.Digest != sum.Digest():
		return 0, &Fault{Code: FaultDiffers, Err: &MismatchError{What: "digest", Want: f.Digest.String(), Got: sum.Digest().String()}}
	}
	return size, nil
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
func ownFiles() []string { return []string{document.DatasetFile, document.SumsFile, document.IndexFile} }

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

func (o *fetchOutput) progress(n int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.arrived += n
	if n < 0 || o.arrived-o.reported >= progressStep {
		o.reported = o.arrived
		o.report(Progress{Done: o.arrived, Total: o.total, Unit: "bytes"})
	}
}

// note tells of a fault that was survived.
func (o *fetchOutput) note(path string, code Code) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.report(Progress{Done: o.arrived, Total: o.total, Unit: "bytes", Note: fmt.Sprintf("%s: %s, tries again", path, code), News: true})
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
