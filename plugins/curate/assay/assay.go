// Package assay reads tables of expression as the archives of gene expression give them: which samples there are, what is
// said of each, and a value for every probe or gene.
//
// Three forms of GEO are known: series matrix files, curated datasets (GDS) and families of records (GSE, both in SOFT),
// as https://www.ncbi.nlm.nih.gov/geo/info/soft.html and the archive's README describe them; and of Expression Atlas the
// tables of a folder with the condensed SDRF and the configuration beside them. Files may be packed with gzip.
//
// A cell that is empty or says null, NA, NaN or N/A is missing, and a probe that a table does not list is missing in its
// samples. Whatever else is no finite number is an error with its line: a value is never guessed.
package assay

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/inflate"
)

// Limits, so that a wrong file is an error and not a full memory.
const (
	MaxBytes  = 1 << 34 // of a file, unpacked; lines go by
	maxLine   = 1 << 26
	maxValues = 1 << 28 // of a set, 1 GiB
	maxFacts  = 1 << 22
	maxAlike  = 1 << 10 // facts of one key about one sample
)

// missingBits are those of the one NaN that stands for a missing value.
const missingBits = 0x7fc00000

// Missing is the value of a missing cell.
func Missing() float32 { return math.Float32frombits(missingBits) }

// Set is what one or several files hold.
type Set struct {
	Samples []*Sample
	Probes  []string // in the order in which they first occur

	place map[string]int
	names map[string]*Sample
	size  int // values and facts held
	facts int
}

// Sample is one column.
type Sample struct {
	ID       string
	Title    string
	Platform string
	File     string
	// Facts is what is said of the sample: a characteristic under its key, every other attribute of GEO under its name
	// after "!Sample_" with a "!" before it. Contacts, which are people, are left out.
	Facts  map[string][]string
	Stated int // how many values the file says the sample has, -1 if it says nothing

	values []float32
}

// Value returns the value of the probe with that place in Probes, NaN with the bits of Missing if there is none.
func (s *Sample) Value(place int) float32 {
	if place < len(s.values) {
		return s.values[place]
	}
	return Missing()
}

// Present counts the values.
func (s *Sample) Present() int {
	n := 0
	for _, v := range s.values {
		if v == v {
			n++
		}
	}
	return n
}

func newSet() *Set { return &Set{place: map[string]int{}, names: map[string]*Sample{}} }

// add takes a new sample.
func (s *Set) add(id, file string) (*Sample, error) {
	if id == "" {
		return nil, errors.New("a sample has no name")
	}
	if old := s.names[id]; old != nil {
		return nil, fmt.Errorf("sample %s is given twice, in %s and in %s", short(id), old.File, file)
	}
	if err := s.grow(1); err != nil {
		return nil, err
	}
	a := &Sample{ID: id, File: file, Facts: map[string][]string{}, Stated: -1}
	s.names[id] = a
	s.Samples = append(s.Samples, a)
	return a, nil
}

func (s *Set) grow(n int) error {
	if s.size += n; s.size > maxValues {
		return fmt.Errorf("more than %d values", maxValues)
	}
	return nil
}

// probe returns the place of a probe and makes one if there is none.
func (s *Set) probe(name string) int {
	at, known := s.place[name]
	if !known {
		at = len(s.Probes)
		s.place[name] = at
		s.Probes = append(s.Probes, name)
	}
	return at
}

// put sets one value.
func (s *Set) put(a *Sample, place int, v float32) error {
	if more := place + 1 - len(a.values); more > 0 {
		if err := s.grow(more); err != nil {
			return err
		}
		for len(a.values) < place {
			a.values = append(a.values, Missing())
		}
		a.values = append(a.values, v)
		return nil
	}
	a.values[place] = v
	return nil
}

// fact keeps what is said of a sample, each value once.
func (s *Set) fact(a *Sample, key, value string) error {
	if value == "" || slices.Contains(a.Facts[key], value) {
		return nil
	}
	if s.facts++; s.facts > maxFacts || len(a.Facts[key]) == maxAlike {
		return fmt.Errorf("more than %d facts about samples, or %d alike about one", maxFacts, maxAlike)
	}
	a.Facts[key] = append(a.Facts[key], value)
	return nil
}

// characteristic keeps what GEO writes as "key: value".
func (s *Set) characteristic(a *Sample, text string) error {
	key, value, named := strings.Cut(text, ":")
	if !named {
		key, value = "", text
	}
	return s.fact(a, strings.TrimSpace(key), strings.TrimSpace(value))
}

// merge takes all samples of another set, which is not used any more.
func (s *Set) merge(other *Set) error {
	for _, a := range other.Samples {
		if old := s.names[a.ID]; old != nil {
			return fmt.Errorf("sample %s is in %s, too", short(a.ID), old.File)
		}
	}
	same := len(s.Probes) == 0
	places := make([]int, len(other.Probes))
	for i, name := range other.Probes {
		places[i] = s.probe(name)
		same = same && places[i] == i
	}
	for _, a := range other.Samples {
		s.names[a.ID] = a
		s.Samples = append(s.Samples, a)
		given := a.values
		if same {
			if err := s.grow(len(given)); err != nil {
				return err
			}
			continue
		}
		a.values = nil
		for i, v := range given {
			if err := s.put(a, places[i], v); err != nil {
				return err
			}
		}
	}
	return nil
}

// Problem is a file that could not be read. What it held is in no set.
type Problem struct {
	File string
	Err  error
}

// Read reads several files into one set. Form is one of the forms below.
func Read(ctx context.Context, in plugins.Tree, form string, files []string) (*Set, []Problem, error) {
	read, known := map[string]func(context.Context, plugins.Tree, string) (*Set, error){GEO: readGEO, Atlas: readAtlas}[form]
	if !known {
		return nil, nil, fmt.Errorf("form %q: want %s or %s", form, GEO, Atlas)
	}
	out := newSet()
	var problems []Problem
	for _, file := range files {
		one, err := read(ctx, in, file)
		if err == nil {
			err = out.merge(one)
		}
		if stopped := ctx.Err(); stopped != nil {
			return nil, nil, stopped
		}
		if err != nil {
			problems = append(problems, Problem{file, err})
		}
	}
	return out, problems, nil
}

// The forms of files.
const (
	GEO   = "geo"   // series matrix and SOFT, told apart by their first line
	Atlas = "atlas" // tables of Expression Atlas
)

// lines gives every line of a file to use, without its end.
func lines(ctx context.Context, in plugins.Tree, file string, use func(line string) error) error {
	r, err := inflate.Open(in, file, MaxBytes)
	if err != nil {
		return err
	}
	defer r.Close()
	return scan(ctx, r, file, use)
}

func scan(ctx context.Context, r io.Reader, file string, use func(line string) error) error {
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxLine)
	n := 1
	for ; s.Scan(); n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := use(strings.TrimRight(s.Text(), "\r")); err != nil {
			return fmt.Errorf("%s:%d: %w", file, n, err)
		}
	}
	if err := s.Err(); err != nil {
		return fmt.Errorf("%s:%d: %w", file, n, err)
	}
	return nil
}

// number reads a cell.
func number(cell string) (float32, error) {
	cell = strings.TrimSpace(cell)
	switch strings.ToLower(cell) {
	case "", "null", "na", "nan", "n/a":
		return Missing(), nil
	}
	v, err := strconv.ParseFloat(cell, 32)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("value %q is not a finite number", short(cell))
	}
	return float32(v), nil
}

// short keeps a hostile line out of an error.
func short(text string) string {
	if len(text) > 40 {
		return text[:40] + "..."
	}
	return text
}
