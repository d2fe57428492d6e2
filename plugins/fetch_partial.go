package plugins

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
)

// defaultBlock is more than a kill may cost, of all connections together: see allHosts.
const defaultBlock = 8 << 20

// partials is a folder of partial files. The bytes of each lie in a file of its own; one journal for all says
// which version of a file it is and which of its blocks are whole, with their digests; a table of marks says the same
// of the blocks that are not. A block is entered after its bytes were written, so that a killed process leaves a
// journal that is true. What a crash of the machine left is found by the digests.
type partials struct {
	dir   string
	block int64
	known map[string]ledger // what earlier processes left
	ages  map[string]int64  // how often they began it
	marks *marks

	mu      sync.Mutex
	journal *os.File
}

// ledger is what is known of one file.
type ledger struct {
	begun   bool
	version string
	size    int64 // -1 until it is known
	blocks  map[int64]digest.Digest
	marks   map[int64]mark // of blocks that are not whole
}

func newLedger(version string, size int64) ledger {
	return ledger{begun: true, version: version, size: size, blocks: map[int64]digest.Digest{}, marks: map[int64]mark{}}
}

// journalLine is one event in the life of a partial file: it began (anew), its size was found, a block is there, all of it
// was for nothing.
type journalLine struct {
	File      string        `json:"file"`
	Event     string        `json:"event"`
	Version   string        `json:"version,omitempty"`
	Size      int64         `json:"size,omitempty"`
	BlockSize int64         `json:"block_size,omitempty"`
	Block     int64         `json:"block,omitempty"`
	Digest    digest.Digest `json:"digest,omitempty"`
}

const (
	journalFile  = "journal"
	eventBegin   = "begin"
	eventSize    = "size"
	eventBlock   = "block"
	eventForget  = "forget"
	maxBlocks    = 1 << 32
	newFileFlags = os.O_RDWR | os.O_CREATE
)

func newPartials(dir string, block int64) *partials {
	return &partials{dir: dir, block: block, known: map[string]ledger{}, ages: map[string]int64{}}
}

// openPartials opens the folder, or makes it.
func openPartials(dir string, block int64) (*partials, error) {
	if block <= 0 {
		block = defaultBlock
	}
	p := newPartials(dir, block)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, errors.New("make folder of partial files: " + withoutPath(err))
	}
	f, err := os.OpenFile(filepath.Join(dir, journalFile), newFileFlags|os.O_APPEND, 0o600)
	if err != nil {
		return nil, errors.New("open journal of partial files: " + withoutPath(err))
	}
	p.journal = f
	if err := p.load(); err != nil {
		return nil, errors.Join(errors.New("read journal of partial files: "+withoutPath(err)), f.Close())
	}
	if p.marks, err = openMarks(dir, p.applyMark); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return p, nil
}

func (p *partials) close() {
	_ = p.journal.Close()
	p.marks.close()
}

// load reads what earlier processes wrote. A line that a kill has torn counts for nothing.
func (p *partials) load() error {
	text, err := io.ReadAll(p.journal)
	if err != nil {
		return err
	}
	p.replay(text)
	if len(text) > 0 && text[len(text)-1] != '\n' {
		_, err = p.journal.Write([]byte("\n"))
	}
	return err
}

func (p *partials) replay(text []byte) {
	for line := range bytes.Lines(text) {
		var l journalLine
		if json.Unmarshal(line, &l) == nil {
			p.apply(l)
		}
	}
}

func (p *partials) apply(l journalLine) {
	if l.Event == eventBegin {
		p.ages[l.File]++
	}
	switch file, ok := p.known[l.File]; {
	case l.Event == eventBegin && l.BlockSize == p.block:
		p.known[l.File] = newLedger(l.Version, l.Size)
	case l.Event == eventBegin, l.Event == eventForget:
		delete(p.known, l.File) // begun by another release, with other blocks, or of no use
	case ok && l.Event == eventSize:
		file.size = l.Size
		p.known[l.File] = file
	case ok && l.Event == eventBlock && l.Block >= 0 && l.Block < maxBlocks && l.Digest.Validate() == nil:
		file.blocks[l.Block] = l.Digest
	}
}

func (p *partials) write(l journalLine) error {
	text, err := json.Marshal(l)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := p.journal.Write(append(text, '\n')); err != nil {
		return errors.New("write journal of partial files: " + withoutPath(err))
	}
	return nil
}

// partial is one partial file. Several streams may write to it.
type partial struct {
	all  *partials
	key  string
	file *os.File

	mu sync.Mutex
	ledger
	age int64
}

