// Package archive unpacks what a publisher packed: tar, tar.gz, zip and rar, told apart by their first bytes.
//
// An archive comes from outside and is trusted with nothing. Refused, each with a Reason of its own:
//
//   - a name that is absolute, climbs out of the folder, holds a backslash, a control character or bytes that
//     are not UTF-8 (a zip in an old code page);
//   - symbolic and hard links, devices, pipes;
//   - the same name twice, also in another case, and a file where another name needs a folder;
//   - more entries or bytes than the limits, or a ratio of unpacked to packed size that only a bomb has;
//   - entries that share their compressed bytes, are encrypted, or are compressed in a way we cannot read;
//   - sizes or checksums that lie, and an archive that ends too early or goes on after its end.
//
// Folders are not created: a file brings its own. Modes, owners and times are dropped. A "./" in front of a
// tar name is the custom of tar and is taken off.
package archive

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/cairn-bench/cairn/plugins"
)

// Reason is why an archive was refused.
type Reason string

// The reasons.
const (
	BadFormat   Reason = "bad-format"  // no archive that we know, or one that contradicts itself
	BadName     Reason = "bad-name"    // leaves the folder, or cannot be a file name everywhere
	Link        Reason = "link"        // symbolic or hard
	Special     Reason = "special"     // device, pipe, socket
	Duplicate   Reason = "duplicate"   // the same name twice, or two that clash on some file system
	TooMany     Reason = "too-many"    // entries
	TooLarge    Reason = "too-large"   // unpacked bytes, or their ratio to the packed ones
	WrongSize   Reason = "wrong-size"  // an entry does not have the size or checksum that it announces
	Truncated   Reason = "truncated"   // the archive ends too early
	Encrypted   Reason = "encrypted"   // an entry needs a password
	Unsupported Reason = "unsupported" // a compression method we cannot read
	Overlap     Reason = "overlap"     // entries share compressed bytes
	Strip       Reason = "strip"       // a name has no more components than are to be stripped
)

// Error says which entry of an archive was refused and why.
type Error struct {
	Reason Reason
	Entry  string // "" if it is the archive as a whole
	Err    error
}

func (e *Error) Error() string {
	if e.Entry == "" {
		return fmt.Sprintf("archive refused (%s): %v", e.Reason, e.Err)
	}
	return fmt.Sprintf("archive refused (%s): entry %q: %v", e.Reason, e.Entry, e.Err)
}

// Unwrap returns the cause, except for io.ErrUnexpectedEOF: of a transfer that asks for another try, but an
// archive is read when all of it is there.
func (e *Error) Unwrap() error {
	if errors.Is(e.Err, io.ErrUnexpectedEOF) {
		return nil
	}
	return e.Err
}

func refuse(r Reason, entry, format string, args ...any) error {
	return &Error{Reason: r, Entry: entry, Err: fmt.Errorf(format, args...)}
}

// Limits bound what an archive may unpack to. A zero field means its default.
type Limits struct {
	Entries int   // 10 million
	Bytes   int64 // 4 TiB
	Ratio   int64 // 250 times the packed size; 64 MiB are always allowed
}

const ratioFloor = 64 << 20

func (l Limits) withDefaults() Limits {
	if l.Entries <= 0 {
		l.Entries = 10_000_000
	}
	if l.Bytes <= 0 {
		l.Bytes = 4 << 40
	}
	if l.Ratio <= 0 {
		l.Ratio = 250
	}
	return l
}

// Options say what to unpack and where to. The zero value unpacks everything as it is named.
type Options struct {
	Strip  int               // leading components to take off every name
	Prefix string            // folder to put every name under
	Keep   func(string) bool // over the stripped name, before the prefix; nil keeps all
	Limits Limits
}

// Unpack writes the files of an archive of that size into out. On an error what was written is of no use.
func Unpack(ctx context.Context, r io.ReaderAt, size int64, opts Options, out plugins.Output) error {
	opts.Limits = opts.Limits.withDefaults()
	u := &unpacker{ctx: ctx, opts: opts, out: out, budget: opts.Limits.Bytes}
	if size <= (1<<62)/opts.Limits.Ratio {
		u.budget = min(u.budget, max(ratioFloor, size*opts.Limits.Ratio))
	}
	head := make([]byte, 4)
	n, err := r.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read archive: %w", err)
	}
	switch head = head[:n]; {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		return u.zip(r, size)
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return u.tarGzip(io.NewSectionReader(r, 0, size))
	case bytes.HasPrefix(head, []byte("Rar!")):
		return u.rar(io.NewSectionReader(r, 0, size))
	}
	err = u.tar(io.NewSectionReader(r, 0, size))
	if e, ok := errors.AsType[*Error](err); ok && u.entries == 0 {
		return refuse(BadFormat, "", "neither tar, tar.gz nor zip, nor rar: %w", e.Err)
	}
	return err
}

