package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page and its style
	"encoding/base64"
	"fmt"
	"html/template"
	"strings"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
)

//go:embed page.tmpl
var pageText string

//go:embed style.css
var styleText string

// listed is how many excluded samples or duplicates a card names; the artifact's curation.json has them all.
const listed = 50

// page is what the template sees.
type page struct {
	Report
	Style     template.CSS
	StyleHash string // the only style that the page allows
	Boards    []board
	Trails    []trail
	Curves    []curve

	CheckingNote string
	Checks       []check
}

// HTML returns the report as one self-contained page.
func HTML(r Report) ([]byte, error) {
	t, err := template.New("report").Funcs(functions()).Parse(pageText)
	if err != nil {
		return nil, fmt.Errorf("report: parse page: %w", err)
	}
	sum := sha256.Sum256([]byte(styleText))
	var out bytes.Buffer
	err = t.Execute(&out, page{
		Report: r, Style: template.CSS(styleText), StyleHash: base64.StdEncoding.EncodeToString(sum[:]),
		Boards: boards(r), Trails: trails(r.Results), Curves: curves(r.Models),
		CheckingNote: checkingNote, Checks: checks(),
	})
	if err != nil {
		return nil, fmt.Errorf("report %s: %w", r.Benchmark.Name, err)
	}
	return out.Bytes(), nil
}

func functions() template.FuncMap {
	return template.FuncMap{
		"number":   number,
		"fixed":    func(v float64) string { return decimals(v, 3) },
		"interval": interval,
		"ruled":    ruled,
		"count":    count[int],
		"count64":  count[int64],
		"plural":   plural,
		"size":     size,
		"metric":   metricName,
		"again":    func(class string) string { return classText(catalog.Determinism(class)) },
		"tallies":  tallies,
		"crossing": crossing,
		"holding":  holding,
		"splits":   document.Splits,
		"add":      func(a, b float64) float64 { return a + b },
		"short":    func(d any) string { return short(fmt.Sprint(d)) },
		"web":      web,
		"named":    func(o []document.Outcome) int { return len(withNames(o)) },
		"firstNamed": func(o []document.Outcome) []document.Outcome {
			o = withNames(o)
			return o[:min(len(o), listed)]
		},
		"firstGroups": func(g []document.DuplicateGroup) []document.DuplicateGroup {
			return gravest(g)[:min(len(g), listed)]
		},
		"firstDifferences": func(d []document.Difference) []document.Difference { return d[:min(len(d), listed)] },
		"alike":            alike,
		"groupsOf":         groupsOf,
		"labelsOf":         labelsOf,
		"mapOf":            mapOf,
		"publishedOf":      publishedOf,
		"listOf":           listOf,
		"sharedOf":         sharedOf,
		"firstShared":      func(d []Duplicate) []Duplicate { return d[:min(len(d), listed)] },
		"more":             func(n int) int { return max(0, n-listed) },
		"join":             strings.Join,
	}
}

// web says whether a homepage may be a link.
func web(url string) bool {
	return strings.HasPrefix(url, "https://") || strings.HasPrefix(url, "http://")
}
