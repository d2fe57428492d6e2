package main

import (
	"bytes"
	_ "embed" // the template
	"fmt"
	"slices"
	"strings"
	"text/template"
)

//go:embed BENCHMARKS.md.tmpl
var page string

// section is a workload as the document shows it.
type section struct {
	workload
	Result   result
	Cairn    sideView // zero where Cairn was not measured
	Sides    []sideView
	Absent   []string
	Failures []string
	Goals    []verdict
}

// sideView is a side in words.
type sideView struct {
	Name, Version, Command, Time, Rate, CPU, Peak, Ratio, CPURatio, Figures string
}

// render writes the document: every workload that was ever measured, in their order, and the names of the others.
func (b book) render(all []workload) ([]byte, error) {
	var data struct {
		Sections   []section
		Unmeasured []string
		Missed     []string
		Machines   []machineView
	}
	for _, w := range all {
		r, ok := b[w.name]
		if !ok {
			data.Unmeasured = append(data.Unmeasured, w.name)
			continue
		}
		s := newSection(w, r)
		data.Sections = append(data.Sections, s)
		if slices.ContainsFunc(s.Goals, func(v verdict) bool { return v.Met == missed }) {
			data.Missed = append(data.Missed, w.name)
		}
	}
	data.Machines = machines(data.Sections)
	var out bytes.Buffer
	t, err := template.New(document).Parse(page)
	if err != nil {
		return nil, err
	}
	err = t.Execute(&out, data)
	return out.Bytes(), err
}

func newSection(w workload, r result) section {
	s := section{workload: w, Result: r}
	ours, _ := r.side(cairn)
	for _, one := range r.Sides {
		switch {
		case one.Absent:
			s.Absent = append(s.Absent, one.Name)
		case one.Failed != "":
			s.Failures = append(s.Failures, one.Name+": "+strings.TrimSpace(one.Failed))
		case len(one.Samples) > 0:
			s.Sides = append(s.Sides, w.view(r, ours, one))
		}
	}
	if r.Failed != "" {
		s.Failures = append(s.Failures, r.Failed)
	}
	if i := slices.IndexFunc(s.Sides, func(v sideView) bool { return v.Name == cairn }); i >= 0 {
		s.Cairn = s.Sides[i]
	}
	for _, g := range w.goals {
		s.Goals = append(s.Goals, g.judge(r))
	}
	return s
}

// view puts a side's numbers into words, and Cairn's time beside its own.
func (w workload) view(r result, ours, one sideResult) sideView {
	v := sideView{Name: one.Name, Version: one.Version, Command: one.Command, Time: spread(one.of(seconds)),
		CPU: number(median(one.of(cpu))), Peak: number(median(one.of(peak)))}
	if w.unit != "" {
		v.Rate = number(float64(r.N)/median(one.of(seconds))) + " " + w.unit + "/s"
	}
	if one.Name != cairn && len(ours.Samples) > 0 {
		v.Ratio = fmt.Sprintf("%s (%s)", number(median(ours.of(seconds))/median(one.of(seconds))), number(pairs(ours, one)))
		v.CPURatio = number(median(ours.of(cpu)) / median(one.of(cpu)))
	}
	medians := map[string]float64{}
	for name := range one.Samples[0].Figures {
		medians[name] = median(one.figure(name))
	}
	v.Figures = figures(medians)
	return v
}

// spread is a median, and between which times it lies.
func spread(times []float64) string {
	if len(times) < 2 {
		return number(median(times)) + " s"
	}
	return fmt.Sprintf("%s s (%s to %s)", number(median(times)), number(slices.Min(times)), number(slices.Max(times)))
}

// Name is for the template.
func (s section) Name() string { return s.name }

// Notes is for the template.
func (s section) Notes() string { return s.notes }

// Peers are the ratios of one row.
func (s section) Peers() string {
	var out []string
	for _, v := range s.Sides {
		if v.Ratio != "" {
			out = append(out, v.Name+" "+v.Ratio)
		}
	}
	return strings.Join(out, ", ")
}

// GoalLines are the goals of one row.
func (s section) GoalLines() string {
	var out []string
	for _, g := range s.Goals {
		line := g.Text + ": "
		if g.Have != "" {
			line += g.Have + ", "
		}
		out = append(out, line+g.Met)
	}
	return strings.Join(out, "<br>")
}

// machineView is a machine and what was measured on it.
type machineView struct {
	Machine string
	Works   string
}

func machines(all []section) []machineView {
	var order []string
	works := map[string][]string{}
	for _, s := range all {
		m := s.Result.Machine
		if works[m] == nil {
			order = append(order, m)
		}
		works[m] = append(works[m], s.name)
	}
	var out []machineView
	for _, m := range order {
		out = append(out, machineView{m, strings.Join(works[m], ", ")})
	}
	return out
}
