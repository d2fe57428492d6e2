package export

import (
	"encoding/csv"
	"errors"
	"fmt"

	"github.com/cairn-bench/cairn/activities/curated"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/exchange"
)

// dir is an export as plain folders, a class each, as torchvision's ImageFolder reads them.
type dir struct {
	*job
	tables map[string]*sheet // by split, where one label is not enough
}

// sheet is a labels.csv.
type sheet struct {
	*file
	rows *csv.Writer
}

func writeDir(j *job) error {
	d := &dir{job: j, tables: map[string]*sheet{}}
	err := each(j, d.sample, d.row)
	for _, split := range document.Splits() {
		t := d.tables[split]
		if t == nil {
			continue
		}
		t.rows.Flush()
		w, closed := t.close(errors.Join(err, t.rows.Error()))
		if err = closed; err == nil {
			err = d.out.add(w)
		}
	}
	return err
}

// place is where the files of a sample lie.
func (d *dir) place(s document.Sample) (string, error) {
	if d.set.Info.Task.Type == document.Multilabel {
		return s.Split + "/", nil
	}
	if len(s.Labels) != 1 {
		return "", fmt.Errorf("sample %s has %d labels, and its task needs one", s.ID, len(s.Labels))
	}
	return s.Split + "/" + exchange.ClassFolder(s.Labels[0]) + "/", nil
}

func (d *dir) sample(s document.Sample) ([]written, error) {
	place, err := d.place(s)
	if err != nil {
		return nil, err
	}
	var out []written
	for _, m := range s.Media {
		w, err := d.media(place+s.ID, m)
		if err != nil {
			return nil, err
		}
		out = append(out, w)
	}
	if s.Text != "" {
		w, err := d.text(place+s.ID+".txt", s.Text)
		if err != nil {
			return nil, err
		}
		out = append(out, w)
	}
	return out, nil
}

func (d *dir) media(stem string, m document.Media) (written, error) {
	switch {
	case curated.Pictured(m):
		return d.picture(stem+part(m)+".png", m)
	case curated.Filmed(m):
		return d.film(stem+part(m)+".avi", []document.Media{m})
	}
	return d.copied(stem+"."+curated.Extension(m), m.Path)
}

func (d *dir) row(s document.Sample, files []written) error {
	if err := d.out.add(files...); err != nil || d.set.Info.Task.Type != document.Multilabel {
		return err
	}
	t := d.tables[s.Split]
	if t == nil {
		f, err := d.out.create(s.Split + "/" + exchange.LabelsFile)
		if err != nil {
			return err
		}
		t = &sheet{f, csv.NewWriter(f)}
		d.tables[s.Split] = t
		if err := t.rows.Write(exchange.LabelsHeader(*d.set.Info.Task)); err != nil {
			return err
		}
	}
	var names []string
	for _, w := range files {
		names = append(names, w.path[len(s.Split)+1:])
	}
	return t.rows.Write(exchange.LabelsRow(*d.set.Info.Task, s, names))
}
