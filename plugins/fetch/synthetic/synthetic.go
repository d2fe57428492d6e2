// Package synthetic makes seeded clinical data in the formats in which real sources publish theirs, so that a
// demo and a test need no download and yet walk every step that real data walks.
//
// Layouts, by parameter dataset:
//
//	ecg    SA00001.hea + SA00001.mat: WFDB, 12 leads, 500 Hz, MATLAB v4 with a 24-byte header, SNOMED codes
//	       in "#Dx:", in one flat folder as in the PhysioNet/CinC challenge of 2021. Four rhythms: sinus
//	       426783006, atrial fibrillation 164889003 (no P wave, irregular), left bundle branch block
//	       164909002 (wide QRS), myocardial infarction 164865005 (raised ST in one territory).
//	xray   {train,test}/{NORMAL,PNEUMONIA}/*.jpeg as in Kermany et al. 2018: grey, names person12_bacteria_34.
//	graph  SYN_A.txt, SYN_graph_indicator.txt, SYN_graph_labels.txt, SYN_node_labels.txt: TU text. The class
//	       is which node labels are bound to which, never how many there are.
//	table  heart.csv with the columns of UCI heart disease and "?" for a missing cell.
//
// Parameter site gives a second hospital ("b") for every dataset: what a disease looks like is the same
// there, but gains, noise, prevalence and missing cells differ, so that a small dataset of one site can
// learn from a large one of the other.
//
// With parameter quirks, as by default, a dataset of at least 24 samples has what real sources have:
//
//	ecg    record 3 is 1 s long; record 7 has flat leads V1 to V6; the .mat of record 11 is cut; record 13 has
//	       age NaN and only a code (10370003, pacing) that is none of the four; record 17 repeats
//	       the signal of record 16.
//	xray   one training image lies in the test folder again, byte for byte; one test JPEG is cut; a .DS_Store was
//	       left behind; patient numbers start anew in the test folder and do not mean the same child.
//	graph  one graph is a single node; one repeats the graph before it.
//	table  two rows are there twice; one has no diagnosis; site b writes 0 for an unknown cholesterol.
//
// Every sample depends on the seed and its own number only. The arithmetic is explicitly rounded and uses
// package detmath, so the bytes are the same on every platform; image/jpeg encodes in integers, and its
// release is a component of the plugin's identity.
package synthetic

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"go/version"
	"io"
	"math"
	"math/rand/v2"
	"runtime"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/nn/detmath"
)

// Params says what to make.
type Params struct {
	Dataset    string  `json:"dataset" jsonschema:"ecg, xray, graph or table"`
	Site       string  `json:"site" jsonschema:"a or b: the same diseases seen at two hospitals"`
	Samples    int     `json:"samples" jsonschema:"how many records, images, graphs or rows"`
	Difficulty float64 `json:"difficulty" jsonschema:"0 (easy) to 1 (hardly learnable): how much noise hides the signal"`
	Seconds    int     `json:"seconds" jsonschema:"ecg only: length of a record"`
	Pixels     int     `json:"pixels" jsonschema:"xray only: width and height"`
	Quirks     bool    `json:"quirks" jsonschema:"plant the faults that real sources have"`
}

// Bounds of the parameters: a typing error must not fill a disk.
const (
	maxSamples = 100_000
	maxSeconds = 3600
	maxPixels  = 2048
	fewest     = 24 // samples that quirks need
)

// Validate says which parameter is out of bounds.
func (p Params) Validate() error {
	switch {
	case p.Dataset != "ecg" && p.Dataset != "xray" && p.Dataset != "graph" && p.Dataset != "table":
		return fmt.Errorf("dataset is %q, want ecg, xray, graph or table", p.Dataset)
	case p.Site != "a" && p.Site != "b":
		return fmt.Errorf("site is %q, want a or b", p.Site)
	case p.Samples < 1 || p.Samples > maxSamples:
		return fmt.Errorf("samples is %d, want 1 to %d", p.Samples, maxSamples)
	case !(p.Difficulty >= 0 && p.Difficulty <= 1):
		return fmt.Errorf("difficulty is %v, want 0 to 1", p.Difficulty)
	case p.Seconds < 1 || p.Seconds > maxSeconds:
		return fmt.Errorf("seconds is %d, want 1 to %d", p.Seconds, maxSeconds)
	case p.Pixels < 16 || p.Pixels > maxPixels:
		return fmt.Errorf("pixels is %d, want 16 to %d", p.Pixels, maxPixels)
	}
	return nil
}

