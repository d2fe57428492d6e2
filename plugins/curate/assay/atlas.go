package assay

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/inflate"
)

// maxDesign bounds a configuration, which is read whole.
const maxDesign = 1 << 26

var accession = regexp.MustCompile(`^E-[A-Z]{4}-[1-9][0-9]*`)

// readAtlas reads a table of an experiment: ACC-tpms.tsv or ACC-fpkms.tsv, whose columns are groups of assays and whose
// cells are a value or the five numbers of the group's spread, of which the median is taken; ACC-raw-counts.tsv or
// ACC_ARRAY-normalized-expressions.tsv, whose columns are assays. What is said of the assays is in
// ACC.condensed-sdrf.tsv, and which assays are a group in ACC-configuration.xml, both beside the table.
func readAtlas(ctx context.Context, in plugins.Tree, file string) (*Set, error) {
	a := &atlas{set: newSet(), file: file, accession: accession.FindString(path.Base(file)), facts: map[string][][2]string{}}
	if a.accession == "" {
		return nil, fmt.Errorf("%s: the name begins with no accession, such as E-MTAB-513", file)
	}
	if err := a.design(ctx, in); err != nil {
		return nil, err
	}
	if err := lines(ctx, in, file, a.line); err != nil {
		return nil, err
	}
	if a.table == nil {
		return nil, fmt.Errorf("%s: the file is empty", file)
	}
	return a.set, nil
}

type atlas struct {
	set       *Set
	file      string
	accession string
	facts     map[string][][2]string // of an assay: key and value
	groups    map[string]group
	table     *table
	probe     int
	skip      []int
}

type group struct {
	label  string
	assays []string
}

// design reads what lies beside the table.
func (a *atlas) design(ctx context.Context, in plugins.Tree) error {
	there := map[string]bool{}
	for _, f := range in.Files() {
		there[f.Path] = true
	}
	beside := path.Join(path.Dir(a.file), a.accession)
	found := false
	for _, name := range []string{beside + ".condensed-sdrf.tsv", beside + "-condensed-sdrf.tsv"} {
		if there[name] {
			found = true
			if err := lines(ctx, in, name, a.sdrfLine); err != nil {
				return err
			}
		}
	}
	if !found {
		return fmt.Errorf("%s: %s.condensed-sdrf.tsv, which says what the samples are, does not lie beside it", a.file, a.accession)
	}
	if name := beside + "-configuration.xml"; there[name] {
		r, err := inflate.Open(in, name, maxDesign)
		if err != nil {
			return err
		}
		defer r.Close()
		if a.groups, err = configuration(r); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// sdrfLine reads "accession, array design, assay, characteristic or factor, key, value, ontology term", tab-separated and
// without a header. The last column may be absent.
func (a *atlas) sdrfLine(text string) error {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	c := strings.Split(text, "\t")
	if len(c) < 6 || c[3] != "characteristic" && c[3] != "factor" {
		return errors.New("no line of a condensed SDRF: want accession, array, assay, characteristic or factor, key, value")
	}
	if a.set.facts++; a.set.facts > maxFacts {
		return fmt.Errorf("more than %d facts about assays", maxFacts)
	}
	a.facts[c[2]] = append(a.facts[c[2]], [2]string{strings.TrimSpace(c[4]), strings.TrimSpace(c[5])})
	return nil
}

// configuration reads the groups of assays.
func configuration(r io.Reader) (map[string]group, error) {
	var doc struct {
		Groups []struct {
			ID     string   `xml:"id,attr"`
			Label  string   `xml:"label,attr"`
			Assays []string `xml:"assay"`
		} `xml:"analytics>assay_groups>assay_group"`
	}
	if err := xml.NewDecoder(r).Decode(&doc); err != nil {
		return nil, err
	}
	out := map[string]group{}
	for _, g := range doc.Groups {
		for i := range g.Assays {
			g.Assays[i] = strings.TrimSpace(g.Assays[i])
		}
		out[g.ID] = group{g.Label, g.Assays}
	}
	return out, nil
}

func (a *atlas) line(text string) error {
	if strings.TrimSpace(text) == "" || strings.HasPrefix(text, "#") {
		return nil
	}
	c := strings.Split(text, "\t")
	if a.table == nil {
		return a.header(c)
	}
	if len(c) != len(a.table.columns)+len(a.skip) {
		return fmt.Errorf("%d cells, want %d", len(c), len(a.table.columns)+len(a.skip))
	}
	row := []string{c[a.probe]}
	for i, cell := range c {
		if slices.Contains(a.skip, i) {
			continue
		}
		median, err := middle(cell)
		if err != nil {
			return err
		}
		row = append(row, median)
	}
	return a.table.row(a.set, row)
}

// middle takes the median of a spread, which is written in order.
func middle(cell string) (string, error) {
	parts := strings.Split(cell, ",")
	if len(parts) != 1 && len(parts) != 5 {
		return "", fmt.Errorf("%q is neither a number nor the five numbers of a spread", short(cell))
	}
	return parts[len(parts)/2], nil
}

// header finds the samples among the columns.
func (a *atlas) header(c []string) error {
	a.table = &table{seen: map[string]bool{}}
	for i, name := range c {
		switch plain := strings.ToLower(strings.NewReplacer(" ", "", ".", "", "_", "").Replace(name)); {
		case plain == "designelementaccession" || plain == "designelement":
			a.probe = i // a gene may have several
			a.skip = append(a.skip, i)
		case plain == "geneid" || plain == "genename":
			a.skip = append(a.skip, i)
		case strings.HasSuffix(plain, "p-value") || strings.HasSuffix(plain, "log2foldchange") || strings.HasSuffix(plain, "t-statistic"):
			return errors.New("the table compares groups and holds no values of samples")
		default:
			one, err := a.sample(name)
			if err != nil {
				return err
			}
			a.table.columns = append(a.table.columns, one)
		}
	}
	if len(a.skip) > 3 || !slices.Contains(a.skip, 0) || len(a.table.columns) == 0 {
		return errors.New("the header is none of Expression Atlas: want Gene ID, Gene Name and samples")
	}
	return nil
}

func (a *atlas) sample(column string) (*Sample, error) {
	s, err := a.set.add(a.accession+"-"+column, a.file)
	if err != nil {
		return nil, err
	}
	s.Title = column
	assays := []string{column}
	if g, known := a.groups[column]; known {
		s.Title, assays = g.label, g.assays
	}
	for _, name := range assays {
		for _, f := range a.facts[name] {
			if err := a.set.fact(s, f[0], f[1]); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}
