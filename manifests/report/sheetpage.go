package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page and its style
	"encoding/base64"
	"fmt"
	"html/template"
	"maps"

	"github.com/cairn-bench/cairn/manifests/document"
)

//go:embed sheet.tmpl
var sheetText string

//go:embed sheet.css
var sheetStyle string

// sheetView is what the template of a sheet sees.
type sheetView struct {
	Sheet
	Style     template.CSS
	StyleHash string
	Bars      []bar
	Imbalance string
	Groups    []group
	Twins     []twins
	Rest      []document.DuplicateGroup
}

// twins is a group of duplicates side by side.
type twins struct {
	document.DuplicateGroup
	Cards []card
}

// bar is the balance of one class: as wide as its samples beside the largest class, a part for each side.
type bar struct {
	Class  string
	Parts  []part
	Counts []int
	All    int
	Says   string
}

type part struct{ X, Width float64 }

type group struct {
	Class    string
	Total    int
	Wide     bool
	Exhibits []card
}

// card is an exhibit with what is drawn of it.
type card struct {
	Exhibit
	Pictures []shownPicture
	Drawing  *drawing
	Sketch   *sketch
}

type shownPicture struct {
	Src           template.URL
	Alt           string
	Width, Height int
	Small         bool // shown larger than it is, pixel by pixel
}

// SheetHTML returns a sheet as one self-contained page. Of data that may not be passed on it has counts only, whatever
// show holds.
func SheetHTML(s Sheet, show Display) ([]byte, error) {
	if s.Restricted != "" {
		s, show = s.withoutNames(), Display{}
	}
	t, err := template.New("sheet").Funcs(sheetFunctions()).Parse(sheetText)
	if err != nil {
		return nil, fmt.Errorf("report: parse page: %w", err)
	}
	style := styleText + sheetStyle
	sum := sha256.Sum256([]byte(style))
	v := sheetView{
		Sheet: s, Style: template.CSS(style), StyleHash: base64.StdEncoding.EncodeToString(sum[:]),
		Bars: bars(&s), Imbalance: imbalance(&s), Rest: s.Duplicates.Listed[min(len(show.Duplicates), len(s.Duplicates.Listed)):],
	}
	for _, c := range show.Classes {
		cards := cardsOf(c.Exhibits)
		v.Groups = append(v.Groups, group{Class: c.Class, Total: s.Total(c.Class), Wide: wideOf(cards), Exhibits: cards})
	}
	for i, g := range show.Duplicates[:min(len(show.Duplicates), len(s.Duplicates.Listed))] {
		v.Twins = append(v.Twins, twins{s.Duplicates.Listed[i], cardsOf(g)})
	}
	var out bytes.Buffer
	if err := t.Execute(&out, v); err != nil {
		return nil, fmt.Errorf("report: dataset %s: %w", s.Dataset, err)
	}
	return out.Bytes(), nil
}

func sheetFunctions() template.FuncMap {
	f := functions()
	maps.Copy(f, template.FuncMap{
		"reasonTotal": total,
		"wideOf":      wideOf,
		"splitTotal": func(by map[string]int) int {
			n := 0
			for _, split := range document.Splits() {
				n += by[split]
			}
			return n
		},
		"dict": func(pairs ...any) map[string]any {
			out := map[string]any{}
			for i := 0; i+1 < len(pairs); i += 2 {
				out[fmt.Sprint(pairs[i])] = pairs[i+1]
			}
			return out
		},
	})
	return f
}

func cardsOf(exhibits []Exhibit) []card {
	var out []card
	for _, e := range exhibits {
		c := card{Exhibit: e}
		for _, p := range e.Pictures {
			alt := e.caption()
			if p.About != "" {
				alt += ", " + p.About
			}
			c.Pictures = append(c.Pictures, shownPicture{Src: p.uri(), Alt: alt, Width: p.Width, Height: p.Height, Small: max(p.Width, p.Height) < 128})
		}
		if len(e.Waves) > 0 {
			d := draw(e)
			d.Desc = e.caption() + ": " + d.Desc
			c.Drawing = &d
		}
		if e.Network != nil {
			k := layout(*e.Network)
			k.Desc = e.caption() + ": " + k.Desc
			c.Sketch = &k
		}
		out = append(out, c)
	}
	return out
}

// wideOf says whether any of these needs room: a recording or a text.
func wideOf(cards []card) bool {
	for _, c := range cards {
		if c.Drawing != nil || c.Text != "" || len(c.Pictures) > 1 {
			return true
		}
	}
	return false
}

// barWidth is that of the largest class, in the units of the template.
const barWidth = 200

func bars(s *Sheet) []bar {
	most := 1
	for _, c := range s.Task.Classes {
		most = max(most, s.Total(c))
	}
	var out []bar
	for _, c := range s.Task.Classes {
		b := bar{Class: c, All: s.Total(c), Says: c + ": " + plural(s.Total(c), "sample")}
		x := 0.0
		for _, split := range document.Splits() {
			n := s.Counts[split][c]
			w := tenth(barWidth * float64(n) / float64(most))
			b.Parts, b.Counts = append(b.Parts, part{tenth(x), w}), append(b.Counts, n)
			x += w
		}
		out = append(out, b)
	}
	return out
}

// imbalance says in words what the bars show, where it is much.
func imbalance(s *Sheet) string {
	if len(s.Task.Classes) < 2 {
		return ""
	}
	least, most := s.Task.Classes[0], s.Task.Classes[0]
	for _, c := range s.Task.Classes {
		if s.Total(c) < s.Total(least) {
			least = c
		}
		if s.Total(c) > s.Total(most) {
			most = c
		}
	}
	switch {
	case s.Total(least) == 0:
		return fmt.Sprintf("The class %s has no sample.", least)
	case s.Total(most) >= 2*s.Total(least):
		return fmt.Sprintf("The largest class, %s, has %s times the samples of the smallest, %s.", most, decimals(float64(s.Total(most))/float64(s.Total(least)), 1), least)
	}
	return ""
}
