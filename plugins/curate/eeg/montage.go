package eeg

import (
	"fmt"
	"strings"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/edf"
	"github.com/cairn-bench/cairn/plugins/curate/signal"
)

// renamed are the electrodes that have another name since the 10-20 system became the 10-10 system.
var renamed = map[string]string{"T7": "T3", "T8": "T4", "P7": "T5", "P8": "T6"}

// electrode is an electrode's name in upper case, by the 10-20 system.
func electrode(name string) string {
	name = strings.ToUpper(strings.TrimSpace(name))
	if old, ok := renamed[name]; ok {
		return old
	}
	return name
}

// parseLabel takes a signal's label apart: "EEG FP1-REF" is electrode FP1 against REF, "EEG Fp1" against nothing said.
func parseLabel(text string) (plus, minus string) {
	const kind = "EEG " // section 2.1.3 of EDF+: the kind of the signal comes first
	if len(text) > len(kind) && strings.EqualFold(text[:len(kind)], kind) {
		text = text[len(kind):]
	}
	plus, minus, _ = strings.Cut(text, "-")
	return electrode(plus), electrode(minus)
}

// row is where a channel's samples are: in one signal or, if minus is not negative, the difference of two.
type row struct{ plus, minus int }

// rows finds the signals of every channel. All must have one rate.
func rows(h *edf.Header, channels []pair) ([]row, error) {
	var out []row
	for _, c := range channels {
		r, err := find(h, c)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	first := h.Signals[out[0].plus]
	for _, at := range signals(out) {
		s := h.Signals[at]
		if s.PerRecord != first.PerRecord {
			return nil, plugins.Exclude("mixed-rates", "%s has %v Hz, %s has %v Hz", first.Label, h.Rate(out[0].plus), s.Label, h.Rate(at))
		}
		if _, ok := signal.PerMillivolt(s.Units); !ok {
			return nil, plugins.Exclude("unknown-unit", "signal %s is in %q, which is no voltage", s.Label, s.Units)
		}
	}
	return out, nil
}

// find takes a signal that was recorded as the channel, or else two that were recorded against one reference.
func find(h *edf.Header, c pair) (row, error) {
	var plus, minus, whole []int
	for i, s := range h.Signals {
		p, m := parseLabel(s.Label)
		switch {
		case s.Annotations:
		case c.minus != "" && p == c.plus && m == c.minus:
			whole = append(whole, i)
		case p == c.plus:
			plus = append(plus, i)
		case p == c.minus:
			minus = append(minus, i)
		}
	}
	switch {
	case len(whole) == 1:
		return row{whole[0], -1}, nil
	case len(whole) > 1 || len(plus) > 1 || len(minus) > 1:
		return row{}, plugins.Exclude("duplicate-channel", "more than one signal gives channel %s", c.name)
	case len(plus) == 0 || c.minus != "" && len(minus) == 0:
		return row{}, plugins.Exclude("missing-channel", "no signals give channel %s", c.name)
	case c.minus == "":
		return row{plus[0], -1}, nil
	}
	_, one := parseLabel(h.Signals[plus[0]].Label)
	_, other := parseLabel(h.Signals[minus[0]].Label)
	if one != other {
		return row{}, plugins.Exclude("missing-channel", "channel %s: its electrodes have the references %q and %q", c.name, one, other)
	}
	return row{plus[0], minus[0]}, nil
}

// signals lists the signals of the rows, each once, in the order of the rows.
func signals(rows []row) []int {
	var out []int
	seen := map[int]bool{-1: true}
	for _, r := range rows {
		for _, at := range []int{r.plus, r.minus} {
			if !seen[at] {
				seen[at] = true
				out = append(out, at)
			}
		}
	}
	return out
}

// microvolts scales samples of a signal into x, or takes them away from what is there.
func microvolts(x []float64, s edf.Signal, samples []int16, away bool) error {
	divisor, ok := signal.PerMillivolt(s.Units)
	if !ok {
		return fmt.Errorf("signal %s is in %q, which is no voltage", s.Label, s.Units)
	}
	divisor /= 1000
	bit, offset := s.Scaling()
	for i, v := range samples {
		uv := float64(bit * float64(offset+float64(v)))
		if divisor != 1 { // a division less for those in microvolts
			uv /= divisor
		}
		if away {
			x[i] -= uv
		} else {
			x[i] = uv
		}
	}
	return nil
}
