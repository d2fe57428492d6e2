package report

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
)

// Markdown returns the report for a terminal, a repository or an issue: the same facts without the charts.
func Markdown(r Report) ([]byte, error) {
	m := &markdown{}
	m.head(r)
	m.results(boards(r))
	m.claims(r.Claims)
	m.datasets(r)
	m.models(r.Models)
	m.trails(r.Results)
	m.steps(r.Steps)
	m.checking()
	return m.Bytes(), nil
}

type markdown struct{ bytes.Buffer }

// escaped keeps a stranger's string from being more than text, in a line or in a cell of a table.
func escaped(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r < ' ' || r == '\u2028' || r == '\u2029':
			r = ' '
		case strings.ContainsRune("\\`*_[]<>|#!~&", r):
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func (m *markdown) line(format string, args ...any) { fmt.Fprintf(m, format+"\n", args...) }

func (m *markdown) section(title string) { m.line("\n## %s\n", title) }

// table writes cells that are already escaped; a column whose title begins with ">" holds numbers.
func (m *markdown) table(head []string, rows [][]string) {
	rule := make([]string, len(head))
	for i, h := range head {
		rule[i] = "---"
		if n, ok := strings.CutPrefix(h, ">"); ok {
			head[i], rule[i] = n, "---:"
		}
	}
	for _, cells := range append([][]string{head, rule}, rows...) {
		m.line("| %s |", strings.Join(cells, " | "))
	}
}

func (m *markdown) head(r Report) {
	title := r.Benchmark.Title
	if title == "" {
		title = r.Benchmark.Name
	}
	m.line("# %s", escaped(title))
	if r.Benchmark.Description != "" {
		m.line("\n%s", escaped(r.Benchmark.Description))
	}
	var rows [][]string
	for _, d := range []struct{ name, digest string }{
		{"benchmark", string(r.Benchmark.Digest)}, {"lock", string(r.Benchmark.Lock)}, {"manifest", string(r.Benchmark.Manifest)},
	} {
		if d.digest != "" {
			rows = append(rows, []string{d.name, escaped(d.digest)})
		}
	}
	if rows != nil {
		m.line("")
		m.table([]string{"what", "digest"}, rows)
	}
}

func (m *markdown) results(all []board) {
	m.section("Results")
	if len(all) == 0 {
		m.line("This run has no evaluation.")
	}
	for i, b := range all {
		if i > 0 {
			m.line("")
		}
		m.line("### %s (%s, %s side)\n", escaped(metricName(b.Metric)), escaped(b.Evaluation), escaped(b.Split))
		m.board(b)
	}
}

func (m *markdown) board(b board) {
	head := []string{"dataset", ">samples"}
	for _, c := range b.Columns {
		head = append(head, ">"+escaped(c.Name))
	}
	if b.Compares {
		head = append(head, ">change")
	}
	var rows [][]string
	for _, w := range b.Rows {
		cells := []string{escaped(w.Dataset), count(w.Samples)}
		for _, c := range w.Cells {
			cells = append(cells, c.markdown())
		}
		if b.Compares {
			cells = append(cells, w.Difference())
		}
		rows = append(rows, cells)
	}
	m.table(head, rows)
	for _, note := range []string{b.Finding(), b.Bootstrap()} {
		if note != "" {
			m.line("\n%s", escaped(note))
		}
	}
}

func (c cell) markdown() string {
	switch {
	case c.Result == nil:
		return "–"
	case c.Result.Value == nil:
		return "undefined: " + escaped(c.Result.Undefined)
	}
	text := number(c.Result.Value)
	if band := interval(c.Result.Low, c.Result.High); band != "" {
		text += " (" + band + ")"
	}
	return text
}

func (m *markdown) claims(claims []Claim) {
	if len(claims) == 0 {
		return
	}
	m.section("Claims")
	var rows [][]string
	for _, c := range claims {
		rows = append(rows, []string{
			escaped(fmt.Sprintf("%s of %s on %s", metricName(c.Metric), c.Model, c.Dataset)), escaped(string(c.Verdict)),
			decimals(c.Published, 3), c.Bound(), number(c.Value), escaped(c.Reason), escaped(c.Source),
		})
	}
	m.table([]string{"claim", "verdict", ">published", ">tolerance", ">ours", "why", "source"}, rows)
}

func (m *markdown) datasets(r Report) {
	m.section("Datasets")
	for _, d := range r.Datasets {
		m.dataset(d)
	}
	for _, d := range r.Duplicates[:min(len(r.Duplicates), listed)] {
		m.line("- in more than one dataset, %s: %s", alike(d.Kind, d.Distance), escaped(strings.Join(d.Samples, ", ")))
	}
	if n := len(r.Duplicates) - listed; n > 0 {
		m.line("- and %s more", count(n))
	}
	if len(r.Duplicates) == 0 {
		m.line("No two datasets have a sample in common.")
	}
}

func (m *markdown) dataset(d Dataset) {
	m.line("### %s (%s)\n", escaped(d.Title), escaped(d.ID))
	for _, f := range []struct{ name, value string }{
		{"modality", d.Modality}, {"licence", d.Licence}, {"access", d.Access}, {"homepage", d.Homepage}, {"cite", d.Citation},
	} {
		if f.value != "" {
			m.line("- %s: %s", f.name, escaped(f.value))
		}
	}
	if d.Unnamed != "" {
		m.line("- no sample is named: %s", escaped(d.Unnamed))
	}
	c := d.Curation
	m.line("- %s of %s used, %s excluded, %s failed%s", count(c.Done), plural(c.Expected, "candidate"), count(len(c.Excluded)), count(len(c.Failed)), andWithdrawn(c.Withdrawn))
	m.reasons("excluded", c.Excluded)
	m.reasons("failed", c.Failed)
	m.reasons("warning", c.Warnings)
	m.curation(c)
	m.line("")
	if d.Curated.Task != nil {
		m.counts(d.Curated)
		m.line("")
	}
}

// curation says what the framework found out about the dataset as a whole.
func (m *markdown) curation(c document.Curation) {
	for _, l := range c.SplitFiles {
		m.line("- %s", escaped(listOf(l)))
	}
	for _, x := range c.LabelMaps {
		m.line("- label map %s: %s", escaped(x.Param), escaped(mapOf(x)))
	}
	if said := labelsOf(c.Labels); said != "" {
		m.line("- %s", said)
	}
	if c.Published != nil {
		m.line("- %s", escaped(publishedOf(*c.Published)))
		for _, d := range c.Published.Differences[:min(len(c.Published.Differences), listed)] {
			m.line("  - %s", escaped(d.String()))
		}
	}
	m.line("- %s", groupsOf(c.Duplicates))
	for _, g := range gravest(c.Duplicates)[:min(len(c.Duplicates), listed)] {
		if len(g.Samples) == 0 {
			continue
		}
		m.line("  - %s: %s", alike(g.Kind, g.Distance), escaped(strings.Join(g.Samples, ", ")))
	}
}

func (m *markdown) reasons(what string, outcomes []document.Outcome) {
	for _, t := range tallies(outcomes) {
		if t.Example.Sample == "" {
			m.line("  - %s: %s, %s", what, escaped(t.Code), count(t.Count))
			continue
		}
		m.line("  - %s: %s, %s, such as %s: %s", what, escaped(t.Code), count(t.Count), escaped(t.Example.Sample), escaped(t.Example.Reason))
	}
}

func (m *markdown) counts(d document.Dataset) {
	var rows [][]string
	add := func(name string, of func(split string) int) {
		cells := []string{escaped(name)}
		for _, s := range document.Splits() {
			cells = append(cells, count(of(s)))
		}
		rows = append(rows, cells)
	}
	for _, class := range d.Task.Classes {
		add(class, func(s string) int { return d.Counts[s][class] })
	}
	add("all samples", func(s string) int { return d.Samples[s] })
	add("all subjects", func(s string) int { return d.Subjects[s] })
	m.table([]string{"class", ">train", ">validation", ">test"}, rows)
}

func (m *markdown) models(models []Model) {
	m.section("Models")
	var rows [][]string
	for _, x := range models {
		var on []string
		for _, d := range x.Info.Datasets {
			on = append(on, fmt.Sprintf("%s (%s)", d.ID, count(d.Train)))
		}
		rows = append(rows, []string{escaped(x.ID), escaped(x.Plugin), count(x.Info.Parameters), escaped(strings.Join(on, ", "))})
	}
	m.table([]string{"model", "plugin", ">parameters", "trained on (samples)"}, rows)
}

func (m *markdown) trails(results []Result) {
	m.section("Trails")
	var rows [][]string
	for _, t := range trails(results) {
		for _, s := range t.Steps {
			rows = append(rows, []string{
				escaped(t.Result.Evaluation + ": " + t.Result.Model + " on " + t.Result.Dataset),
				escaped(s.Role), escaped(s.Step), escaped(s.Action.String()), escaped(s.Artifact.String()),
			})
		}
	}
	m.table([]string{"number", "role", "step", "action", "artifact"}, rows)
}

func (m *markdown) steps(steps []Step) {
	m.section("Steps")
	var rows [][]string
	for _, s := range steps {
		rows = append(rows, []string{escaped(s.Name), escaped(s.Plugin), escaped(classText(catalog.Determinism(s.Determinism))), escaped(s.Action.String()), escaped(s.Artifact.String())})
	}
	m.table([]string{"step", "plugin", "done again", "action", "artifact"}, rows)
}

func (m *markdown) checking() {
	m.section("Verification")
	m.line("%s\n", escaped(checkingNote))
	for _, c := range checks() {
		m.line("- `%s`: %s", c.Command, escaped(c.Shows))
	}
}
