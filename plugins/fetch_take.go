package plugins

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"runtime"
	"slices"
	"strings"
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

// listing is a sorted list of files. Of a folder with a million of them only paths and sizes are held.
type listing struct {
	entries []Entry
	files   []SourceFile // nil if the entries say it all
}

func newListing(files []SourceFile) listing {
	l := listing{entries: make([]Entry, len(files))}
	for i, f := range files {
		l.entries[i] = Entry{Path: f.Path, Size: f.Size}
		if f.Digest != "" || f.Expand != nil || f.Ref != f.Path {
			l.files = files
		}
	}
	return l
}

func (l listing) file(i int) SourceFile {
	if l.files != nil {
		return l.files[i]
	}
	return SourceFile{Path: l.entries[i].Path, Size: l.entries[i].Size, Ref: l.entries[i].Path}
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
	var err error
	if s.parts != nil {
		err = s.fromPart(ctx, i, from, w)
	} else {
		_, _, err = s.copyFile(ctx, f, from, w)
	}
	if err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	return nil
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
	rest := io.NewSectionReader(part.file, from, p.size-from)
	return copyChunks(ctx, rest, func(chunk []byte) error { _, err := w.Write(chunk); return err })
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

// checkPaths refuses a list, sorted by path, that could not be unpacked everywhere. It keeps a number for each path and
// folder, and looks closer only where two of them are the same but for their case.
func checkPaths(files []SourceFile) error {
	seed := maphash.MakeSeed()
	seen := make([]uint64, 0, len(files)+len(files)/8)
	note := func(path string) { seen = append(seen, maphash.String(seed, strings.ToLower(path))) }
	for _, own := range ownFiles() {
		note(own)
	}
	before := ""
	for _, f := range files {
		if err := CheckPath(f.Path); err != nil {
			return err
		}
		note(f.Path)
		for i := commonFolder(before, f.Path); i < len(f.Path); i++ {
			if f.Path[i] == '/' {
				note(f.Path[:i])
			}
		}
		before = f.Path
	}
	slices.Sort(seen)
	for i := 1; i < len(seen); i++ {
		if seen[i-1] == seen[i] {
			return checkExactly(files)
		}
	}
	return nil
}

// commonFolder is the length of the folder that two paths share, with its slash.
func commonFolder(a, b string) int {
	n, end := min(len(a), len(b)), 0
	for i := 0; i < n && a[i] == b[i]; i++ {
		if a[i] == '/' {
			end = i + 1
		}
	}
	return end
}

func checkExactly(files []SourceFile) error {
	var all PathSet
	for _, own := range ownFiles() {
		if err := all.Add(own); err != nil {
			return err
		}
	}
	for _, f := range files {
		if err := ownClash(f.Path, all.Add(f.Path)); err != nil {
			return err
		}
	}
	return nil
}

// sourceDigest names what a local source holds: sha256 over a line "sha256 size path" for each file, sorted by path. A
// path has no control character, so no two contents have the same lines.
func sourceDigest(files []Entry, sums []Sum) digest.Digest {
	all := digest.SHA256.Digester()
	line := []byte("cairn/dir/v1\n")
	for i, f := range files {
		line = hex.AppendEncode(line, sums[i][:])
		line = fmt.Appendf(line, " %d %s\n", f.Size, f.Path)
		all.Hash().Write(line)
		line = line[:0]
	}
	all.Hash().Write(line)
	return all.Digest()
}

// ErrSourceChanged says that a local source held other bytes than when its digest was taken.
var ErrSourceChanged = errors.New("the source changed while it was read, or since the plan was made")

// digestOf reads all of a local source.
func digestOf(ctx context.Context, src LocalSource) (digest.Digest, error) {
	files, err := listed(ctx, src)
	if err != nil {
		return "", err
	}
	out, err := newFetchOutput(Call{Progress: func(Progress) {}}, files)
	if err != nil {
		return "", err
	}
	list := newListing(files)
	r := &fetching{src: src, out: out, call: Call{Workers: runtime.GOMAXPROCS(0)}}
	sums := make([]Sum, len(list.entries))
	err = r.each(ctx, list, func(ctx context.Context, i int, f SourceFile) (err error) {
		_, sums[i], err = r.copyFile(ctx, f, 0, io.Discard)
		return err
	})
	if err != nil {
		return "", err
	}
	return sourceDigest(list.entries, sums), nil
}