// quirky says whether faults are planted.
func (p Params) quirky() bool { return p.Quirks && p.Samples >= fewest }

// Plugin returns fetch/synthetic.
func Plugin() plugins.Plugin {
	return plugins.Fetch(catalog.Spec{
		Name: "synthetic", Version: "1",
		Summary:     "Makes seeded ECG records, chest X-rays, graphs or tables in the formats of real sources.",
		Determinism: catalog.Exact,
		Queue:       catalog.QueueCPU,
		Modalities:  []string{"ecg", "graph", "table", "xray"},
		Components:  []action.Component{{Name: "image/jpeg", Version: version.Lang(runtime.Version())}},
	}, Params{Dataset: "ecg", Site: "a", Samples: 200, Difficulty: 0.3, Seconds: 10, Pixels: 96, Quirks: true}, open)
}

func open(p Params, _ plugins.Env, seed uint64) (plugins.Source, error) {
	g := generator{Params: p, seed: seed}
	var files []file
	switch p.Dataset {
	case "ecg":
		files = ecgFiles(g)
	case "xray":
		files = xrayFiles(g)
	case "graph":
		files = graphFiles(g)
	case "table":
		files = []file{{"heart.csv", func() []byte { return heartTable(g) }}}
	}
	return newSource(p, files), nil
}

// file is one file to be made when it is asked for.
type file struct {
	path string
	make func() []byte
}

type source struct {
	params Params
	files  []file
	make   map[string]func() []byte
}

func newSource(p Params, files []file) *source {
	s := &source{params: p, files: files, make: map[string]func() []byte{}}
	for _, f := range files {
		s.make[f.path] = f.make
	}
	return s
}

func (s *source) List(context.Context) ([]plugins.SourceFile, error) {
	var out []plugins.SourceFile
	for _, f := range s.files {
		out = append(out, plugins.SourceFile{Path: f.path, Size: -1})
	}
	return out, nil
}

func (s *source) Open(_ context.Context, f plugins.SourceFile, offset int64) (io.ReadCloser, error) {
	render, ok := s.make[f.Path]
	if !ok {
		return nil, fmt.Errorf("open %s: not listed", f.Path)
	}
	data := render()
	if offset < 0 || offset > int64(len(data)) {
		return nil, errors.New("open at an offset outside of the file")
	}
	return io.NopCloser(bytes.NewReader(data[offset:])), nil
}

// Describe says what was made.
func (s *source) Describe() map[string]string {
	return map[string]string{"dataset": s.params.Dataset, "site": s.params.Site}
}

// generator makes random streams that depend on the seed and a name only.
type generator struct {
	Params
	seed uint64
}

// stream returns the random numbers of one sample. Difficulty and the number of samples are no part of its
// name, so that a larger dataset begins with the samples of a smaller one.
func (g generator) stream(what string, number int) draw {
	h := sha256.Sum256(fmt.Appendf(nil, "cairn/synthetic/v1 %d %s %s %s %d", g.seed, g.Dataset, g.Site, what, number))
	return draw{rand.NewPCG(binary.LittleEndian.Uint64(h[:]), binary.LittleEndian.Uint64(h[8:]))}
}

// draw is one random stream.
type draw struct{ src detmath.Source }

// unit draws from [0, 1). It is not inlined because a compiler may fuse the division inside, which is exact,
// with what follows; that is harmless but looks like a mistake in a disassembly.
//
//go:noinline
func (d draw) unit() float64 { return detmath.Uniform(d.src) }

func (d draw) uniform(low, high float64) float64 {
	return low + float64(d.unit()*(high-low))
}

func (d draw) normal(mean, deviation float64) float64 {
	return mean + float64(detmath.Normal(d.src)*deviation)
}

func (d draw) intn(n int) int { return detmath.Intn(d.src, n) }

func (d draw) chance(p float64) bool { return d.unit() < p }

// pick draws an index with the given weights, which add up to one.
func (d draw) pick(weights ...float64) int {
	u := d.unit()
	for i, w := range weights {
		if u -= w; u < 0 {
			return i
		}
	}
	return len(weights) - 1
}

// bump is a Gaussian of height one.
func bump(x, centre, width float64) float64 {
	z := (x - centre) / width
	return detmath.Exp(float64(-0.5 * float64(z*z)))
}

// wave is a cosine of any number of turns.
func wave(turns float64) float64 {
	return detmath.Cos(float64(2 * math.Pi * (turns - math.Floor(turns))))
}

func round(x float64) int { return int(math.Floor(x + 0.5)) }
