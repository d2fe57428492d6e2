package report

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html/template"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Exhibit is one sample as a page shows it.
type Exhibit struct {
	ID, Split string
	Labels    []string
	Pictures  []Picture
	Waves     []Wave // channels of one recording
	Seconds   float64
	Network   *Network
	Values    []Value
	Text      string
	Note      string // what is not shown, and why
}

// Picture is a small picture in a format that every browser knows.
type Picture struct {
	Width, Height int
	PNG           []byte
	About         string // "slice 4 of 12"
}

// Wave is one channel. What is no finite number is a gap.
type Wave struct {
	Name   string
	Values []float32
}

// Value is one cell of a row.
type Value struct{ Name, Value string }

// Display is what a page shows beside the sheet.
type Display struct {
	Classes    []ClassExhibits
	Duplicates [][]Exhibit // the first groups that the sheet lists; an exhibit without anything is a sample that was left out
}

// ClassExhibits are some samples of one class.
type ClassExhibits struct {
	Class    string
	Exhibits []Exhibit
}

// Name is the id as its publisher wrote it: "~2f" is a slash again.
func (e Exhibit) Name() string {
	name := replacedByte.ReplaceAllStringFunc(e.ID, func(s string) string {
		b, _ := hex.DecodeString(s[1:])
		return string(b)
	})
	if !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return e.ID
	}
	return name
}

// replacedByte is a byte that an id could not hold, as plugins.Key writes it.
var replacedByte = regexp.MustCompile("~[0-9a-f]{2}")

// caption says in words what an exhibit is, for those who do not see it.
func (e Exhibit) caption() string {
	labels := "no class"
	if len(e.Labels) > 0 {
		labels = "class " + strings.Join(e.Labels, " and ")
	}
	return fmt.Sprintf("sample %s, %s, side %s", e.Name(), labels, e.Split)
}

// uri is a picture within the page.
func (p Picture) uri() template.URL {
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(p.PNG))
}

// Sizes of the drawing of a recording, in its own units.
const (
	waveWidth  = 800
	waveColumn = 4 // a column is the least and the greatest value of what falls into it
	laneOfWave = 60
)

// drawing is what the template draws of a recording.
type drawing struct {
	Width, Height int
	Lanes         []waveLane
	Desc          string
	End           string // of the axis of time
}

type waveLane struct {
	Name  string
	NameY int
	Path  string
}

// draw puts the channels below each other, all to one scale. Nothing is left of values that are not finite.
func draw(e Exhibit) drawing {
	d := drawing{Width: waveWidth, Height: laneOfWave * len(e.Waves)}
	span := 0.0
	for _, w := range e.Waves {
		low, high := bounds(w.Values)
		span = max(span, high-low)
	}
	var names []string
	for i, w := range e.Waves {
		low, high := bounds(w.Values)
		top := i * laneOfWave
		d.Lanes = append(d.Lanes, waveLane{Name: w.Name, NameY: top + 18, Path: envelope(w.Values, (low+high)/2, span, float64(top))})
		names = append(names, w.Name)
	}
	d.Desc = fmt.Sprintf("%s: %s", plural(len(e.Waves), "channel"), strings.Join(names, ", "))
	if e.Seconds > 0 {
		d.End = strconv.FormatFloat(math.Round(e.Seconds*100)/100, 'f', -1, 64) + " s"
		d.Desc += ", " + d.End
	}
	return d
}

// bounds are the least and the greatest finite value, 0 and 0 if there is none.
func bounds(values []float32) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if x := float64(v); finite(x) {
			low, high = min(low, x), max(high, x)
		}
	}
	if low > high {
		return 0, 0
	}
	return low, high
}

// envelope is the path of a channel, whose middle value lies in the middle of its lane.
func envelope(values []float32, middle, span, top float64) string {
	y := func(v float64) int {
		if span == 0 {
			return int(top) + laneOfWave/2
		}
		return int(math.Round(top + laneOfWave/2 - float64((v-middle)/span*(laneOfWave-8))))
	}
	columns := min(len(values), waveWidth/waveColumn)
	var b strings.Builder
	pen := "M"
	for c := range columns {
		part := values[c*len(values)/columns : (c+1)*len(values)/columns]
		low, high, first := math.Inf(1), math.Inf(-1), math.NaN()
		for _, v := range part {
			if x := float64(v); finite(x) {
				if math.IsNaN(first) {
					first = x
				}
				low, high = min(low, x), max(high, x)
			}
		}
		if low > high {
			pen = "M"
			continue
		}
		x := c * waveWidth / columns
		a, z := y(low), y(high)
		if first-low > high-first { // begin at the end that is nearer
			a, z = z, a
		}
		fmt.Fprintf(&b, "%s%d %d", pen, x, a)
		if z != a {
			fmt.Fprintf(&b, "V%d", z)
		}
		pen = "L"
	}
	return b.String()
}
