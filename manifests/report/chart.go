package report

import (
	"fmt"
	"math"
	"strings"
)

// A chart has the sizes of a phone's screen; on a wider one the page puts two things side by side.
const (
	chartWidth  = 380.0
	plotLeft    = 10.0
	plotRight   = 318.0
	valueRight  = 376.0
	chartTop    = 6.0
	labelHeight = 24.0
	laneHeight  = 19.0
	rowGap      = 9.0
	axisHeight  = 34.0
)

// chart shows one metric: a row for each dataset, in it a dot with its interval for each kind of model.
type chart struct {
	ID            string
	Title, Desc   string
	Width, Height float64
	Left, Right   float64
	Bottom        float64
	Ticks         []tick
	Chance        *tick // where guessing lies
	Rows          []chartRow
}

type tick struct {
	X     float64
	Label string
}

type chartRow struct {
	Label  string
	LabelY float64
	Lanes  []lane
}

// lane is one dot; without a value it says so.
type lane struct {
	Y           float64
	X, Low, Off float64 // Low to Off is the interval
	Known, Band bool
	Column      column
	Text        string
	TextX       float64
}

// scale maps values to places.
type scale struct{ from, to, left, right float64 }

func (s scale) at(v float64) float64 {
	v = min(max(v, s.from), s.to)
	return tenth(s.left + float64((v-s.from)/(s.to-s.from)*(s.right-s.left)))
}

// tenth keeps coordinates short.
func tenth(v float64) float64 { return math.Round(v*10) / 10 }

func newChart(i int, b board) chart {
	s := scaleOf(b)
	c := chart{ID: fmt.Sprintf("chart-%d", i), Title: metricName(b.Metric) + " of every model on every dataset",
		Width: chartWidth, Left: plotLeft, Right: plotRight, Ticks: ticks(s)}
	y := chartTop
	var said []string
	for _, w := range b.Rows {
		r := chartRow{Label: w.Dataset, LabelY: y + labelHeight - 8}
		y += labelHeight
		for k, x := range w.Cells {
			r.Lanes = append(r.Lanes, newLane(x, b.Columns[k], s, y+laneHeight/2))
			y += laneHeight
		}
		y += rowGap
		c.Rows = append(c.Rows, r)
		said = append(said, w.said(b.Columns))
	}
	c.Bottom, c.Height = y, y+axisHeight
	c.Desc = strings.Join(said, " ")
	if b.Metric == "auroc" && s.from < 0.5 {
		c.Chance = &tick{X: s.at(0.5), Label: "chance"}
	}
	return c
}

func newLane(x cell, col column, s scale, y float64) lane {
	l := lane{Y: tenth(y), Column: col, Text: "–", TextX: valueRight}
	if !x.known() || !finite(*x.Result.Value) {
		return l
	}
	r := x.Result
	l.Known, l.X, l.Text = true, s.at(*r.Value), number(r.Value)
	if r.Low != nil && r.High != nil {
		l.Band, l.Low, l.Off = true, s.at(*r.Low), s.at(*r.High)
	}
	return l
}

// scaleOf spans the values and their intervals, in tenths. Metrics lie between 0 and 1.
func scaleOf(b board) scale {
	from, to := 1.0, 0.0
	for _, w := range b.Rows {
		for _, c := range w.Cells {
			if c.Result == nil {
				continue
			}
			for _, v := range []*float64{c.Result.Value, c.Result.Low, c.Result.High} {
				if v != nil && finite(*v) {
					from, to = min(from, *v), max(to, *v)
				}
			}
		}
	}
	from, to = math.Floor(from*10)/10, math.Ceil(to*10)/10
	if from >= to {
		from, to = 0, 1
	}
	return scale{from: from, to: to, left: plotLeft, right: plotRight}
}

// ticks are tenths, or wider steps where tenths would crowd.
func ticks(s scale) []tick {
	first, last := int(math.Round(s.from*10)), int(math.Round(s.to*10))
	step := (last-first)/6 + 1
	var out []tick
	for i := first; i <= last; i += step {
		v := float64(i) / 10
		out = append(out, tick{X: s.at(v), Label: decimals(v, 1)})
	}
	return out
}

// said puts a row into words, for those who do not see the chart.
func (w row) said(columns []column) string {
	var parts []string
	for i, c := range w.Cells {
		text := columns[i].Name + " has no value"
		if c.known() {
			text = columns[i].Name + " " + number(c.Result.Value)
			if band := interval(c.Result.Low, c.Result.High); band != "" {
				text += " (" + band + ")"
			}
		}
		parts = append(parts, text)
	}
	return w.Dataset + ": " + strings.Join(parts, ", ") + "."
}
