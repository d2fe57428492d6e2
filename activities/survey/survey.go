// Package survey looks at a curated dataset in the store and makes the sheet and the page that package report shows:
// one pass over the samples, of which it keeps a few. Which ones follows from their ids alone. The page of data that may not be
// passed on gets no sample, since none is read.
package survey

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/cairn-bench/cairn/activities/curated"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/report"
)

// How much a page shows.
const (
	maxSamples  = 48 // of all classes together
	mostOfClass = 4
	maxGroups   = 12 // of duplicates, with pictures
	maxOfGroup  = 4
)

// Sheet says what is in a dataset. restricted says why the data may not be passed on, "" if they may.
func Sheet(d *curated.Dataset, restricted string) (report.Sheet, error) {
	s, _, err := look(d, restricted, nil)
	return s, err
}

// Page says it and shows samples, none of data that may not be passed on.
func Page(d *curated.Dataset, restricted string) (report.Sheet, report.Display, error) {
	c := &chosen{of: map[string][]ranked{}, classes: d.Info.Task.Classes}
	s, display, err := look(d, restricted, c)
	return s, display, err
}

func look(d *curated.Dataset, restricted string, c *chosen) (report.Sheet, report.Display, error) {
	cur, err := d.Curation()
	if err != nil {
		return report.Sheet{}, report.Display{}, err
	}
	s := report.NewSheet(d.Artifact, d.Info, cur, restricted)
	if s.Restricted != "" {
		c = nil
	}
	c.want(s.Duplicates.Listed)
	for sample, err := range d.Samples() {
		if err != nil {
			return s, report.Display{}, err
		}
		s.See(sample)
		c.see(sample)
	}
	if c == nil {
		return s, report.Display{}, nil
	}
	display, err := c.display(d, s.Duplicates.Listed)
	return s, display, err
}

// chosen collects the samples that are shown; a nil one collects nothing.
type chosen struct {
	classes []string
	of      map[string][]ranked         // class -> those of the lowest rank, in its order
	named   map[string]*document.Sample // those that duplicates name, nil until they are seen
}

type ranked struct {
	rank   string
	sample document.Sample
}

// noClass stands for the samples without a label; no class is called so, as a name is not empty.
const noClass = ""

func (c *chosen) want(groups []document.DuplicateGroup) {
	if c == nil {
		return
	}
	c.named = map[string]*document.Sample{}
	for _, g := range groups[:min(len(groups), maxGroups)] {
		for _, name := range g.Samples[:min(len(g.Samples), maxOfGroup)] {
			c.named[name] = nil
		}
	}
}

// each is how many samples a class shows.
func (c *chosen) each() int { return max(1, min(mostOfClass, maxSamples/max(1, len(c.classes)))) }

func (c *chosen) see(s document.Sample) {
	if c == nil {
		return
	}
	if _, wanted := c.named[s.Split+"/"+s.ID]; wanted {
		c.named[s.Split+"/"+s.ID] = &s
	}
	labels := s.Labels
	if len(labels) == 0 {
		labels = []string{noClass}
	}
	r := ranked{rankOf(s.ID), s}
	for _, l := range labels {
		list := c.of[l]
		at, _ := slices.BinarySearchFunc(list, r, func(a, b ranked) int { return cmp.Compare(a.rank, b.rank) })
		if at < c.each() {
			list = slices.Insert(list, at, r)
			c.of[l] = list[:min(len(list), c.each())]
		}
	}
}

func rankOf(id string) string {
	sum := sha256.Sum256([]byte("cairn/show/v1\n" + id))
	return hex.EncodeToString(sum[:8])
}

// display reads what is shown. A sample of several classes is shown once, with the first of them.
func (c *chosen) display(d *curated.Dataset, groups []document.DuplicateGroup) (report.Display, error) {
	var out report.Display
	shown := map[string]bool{}
	total := 0
	for _, class := range append(slices.Clone(c.classes), noClass) {
		group := report.ClassExhibits{Class: class}
		if class == noClass {
			group.Class = "no class"
		}
		for _, r := range c.of[class] {
			if shown[r.sample.ID] || total == maxSamples {
				continue
			}
			shown[r.sample.ID] = true
			total++
			e, err := exhibit(d, r.sample)
			if err != nil {
				return out, err
			}
			group.Exhibits = append(group.Exhibits, e)
		}
		if len(group.Exhibits) > 0 {
			out.Classes = append(out.Classes, group)
		}
	}
	for _, g := range groups[:min(len(groups), maxGroups)] {
		var twins []report.Exhibit
		for _, name := range g.Samples[:min(len(g.Samples), maxOfGroup)] {
			e, err := c.twin(d, name)
			if err != nil {
				return out, err
			}
			twins = append(twins, e)
		}
		out.Duplicates = append(out.Duplicates, twins)
	}
	return out, nil
}

// twin is one of a group of duplicates; one that was left out has nothing to show.
func (c *chosen) twin(d *curated.Dataset, name string) (report.Exhibit, error) {
	if s := c.named[name]; s != nil {
		return exhibit(d, *s)
	}
	split, id, _ := strings.Cut(name, "/")
	return report.Exhibit{ID: id, Split: split, Note: "left out of the dataset"}, nil
}
