package ecg

import (
	"fmt"
	"math"
	"strings"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/signal"
	"github.com/cairn-bench/cairn/plugins/npy"
)

// rows finds every lead among the names of a recording.
func (r *recipe) rows(names []string) ([]int, error) {
	var out []int
	for _, lead := range r.Leads {
		at := -1
		for i, name := range names {
			if !strings.EqualFold(leadName(name), lead) {
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

// array makes the sample out of the recording's rows.
func (r *recipe) array(rec recording, rows []int) (plugins.Made, error) {
	n := r.Rate * r.Seconds
	data := make([]float32, len(rows)*n)
	divisor, err := r.divisor(rec, rows)
	if err != nil {
		return plugins.Made{}, err
	}
	var flat []string
	var invalid, length int
	var x, y []float64 // the same memory for every row
	for row, at := range rows {
		var bad int
		if x, bad, err = rec.read(at, x); err != nil {
			return plugins.Made{}, err
		}
		filter, err := r.filter(rec.rate(at))
		if err != nil {
			return plugins.Made{}, err
		}
		length = filter.Outputs(len(x))
		if length == 0 || length < n && r.Short == ShortExclude {
			return plugins.Made{}, plugins.Exclude("short-record", "record has %d samples at %d Hz, %d are needed", length, r.Rate, n)
		}
		out := data[row*n : (row+1)*n]
		z := filter.RunInto(y, x, n)
		if err := narrow(out, z, divisor); err != nil {
			return plugins.Made{}, err
		}
		if !filter.Same() {
			y = z
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
		Meta:     rec.meta,
		Warnings: r.warnings(flat, invalid, length, n),
	}, nil
}

// narrow writes values, divided, as float32.
func narrow(out []float32, values []float64, divisor float64) error {
	for i, v := range values {
		if divisor != 1 {
			v /= divisor
		}
		out[i] = float32(v)
		if out[i]-out[i] != 0 { // infinite, or no number
			return plugins.Exclude("out-of-range", "sample %d is %v, beyond any voltage", i, v)
		}
	}
	return nil
}

// divisor is 1, or the distance from the lowest to the highest value of all leads of the whole recording.
func (r *recipe) divisor(rec recording, rows []int) (float64, error) {
	if r.Scale != ScaleRange {
		return 1, nil
	}
	low, high := math.Inf(1), math.Inf(-1)
	var x []float64
	for _, at := range rows {
		var err error
		if x, _, err = rec.read(at, x); err != nil {
			return 0, err
		}
		for _, v := range x {
			low, high = min(low, v), max(high, v)
		}
	}
	if !(high > low) {
		return 0, plugins.Exclude("flat-record", "all values of all leads are the same, so there is no range to divide by")
	}
	return high - low, nil
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