// Expand is Unpack in the form that a listed file wants it, see plugins.SourceFile. ref is the file's address.
func Expand(ref string, opts Options) func(context.Context, io.ReaderAt, int64, plugins.Output) error {
	return func(ctx context.Context, file io.ReaderAt, size int64, out plugins.Output) error {
		if err := Unpack(ctx, file, size, opts, out); err != nil {
			return fmt.Errorf("%s: %w", plugins.PublicRef(ref), err)
		}
		return nil
	}
}

// Known says whether a file name is that of an archive we unpack without being told to. A rar archive is unpacked where a manifest names it.
func Known(name string) bool {
	lower := strings.ToLower(name)
	for _, ext := range []string{".tar", ".tar.gz", ".tgz", ".zip"} {
		if strings.HasSuffix(lower, ext) {
			return true
		}
	}
	return false
}

// unpacker is one archive on its way out.
type unpacker struct {
	ctx     context.Context
	opts    Options
	out     plugins.Output
	names   plugins.PathSet
	entries int
	budget  int64 // bytes that may still come
}

// count takes note of an entry of any kind.
func (u *unpacker) count(name string) error {
	if err := u.ctx.Err(); err != nil {
		return context.Cause(u.ctx)
	}
	if u.entries++; u.entries > u.opts.Limits.Entries {
		return refuse(TooMany, name, "more than %d entries", u.opts.Limits.Entries)
	}
	return nil
}

// place decides where a file goes; keep is false if it is not wanted.
func (u *unpacker) place(name string) (to string, keep bool, err error) {
	if err := u.names.Add(name); err != nil {
		return "", false, &Error{Reason: nameReason(err), Entry: name, Err: err}
	}
	parts := strings.Split(name, "/")
	if len(parts) <= u.opts.Strip {
		return "", false, refuse(Strip, name, "has %d components, of which %d are to be stripped", len(parts), u.opts.Strip)
	}
	stripped := strings.Join(parts[u.opts.Strip:], "/")
	if u.opts.Keep != nil && !u.opts.Keep(stripped) {
		return "", false, nil
	}
	return path.Join(u.opts.Prefix, stripped), true, nil
}

func nameReason(err error) Reason {
	if errors.Is(err, plugins.ErrUnsafePath) {
		return BadName
	}
	return Duplicate
}

// folder checks the name of a folder, which is not created.
func (u *unpacker) folder(name string) error {
	name = strings.TrimSuffix(name, "/")
	if name == "." || name == "" {
		return nil
	}
	if err := plugins.CheckPath(name); err != nil {
		return &Error{Reason: BadName, Entry: name, Err: err}
	}
	return nil
}

// file unpacks one file that announces its size.
func (u *unpacker) file(name string, size int64, body io.Reader) error {
	to, keep, err := u.place(name)
	if err != nil {
		return err
	}
	if size < 0 || size > u.budget {
		return refuse(TooLarge, name, "announces %d bytes, %d may still come", size, u.budget)
	}
	if !keep {
		return u.copy(name, size, body, io.Discard)
	}
	w, err := u.out.Create(to)
	if err != nil {
		return fmt.Errorf("unpack %q: %w", name, err)
	}
	if err := u.copy(name, size, body, w); err != nil {
		return err // not closed: a file that was closed would count
	}
	return w.Close()
}

// copy passes on exactly size bytes.
func (u *unpacker) copy(name string, size int64, body io.Reader, w io.Writer) error {
	n, err := io.CopyBuffer(w, Patient(u.ctx, io.LimitReader(body, size+1)), make([]byte, 128<<10))
	u.budget -= n
	switch {
	case errors.Is(err, zip.ErrFormat): // so the zip reader says that more came than was announced
		return &Error{Reason: WrongSize, Entry: name, Err: err}
	case err != nil:
		return u.broken(name, err)
	case n != size:
		return refuse(WrongSize, name, "announces %d bytes and has %d or more", size, n)
	}
	return nil
}

// Patient is a reader that stops when the context ends.
func Patient(ctx context.Context, r io.Reader) io.Reader { return &patient{ctx, r} }

type patient struct {
	ctx context.Context
	r   io.Reader
}

func (p *patient) Read(b []byte) (int, error) {
	if p.ctx.Err() != nil {
		return 0, context.Cause(p.ctx)
	}
	return p.r.Read(b)
}
