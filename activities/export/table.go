package export

import (
	"io"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/exchange"
)

// writeTable writes the labels of all samples, in the order of their ids.
func writeTable(j *job) error {
	return j.table(exchange.TableFile, func(s document.Sample) { j.doc.Samples[s.Split]++ })
}

func (j *job) table(name string, each func(document.Sample)) error {
	w, err := j.out.write(name, func(w io.Writer) error {
		t, err := exchange.NewTable(w, j.set.Info)
		if err != nil {
			return err
		}
		for s, err := range j.set.Samples() {
			if err == nil {
				err = t.Write(s)
			}
			if err != nil {
				return err
			}
			each(s)
		}
		return t.Close()
	})
	if err != nil {
		return err
	}
	return j.out.add(w)
}
