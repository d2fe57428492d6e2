package plugins

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync"

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
	list, err := listed(ctx, r.src)
	if err != nil {
		return err
	}
	if r.out, err = newFetchOutput(r.call, list); err != nil {
		return err
	}
	if r.spec.Network {
		done, err := r.openPartials()
		if err != nil {
			return err
		}
		defer done()
	}
	sums, err := r.bring(ctx, list)
	if err != nil {
		return err
	}
	if want := r.call.Source; want != "" {
		if got := sourceDigest(list.entries, sums); got != want {
			return fmt.Errorf("%w: it was %s, it is %s; run again", ErrSourceChanged, want, got)
		}
	}
	return r.out.writeDocument(r.spec, r.src)
}

// bring brings all files into the output, and returns their sums if the source is a local one.
func (r *fetching) bring(ctx context.Context, list listing) ([]Sum, error) {
	if out, ok := r.call.Output.(Taker); ok && !list.hasArchive() && (r.spec.Network || list.sized()) {
		return r.take(ctx, out, list)
	}
	sums := make([]Sum, len(list.entries))
	return sums, r.each(ctx, list, func(ctx context.Context, i int, f SourceFile) (err error) {
		if r.spec.Network {
			return r.fromNetwork(ctx, f)
		}
		list.entries[i].Size, sums[i], err = r.fromDisk(ctx, f)
		return err
	})
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

// partial opens the download of a file.
func (r *fetching) partial(f SourceFile) (d *download, done func(), err error) {
	part, err := r.partials.open(f)
	if err != nil {
		return nil, nil, err
	}
	d = &download{src: r.src, file: f, part: part, retry: r.call.Env.Retry, hosts: r.hosts, out: r.out, size: -1,
		note: func(code Code) { r.out.note(f.Path, code) }}
	return d, part.close, nil
}

// fromNetwork brings one listed file into the output, or what its archive holds, once all of it is here and is
// what it should be.
func (r *fetching) fromNetwork(ctx context.Context, f SourceFile) error {
	d, done, err := r.partial(f)
	if err != nil {
		return err
	}
	if r.passing {
		done = d.part.remove // else a later call needs it if this one fails at another file
	}
	defer done()
	sum, err := d.run(ctx)
	if err != nil {
		return err
	}
	if f.Expand != nil {
		_, _, size := d.part.state()
		err := f.Expand(ctx, d.part.file, size, r.out)
		if err != nil && ctx.Err() == nil {
			err = errors.Join(err, d.forget()) // a refused archive is of no use to a later call: its publisher may have mended it
		}
		return err
	}
	return r.write(f.Path, func(w io.Writer) error { return d.copyTo(ctx, w, sum) })
}

// fromDisk does so for a file that lies on this machine, and could be read again at any time. It returns what the file
// itself was.
func (r *fetching) fromDisk(ctx context.Context, f SourceFile) (size int64, sum Sum, err error) {
	if f.Expand == nil {
		err = r.write(f.Path, func(w io.Writer) (err error) { size, sum, err = r.sumFile(ctx, f, w); return err })
		return size, sum, err
	}
	tmp, err := os.CreateTemp(r.call.Scratch, "archive-*")
	if err != nil {
		return 0, sum, errors.New("create scratch file: " + withoutPath(err))
	}
	defer func() {
		_ = tmp.Close()
		_ = os.Remove(tmp.Name())
	}()
	size, sum, err = r.sumFile(ctx, f, tmp)
	if err != nil {
		return 0, sum, err
	}
	return size, sum, f.Expand(ctx, tmp, size, r.out)
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

// sumFile copies a file from disk and compares it with what was listed. It returns its size and its SHA-256.
func (r *fetching) sumFile(ctx context.Context, f SourceFile, w io.Writer) (size int64, sum Sum, err error) {
	whole, err := f.meter(f.Size)
	if err != nil {
		return 0, sum, err
	}
	if size, err = r.copyFile(ctx, f, 0, io.MultiWriter(whole, w)); err != nil {
		return 0, sum, err
	}
	if bad := f.mismatch(whole.read()); bad != nil {
		return 0, sum, &Fault{Code: FaultDiffers, Err: bad}
	}
	if whole.digest.Hash().Size() == len(sum) {
		whole.digest.Hash().Sum(sum[:0])
	}
	return size, sum, nil
}

// copyFile copies a file from disk, from one byte on, and compares its size with what was listed.
func (r *fetching) copyFile(ctx context.Context, f SourceFile, from int64, w io.Writer) (int64, error) {
	body, err := r.src.Open(ctx, f, from)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	size, first := from, from == 0
	err = copyChunks(ctx, body, func(chunk []byte) error {
		if first {
			first = false
			if err := sniff(f, chunk[:min(len(chunk), sniffBytes)]); err != nil {
				return err
			}
		}
		if size += int64(len(chunk)); f.Size >= 0 && size > f.Size {
			return wrongSize(f.Size, "more")
		}
		r.out.progress(int64(len(chunk)))
		_, err := w.Write(chunk)
		return err
	})
	if err == nil && f.Size >= 0 && f.Size != size {
		err = wrongSize(f.Size, size)
	}
	return size, err
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
	before   int64 // of them, those that an earlier call had left
	total    int64
	unknown  int // files of which the size is not known
	reported int64
	report   func(Progress)
}

func newFetchOutput(c Call, list listing) (*fetchOutput, error) {
	o := &fetchOutput{out: c.Output, report: c.Progress}
	o.total, o.unknown = list.total()
	if err := o.addList(list); err != nil {
		return nil, fmt.Errorf("list source: %w", err)
	}
	return o, nil
}

// addList checks the paths of a list. They are kept only where the members of archives come beside them.
func (o *fetchOutput) addList(list listing) error {
	if !list.hasArchive() {
		return checkPaths(list.entries)
	}
	for _, own := range ownFiles() {
		if err := o.paths.Add(own); err != nil {
			return err
		}
	}
	for _, f := range list.files {
		if f.Expand != nil {
			continue // it has no place of its own in the artifact
		}
		if err := o.add(f.Path); err != nil {
			return err
		}
	}
	return nil
}

// ownFiles are written by us into every dataset, so a source cannot have them at the same place.
func ownFiles() []string {
	return []string{document.DatasetFile, document.SumsFile, document.IndexFile}
}

func (o *fetchOutput) add(path string) error { return ownClash(path, o.paths.Add(path)) }

// ownClash says more of a clash with one of our own files.
func ownClash(path string, err error) error {
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
		o.report(o.state())
	}
}

// state is how far the fetch is. The total is not known before all sizes are.
func (o *fetchOutput) state() Progress {
	p := Progress{Done: o.arrived, Total: o.total, Had: o.before, Unit: "bytes"}
	if o.unknown > 0 {
		p.Total = 0
	}
	return p
}

// had counts bytes that an earlier call had left.
func (o *fetchOutput) had(n int64) {
	o.mu.Lock()
	o.before += n
	o.mu.Unlock()
	o.progress(n)
}

// learn takes note of a size that was not listed. It was -1 until now, or is another one by now.
func (o *fetchOutput) learn(was, is int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if was < 0 {
		o.unknown--
		was = 0
	}
	o.total += is - was
}

// note tells of a fault that was survived.
func (o *fetchOutput) note(path string, code Code) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.state()
	p.Note, p.News = fmt.Sprintf("%s: %s, tries again", path, code), true
	o.report(p)
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
	o.report(o.state())
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
