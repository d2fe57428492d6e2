package plugins

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Downloaded is what a folder of partial files holds for the next call of the same action.
type Downloaded struct {
	Files int   // that were begun
	Bytes int64 // in whole blocks, and in others up to a mark
	Size  int64 // of those files; -1 if that of one is not known
}

// maxJournal bounds what is read of a journal to say how much has arrived; it holds blocks of terabytes.
const maxJournal = 256 << 20

// ReadPartial says what a folder of partial files holds. It changes nothing and checks no digest: the call that goes
// on does. block is Env.Block. A folder that is not there holds nothing.
func ReadPartial(dir string, block int64) (Downloaded, error) {
	if block <= 0 {
		block = defaultBlock
	}
	f, err := os.Open(filepath.Join(dir, journalFile))
	if errors.Is(err, fs.ErrNotExist) {
		return Downloaded{}, nil
	}
	if err != nil {
		return Downloaded{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxJournal))
	if err != nil {
		return Downloaded{}, err
	}
	p := newPartials(dir, block)
	p.replay(text)
	marks, err := os.ReadFile(filepath.Join(dir, marksFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Downloaded{}, err
	}
	readMarks(marks, p.applyMark)
	var all Downloaded
	for key, l := range p.known {
		info, err := os.Stat(filepath.Join(dir, filepath.Base(key)))
		if err == nil && info.Mode().IsRegular() {
			all.add(&partial{all: p, ledger: l}, info.Size())
		}
	}
	return all, nil
}

// add counts a file of which so many bytes lie on the disk.
func (a *Downloaded) add(p *partial, onDisk int64) {
	for b := range p.blocks {
		if p.end(b) > onDisk {
			delete(p.blocks, b) // the journal came through a crash and the bytes did not
		}
	}
	for b, m := range p.marks {
		if m.pos > onDisk {
			delete(p.marks, b)
		}
	}
	a.Files++
	a.Bytes += p.arrived()
	if p.size < 0 || a.Size < 0 {
		a.Size = -1
	} else {
		a.Size += p.size
	}
}
