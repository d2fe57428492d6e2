package export

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"

	"github.com/cairn-bench/cairn/activities/curated"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/exchange"
)

// annotated is a sample whose files are written.
type annotated struct {
	exchange.Annotation
	record string // of a signal: its path without extensions
	files  []written
}

// climb is an export in CLIMB's format.
type climb struct {
	*job
	lines  map[string]*file // by split
	splits *file            // <dataset>_splits.csv, once there is a signal
	rows   *csv.Writer
	silent int // samples without a positive class
}

func writeClimb(j *job) error {
	c := &climb{job: j, lines: map[string]*file{}}
	err := each(j, c.sample, c.line)
	for _, split := range document.Splits() {
		if f := c.lines[split]; f != nil {
			err = c.end(f, err)
		}
	}
	if c.splits != nil {
		c.rows.Flush()
		err = c.end(c.splits, errors.Join(err, c.rows.Error()))
	}
	if c.silent > 0 {
		j.doc.Notes = append(j.doc.Notes, fmt.Sprintf("%d samples have no positive class and an empty answer; the loaders of CLIMB leave such samples out", c.silent))
	}
	return err
}

// end closes and counts a file.
func (c *climb) end(f *file, err error) error {
	w, err := f.close(err)
	if err != nil {
		return err
	}
	return c.out.add(w)
}

func (c *climb) sample(s document.Sample) (annotated, error) {
	a := annotated{}
	var err error
	if curated.Sequence(s.Media) {
		err = a.video(s, "", func(name string) (written, error) { return c.film(name, s.Media) })
	} else {
		for _, m := range s.Media {
			if err = c.media(&a, s, m); err != nil {
				break
			}
		}
	}
	a.Annotation = exchange.Annotate(c.set.Info, s, a.Annotation)
	return a, err
}

func (a *annotated) video(s document.Sample, part string, write func(string) (written, error)) error {
	name := "videos/" + s.Split + "/" + s.ID + part + ".avi"
	a.Videos = append(a.Videos, name)
	return a.keep(write(name))
}

func (a *annotated) keep(w written, err error) error {
	if err == nil {
		a.files = append(a.files, w)
	}
	return err
}

func (c *climb) media(a *annotated, s document.Sample, m document.Media) error {
	stem := s.Split + "/" + s.ID + part(m)
	switch {
	case curated.Pictured(m):
		name := "images/" + stem + ".png"
		a.Images = append(a.Images, name)
		return a.keep(c.picture(name, m))
	case curated.Filmed(m):
		return a.video(s, part(m), func(name string) (written, error) { return c.film(name, []document.Media{m}) })
	case m.Type == curated.Signal && m.DType == "float32" && len(m.Shape) == 2:
		return c.signal(a, s, m, "signals/"+stem)
	}
	name := "files/" + s.Split + "/" + s.ID + "." + curated.Extension(m)
	a.Files = append(a.Files, name)
	return a.keep(c.copied(name, m.Path))
}

func (c *climb) signal(a *annotated, s document.Sample, m document.Media, record string) error {
	array, err := c.set.Array(m)
	if err != nil {
		return err
	}
	if array.DType != "float32" || len(array.Shape) != 2 {
		return fmt.Errorf("%s: %s of shape %v is no signal, though the sample says so", m.Path, array.DType, array.Shape)
	}
	leads, n := array.Shape[0], array.Shape[1]
	a.record = record
	a.Signals = append(a.Signals, record+".mat")
	if err := a.keep(c.out.write(record+".mat", func(w io.Writer) error {
		_, err := w.Write(exchange.Matlab(leads, n, array.Float32()))
		return err
	})); err != nil {
		return err
	}
	return a.keep(c.out.write(record+".hea", func(w io.Writer) error {
		_, err := w.Write(exchange.Header(s.ID+part(m), m.SamplingRate, n))
		return err
	}))
}

// line adds a sample to the annotations of its side.
func (c *climb) line(s document.Sample, a annotated) error {
	if err := c.out.add(a.files...); err != nil {
		return err
	}
	if len(s.Labels) == 0 {
		c.silent++
	}
	f := c.lines[s.Split]
	if f == nil {
		var err error
		if f, err = c.out.create("annotation_" + exchange.ClimbSplit(s.Split) + ".jsonl"); err != nil {
			return err
		}
		c.lines[s.Split] = f
	}
	line, err := a.Line()
	if err == nil {
		_, err = f.Write(line)
	}
	if err == nil && a.record != "" {
		err = c.row(s, a.record)
	}
	return err
}

// row adds a signal to the table of records.
func (c *climb) row(s document.Sample, record string) error {
	if c.splits == nil {
		var err error
		if c.splits, err = c.out.create(exchange.ClassFolder(c.set.Info.ID) + "_splits.csv"); err != nil {
			return err
		}
		c.rows = csv.NewWriter(c.splits)
		if err := c.rows.Write(exchange.SplitsHeader(*c.set.Info.Task)); err != nil {
			return err
		}
	}
	return c.rows.Write(exchange.SplitsRow(*c.set.Info.Task, s, record))
}
