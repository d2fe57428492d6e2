package ecg

import (
	"fmt"
	"io"
	"math"
	"path"
	"strings"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/mat"
	"github.com/cairn-bench/cairn/plugins/curate/signal"
	"github.com/cairn-bench/cairn/plugins/curate/wfdb"
)

// recording is what a file of either kind holds.
type recording struct {
	leads []string
	rate  func(lead int) float64
	// read gives a lead in millivolts, in the memory of into, with 0 where the file has no sample, and how many those are.
	read func(lead int, into []float64) (x []float64, missing int, err error)
	meta map[string]string
}

// maxFile is more than any clinical recording of some minutes has, and keeps a hostile header small.
const maxFile = 1 << 30

// open reads a header with its signals, or a file of the raw CPSC 2018.
func open(in plugins.Tree, file string) (recording, error) {
	if path.Ext(file) == rawExt {
		return openRaw(in, file)
	}
	h, err := header(in, file)
	if err != nil {
		return recording{}, err
	}
	rec, err := h.Read(func(name string) (io.ReadCloser, error) { return in.Open(path.Join(path.Dir(file), name)) }, maxFile)
	if err != nil {
		return recording{}, err
	}
	var leads []string
	for _, s := range h.Signals {
		leads = append(leads, s.Name)
	}
	return recording{
		leads: leads,
		rate:  func(lead int) float64 { return float64(h.Frequency * float64(h.Signals[lead].PerFrame)) },
		read: func(lead int, into []float64) ([]float64, int, error) {
			return millivolts(rec.Physical(lead, into), h.Signals[lead])
		},
	}, nil
}

func header(in plugins.Tree, file string) (*wfdb.Header, error) {
	f, err := in.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h, err := wfdb.ParseHeader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return h, nil
}

// millivolts scales one signal where it lies. What the file marks as no sample becomes 0 and is counted.
func millivolts(x []float64, s wfdb.Signal) ([]float64, int, error) {
	divisor, ok := signal.PerMillivolt(s.Units)
	if !ok {
		return nil, 0, plugins.Exclude("unknown-unit", "lead %s is in %q, which is no voltage", s.Name, s.Units)
	}
	invalid := 0
	for i, v := range x {
		switch {
		case math.IsNaN(v):
			x[i] = 0
			invalid++
		case divisor != 1:
			x[i] = v / divisor
		}
	}
	return x, invalid, nil
}

// The raw files of the China Physiological Signal Challenge 2018: a MATLAB struct ECG of sex, age and data, one row a lead in the order
// of the Challenge, at 500 Hz, in millivolts.
const (
	rawExt      = ".mat"
	rawVariable = "ECG"
	rawRate     = 500
	maxRaw      = 1 << 28
)

func openRaw(in plugins.Tree, file string) (recording, error) {
	f, err := in.Open(file)
	if err != nil {
		return recording{}, err
	}
	defer f.Close()
	ecg, err := mat.Read(f, rawVariable, maxRaw)
	if err != nil {
		return recording{}, fmt.Errorf("%s: %w", file, err)
	}
	data := ecg.Field(0, "data")
	leads := Defaults().Leads
	if data == nil || len(data.Shape) != 2 || data.Shape[0] != len(leads) || data.Float64() == nil {
		return recording{}, plugins.Exclude("no-data", "%s: %s has no matrix data of %d rows", file, rawVariable, len(leads))
	}
	values := data.Float64()
	return recording{
		leads: leads,
		rate:  func(int) float64 { return rawRate },
		meta:  rawFacts(ecg),
		read: func(lead int, into []float64) ([]float64, int, error) {
			return everyOther(values, lead, len(leads), into)
		},
	}, nil
}

// everyOther takes one row out of a matrix that stands column by column.
func everyOther(values []float64, row, rows int, into []float64) ([]float64, int, error) {
	out, missing := into[:0], 0
	for at := row; at < len(values); at += rows {
		v := values[at]
		if math.IsNaN(v) || math.IsInf(v, 0) {
			v = 0
			missing++
		}
		out = append(out, v)
	}
	return out, missing, nil
}

func rawFacts(ecg *mat.Array) map[string]string {
	out := map[string]string{}
	if sex := ecg.Field(0, "sex"); sex != nil && len(sex.Text()) == 1 {
		out["sex"] = strings.TrimSpace(sex.Text()[0])
	}
	if age := ecg.Field(0, "age"); age != nil && len(age.Float64()) == 1 {
		out["age"] = fmt.Sprint(age.Float64()[0])
	}
	return out
}
