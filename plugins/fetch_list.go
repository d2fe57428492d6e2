package plugins

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
)

// listing is a list of files, sorted by path. Of a folder with a million of them only paths and sizes are held.
type listing struct {
	entries []Entry
	files   []SourceFile // nil if the entries say it all
}

// listed asks a source for its list.
func listed(ctx context.Context, src Source) (listing, error) {
	var l listing
	err := walk(ctx, src, func(f SourceFile) error { l.add(f); return nil })
	if err != nil {
		return l, fmt.Errorf("list source: %w", err)
	}
	if len(l.entries) == 0 {
		return l, errors.New("list source: it holds no file")
	}
	l.sort()
	return l, nil
}

func walk(ctx context.Context, src Source, visit func(SourceFile) error) error {
	if w, ok := src.(WalkSource); ok {
		return w.Walk(ctx, visit)
	}
	files, err := src.List(ctx)
	for _, f := range files {
		if err == nil {
			err = visit(f)
		}
	}
	return err
}

func (l *listing) add(f SourceFile) {
	if l.files == nil && (f.announced() || f.Expand != nil || f.Ref != f.Path) {
		l.files = make([]SourceFile, len(l.entries), 2*len(l.entries)+1)
		for i, e := range l.entries {
			l.files[i] = SourceFile{Path: e.Path, Size: e.Size, Ref: e.Path}
		}
	}
	if l.files != nil {
		l.files = append(l.files, f)
	}
	l.entries = append(l.entries, Entry{Path: f.Path, Size: f.Size})
}

func (l *listing) sort() {
	if slices.IsSortedFunc(l.entries, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) }) {
		return
	}
	slices.SortStableFunc(l.entries, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	slices.SortStableFunc(l.files, func(a, b SourceFile) int { return strings.Compare(a.Path, b.Path) })
}

func (l listing) file(i int) SourceFile {
	if l.files != nil {
		return l.files[i]
	}
	return SourceFile{Path: l.entries[i].Path, Size: l.entries[i].Size, Ref: l.entries[i].Path}
}

// part is the files from one to another.
func (l listing) part(from, to int) listing {
	p := listing{entries: l.entries[from:to]}
	if l.files != nil {
		p.files = l.files[from:to]
	}
	return p
}

// hasArchive says whether what is listed is not yet all that will be there.
func (l listing) hasArchive() bool {
	return slices.ContainsFunc(l.files, func(f SourceFile) bool { return f.Expand != nil })
}

// sized says whether the size of every file is listed.
func (l listing) sized() bool {
	return !slices.ContainsFunc(l.entries, func(f Entry) bool { return f.Size < 0 })
}

// total is the size of all files whose size is listed, and how many are not.
func (l listing) total() (n int64, unknown int) {
	for _, f := range l.entries {
		if f.Size < 0 {
			unknown++
		}
		n += max(f.Size, 0)
	}
	return n, unknown
}

// checkPaths refuses a list, sorted by path, that could not be unpacked everywhere. It keeps a number for each path and
// folder, and looks closer only where two of them are the same but for their case.
func checkPaths(files []Entry) error {
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

func checkExactly(files []Entry) error {
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

// sourceSum names what a local source holds: sha256 over a line "sha256 size path" for each file, sorted by path. A
// path has no control character, so no two contents have the same lines.
type sourceSum struct{ all digest.Digester }

func newSourceSum() sourceSum {
	s := sourceSum{digest.SHA256.Digester()}
	s.all.Hash().Write([]byte("cairn/dir/v1\n"))
	return s
}

func (s sourceSum) add(files []Entry, sums []Sum) {
	var line []byte
	for i, f := range files {
		line = hex.AppendEncode(line[:0], sums[i][:])
		line = fmt.Appendf(line, " %d %s\n", f.Size, f.Path)
		s.all.Hash().Write(line)
	}
}

func sourceDigest(files []Entry, sums []Sum) digest.Digest {
	s := newSourceSum()
	s.add(files, sums)
	return s.all.Digest()
}
