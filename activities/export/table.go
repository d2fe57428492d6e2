package export

import (
	"io"

	"github.com/cairn-bench/cairn/manifests/exchange"
)

// writeTable writes the labels of all samples, in the order of their ids.
func writeTable(j *job) error {
	w, err := j.out.write(exchange.TableFile, func(w io.Writer) error {
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
			j.doc.Samples[s.Split]++
		}
		return t.Close()
	})
	if err != nil {
		return err
	}
	return j.out.add(w)
}
