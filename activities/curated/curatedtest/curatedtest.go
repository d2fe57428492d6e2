// Package curatedtest makes curated datasets for tests, as a curate step would leave them in a store.
package curatedtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/sandbox"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/npy"
)

// Set is a curated dataset before it is packed.
type Set struct {
	Dataset  action.Dataset
	Task     document.Task
	Features []string
	Samples  []document.Sample
	Arrays   map[string][]byte // path -> .npy
	Curation document.Curation
}

// New is an empty dataset that may be passed on.
func New(id, modality, task string, classes ...string) *Set {
	return &Set{
		Dataset: action.Dataset{ID: id, Modality: modality, Licence: "CC-BY-4.0", Access: "open"},
		Task:    document.Task{Type: task, Classes: classes},
		Arrays:  map[string][]byte{},
	}
}

// Add adds a sample without media.
func (s *Set) Add(id, split string, labels ...string) *document.Sample {
	s.Samples = append(s.Samples, document.Sample{
		ID: id, Dataset: s.Dataset.ID, Split: split, Subject: "of-" + id, Labels: append([]string{}, labels...), Media: []document.Media{},
		Meta:    map[string]string{"site": "here"},
		Sources: []document.Source{{Path: "raw/" + id, Digest: digest.FromString(id)}},
	})
	return &s.Samples[len(s.Samples)-1]
}

// Bytes gives a sample an array of bytes that follow from seed.
func (s *Set) Bytes(of *document.Sample, ext, kind string, seed int, shape ...int) []uint8 {
	data := make([]uint8, volume(shape))
	for i := range data {
		data[i] = uint8(i*7 + seed*13 + i/11)
	}
	s.put(of, document.Media{Type: kind, Shape: shape, DType: "uint8"}, ext, npy.Uint8(shape, data))
	return data
}

// Floats gives a sample an array of waves.
func (s *Set) Floats(of *document.Sample, ext, kind string, rate float64, shape ...int) []float32 {
	data := make([]float32, volume(shape))
	for i := range data {
		data[i] = float32(math.Sin(float64(i)/9) + 0.1*float64(i%5))
	}
	s.put(of, document.Media{Type: kind, Shape: shape, DType: "float32", SamplingRate: rate}, ext, npy.Float32(shape, data))
	return data
}

// Edges gives a sample a list of edges.
func (s *Set) Edges(of *document.Sample, ext string, flat ...int32) {
	shape := []int{len(flat) / 2, 2}
	s.put(of, document.Media{Type: "edges", Shape: shape, DType: "int32"}, ext, npy.Int32(shape, flat))
}

func (s *Set) put(of *document.Sample, m document.Media, ext string, data []byte) {
	m.Path = of.Split + "/" + of.ID + "." + ext
	of.Media = append(of.Media, m)
	s.Arrays[m.Path] = data
}

func volume(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// Pack keeps the dataset in a store. The samples have to be sorted by id.
func (s *Set) Pack(t testing.TB, store cas.Uploader) digest.Digest {
	t.Helper()
	info := plugins.Describe(s.Dataset, s.Task, s.Samples)
	info.Features = s.Features
	files := map[string][]byte{}
	for path, data := range s.Arrays {
		files[path] = data
		info.Bytes += int64(len(data))
	}
	var lines bytes.Buffer
	for _, one := range s.Samples {
		lines.Write(encode(t, one))
	}
	c := s.Curation
	c.Schema, c.Done = document.CurationSchema, len(s.Samples)
	c.Expected = c.Done + len(c.Excluded) + len(c.Failed)
	files[document.SamplesFile], files[document.DatasetFile], files[document.CurationFile] = lines.Bytes(), encode(t, info), encode(t, c)
	return Files(t, store, files)
}

// Files keeps any files as an artifact of a dataset.
func Files(t testing.TB, store cas.Uploader, files map[string][]byte) digest.Digest {
	t.Helper()
	out, err := sandbox.NewOutput(sandbox.Options{Dir: filepath.Join(t.TempDir(), "out"), Store: store, Name: "test", Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	for path, data := range files {
		if err := plugins.WriteFile(out, path, data); err != nil {
			t.Fatal(err)
		}
	}
	d, err := out.Pack(t.Context(), artifact.Dataset)
	if err != nil {
		t.Fatal(err)
	}
	return d.Digest
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

// Everything is a dataset of one label with every kind of media: pictures in grey and in colours, slices, a film, signals, a
// graph, a table and a text.
func Everything() *Set {
	s := New("all", "multimodal", document.Multiclass, "benign", "a/b: odd", "other")
	splits := document.Splits()
	for i := range 12 {
		of := s.Add(fmt.Sprintf("s%02d", i), splits[i%3], s.Task.Classes[i%2])
		switch i % 8 {
		case 0:
			s.Bytes(of, "npy", "image", i, 24, 32)
		case 1:
			s.Bytes(of, "npy", "image", i, 16, 20, 3)
		case 2:
			for k := range 4 {
				s.Bytes(of, fmt.Sprintf("%04d.npy", k), "image", i+k, 16, 16)
			}
		case 3:
			s.Floats(of, "npy", "signal", 250, 3, 500)
		case 4:
			s.Floats(of, "npy", "nodes", 0, 5, 2)
			s.Edges(of, "edges.npy", 0, 1, 1, 2, 2, 3, 3, 4, 4, 0)
		case 5:
			s.Floats(of, "npy", "table", 0, 6)
		case 6:
			of.Text = strings.Repeat("Ünruhig <b>text</b>, \"quoted\"\n", 2)
		case 7:
			s.Bytes(of, "npy", "video", i, 5, 12, 18, 3)
		}
	}
	return s
}

// Many is a dataset of several labels and some with none, of small pictures.
func Many() *Set {
	s := New("many", "xray", document.Multilabel, "edema", "effusion", "no, finding")
	for i := range 9 {
		var labels []string
		for k, c := range s.Task.Classes {
			if i>>k&1 == 1 {
				labels = append(labels, c)
			}
		}
		s.Bytes(s.Add(fmt.Sprintf("x-%d", i), document.Splits()[i%2], labels...), "npy", "image", i, 8, 8)
	}
	return s
}
