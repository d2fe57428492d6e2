package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/cairn-bench/cairn/manifests/dataset"
)

// textWidth is how wide sentences of the catalog are printed.
const textWidth = 96

// page prints one dataset for a person.
type page struct {
	out io.Writer
	cat *dataset.Catalog
}

func printEntry(out io.Writer, cat *dataset.Catalog, e dataset.Entry) {
	p := page{out, cat}
	fmt.Fprintf(out, "%s  %s\n\n", e.ID, e.Name)
	p.facts(e)
	p.counts(e)
	p.reruns(e)
	p.conflicts(e)
	p.access(e)
	p.places(e)
	p.list("What the benchmark made of it", e.Curation)
	p.split(e.Split)
	if len(e.Notes) > 0 {
		p.title("Notes")
		for _, n := range e.Notes {
			p.item("-", fmt.Sprintf("%s [%s]", n.Text, n.Origin))
		}
	}
	p.sources(e)
}

func (p page) title(s string) { fmt.Fprintf(p.out, "\n%s\n", s) }

// item prints a text after a mark, its further lines indented.
func (p page) item(mark, text string) {
	lines := wrapped(mark+" "+text, textWidth)
	fmt.Fprintln(p.out, "  "+lines[0])
	for _, line := range lines[1:] {
		fmt.Fprintln(p.out, "      "+line)
	}
}

func (p page) list(title string, items []string) {
	p.title(title)
	switch {
	case items == nil:
		p.item("-", "not stated (null)")
	case len(items) == 0:
		p.item("-", "nothing")
	}
	for _, s := range items {
		p.item("-", s)
	}
}

// facts are the lines that hold one value each.
func (p page) facts(e dataset.Entry) {
	t := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	line := func(name, value string) { fmt.Fprintf(t, "%s\t%s\n", name, value) }
	line("modality", e.Modality+", domain "+e.Domain)
	line("task", e.Task.Name)
	line("labels", orNull(e.Task.Labels)+": "+orNullList(e.Task.Classes))
	line("region", orNull(e.Region))
	line("in the paper", inPaper(e))
	line("chosen as", selected(e.Selection))
	line("licence", orNull(e.Licence.Expression)+", stated as \""+e.Licence.Name+"\" by "+e.Licence.Origin.String())
	line("licence text", orNull(e.Licence.URL))
	line("cite", citation(e.Citation))
	line("version", statement(e.Version))
	line("format", orNull(e.Format))
	line("size", sizeOf(e.Size))
	line("loader", loader(e.Code))
	t.Flush()
}

func inPaper(e dataset.Entry) string {
	if !e.InPaper {
		return "no"
	}
	used := ""
	if e.Experiments != nil && !*e.Experiments {
		used = ", not used in its experiments"
	}
	return "yes, group " + orNull(e.Group) + used
}

func selected(s dataset.Selected) string {
	if s.Tier == nil {
		return "null"
	}
	return fmt.Sprintf("%s, stage %d: %s", *s.Tier, *s.Stage, s.Basis)
}

func citation(c *dataset.Citation) string {
	if c == nil {
		return "null"
	}
	year := "null"
	if c.Year != nil {
		year = fmt.Sprint(*c.Year)
	}
	return fmt.Sprintf("%s, year %s, DOI %s [%s]", c.Authors, year, orNull(c.DOI), c.Origin)
}

func statement(s *dataset.Statement) string {
	if s == nil {
		return "null"
	}
	return s.Value + " [" + s.Origin.String() + "]"
}

func sizeOf(s *dataset.Size) string {
	if s == nil {
		return "null"
	}
	bytes := "bytes null"
	if s.Bytes != nil {
		bytes = fmt.Sprintf("%d bytes", *s.Bytes)
	}
	return bytes + ": " + s.Says + " [" + s.Origin.String() + "]"
}

func loader(c dataset.Code) string {
	switch {
	case c.Loader == nil:
		return "none in the benchmark's code"
	case c.Registered:
		return *c.Loader + ", which its downloader runs"
	case c.Downloads:
		return *c.Loader + ", which can download but is not registered"
	}
	return *c.Loader + ", which downloads nothing"
}

func orNullList(list []string) string {
	if list == nil {
		return "classes null"
	}
	return strings.Join(list, ", ")
}

func (p page) counts(e dataset.Entry) {
	c := e.Counts
	p.title("Counts, of unit " + orNull(c.Unit))
	t := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	for _, one := range []struct {
		name string
		n    *dataset.Number
	}{{"train", c.Train}, {"validation", c.Validation}, {"test", c.Test}, {"total", c.Total}, {"subjects", c.Subjects}} {
		if one.n == nil {
			fmt.Fprintf(t, "  %s\tnull\n", one.name)
			continue
		}
		fmt.Fprintf(t, "  %s\t%d\t[%s]\n", one.name, one.n.Value, one.n.Origin)
	}
	t.Flush()
	for _, cc := range e.ClassCounts {
		var classes []string
		for _, name := range slices.Sorted(maps.Keys(cc.Counts)) {
			classes = append(classes, fmt.Sprintf("%s: %d", name, cc.Counts[name]))
		}
		p.item(cc.Part+":", fmt.Sprintf("%s [%s]", strings.Join(classes, ", "), cc.Origin))
	}
}

