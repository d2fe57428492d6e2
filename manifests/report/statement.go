package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/compare"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/terms"
)

// StatementTitle is how every statement begins.
const StatementTitle = "# Reproducibility statement: "

// Statement says for the appendix of a paper what was computed, from which data, by which code, how somebody who was not
// there verifies it, and what is known to be wrong with it. It is Markdown, about a page, and counts samples without naming one.
func Statement(r Report, b *manifests.Benchmark) []byte {
	s := &statement{Report: r, bench: b}
	s.intro()
	s.results(boards(r))
	s.claims(r.Claims)
	s.data()
	s.code()
	s.verification()
	s.limits()
	return s.Bytes()
}

type statement struct {
	markdown
	Report
	bench *manifests.Benchmark
}

func (s *statement) intro() {
	b := s.Benchmark
	s.line("%s%s", StatementTitle, escaped(cmp.Or(b.Title, b.Name)))
	s.line("\nBenchmark `%s`, with %s of %s, %s and %s. What was done is fixed by a lock, which names every input, every step",
		s.bench.Name, plural(len(s.bench.Evaluations), "evaluation"), plural(len(s.Models), "model"), plural(len(s.bench.Datasets), "dataset"), plural(len(s.Steps), "step"))
	s.line("and every result by its SHA-256. All below follows from it, so that this statement, too, is the same for everybody who holds it.\n")
	s.line("- lock: %s (of the file `benchmark.lock`)", quoted(b.Lock))
	s.line("- manifest: %s (of what `benchmark.yaml` means)", quoted(b.Manifest))
}

// quoted is a digest as code; a stranger's report may have something else in its place.
func quoted(d digest.Digest) string {
	if d.Validate() != nil {
		return escaped(d.String())
	}
	return "`" + d.String() + "`"
}

func (s *statement) data() {
	s.section("Data")
	var rows [][]string
	for _, id := range slices.Sorted(maps.Keys(s.bench.Datasets)) {
		d := s.bench.Datasets[id]
		row := []string{escaped(d.Title) + " (" + escaped(id) + ")", escaped(cmp.Or(d.Version, "–")), escaped(d.Licence), escaped(d.Access), "–", "–"}
		if i := slices.IndexFunc(s.Datasets, func(x Dataset) bool { return x.ID == id }); i >= 0 {
			var sides []string
			for _, side := range document.Splits() {
				sides = append(sides, count(s.Datasets[i].Curated.Samples[side]))
			}
			row[4] = strings.Join(sides, " / ")
		}
		if st := s.step("curate/" + id); st != nil {
			row[5] = quoted(st.Artifact)
		} else if st := s.step("fetch/" + id); st != nil {
			row[5] = quoted(st.Artifact)
		}
		rows = append(rows, row)
	}
	s.table([]string{"dataset", "version", "licence", "access", ">train / validation / test", "artifact"}, rows)
	var terms []string
	for _, id := range slices.Sorted(maps.Keys(s.bench.Datasets)) {
		for _, t := range s.bench.Datasets[id].Terms {
			terms = append(terms, fmt.Sprintf("- %s is fetched by those who have accepted %s, %s", escaped(id), escaped(t.ID), escaped(t.URL)))
		}
	}
	if terms != nil {
		s.line("\n%s", strings.Join(terms, "\n"))
	}
}

func (s *statement) step(name string) *Step {
	i := slices.IndexFunc(s.Steps, func(x Step) bool { return x.Name == name })
	if i < 0 {
		return nil
	}
	return &s.Steps[i]
}

// classes says what a determinism class promises.
var classes = map[string]string{
	"exact":     "the same bytes on every machine",
	"platform":  "the same bytes on machines of one kind",
	"tolerance": "numbers within bounds that stood in the lock before the run",
	"none":      "not the same bytes when done again",
}

func (s *statement) code() {
	s.section("Code")
	type use struct{ plugin, class string }
	used := map[use]int{}
	for _, st := range s.Steps {
		used[use{st.Plugin, st.Determinism}]++
	}
	uses := make([]use, 0, len(used))
	for u := range used {
		uses = append(uses, u)
	}
	slices.SortFunc(uses, func(x, y use) int { return cmp.Or(cmp.Compare(x.plugin, y.plugin), cmp.Compare(x.class, y.class)) })
	var rows [][]string
	for _, u := range uses {
		rows = append(rows, []string{escaped(u.plugin), count(used[u]), escaped(u.class), classes[u.class]})
	}
	s.table([]string{"plugin and version", ">steps", "class", "which promises"}, rows)
}

