package assay

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// softParser reads SOFT: entities that begin with "^TYPE = name", attributes "!name = value", descriptions of
// columns "#name = text", and tables between "!..._table_begin" and "!..._table_end".
//
// A family has entities SAMPLE, each with a table of ID_REF and VALUE. A curated dataset has one entity DATASET with one
// table for all samples, and before it entities SUBSET, which say what their samples have in common: the type of the
// subset, such as "disease state", becomes a fact's key and its description the value.
type softParser struct {
	set  *Set
	file string

	kind    string  // of the entity
	sample  *Sample // of an entity SAMPLE
	subset  subset
	about   []subset
	titles  map[string]string // of the columns of a dataset
	array   string            // platform of a dataset
	inTable bool
	header  bool // the next line of the table is its header
	table   *table
	value   int // column of the values in the table of a sample
	tables  int
}

type subset struct {
	key, value string
	samples    []string
}

func (p *softParser) line(text string) error {
	switch {
	case p.inTable && !tableEnd(text):
		return p.tableLine(strings.Split(text, "\t"))
	case strings.TrimSpace(text) == "":
		return nil
	case strings.HasPrefix(text, "^"):
		return p.entity(text)
	case tableEnd(text):
		if !p.inTable {
			return errors.New("a table ends that did not begin")
		}
		p.inTable = false
		return nil
	case strings.HasPrefix(text, "!") && strings.HasSuffix(strings.TrimSpace(text), "_table_begin"):
		p.inTable, p.header, p.table = true, true, &table{seen: map[string]bool{}}
		return nil
	case strings.HasPrefix(text, "!"):
		name, value := assignment(text)
		return p.attribute(name, value)
	case strings.HasPrefix(text, "#"):
		p.column(text)
		return nil
	}
	return fmt.Errorf("%q is no line of SOFT", short(text))
}

func tableEnd(text string) bool {
	return strings.HasPrefix(text, "!") && strings.HasSuffix(strings.TrimSpace(text), "_table_end")
}

// assignment splits "!name = value"; the value may be absent.
func assignment(text string) (name, value string) {
	name, value, _ = strings.Cut(text[1:], "=")
	return strings.TrimSpace(name), strings.TrimSpace(value)
}

func (p *softParser) entity(text string) error {
	p.endSubset()
	kind, name := assignment(text)
	p.kind, p.sample = strings.ToUpper(kind), nil
	if p.kind != "SAMPLE" {
		return nil
	}
	var err error
	p.sample, err = p.set.add(name, p.file)
	return err
}

func (p *softParser) endSubset() {
	if p.kind == "SUBSET" {
		p.about = append(p.about, p.subset)
		p.subset = subset{}
	}
}

func (p *softParser) attribute(name, value string) error {
	switch p.kind {
	case "SAMPLE":
		return p.set.attribute(p.sample, strings.TrimPrefix(name, "Sample_"), value)
	case "SUBSET":
		switch name {
		case "subset_type":
			p.subset.key = value
		case "subset_description":
			p.subset.value = value
		case "subset_sample_id":
			p.subset.samples = append(p.subset.samples, strings.Split(value, ",")...)
			return p.set.grow(len(p.subset.samples))
		}
	case "DATASET":
		if name == "dataset_platform" {
			p.array = value
		}
	}
	return nil
}

// column keeps a sample's title: "#GSM1 = Value for GSM1: title; src: source".
func (p *softParser) column(text string) {
	name, value := assignment(text)
	if p.kind != "DATASET" || len(p.titles) > 1<<20 {
		return
	}
	if p.titles == nil {
		p.titles = map[string]string{}
	}
	value = strings.TrimPrefix(value, "Value for "+name+":")
	title, _, _ := strings.Cut(value, "; src:")
	p.titles[name] = strings.TrimSpace(title)
}

func (p *softParser) tableLine(line []string) error {
	if p.header {
		p.header = false
		switch p.kind {
		case "SAMPLE":
			return p.sampleHeader(line)
		case "DATASET":
			return p.datasetHeader(line)
		}
		return nil
	}
	switch p.kind {
	case "SAMPLE":
		if p.value >= len(line) {
			return fmt.Errorf("%d cells, want at least %d", len(line), p.value+1)
		}
		return p.table.row(p.set, []string{strings.TrimSpace(line[0]), line[p.value]})
	case "DATASET":
		line[0] = strings.TrimSpace(line[0])
		return p.table.row(p.set, line)
	}
	return nil // of a platform
}

func (p *softParser) sampleHeader(line []string) error {
	p.tables++
	p.value = slices.Index(line, "VALUE")
	if len(line) == 0 || line[0] != "ID_REF" || p.value < 0 {
		return fmt.Errorf("the table of sample %s has no columns ID_REF and VALUE", short(p.sample.ID))
	}
	p.table.columns = []*Sample{p.sample}
	return nil
}

func (p *softParser) datasetHeader(line []string) error {
	p.tables++
	if len(line) < 3 || line[0] != "ID_REF" || line[1] != "IDENTIFIER" {
		return errors.New("the table of the dataset has no columns ID_REF, IDENTIFIER and samples")
	}
	p.table.columns = []*Sample{nil}
	for _, id := range line[2:] {
		a, err := p.set.add(id, p.file)
		if err != nil {
			return err
		}
		a.Title, a.Platform = p.titles[id], p.array
		p.table.columns = append(p.table.columns, a)
	}
	for _, s := range p.about {
		for _, id := range s.samples {
			if a := p.set.names[strings.TrimSpace(id)]; a != nil && s.key != "" {
				if err := p.set.fact(a, s.key, s.value); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (p *softParser) end() error {
	switch {
	case p.inTable:
		return errors.New("cut off within a table")
	case p.tables == 0:
		return errors.New("no table of values, neither of a sample nor of a dataset")
	}
	return nil
}