// reruns says what recipes give for lists of the samples, beside what the entry counts.
func (p page) reruns(e dataset.Entry) {
	if len(e.Reruns) == 0 {
		return
	}
	p.title("What the recipe's split gives for a list of all samples, or for so many of each class")
	for _, r := range e.Reruns {
		says := "as counted above"
		if r.Reason != nil {
			says = "not as counted above: " + *r.Reason
		}
		p.item(r.Recipe+":", fmt.Sprintf("train %d, validation %d, test %d, %s", r.Counts.Train, r.Counts.Validation, r.Counts.Test, says))
		of := "a list"
		if len(r.List.Labels) > 0 {
			of = "sizes of classes"
		}
		known := "sha256 null"
		if r.List.SHA256 != nil {
			known = "sha256:" + *r.List.SHA256
		}
		p.item("  -", fmt.Sprintf("%s, %d samples of which %d are left out, %s [%s]", of, r.List.Samples, r.LeftOut, known, r.List.Origin))
	}
}

func (p page) conflicts(e dataset.Entry) {
	if len(e.Conflicts) == 0 {
		return
	}
	p.title("Where sources disagree")
	for _, c := range e.Conflicts {
		p.item(c.About+":", c.Reason)
		for _, v := range c.Values {
			p.item("  -", fmt.Sprintf("%s [%s]", v.Value, v.Origin))
		}
	}
}

func (p page) access(e dataset.Entry) {
	proc, _ := p.cat.Procedure(e.Access.Procedure)
	p.title(fmt.Sprintf("How to get it: %s, %s", e.Access.Kind, proc.Title))
	if e.Access.Page != nil {
		p.item("page:", *e.Access.Page)
	}
	if e.Access.Note != "" {
		p.item("note:", e.Access.Note)
	}
	for i, s := range proc.Steps {
		p.item(fmt.Sprintf("%d.", i+1), s)
	}
	if len(proc.Credentials) > 0 {
		p.item("credentials:", strings.Join(proc.Credentials, ", ")+" in the environment")
	}
	p.item("these steps were read on:", orNull(proc.Checked))
}

func (p page) places(e dataset.Entry) {
	p.title("Where it is, on host " + e.Host)
	if e.Locators == nil {
		p.item("-", "no address is stated (null)")
	}
	for _, l := range e.Locators {
		text := fmt.Sprintf("%s [%s]", l.Place, l.Origin)
		if l.Note != "" {
			text += " " + l.Note
		}
		p.item(l.Of+":", text)
		if l.File != nil {
			p.item("  -", fmt.Sprintf("%d bytes, sha256:%s", l.File.Bytes, l.File.SHA256))
		}
	}
}

func (p page) split(s dataset.Split) {
	p.title("How it was split")
	p.item("rule:", fmt.Sprintf("%s, by %s; what stays together: %s", orNull(s.Rule), orNull(s.By), orNull(s.Unit)))
	if s.Text != nil {
		p.item("-", *s.Text)
	}
	p.item("reproducible from the code:", yesNo(s.Reproducible))
	for _, f := range s.Flaws {
		p.item("flaw:", f)
	}
}

func yesNo(b *bool) string {
	switch {
	case b == nil:
		return "null"
	case *b:
		return "yes"
	}
	return "no"
}

// sources explains the short names that the entry used.
func (p page) sources(e dataset.Entry) {
	used := e.Sources()
	p.title("Sources")
	for _, s := range p.cat.Sources {
		if slices.Contains(used, s.ID) {
			p.item(s.ID+":", s.Title+". "+s.Trust)
		}
	}
}

func printTotals(out io.Writer, cat *dataset.Catalog, t dataset.Totals) {
	tab := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "\tPAPER\tHERE\tDIFFERENCE\t")
	for _, c := range t.Claims {
		ours, diff := "null", "null"
		if c.Ours != nil {
			ours, diff = fmt.Sprintf("%.0f", *c.Ours), fmt.Sprintf("%+.0f", *c.Difference)
		}
		fmt.Fprintf(tab, "%s\t%s\t%s\t%s\t%s\n", c.Name, plain(c.Paper), ours, diff, c.Note)
	}
	fmt.Fprintln(tab, "\t\t\t\t")
	fmt.Fprintln(tab, "GROUP\tPAPER\tHERE\tDIFFERENCE\tDATASETS, SAMPLES")
	for _, g := range t.Groups {
		fmt.Fprintf(tab, "%s\t%.2f %%\t%.2f %%\t%+.2f\t%d, %d\n", g.Title, g.Paper, g.Share, g.Difference, g.Datasets, g.Samples)
	}
	tab.Flush()
	p := page{out, cat}
	p.title(fmt.Sprintf("The paper prints %s; rounding explains %d of the difference in samples, %+d remain.", t.Rounding.Text, t.Rounding.Explains, t.Rounding.Remaining))
	p.title("How the paper chose")
	for _, s := range cat.Selection.Stages {
		p.item(fmt.Sprintf("stage %d:", s.Stage), fmt.Sprintf("%s [%s]", s.Text, s.Origin))
	}
	for _, tier := range cat.Selection.Tiers {
		p.item("tier "+tier.ID+":", fmt.Sprintf("%s [%s]", tier.Text, tier.Origin))
	}
	var criteria []string
	for _, c := range cat.Selection.Criteria {
		criteria = append(criteria, c.Value)
	}
	p.item("criteria:", strings.Join(criteria, ", "))
	for _, n := range cat.Selection.Notes {
		p.item("note:", fmt.Sprintf("%s [%s]", n.Text, n.Origin))
	}
}

func plain(x float64) string { return strings.TrimSuffix(fmt.Sprintf("%.2f", x), ".00") }