func (s *statement) verification() {
	s.section("How to verify this")
	s.line("With the files `benchmark.yaml` and `benchmark.lock` beside this statement, and Cairn (https://cairn-bench.github.io):\n")
	s.line("```sh")
	s.line("echo '%s  benchmark.lock' | sha256sum -c        # it is this lock", strings.TrimPrefix(escaped(s.Benchmark.Lock.String()), "sha256:"))
	s.line("cairn run benchmark.yaml --locked                # fetch and compute everything; another result than the lock's is an error")
	s.line("cairn verify benchmark.lock --level bytes        # every byte of data, models and predictions against the lock")
	s.line("cairn verify benchmark.lock --rerun all          # do the steps again in an empty place, and compare")
	s.line("```")
	s.line("\nWho may not have the data verifies the chain of digests and records alone: `cairn pull` of the published artifact, then")
	s.line("`cairn verify benchmark.lock`. The command says which level it reached, and claims no more.")
}

func (s *statement) limits() {
	s.section("Known limits")
	var all []string
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf("- "+format, args...)) }
	for _, st := range s.Steps {
		if st.Determinism != "exact" {
			say("%s is of the class %s: %s.", escaped(st.Name), escaped(st.Determinism), classes[st.Determinism])
		}
	}
	for _, d := range s.Datasets {
		s.limitsOf(d, say)
	}
	for _, id := range slices.Sorted(maps.Keys(s.bench.Datasets)) {
		d := s.bench.Datasets[id]
		t := terms.Term{Dataset: id, Licence: d.Licence, Access: d.Access}
		if why := terms.Closed(t); why != "" {
			say("%s (%s) cannot be passed on: %s.", escaped(id), escaped(t.String()), escaped(why))
		}
	}
	alike := slices.DeleteFunc(slices.Clone(s.Duplicates), func(d Duplicate) bool { return d.Kind == document.SameSubject })
	if n := len(alike); n > 0 {
		say("%s are the same or nearly the same in more than one dataset.", plural(n, "group")+" of samples")
	}
	if n := len(s.Duplicates) - len(alike); n > 0 {
		say("%s on one side of one dataset and on another side of another.", plurals(n, "subject is", "subjects are"))
	}
	for _, r := range s.Results {
		if r.Value == nil {
			say("%s of %s on %s is undefined: %s.", escaped(metricName(r.Metric)), escaped(r.Model), escaped(r.Dataset), escaped(r.Undefined))
		}
	}
	for _, c := range s.Claims {
		if c.Verdict != compare.Holds {
			say("the claim on %s of %s on %s: %s.", escaped(metricName(c.Metric)), escaped(c.Model), escaped(c.Dataset), escaped(string(c.Verdict)))
		}
	}
	if len(all) == 0 {
		all = []string{"None is known."}
	}
	s.line("%s", strings.Join(all, "\n"))
	s.line("\nIntervals are of the test samples alone: they say nothing about other seeds, other splits or other patients.")
}

// limitsOf counts what is missing from a dataset or doubtful in it.
func (s *statement) limitsOf(d Dataset, say func(string, ...any)) {
	c := d.Curation
	var parts []string
	for _, what := range []struct {
		name string
		all  []document.Outcome
	}{{"excluded", c.Excluded}, {"failed", c.Failed}, {"kept with a warning", c.Warnings}} {
		var codes []string
		for _, t := range tallies(what.all) {
			codes = append(codes, fmt.Sprintf("%s %s", escaped(t.Code), count(t.Count)))
		}
		if codes != nil {
			parts = append(parts, fmt.Sprintf("%s %s (%s)", count(len(what.all)), what.name, strings.Join(codes, ", ")))
		}
	}
	if n := crossing(c.Duplicates); n > 0 {
		parts = append(parts, plural(n, "group")+" of duplicates on more than one side")
	}
	if c.Published != nil && len(c.Published.Differences) > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d published counts are not ours", len(c.Published.Differences), c.Published.Compared))
	}
	if parts != nil {
		say("%s: of %s, %s.", escaped(d.ID), plural(c.Expected, "candidate"), strings.Join(parts, ", "))
	}
}
