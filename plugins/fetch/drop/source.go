package drop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/folder"
	"github.com/cairn-bench/cairn/plugins/fetch/sums"
)

type source struct {
	params Params
	dir    string
	folder *folder.Folder
}

// Estimate adds up the sizes that the manifest gives.
func (s *source) Estimate() plugins.Estimate {
	if s.params.Sums != nil {
		return plugins.Estimate{Bytes: -1, Unpacks: len(s.params.Unpack) > 0}
	}
	e := plugins.Estimate{Unpacks: len(s.params.Unpack) > 0}
	for _, f := range s.params.Files {
		e.Add(f.Size)
	}
	return e
}

// Close closes the folder.
func (s *source) Close() error { return s.folder.Close() }

// Describe names the page.
func (s *source) Describe() map[string]string {
	if s.params.Page == "" {
		return nil
	}
	return map[string]string{"page": plugins.PublicRef(s.params.Page)}
}

// want is a file that has to be there.
type want struct {
	path   string
	size   int64         // -1 if nobody knows
	digest digest.Digest // "" if nobody knows
}

// found is what the folder holds of what it has to.
type found struct {
	files          []plugins.SourceFile
	missing, wrong []string // the second says how
}

func (f found) add(w want, info fs.FileInfo, err error) found {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.missing = append(f.missing, w.path)
	case err != nil:
		f.wrong = append(f.wrong, fmt.Sprintf("%s: %v", w.path, folder.Pathless(err)))
	case !info.Mode().IsRegular():
		f.wrong = append(f.wrong, w.path+" is no regular file")
	case w.size >= 0 && info.Size() != w.size:
		f.wrong = append(f.wrong, fmt.Sprintf("%s has %d bytes, want %d", w.path, info.Size(), w.size))
	default:
		f.files = append(f.files, plugins.SourceFile{Path: w.path, Size: info.Size(), Digest: w.digest, Ref: w.path})
	}
	return f
}

// look looks at every file that has to be there, but not into it.
func (s *source) look(ctx context.Context) (f found, err error) {
	wanted, err := s.wanted()
	if err != nil {
		return f, err
	}
	root, only, err := s.folder.Root()
	if errors.Is(err, fs.ErrNotExist) {
		for _, w := range wanted {
			f.missing = append(f.missing, w.path)
		}
		return f, nil
	}
	if err != nil {
		return f, err
	}
	if only != "" {
		return f, fmt.Errorf("%s is a file, want a folder", s.params.Folder)
	}
	for _, w := range wanted {
		if ctx.Err() != nil {
			return f, context.Cause(ctx)
		}
		info, err := root.Stat(filepath.FromSlash(w.path))
		f = f.add(w, info, err)
	}
	return f, nil
}

// errNoList is a list of checksums that is not there, or is another one.
var errNoList = errors.New("the list of checksums")

const maxList = 256 << 20 // bytes: some two million files

func (s *source) wanted() ([]want, error) {
	var out []want
	if s.params.Sums == nil {
		for _, f := range s.params.Files {
			w := want{path: f.Path, size: -1}
			if f.Size != nil {
				w.size = *f.Size
			}
			if f.SHA256 != "" {
				w.digest = digest.NewDigestFromEncoded(digest.SHA256, f.SHA256)
			}
			out = append(out, w)
		}
		return out, nil
	}
	lines, err := s.list()
	for _, l := range lines {
		out = append(out, want{l.Path, -1, l.Digest})
	}
	return out, err
}

// list reads the list of checksums, which has to be the manifest's.
func (s *source) list() ([]sums.Line, error) {
	name := s.params.Sums.Path
	around := folder.New(s.dir, path.Dir(name))
	defer around.Close()
	file, err := around.Open(path.Base(name), 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w %s is not there", errNoList, name)
	}
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", name, err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxList))
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", name, folder.Pathless(err))
	}
	if got := digest.FromBytes(text).Encoded(); got != s.params.Sums.SHA256 {
		return nil, fmt.Errorf("%w %s has the sha256 %s, want %s", errNoList, name, got, s.params.Sums.SHA256)
	}
	lines, err := sums.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", name, err)
	}
	return lines, nil
}

// Missing says what a person has to bring.
func (s *source) Missing(ctx context.Context) ([]plugins.Missing, error) {
	f, err := s.look(ctx)
	if errors.Is(err, errNoList) {
		return []plugins.Missing{{What: err.Error(), Do: "Put it where the manifest says. " + s.params.how(), Page: s.params.Page}}, nil
	}
	if err != nil {
		return nil, err
	}
	var out []plugins.Missing
	if len(f.missing) > 0 {
		out = append(out, plugins.Missing{What: some("in the folder "+s.params.Folder, "", f.missing), Do: s.params.how(), Page: s.params.Page})
	}
	if len(f.wrong) > 0 {
		out = append(out, plugins.Missing{What: some("in the folder "+s.params.Folder, "right ", f.wrong), Page: s.params.Page,
			Do: "Replace them by what the publisher gives, or correct the manifest if the publisher has changed them."})
	}
	return out, nil
}

// some names a few of many files.
func some(where, which string, names []string) string {
	const few = 5
	more := ""
	if n := len(names) - few; n > 0 {
		names, more = names[:few], fmt.Sprintf(" and %d more", n)
	}
	noun := "files"
	if len(names) == 1 {
		noun = "file"
	}
	return fmt.Sprintf("the %s%s %s: %s%s", which, noun, where, strings.Join(names, "; "), more)
}

// List names the files. Who asks for it is past the gate, so that all are there.
func (s *source) List(ctx context.Context) ([]plugins.SourceFile, error) {
	f, err := s.look(ctx)
	if err != nil {
		return nil, err
	}
	if bad := append(f.missing, f.wrong...); len(bad) > 0 {
		return nil, &plugins.Fault{Code: plugins.FaultAbsent, Err: fmt.Errorf("not there, or wrong: %s. %s", some("in the folder "+s.params.Folder, "", bad), s.params.how())}
	}
	return s.params.pick().Files(f.files), nil
}

// Open reads a listed file.
func (s *source) Open(_ context.Context, f plugins.SourceFile, offset int64) (io.ReadCloser, error) {
	file, err := s.folder.Open(f.Path, offset)
	if err != nil {
		return nil, err
	}
	before, err := stateOf(file)
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return &steady{file, before}, nil
}

// state is what changes with a file.
type state struct {
	size int64
	time time.Time
}

func stateOf(f *os.File) (state, error) {
	info, err := f.Stat()
	if err != nil {
		return state{}, fmt.Errorf("read: %w", folder.Pathless(err))
	}
	return state{info.Size(), info.ModTime()}, nil
}

// steady is a file that has to stay as it is while it is read.
type steady struct {
	file   *os.File
	before state
}

// Read ends only if nobody has written to the file meanwhile.
func (s *steady) Read(b []byte) (int, error) {
	n, err := s.file.Read(b)
	if err != io.EOF {
		return n, err
	}
	now, bad := stateOf(s.file)
	if bad == nil && now != s.before {
		bad = plugins.ErrSourceChanged
	}
	if bad != nil {
		return n, bad
	}
	return n, io.EOF
}

// Close closes the file.
func (s *steady) Close() error { return s.file.Close() }
