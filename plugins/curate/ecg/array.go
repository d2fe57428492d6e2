package ecg

import (
	"fmt"
	"math"
	"strings"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/signal"
	"github.com/cairn-bench/cairn/plugins/curate/wfdb"
	"github.com/cairn-bench/cairn/plugins/npy"
)

// rows finds the signal of every lead.
func (r *recipe) rows(h *wfdb.Header) ([]int, error) {
	var out []int
	for _, lead := range r.Leads {
		at := -1
		for i, s := range h.Signals {
			if !strings.EqualFold(leadName(s.Name), lead) {
				continue
			}
			if at >= 0 {
				return nil, plugins.Exclude("duplicate-lead", "lead %s is there twice", lead)
			}
			at = i
		}
		if at < 0 {
			return nil, plugins.Exclude("missing-lead", "lead %s is not there", lead)
		}
		out = append(out, at)
	}
	return out, nil
}

// leadName takes a publisher's decoration off a lead's name: "Lead II", "ECG II" and "ii" are II.
func leadName(name string) string {
	name = strings.TrimSpace(name)
	for _, prefix := range []string{"lead ", "ecg "} {
		if len(name) > len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
			return strings.TrimSpace(name[len(prefix):])
		}
	}
	return name
}

// array makes the sample out of the record's rows.
func (r *recipe) array(rec *wfdb.Record, rows []int) (plugins.Made, error) {
	n := r.Rate * r.Seconds
	data := make([]float32, len(rows)*n)
	var flat []string
	var invalid, length int
	var x []float64
	for row, at := range rows {
		var bad int
		var err error
		if x, bad, err = millivolts(rec, at, x); err != nil {
			return plugins.Made{}, err
		}
		rate := float64(rec.Frequency * float64(rec.Signals[at].PerFrame))
		filter, err := r.filter(rate)
		if err != nil {
			return plugins.Made{}, err
		}
		length = filter.Outputs(len(x))
		if length == 0 || length < n && r.Short == ShortExclude {
			return plugins.Made{}, plugins.Exclude("short-record", "record has %d samples at %d Hz, %d are needed", length, r.Rate, n)
		}
		out := data[row*n : (row+1)*n]
		for i, v := range filter.Run(x, n) {
			out[i] = float32(v)
		}
		if signal.IsFlat(out[:min(n, length)]) {
			flat = append(flat, r.Leads[row])
		}
		invalid += bad
	}
	shape := []int{len(rows), n}
	return plugins.Made{
		Media: []plugins.MadeMedia{{
			Ext: "npy", Type: "signal", Shape: shape, DType: "float32", SamplingRate: float64(r.Rate), Data: npy.Float32(shape, data),
		}},
		Warnings: r.warnings(flat, invalid, length, n),
	}, nil
}

// millivolts scales one signal, in the memory of into. What the file marks as no sample becomes 0 and is counted.
func millivolts(rec *wfdb.Record, at int, into []float64) (x []float64, invalid int, err error) {
	s := rec.Signals[at]
	divisor, ok := signal.PerMillivolt(s.Units)
	if !ok {
		return nil, 0, plugins.Exclude("unknown-unit", "lead %s is in %q, which is no voltage", s.Name, s.Units)
	}
	x = rec.Physical(at, into)
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

func (r *recipe) warnings(flat []string, invalid, length, n int) []plugins.Exclusion {
	var out []plugins.Exclusion
	warn := func(code, format string, args ...any) {
		out = append(out, plugins.Exclusion{Code: code, Reason: fmt.Sprintf(format, args...)})
	}
	if len(flat) > 0 {
		warn("flat-lead", "leads without any change: %s", strings.Join(flat, ", "))
	}
	if invalid > 0 {
		warn("invalid-samples", "%d samples are marked as missing and were set to 0", invalid)
	}
	if length > n {
		warn("long-record", "%d of %d samples at %d Hz were kept", n, length, r.Rate)
	}
	if length < n {
		warn("short-record", "%d samples at %d Hz were padded to %d with zeros", length, r.Rate, n)
	}
	return out
}