// open opens the partial file of a listed one. A file that the publisher announces differently than before is
// another file.
func (p *partials) open(f SourceFile) (*partial, error) {
	name := fmt.Appendf(nil, "%s\x00%s\x00%s\x00%d", f.Path, f.Ref, f.Digest, f.Size)
	if f.Sum != "" {
		name = fmt.Append(name, "\x00", f.Sum)
	}
	id := sha256.Sum256(name) // Ref may hold a secret
	key := hex.EncodeToString(id[:])
	file, err := os.OpenFile(filepath.Join(p.dir, key), newFileFlags, 0o600)
	if err != nil {
		return nil, errors.New("open partial file: " + withoutPath(err))
	}
	return &partial{all: p, key: key, file: file, ledger: p.known[key], age: p.ages[key]}, nil // known is only read by now
}

func (p *partial) close() { _ = p.file.Close() }

// remove closes the file and frees its room.
func (p *partial) remove() {
	p.close()
	_ = os.Remove(p.file.Name())
}

// state returns what is known of the file.
func (p *partial) state() (begun bool, version string, size int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.begun, p.version, p.size
}

// begin starts the file anew, as that version of that size.
func (p *partial) begin(version string, size int64) error {
	if err := p.reset(); err != nil {
		return err
	}
	p.mu.Lock()
	p.ledger = newLedger(version, size)
	p.age++
	p.mu.Unlock()
	return p.all.write(journalLine{File: p.key, Event: eventBegin, Version: version, Size: size, BlockSize: p.all.block})
}

// reset forgets all bytes.
func (p *partial) reset() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for block := range p.marks {
		p.all.marks.drop(blockOf{p.key, block})
	}
	begun := p.begun
	p.ledger = ledger{}
	if err := p.file.Truncate(0); err != nil {
		return errors.New("clear partial file: " + withoutPath(err))
	}
	if !begun {
		return nil
	}
	return p.all.write(journalLine{File: p.key, Event: eventForget})
}

// setSize enters a size that was not announced. Of one that is only a guess no other process is told.
func (p *partial) setSize(size int64, guess bool) error {
	p.mu.Lock()
	p.size = size
	p.mu.Unlock()
	if guess {
		return nil
	}
	return p.all.write(journalLine{File: p.key, Event: eventSize, Size: size})
}

// put enters a block whose bytes are written.
func (p *partial) put(block int64, d digest.Digest) error {
	p.mu.Lock()
	p.blocks[block] = d
	p.mu.Unlock()
	err := p.all.write(journalLine{File: p.key, Event: eventBlock, Block: block, Digest: d})
	if err == nil {
		p.unmark(block)
	}
	return err
}

// end is where a block ends.
func (p *partial) end(block int64) int64 {
	end := (block + 1) * p.all.block
	if p.size >= 0 {
		end = min(end, p.size)
	}
	return end
}

// arrived is how many bytes lie in whole blocks, and before marks.
func (p *partial) arrived() (n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for b := range p.blocks {
		n += max(0, p.end(b)-b*p.all.block)
	}
	for b, m := range p.marks {
		n += m.pos - b*p.all.block
	}
	return n
}

// span is a run of bytes. Its end is -1 where the end of the file is not known.
type span struct{ from, to int64 }

// missing returns what lies between whole blocks, in order, without what is marked at the beginning of others.
func (p *partial) missing() []span {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.begun {
		return []span{{0, -1}}
	}
	var out []span
	at := int64(0)
	begun := slices.AppendSeq(slices.Collect(maps.Keys(p.blocks)), maps.Keys(p.marks))
	slices.Sort(begun)
	for _, b := range begun {
		from := b * p.all.block
		if p.size >= 0 && from >= p.size {
			break
		}
		if from > at {
			out = append(out, span{at, from})
		}
		at = p.end(b)
		if m, ok := p.marks[b]; ok {
			at = m.pos
		}
	}
	if p.size < 0 || at < p.size {
		out = append(out, span{at, p.size})
	}
	return out
}

// check reads the file from disk, feeds it to whole, and forgets every block that is not what it was.
func (p *partial) check(ctx context.Context, whole io.Writer) (good bool, err error) {
	_, _, size := p.state()
	good = true
	for b := int64(0); b*p.all.block < size; b++ {
		h := digest.SHA256.Digester()
		from := b * p.all.block
		part := io.NewSectionReader(p.file, from, p.end(b)-from)
		err := copyChunks(ctx, part, func(chunk []byte) error {
			h.Hash().Write(chunk)
			_, err := whole.Write(chunk)
			return err
		})
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		if err != nil {
			return false, errors.New("read partial file: " + withoutPath(err))
		}
		if p.blocks[b] != h.Digest() {
			delete(p.blocks, b)
			good = false
		}
	}
	return good, nil
}
