package plugins

import (
	"context"
	_ "crypto/sha256" // the algorithms a publisher's digest may name
	_ "crypto/sha512"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"
)

const (
	streams     = 4 // connections that one large file may use
	streamParts = 8 // blocks of one request; a larger file is a large one
)

// download brings one file from its source into a partial file.
type download struct {
	src   Source
	file  SourceFile
	part  *partial
	retry Retry
	hosts *gate
	out   *fetchOutput    // counts what arrives
	note  func(code Code) // of a fault that is not the end

	whole   bool // the source is asked for whole files only
	endless bool // where the file ended was only seen by the end of a connection

	mu      sync.Mutex
	counted int64    // what out was told
	size    int64    // what out was told of it, -1 if nothing
	heard   Checksum // of an answer, "" if there was none
}

// What ends a round of streams and begins the file anew.
var (
	errChanged  = &Fault{Code: FaultChanged, Err: errors.New("file changed at its publisher while it was fetched")}
	errNoRanges = &Fault{Code: FaultNoRanges, Err: errors.New("publisher gives no parts of the file")}
)

// run returns once the whole file lies on disk and is what its publisher announced. Bytes of another digest are
// fetched again: if the same come, the publisher and its list disagree; if not, the transfer is at fault. So is a file
// of which nothing says where it ends: it may have been cut.
func (d *download) run(ctx context.Context) (digest.Digest, error) {
	var before digest.Digest
	for range 3 {
		got, err := d.complete(ctx)
		if code := FaultCode(err); code == FaultNotData && d.holdsPage() || code == FaultWrongSize {
			err = errors.Join(err, d.forget()) // its bytes are of no use to another attempt either
			if code == FaultWrongSize && d.file.announced() {
				err = d.file.dispute("", err)
			}
			return "", err
		}
		if err != nil {
			return "", err
		}
		file := d.announced()
		mismatch, sure := file.mismatch(got), file.announced() || !d.endless
		if mismatch == nil && (sure || got.digest == before) {
			return got.digest, nil
		}
		if err := d.forget(); err != nil {
			return "", err
		}
		if got.digest == before {
			return "", file.dispute(before, &Fault{Code: FaultDiffers, Err: fmt.Errorf("%w, twice: the publisher's file and its checksum do not belong together", mismatch)})
		}
		before = got.digest
		if mismatch == nil {
			d.note(FaultNoLength)
		} else {
			d.note(FaultDamaged)
		}
	}
	file := d.announced()
	if !file.announced() {
		return "", &Fault{Code: FaultNoLength, Err: errors.New("three transfers gave three different files, and the publisher gives neither a length nor a checksum"), Again: true}
	}
	return "", file.dispute(before, &Fault{Code: FaultDamaged, Err: fmt.Errorf("three transfers gave three different files, the last one %s; the publisher says %s", before, file.announcement()), Again: true})
}

// announced is the file with what an answer said of it, if the list says nothing.
func (d *download) announced() SourceFile {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.file
	if !f.announced() {
		f.Sum = d.heard
	}
	return f
}

// hear takes note of what an answer says of the whole file.
func (d *download) hear(sum Checksum) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.heard = sum
}

// holdsPage says whether a web page lies where the file should. One that came later has taken nobody's place.
func (d *download) holdsPage() bool {
	head := make([]byte, sniffBytes)
	n, _ := d.part.file.ReadAt(head, 0)
	return sniff(d.file, head[:n]) != nil || n < sniffBytes && mayBePage(head[:n]) // of a small file, too little is here to tell
}

// algorithm is the one that the publisher's digest names.
func (f SourceFile) algorithm() (digest.Algorithm, error) {
	if f.Digest == "" {
		return digest.SHA256, nil
	}
	if err := f.Digest.Validate(); err != nil {
		return "", fmt.Errorf("publisher's digest %q: %w", f.Digest, err)
	}
	return f.Digest.Algorithm(), nil
}

// announcement is the publisher's checksum.
func (f SourceFile) announcement() string {
	if f.Digest == "" {
		return f.Sum.String()
	}
	return f.Digest.String()
}

// complete fetches what is missing until the disk gives back every block as it was received.
func (d *download) complete(ctx context.Context) (received, error) {
	if _, err := d.file.meter(0); err != nil {
		return received{}, err
	}
	for range 3 {
		if err := d.bring(ctx); err != nil {
			return received{}, err
		}
		_, _, size := d.part.state()
		whole, err := d.announced().meter(size)
		if err != nil {
			return received{}, err
		}
		good, err := d.part.check(ctx, whole)
		if err != nil {
			return received{}, err
		}
		if good {
			return whole.read(), nil
		}
		d.note(FaultDisk)
	}
	return received{}, &Fault{Code: FaultDisk, Err: errors.New("the disk gives back other bytes than were written to it")}
}

