package plugins

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/cairn-bench/cairn/manifests/document"
)

// Entry is a file of a list whose sizes are known.
type Entry = document.Entry

// Sum is the SHA-256 of a file.
type Sum = [sha256.Size]byte

// Taker is an Output that takes a whole list of files. It lays them where they belong as they come, whereas files
// that are created one by one have to be kept somewhere until all are known.
type Taker interface {
	Output
	// Take writes files, which are sorted by path, and returns the sum of each. No other file may be created but
	// the documents at the root.
	Take(ctx context.Context, files []Entry, s Supply) ([]Sum, error)
}

// Supply gives the bytes of a list of files. Several goroutines ask it, each for one file after another.
type Supply interface {
	// Write writes file i from byte from on. It is not asked for what an interrupted Take has kept.
	Write(ctx context.Context, i int, from int64, w io.Writer) error
	// Check is told the sum of file i. After an error nothing of the file is kept.
	Check(i int, sum Sum) error
}

// supply gives what a source lists.
type supply struct {
	*fetching
	list  listing
	parts []arrived // of a source that needs the network
}

// arrived is a file that lies in a partial file and is what its publisher announced.
type arrived struct {
	size int64
	sum  digest.Digest
}

// take lays all listed files into the output. What comes over the network is brought to the disk first: not before it
// is known how large all files are it is known where they belong.
func (r *fetching) take(ctx context.Context, out Taker, list listing) ([]Sum, error) {
	s := &supply{fetching: r, list: list}
	if r.spec.Network {
		if err := s.download(ctx); err != nil {
			return nil, err
		}
	}
	r.out.files = len(list.entries)
	for _, f := range list.entries {
		r.out.bytes += f.Size
	}
	return out.Take(ctx, list.entries, s)
}

// download brings all files to the disk. Then their sizes are known.
func (s *supply) download(ctx context.Context) error {
	s.parts = make([]arrived, len(s.list.entries))
	return s.each(ctx, s.list, func(ctx context.Context, i int, f SourceFile) error {
		d, done, err := s.partial(f)
		if err != nil {
			return err
		}
		defer done()
		sum, err := d.run(ctx)
		_, _, size := d.part.state()
		s.parts[i] = arrived{size, sum}
		s.list.entries[i].Size = size
		return err
	})
}

// Write copies a file from disk, or from where its download lies.
func (s *supply) Write(ctx context.Context, i int, from int64, w io.Writer) error {
	f := s.list.file(i)
	algorithm, err := f.algorithm()
	switch {
	case err != nil:
	case s.parts != nil:
		err = s.fromPart(ctx, i, from, w)
	case f.Sum != "" || algorithm != digest.SHA256: // of which Check is not told
		_, _, err = s.sumFile(ctx, f, &rest{w, from})
	default: // who takes the files sums them
		_, err = s.copyFile(ctx, f, from, w)
	}
	if err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	return nil
}

// rest is a file from some byte on.
type rest struct {
	w    io.Writer
	skip int64
}

func (r *rest) Write(b []byte) (int, error) {
	skip := min(r.skip, int64(len(b)))
	r.skip -= skip
	n, err := r.w.Write(b[skip:])
	return int(skip) + n, err
}

func (s *supply) fromPart(ctx context.Context, i int, from int64, w io.Writer) error {
	part, err := s.partials.open(s.list.file(i))
	if err != nil {
		return err
	}
	defer part.close()
	p := s.parts[i]
	if from == 0 && p.sum.Algorithm() != digest.SHA256 { // of which Check is not told
		return copyChecked(ctx, io.NewSectionReader(part.file, 0, p.size), w, p.sum)
	}
	section := io.NewSectionReader(part.file, from, p.size-from)
	return copyChunks(ctx, section, func(chunk []byte) error { _, err := w.Write(chunk); return err })
}

// Check compares with what is known of the file: what its publisher lists, or what was received.
func (s *supply) Check(i int, sum Sum) error {
	got := digest.NewDigestFromBytes(digest.SHA256, sum[:])
	if s.parts != nil {
		if want := s.parts[i].sum; want.Algorithm() == digest.SHA256 && want != got {
			return &Fault{Code: FaultDisk, Err: fmt.Errorf("fetch: read back %s, wrote %s", got, want), Again: true}
		}
		return nil
	}
	if want := s.list.file(i).Digest; want != "" && want.Algorithm() == digest.SHA256 && want != got {
		return &Fault{Code: FaultDiffers, Err: fmt.Errorf("fetch: %w", &MismatchError{What: "digest", Want: want.String(), Got: got.String()})}
	}
	return nil
}

// each does work for every file, some at a time. Who waits for the network needs no core of his own.
func (r *fetching) each(ctx context.Context, list listing, work func(context.Context, int, SourceFile) error) error {
	workers := r.call.Workers
	if r.spec.Network {
		workers = max(workers, perHost)
	}
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range min(workers, len(list.entries)) {
		group.Go(func() error {
			for i := int(next.Add(1)) - 1; i < len(list.entries); i = int(next.Add(1)) - 1 {
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				if err := work(ctx, i, list.file(i)); err != nil {
					return fmt.Errorf("fetch %s: %w", list.entries[i].Path, err)
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// ErrSourceChanged says that a local source held other bytes than when its digest was taken.
var ErrSourceChanged = errors.New("the source changed while it was read, or since the plan was made")

// digestOf reads all of a local source.
func digestOf(ctx context.Context, src LocalSource) (digest.Digest, error) {
	list, err := listed(ctx, src)
	if err != nil {
		return "", err
	}
	out, err := newFetchOutput(Call{Progress: func(Progress) {}}, list)
	if err != nil {
		return "", err
	}
	r := &fetching{src: src, out: out, call: Call{Workers: runtime.GOMAXPROCS(0)}}
	whole, sums := newSourceSum(), make([]Sum, min(len(list.entries), filesAtOnce))
	for from := 0; from < len(list.entries); from += filesAtOnce {
		part := list.part(from, min(from+filesAtOnce, len(list.entries)))
		err := r.each(ctx, part, func(ctx context.Context, i int, f SourceFile) (err error) {
			part.entries[i].Size, sums[i], err = r.sumFile(ctx, f, io.Discard) // a size may not have been listed
			return err
		})
		if err != nil {
			return "", err
		}
		whole.add(part.entries, sums)
	}
	return whole.all.Digest(), nil
}

// filesAtOnce is of how many files the sums are held while the digest of a source is taken.
const filesAtOnce = 4096
