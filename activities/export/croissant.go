package export

import (
	"encoding/hex"
	"io"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/exchange"
	"github.com/cairn-bench/cairn/manifests/exchange/croissant"
)

// writeCroissant writes a table of the samples and the shards, and beside them the description of both. Of data that may
// not be passed on it writes a description of counts alone.
func writeCroissant(j *job) error {
	d := croissant.Dataset{Artifact: j.set.Artifact, Info: j.set.Info, Restricted: j.doc.Restricted, About: j.opts.About}
	var err error
	if d.Curation, err = j.set.Curation(); err != nil {
		return err
	}
	for split, n := range j.set.Info.Samples {
		j.doc.Samples[split] = n
	}
	if j.doc.Restricted == "" {
		if d.Files, err = j.described(); err != nil {
			return err
		}
	} else {
		j.doc.Notes = append(j.doc.Notes, "counts only: samples and their ids stay where the data may be")
	}
	w, err := j.out.write(exchange.CroissantFile, func(w io.Writer) error {
		text, err := croissant.Describe(d)
		if err == nil {
			_, err = w.Write(text)
		}
		return err
	})
	if err != nil {
		return err
	}
	return j.out.add(w)
}

// described writes the files that are described.
func (j *job) described() ([]croissant.File, error) {
	j.out.keep = true
	err := j.table(croissant.SamplesFile, func(document.Sample) {})
	if err == nil {
		err = j.shards(croissant.Shards(j.set.Artifact))
	}
	var out []croissant.File
	for _, w := range j.out.kept {
		out = append(out, croissant.File{Name: w.path, Size: w.size, SHA256: hex.EncodeToString(w.sum)})
	}
	return out, err
}
