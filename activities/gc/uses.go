package gc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
)

// own is the folder of the journals of processes; no run is called so.
const own = ".process"

// runKey is the key of the run in a context.
type runKey struct{}

type runOf struct{ run, try string }

// WithRun returns a context in which whatever is written or found belongs to a run. try tells one execution of the
// run from the next.
func WithRun(ctx context.Context, run, try string) context.Context {
	return context.WithValue(ctx, runKey{}, runOf{run, try})
}

// journal is the uses that this process has noted for a run.
type journal struct {
	file *os.File
	try  string
	have map[digest.Digest]struct{}
}

// Use notes that somebody is about to rely on blobs. It is what the store calls.
func (h *Home) Use(ctx context.Context, all ...digest.Digest) error {
	return h.note(ctx, all, func() error { return nil })
}

// Admit notes that blobs come into the store, unless one was deleted on purpose.
func (h *Home) Admit(ctx context.Context, all ...digest.Digest) error {
	refuse := func() error { return h.graves.refuse(ctx, all) }
	if err := refuse(); err != nil {
		return err
	}
	return h.note(ctx, all, refuse) // asked again: one may be forgotten while the gate is closed
}

// note writes blobs into the journal of the run in the context, if they are not there, and if inside the gate
// nothing stands against it.
func (h *Home) note(ctx context.Context, all []digest.Digest, against func() error) error {
	of, _ := ctx.Value(runKey{}).(runOf)
	h.mu.Lock()
	defer h.mu.Unlock()
	if all = h.unknown(of, all); len(all) == 0 {
		return nil
	}
	if err := h.enter(syscall.LOCK_SH); err != nil {
		return err
	}
	defer h.leave()
	if err := against(); err != nil {
		return err
	}
	j, err := h.journal(of)
	if err == nil {
		err = j.add(all)
	}
	if err != nil {
		h.drop(of.run)
		return fmt.Errorf("note the use of blob %s: %w", all[0], err)
	}
	return nil
}

// unknown leaves out what is in the journal.
func (h *Home) unknown(of runOf, all []digest.Digest) []digest.Digest {
	j := h.journals[of.run]
	if j == nil || j.try != of.try {
		return all
	}
	var out []digest.Digest
	for _, d := range all {
		if _, known := j.have[d]; !known {
			out = append(out, d)
		}
	}
	return out
}

// add writes lines, all or none of which count.
func (j *journal) add(all []digest.Digest) error {
	var text strings.Builder
	for _, d := range all {
		fmt.Fprintln(&text, d)
	}
	if _, err := j.file.WriteString(text.String()); err != nil {
		return err
	}
	for _, d := range all {
		j.have[d] = struct{}{}
	}
	return nil
}

func (h *Home) leave() { _ = cas.Flock(h.gate, syscall.LOCK_UN) }

// journal opens the journal of a run, another one for each try.
func (h *Home) journal(of runOf) (*journal, error) {
	if j := h.journals[of.run]; j != nil && j.try == of.try {
		return j, nil
	}
	h.drop(of.run)
	dir := h.runDir(of.run)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, "")
	if err != nil {
		return nil, err
	}
	if err := errors.Join(cas.Flock(f, syscall.LOCK_EX), writeLine(f, h.who)); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	j := &journal{file: f, try: of.try, have: map[digest.Digest]struct{}{}}
	h.journals[of.run] = j
	return j, nil
}

func writeLine(f *os.File, text string) error {
	_, err := fmt.Fprintln(f, strings.ReplaceAll(text, "\n", " "))
	return err
}

// drop closes the journal of a run in this process; what stands in it stays.
func (h *Home) drop(run string) {
	if j := h.journals[run]; j != nil {
		_ = j.file.Close()
		delete(h.journals, run)
	}
}

func (h *Home) runDir(run string) string {
	if run == "" {
		return h.path("uses", own)
	}
	return h.path("uses", url.PathEscape(run))
}

// End forgets the uses of a run: it has published its results, or nobody wants them.
func (h *Home) End(run string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.enter(syscall.LOCK_SH); err != nil {
		return err
	}
	defer h.leave()
	h.drop(run)
	if err := os.RemoveAll(h.runDir(run)); err != nil {
		return fmt.Errorf("end run %s: %w", run, err)
	}
	return nil
}

// Close forgets the uses of this process that belong to no run. It is about to end.
func (h *Home) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	j := h.journals[""]
	if j == nil {
		return nil
	}
	h.drop("")
	return os.Remove(j.file.Name())
}

// Kept says whether something is kept for a run that has not ended well.
func (h *Home) Kept(run string) bool {
	_, err := os.Stat(h.runDir(run))
	return err == nil
}

// Unended is a run for which something is kept, and the processes that worked on it, in words.
type Unended struct {
	Run string
	Who []string
}

// Unended lists the runs that have not ended well, by name.
func (h *Home) Unended() []Unended {
	journals, err := h.noted()
	if err != nil {
		return nil
	}
	var all []Unended
	for _, n := range journals { // those of a run follow one another
		if n.run == "" {
			continue
		}
		if len(all) == 0 || all[len(all)-1].Run != n.run {
			all = append(all, Unended{Run: n.run})
		}
		last := &all[len(all)-1]
		last.Who = append(last.Who, n.who)
	}
	return all
}

// noted is one journal as the collector finds it.
type noted struct {
	run   string // "" if it is of a process
	path  string
	lives bool   // whether its process does
	who   string // the process
	uses  []digest.Digest
}

// noted reads all journals. The caller has the gate for himself, or wants no more than a look.
func (h *Home) noted() ([]noted, error) {
	runs, err := os.ReadDir(h.path("uses"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []noted
	for _, r := range runs {
		files, err := os.ReadDir(h.path("uses", r.Name()))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, f := range files {
			n, err := readJournal(h.path("uses", r.Name(), f.Name()))
			if errors.Is(err, fs.ErrNotExist) {
				continue // its run has just ended
			}
			if err != nil {
				return nil, err
			}
			if r.Name() != own {
				n.run, _ = url.PathUnescape(r.Name())
			}
			all = append(all, n)
		}
	}
	return all, nil
}

// readJournal reads a journal up to the last whole line: what was being written when its process was killed, the
// process had not relied on.
func readJournal(path string) (noted, error) {
	f, err := os.Open(path)
	if err != nil {
		return noted{}, err
	}
	defer f.Close()
	n := noted{path: filepath.Clean(path), lives: isLocked(f)}
	lines := bufio.NewScanner(f)
	if lines.Scan() {
		n.who = lines.Text()
	}
	for lines.Scan() {
		if d := digest.Digest(lines.Text()); d.Validate() == nil {
			n.uses = append(n.uses, d)
		}
	}
	return n, lines.Err()
}

// isLocked says whether somebody holds the lock of a file.
func isLocked(f *os.File) bool {
	if err := cas.Flock(f, syscall.LOCK_SH|syscall.LOCK_NB); err != nil {
		return true
	}
	_ = cas.Flock(f, syscall.LOCK_UN)
	return false
}
