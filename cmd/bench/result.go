package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// result is what was measured of one workload, and nothing that follows from it.
type result struct {
	Work       string       `json:"work"`
	Title      string       `json:"title"`
	Size       string       `json:"size"`
	N          int          `json:"n"`
	Rounds     int          `json:"rounds"`
	Date       time.Time    `json:"date"`
	Commit     string       `json:"commit"`
	Machine    string       `json:"machine"`
	LoadBefore float64      `json:"load_before"`
	LoadAfter  float64      `json:"load_after"`
	Failed     string       `json:"failed,omitempty"`
	Sides      []sideResult `json:"sides"`
}

// sideResult is one side of it.
type sideResult struct {
	Name    string   `json:"name"`
	Version string   `json:"version,omitempty"`
	Command string   `json:"command,omitempty"`
	Absent  bool     `json:"absent,omitempty"`
	Failed  string   `json:"failed,omitempty"`
	Samples []sample `json:"samples,omitempty"`
}

// sample is one turn.
type sample struct {
	Round   int                `json:"round"`
	Seconds float64            `json:"seconds"`
	CPU     float64            `json:"cpu"`  // seconds, user and system
	Peak    float64            `json:"peak"` // MiB
	Figures map[string]float64 `json:"figures,omitempty"`
}

func (r result) failed() bool {
	return r.Failed != "" || slices.ContainsFunc(r.Sides, func(s sideResult) bool { return s.Failed != "" })
}

// side finds a side that was measured.
func (r result) side(name string) (sideResult, bool) {
	for _, s := range r.Sides {
		if s.Name == name && s.Failed == "" && len(s.Samples) > 0 {
			return s, true
		}
	}
	return sideResult{}, false
}

func seconds(s sample) float64 { return s.Seconds }
func cpu(s sample) float64     { return s.CPU }
func peak(s sample) float64    { return s.Peak }

// of returns one number of every turn.
func (s sideResult) of(number func(sample) float64) []float64 {
	var out []float64
	for _, one := range s.Samples {
		out = append(out, number(one))
	}
	return out
}

// figure returns one figure of every turn that has it.
func (s sideResult) figure(name string) []float64 {
	var out []float64
	for _, one := range s.Samples {
		if v, ok := one.Figures[name]; ok {
			out = append(out, v)
		}
	}
	return out
}

// pairs is the median of a's time over b's in the same round: what slowed a whole round falls out of it.
func pairs(a, b sideResult) float64 {
	var out []float64
	for _, x := range a.Samples {
		for _, y := range b.Samples {
			if x.Round == y.Round {
				out = append(out, x.Seconds/y.Seconds)
			}
		}
	}
	return median(out)
}

// median of no numbers is 0.
func median(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(all))
	middle := len(s) / 2
	if len(s)%2 == 1 {
		return s[middle]
	}
	return (s[middle-1] + s[middle]) / 2
}

// figures writes figures in one line.
func figures(f map[string]float64) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(f)) {
		out = append(out, fmt.Sprintf("%s %.4g", name, f[name]))
	}
	return strings.Join(out, ", ")
}

// The two files that bench leaves.
const (
	numbers  = "BENCHMARKS.json"
	document = "BENCHMARKS.md"
)

// book is the last result of every workload, by its name.
type book map[string]result

func load(dir string) (book, error) {
	b := book{}
	text, err := os.ReadFile(filepath.Join(dir, numbers))
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &b); err != nil {
		return nil, fmt.Errorf("%s: %w", numbers, err)
	}
	return b, nil
}

// save writes the numbers, and the document that follows from them.
func (b book) save(dir string, all []workload) error {
	text, err := json.MarshalIndent(b, "", " ")
	if err != nil {
		return err
	}
	page, err := b.render(all)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, numbers), append(text, '\n'), 0o644),
		os.WriteFile(filepath.Join(dir, document), page, 0o644))
}
