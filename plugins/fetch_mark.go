package plugins

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// marks is a table of the blocks that are under way, beside the journal of those that are whole: how far each is
// written, and the digest of it up to there. A mark is entered after its bytes were written and believed if they are
// still there. A place is written again and again, and then by the next block, so that the table is as small as the
// number of connections, whatever the size of the files.
type marks struct {
	file *os.File

	mu     sync.Mutex
	places map[blockOf]int64
	free   []int64
	next   int64 // the first place that nobody has ever had
}

// blockOf is a block of a partial file.
type blockOf struct {
	file  string
	block int64
}

// mark says how far a block is written.
type mark struct {
	pos int64 // in the file
	sum Sum   // of the block up to there
}

// markLine is a mark as it stands in the table. A file that began anew has another age: its old marks are void.
type markLine struct {
	File [sha256.Size]byte
	Age  int64
	Pos  int64
	Sum  Sum
}

const (
	marksFile = "marks"
	markBytes = 2*sha256.Size + 8 + 8
	markSteps = 64 // marks of a block: at 8 MiB, one each 128 KiB
)

// openMarks opens the table and gives every mark in it that is wanted.
func openMarks(dir string, want func(file string, age int64, m mark) (block int64, ok bool)) (*marks, error) {
	f, err := os.OpenFile(filepath.Join(dir, marksFile), newFileFlags, 0o600)
	if err != nil {
		return nil, errors.New("open marks of partial files: " + withoutPath(err))
	}
	t := &marks{file: f, places: map[blockOf]int64{}}
	text, err := io.ReadAll(f)
	if err != nil {
		return nil, errors.Join(errors.New("read marks of partial files: "+withoutPath(err)), f.Close())
	}
	for _, b := range readMarks(text, want) {
		if b == (blockOf{}) {
			t.free = append(t.free, t.next)
		} else {
			t.places[b] = t.next
		}
		t.next++
	}
	return t, nil
}

// readMarks says for each place of a table what block it is of; of none, if its mark is not wanted.
func readMarks(text []byte, want func(file string, age int64, m mark) (block int64, ok bool)) []blockOf {
	var places []blockOf
	for ; len(text) >= markBytes; text = text[markBytes:] {
		var l markLine
		_, _ = binary.Decode(text[:markBytes], binary.BigEndian, &l) // there is enough of it, and any bytes are a mark
		name := hex.EncodeToString(l.File[:])
		if block, ok := want(name, l.Age, mark{l.Pos, l.Sum}); ok {
			places = append(places, blockOf{name, block})
		} else {
			places = append(places, blockOf{})
		}
	}
	return places
}

func (t *marks) close() { _ = t.file.Close() }

// put enters a mark in the place of its block.
func (t *marks) put(b blockOf, age int64, m mark) error {
	l := markLine{Age: age, Pos: m.pos, Sum: m.sum}
	if _, err := hex.Decode(l.File[:], []byte(b.file)); err != nil {
		return err
	}
	var text bytes.Buffer
	if err := binary.Write(&text, binary.BigEndian, l); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, err := t.file.WriteAt(text.Bytes(), t.place(b)*markBytes); err != nil {
		return errors.New("write marks of partial files: " + withoutPath(err))
	}
	return nil
}

func (t *marks) place(b blockOf) int64 {
	at, ok := t.places[b]
	switch n := len(t.free); {
	case ok:
		return at
	case n > 0:
		at, t.free = t.free[n-1], t.free[:n-1]
	default:
		at = t.next
		t.next++
	}
	t.places[b] = at
	return at
}

// drop frees the place of a block. What stands there is void: the block is whole, or its file has another age.
func (t *marks) drop(b blockOf) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at, ok := t.places[b]; ok {
		delete(t.places, b)
		t.free = append(t.free, at)
	}
}

// applyMark takes a mark that lies within a block that is not whole.
func (p *partials) applyMark(name string, age int64, m mark) (block int64, ok bool) {
	file, ok := p.known[name]
	block = m.pos / p.block
	if !ok || age != p.ages[name] || m.pos <= 0 || m.pos%p.block == 0 || block >= maxBlocks || file.size >= 0 && m.pos >= file.size {
		return 0, false
	}
	_, whole := file.blocks[block]
	_, twice := file.marks[block]
	if whole || twice {
		return 0, false
	}
	file.marks[block] = m
	return block, true
}

// mark enters how far a block is written.
func (p *partial) mark(block int64, m mark) error {
	p.mu.Lock()
	p.marks[block] = m
	age := p.age
	p.mu.Unlock()
	return p.all.marks.put(blockOf{p.key, block}, age, m)
}

func (p *partial) marked(block int64) mark {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.marks[block]
}

func (p *partial) unmark(block int64) {
	p.mu.Lock()
	delete(p.marks, block)
	p.mu.Unlock()
	p.all.marks.drop(blockOf{p.key, block})
}
