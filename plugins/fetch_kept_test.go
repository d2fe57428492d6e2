package plugins

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// TestReadPartial: what is said of partial files is what a next call goes on with, whatever became of them.
func TestReadPartial(t *testing.T) {
	some := digest.FromString("some")
	for name, c := range map[string]struct {
		size   int64 // announced
		blocks []int64
		harm   func(dir, file string) error
		want   Downloaded
	}{
		"nothing has arrived":       {100, nil, nil, Downloaded{1, 0, 100}},
		"two blocks":                {100, []int64{0, 3}, nil, Downloaded{1, 20, 100}},
		"the last block is shorter": {95, []int64{9}, nil, Downloaded{1, 5, 95}},
		"size not known":            {-1, []int64{0}, nil, Downloaded{1, 10, -1}},
		"bytes were lost": {100, []int64{0, 9}, func(dir, file string) error { return os.Truncate(filepath.Join(dir, file), 15) },
			Downloaded{1, 10, 100}},
		"file was lost":    {100, []int64{0}, func(dir, file string) error { return os.Remove(filepath.Join(dir, file)) }, Downloaded{}},
		"journal was lost": {100, []int64{0}, func(dir, _ string) error { return os.Remove(filepath.Join(dir, journalFile)) }, Downloaded{}},
		"journal is torn": {100, []int64{0, 1}, func(dir, _ string) error {
			text, err := os.ReadFile(filepath.Join(dir, journalFile))
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, journalFile), text[:len(text)-5], 0o600)
		}, Downloaded{1, 10, 100}},
		"a mark in a block that is not whole": {100, []int64{1}, func(dir, file string) error {
			return markIn(dir, blockOf{file, 3}, mark{pos: 37})
		}, Downloaded{1, 17, 100}},
		"a mark behind what is on the disk": {100, []int64{1}, func(dir, file string) error {
			return errors.Join(markIn(dir, blockOf{file, 3}, mark{pos: 37}), os.Truncate(filepath.Join(dir, file), 36))
		}, Downloaded{1, 10, 100}},
		"journal leads out of the folder": {100, []int64{0}, func(dir, file string) error {
			text, err := os.ReadFile(filepath.Join(dir, journalFile))
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(filepath.Dir(dir), "outside"), make([]byte, 100), 0o600); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, journalFile), []byte(strings.ReplaceAll(string(text), file, "../outside")), 0o600)
		}, Downloaded{}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "partial")
			p, err := openPartials(dir, 10)
			if err != nil {
				t.Fatal(err)
			}
			defer p.close()
			f, err := p.open(SourceFile{Path: "a", Size: c.size})
			if err != nil {
				t.Fatal(err)
			}
			defer f.close()
			if err := f.begin("v", c.size); err != nil {
				t.Fatal(err)
			}
			if err := f.file.Truncate(max(c.size, 10)); err != nil {
				t.Fatal(err)
			}
			for _, b := range c.blocks {
				if err := f.put(b, some); err != nil {
					t.Fatal(err)
				}
			}
			if c.harm != nil {
				if err := c.harm(dir, f.key); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := ReadPartial(dir, 10); got != c.want || err != nil {
				t.Errorf("%+v, %v; want %+v", got, err, c.want)
			}
		})
	}
	if got, err := ReadPartial(filepath.Join(t.TempDir(), "none"), 0); got != (Downloaded{}) || err != nil {
		t.Errorf("no folder: %+v, %v", got, err)
	}
}

func markIn(dir string, b blockOf, m mark) error {
	t, err := openMarks(dir, func(string, int64, mark) (int64, bool) { return 0, false })
	if err != nil {
		return err
	}
	defer t.close()
	return t.put(b, 1, m)
}