// bring fetches until no block is missing.
func (d *download) bring(ctx context.Context) error {
	if err := d.resume(); err != nil {
		return err
	}
	for restarts := 0; ; {
		spans := d.spans()
		if len(spans) == 0 {
			return nil
		}
		err := d.round(ctx, spans)
		if !errors.Is(err, errChanged) && !errors.Is(err, errNoRanges) {
			if err != nil {
				return err
			}
			continue
		}
		if restarts++; restarts >= d.retry.attempts() {
			return Transient(err, 0)
		}
		// A publisher whose servers each have a validator of their own gives no two parts of one version.
		d.whole = d.whole || errors.Is(err, errNoRanges) || restarts == d.retry.attempts()-1
		d.note(FaultCode(err))
		if err := d.forget(); err != nil {
			return err
		}
	}
}

// resume takes up what an earlier process left. What nothing would show to be of the same file is of no use.
func (d *download) resume() error {
	begun, version, size := d.part.state()
	if begun && version == "" && !d.file.announced() && len(d.part.missing()) > 0 {
		return d.forget()
	}
	d.tell(size)
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.part.arrived()
	d.out.had(n - d.counted)
	d.counted = n
	return nil
}

// moved counts bytes that have arrived, or less than none if they were for nothing.
func (d *download) moved(n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.out.progress(n)
	d.counted += n
}

// tell says how large the file is, if that was not listed.
func (d *download) tell(size int64) {
	if d.file.Size >= 0 || size <= 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.out.learn(d.size, size)
	d.size = size
}

// forget begins the file anew.
func (d *download) forget() error {
	d.endless = false
	d.moved(-d.counted)
	return d.part.reset()
}

// spans says what to ask for next: of an unknown file its first blocks, which also tells its size and version; then
// all the rest, in parts if the source has proven that it gives parts of one version.
func (d *download) spans() []span {
	begun, version, _ := d.part.state()
	gaps := d.part.missing()
	if _, parts := d.src.(PartSource); !parts || d.whole || begun && version == "" {
		return gaps[:min(1, len(gaps))]
	}
	if !begun {
		return []span{{0, d.most()}}
	}
	var out []span
	for _, g := range gaps {
		begin := g.from - g.from%d.part.all.block // a span that follows another begins with a block
		for g.to >= 0 && g.to-begin > d.most() {
			begin += d.most()
			out = append(out, span{g.from, begin})
			g.from = begin
		}
		out = append(out, g)
	}
	return out
}

// most is how much of a file one request asks for.
func (d *download) most() int64 { return streamParts * d.part.all.block }

// round runs a stream for each span.
func (d *download) round(ctx context.Context, spans []span) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(streams)
	for _, sp := range spans {
		group.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return (&stream{download: d, span: sp, pos: sp.from, alone: len(spans) == 1}).run(ctx)
		})
	}
	return group.Wait()
}

// vouched says whether bytes of two answers may stand in one file: something shows that they belong together, or
// would show that they do not.
func (d *download) vouched(version string) bool {
	if d.whole {
		return false
	}
	_, parts := d.src.(PartSource)
	return version != "" || d.file.announced() || !parts // a plain Source vouches for its offsets itself
}

// open asks the source, in the form that it understands.
func (d *download) open(ctx context.Context, want Part) (Opened, error) {
	if src, ok := d.src.(PartSource); ok {
		a, err := src.OpenPart(ctx, d.file, want)
		if errors.Is(err, ErrNoResume) && !d.whole {
			err = &Fault{Code: FaultCode(err), Err: errNoRanges}
		}
		return a, err
	}
	body, err := d.src.Open(ctx, d.file, want.Offset)
	if errors.Is(err, ErrNoResume) && want.Offset > 0 {
		want.Offset = 0
		body, err = d.src.Open(ctx, d.file, 0)
	}
	return Opened{Body: body, From: want.Offset, To: -1, Size: d.file.Size}, err
}

// copyTo passes the checked file on and compares once more.
func (d *download) copyTo(ctx context.Context, w io.Writer, want digest.Digest) error {
	_, _, size := d.part.state()
	return copyChecked(ctx, io.NewSectionReader(d.part.file, 0, size), w, want)
}

// copyChecked copies what was written to disk before.
func copyChecked(ctx context.Context, r io.Reader, w io.Writer, want digest.Digest) error {
	h := want.Algorithm().Digester()
	err := copyChunks(ctx, r, func(chunk []byte) error {
		h.Hash().Write(chunk)
		_, err := w.Write(chunk)
		return err
	})
	if err == nil && h.Digest() != want {
		err = &Fault{Code: FaultDisk, Err: fmt.Errorf("read back %s, wrote %s", h.Digest(), want), Again: true}
	}
	return err
}

// chunks are the buffers of copies. 128 KiB measured faster than larger ones.
var chunks = sync.Pool{New: func() any { return new([128 << 10]byte) }}

// copyChunks passes a body on in pieces.
func copyChunks(ctx context.Context, r io.Reader, put func([]byte) error) error {
	buf := chunks.Get().(*[128 << 10]byte)
	defer chunks.Put(buf)
	for {
		n, err := r.Read(buf[:])
		if n > 0 {
			if err := put(buf[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}
