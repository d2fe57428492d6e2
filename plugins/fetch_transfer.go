package plugins

import (
	"bytes"
	"context"
	_ "crypto/sha256" // the algorithms a publisher's digest may name
	_ "crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"html"
	"io"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// ErrNoResume says that a source cannot go on at an offset with the certainty that it is still the same
// file. The framework then reads the file from its start and compares what it already has.
var ErrNoResume = errors.New("source cannot resume")

// MismatchError says that bytes are not what their publisher announced.
type MismatchError struct {
	What string // "size" or "digest"
	Want string // what the publisher says
	Got  string // what arrived
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("%s differs: publisher says %s, received %s", e.What, e.Want, e.Got)
}

// transfer copies one file, over as many connections as it takes.
type transfer struct {
	src   Source
	file  SourceFile
	dst   io.Writer
	retry Retry
	seen  func(n int)

	algorithm digest.Algorithm
	done      int64     // bytes written
	hash      hash.Hash // over the bytes written
	head      []byte    // the first bytes, until they are known not to be a page
}

const (
	sniffBytes   = 4096
	forwardBytes = 1 << 20 // an attempt that came this far counts as progress
)

func (t *transfer) run(ctx context.Context) error {
	t.algorithm = digest.SHA256
	if d := t.file.Digest; d != "" {
		if err := d.Validate(); err != nil {
			return fmt.Errorf("publisher's digest %q: %w", d, err)
		}
		t.algorithm = d.Algorithm()
	}
	t.hash = t.algorithm.Hash()
	err := t.retry.Do(ctx, func(ctx context.Context) (bool, error) {
		before := t.done
		err := t.attempt(ctx)
		return t.done-before >= forwardBytes, err
	})
	if err != nil {
		return err
	}
	return t.verify()
}

func (t *transfer) verify() error {
	if want := t.file.Size; want >= 0 && want != t.done {
		return &MismatchError{What: "size", Want: fmt.Sprint(want), Got: fmt.Sprint(t.done)}
	}
	got := digest.NewDigestFromEncoded(t.algorithm, hex.EncodeToString(t.hash.Sum(nil)))
	if want := t.file.Digest; want != "" && want != got {
		return &MismatchError{What: "digest", Want: want.String(), Got: got.String()}
	}
	return nil
}

// attempt reads on from where the last one stopped. A connection that gives no byte for too long is cut.
func (t *transfer) attempt(ctx context.Context) error {
	parent := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t.head = nil // at most a few bytes, read again
	watch := time.AfterFunc(t.retry.stall(), cancel)
	defer watch.Stop()

	err := t.read(ctx, func() { watch.Reset(t.retry.stall()) })
	if err != nil && ctx.Err() != nil && parent.Err() == nil {
		return Transient(fmt.Errorf("no byte for %s after %d bytes", t.retry.stall(), t.done), 0)
	}
	return err
}

func (t *transfer) read(ctx context.Context, alive func()) error {
	body, err := t.open(ctx, alive)
	if err != nil {
		return err
	}
	defer body.Close()
	err = copyChunks(ctx, body, func(b []byte) error {
		alive()
		return t.take(b)
	})
	if err != nil {
		return err
	}
	if err := t.flush(); err != nil {
		return err
	}
	if t.done < t.file.Size {
		return fmt.Errorf("%d of %d bytes: %w", t.done, t.file.Size, io.ErrUnexpectedEOF)
	}
	return nil
}

// open positions the source behind the bytes that were written.
func (t *transfer) open(ctx context.Context, alive func()) (io.ReadCloser, error) {
	body, err := t.src.Open(ctx, t.file, t.done)
	if !errors.Is(err, ErrNoResume) {
		return body, err
	}
	if body, err = t.src.Open(ctx, t.file, 0); err != nil {
		return nil, err
	}
	if err := t.samePrefix(ctx, body, alive); err != nil {
		body.Close()
		return nil, err
	}
	return body, nil
}

// samePrefix reads again what was already written and compares.
func (t *transfer) samePrefix(ctx context.Context, body io.Reader, alive func()) error {
	h := t.algorithm.Hash()
	limited := &io.LimitedReader{R: body, N: t.done}
	err := copyChunks(ctx, limited, func(b []byte) error {
		alive()
		_, err := h.Write(b)
		return err
	})
	if err != nil {
		return err
	}
	if limited.N > 0 {
		return io.ErrUnexpectedEOF
	}
	if !bytes.Equal(h.Sum(nil), t.hash.Sum(nil)) {
		return fmt.Errorf("file changed at its publisher while it was fetched: its first %d bytes differ", t.done)
	}
	return nil
}

// take passes bytes on once the first of them are known not to be a page.
func (t *transfer) take(b []byte) error {
	if want := t.file.Size; want >= 0 && t.done+int64(len(t.head)+len(b)) > want {
		if err := t.sniff(b); err != nil {
			return err
		}
		return &MismatchError{What: "size", Want: fmt.Sprint(want), Got: "more"}
	}
	if t.done > 0 {
		return t.write(b)
	}
	t.head = append(t.head, b...)
	if len(t.head) < sniffBytes {
		return nil
	}
	return t.flush()
}

// flush writes what was held back.
func (t *transfer) flush() error {
	if t.done > 0 || len(t.head) == 0 {
		return nil
	}
	if err := t.sniff(nil); err != nil {
		return err
	}
	head := t.head
	t.head = nil
	return t.write(head)
}

func (t *transfer) write(b []byte) error {
	n, err := t.dst.Write(b)
	t.hash.Write(b[:n])
	t.done += int64(n)
	t.seen(n)
	return err
}

// sniff refuses a web page where data was asked for.
func (t *transfer) sniff(more []byte) error {
	if t.done > 0 || isPage(t.file.Path) {
		return nil
	}
	head := append(bytes.Clone(t.head), more[:min(len(more), sniffBytes)]...)
	return RefusePage(t.file.Ref, head)
}

// RefusePage returns ErrNotData, with the page's title, if the first bytes of an answer are those of a web page.
func RefusePage(ref string, head []byte) error {
	if !pageStart.Match(head) {
		return nil
	}
	return fmt.Errorf("%s: %w but a web page%s", PublicRef(ref), ErrNotData, pageTitle(head))
}

var (
	pageStart = regexp.MustCompile(`(?is)^\x{FEFF}?(?:\s|<!--.*?-->|<\?xml[^>]*\?>)*<(?:!doctype\s+html|html|head|body|title|script)\b`)
	titleTag  = regexp.MustCompile(`(?is)<title[^>]*>(.{0,200}?)(?:</title|$)`)
)

// pageTitle quotes the first words of a page's title.
func pageTitle(head []byte) string {
	m := titleTag.FindSubmatch(head)
	if m == nil {
		return ""
	}
	words := strings.Fields(html.UnescapeString(strings.ToValidUTF8(string(m[1]), "")))
	if len(words) == 0 {
		return ""
	}
	return fmt.Sprintf(" titled %q", strings.Join(words[:min(len(words), 8)], " "))
}

// PublicRef is a source's name of a file without what may be secret in a URL: user, query and fragment.
func PublicRef(ref string) string {
	u, err := url.Parse(ref)
	if err != nil {
		return "source"
	}
	u.User, u.RawQuery, u.Fragment, u.ForceQuery = nil, "", "", false
	return u.String()
}

// copyChunks passes a body on in pieces. 128 KiB measured faster than larger ones.
func copyChunks(ctx context.Context, r io.Reader, put func([]byte) error) error {
	buf := make([]byte, 128<<10)
	for {
		n, err := r.Read(buf)
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
