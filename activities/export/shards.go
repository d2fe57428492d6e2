package export

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/curated"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/document"
)

// shards is an export as the shards of the artifact.
type shards struct {
	*job
	folder string
	count  map[string]int // by split
	blob   digest.Digest
	runs   []run // of the files of blob
}

// run is files of one shard on one side.
type run struct {
	split string
	files []artifact.Place
}

// writeShards copies the shards, and writes the labels beside them.
func writeShards(j *job) error {
	if err := j.shards(""); err != nil {
		return err
	}
	for s, err := range j.set.Samples() {
		if err != nil {
			return err
		}
		j.doc.Samples[s.Split]++
	}
	j.doc.Notes = append(j.doc.Notes, "the labels are in samples.jsonl; the key of a sample is its split, a slash and its id")
	for _, name := range []string{document.DatasetFile, document.SamplesFile} {
		w, err := j.copied(name, name)
		if err == nil {
			err = j.out.add(w)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// shards copies every shard whose files are all on one side, and cuts the few in two that are not. Their names begin with folder.
func (j *job) shards(folder string) error {
	h := &shards{job: j, folder: folder, count: map[string]int{}}
	for p, err := range j.set.Files() {
		if err == nil {
			err = h.place(p)
		}
		if err != nil {
			return err
		}
	}
	return h.flush()
}

// place takes the next file in the order of the paths.
func (h *shards) place(p artifact.Place) error {
	split, _, inside := strings.Cut(p.Path, "/")
	if !inside || !slices.Contains(document.Splits(), split) {
		return nil // a document
	}
	if p.Blob != h.blob {
		if err := h.flush(); err != nil {
			return err
		}
		h.blob = p.Blob
	}
	if n := len(h.runs); n == 0 || h.runs[n-1].split != split {
		h.runs = append(h.runs, run{split: split})
	}
	last := &h.runs[len(h.runs)-1]
	last.files = append(last.files, p)
	return nil
}

func (h *shards) flush() error {
	for _, r := range h.runs {
		name := h.folder + shardName(r.split, h.count[r.split])
		h.count[r.split]++
		w, err := h.out.write(name, func(w io.Writer) error {
			if len(h.runs) == 1 {
				return h.whole(w)
			}
			return h.cut(w, r.files)
		})
		if err == nil {
			err = h.out.add(w)
		}
		if err != nil {
			return err
		}
	}
	h.runs = nil
	return nil
}

func shardName(split string, n int) string { return fmt.Sprintf("%s-%06d.tar", split, n) }

// whole copies a shard; its bytes are checked.
func (h *shards) whole(w io.Writer) error {
	r, err := h.set.Blob(h.blob)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(w, r)
	return err
}

func (h *shards) cut(w io.Writer, files []artifact.Place) error {
	var entries []artifact.Entry
	for _, p := range files {
		entries = append(entries, artifact.Entry{Path: p.Path, Size: p.Size})
	}
	return artifact.WriteShard(w, entries, func(i int, _ int64, w io.Writer) error {
		r, err := h.set.OpenPlace(files[i])
		if err != nil {
			return err
		}
		defer r.Close()
		_, err = io.Copy(w, r)
		return err
	})
}

// shardSize is when a shard with labels ends.
const shardSize = 64 << 20

// labelled is an export as shards with labels in them.
type labelled struct {
	*job
	open  map[string]*shard // by split
	count map[string]int
}

// shard is a tar that grows.
type shard struct {
	*file
	tar *tar.Writer
}

// member is a file of a shard.
type member struct {
	ext  string
	data []byte
}

// writeLabelled writes a .json with the whole record beside the media of each sample, and of a task of one label a .cls
// with the place of the label among the classes.
func writeLabelled(j *job) error {
	l := &labelled{job: j, open: map[string]*shard{}, count: map[string]int{}}
	err := each(j, l.members, l.add)
	for _, split := range document.Splits() {
		err = errors.Join(err, l.end(split))
	}
	if err != nil {
		return err
	}
	w, err := j.copied(document.DatasetFile, document.DatasetFile)
	if err == nil {
		err = j.out.add(w)
	}
	return err
}

func (l *labelled) members(s document.Sample) ([]member, error) {
	record, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	out := []member{{"json", record}}
	if task := l.set.Info.Task; task.Type == document.Multiclass && len(s.Labels) == 1 {
		out = append(out, member{"cls", fmt.Appendf(nil, "%d", slices.Index(task.Classes, s.Labels[0]))})
	}
	if s.Text != "" {
		out = append(out, member{"txt", []byte(s.Text)})
	}
	for _, m := range s.Media {
		data, err := l.set.Read(m.Path, curated.MaxMedia)
		if err != nil {
			return nil, err
		}
		out = append(out, member{curated.Extension(m), data})
	}
	slices.SortFunc(out, func(a, b member) int { return strings.Compare(a.ext, b.ext) })
	for i := 1; i < len(out); i++ {
		if out[i].ext == out[i-1].ext {
			return nil, fmt.Errorf("sample %s has two files with the extension %q, one of which holds its labels", s.ID, out[i].ext)
		}
	}
	return out, nil
}

func (l *labelled) add(s document.Sample, members []member) error {
	h := l.open[s.Split]
	if h == nil {
		f, err := l.out.create(shardName(s.Split, l.count[s.Split]))
		if err != nil {
			return err
		}
		l.count[s.Split]++
		h = &shard{f, tar.NewWriter(f)}
		l.open[s.Split] = h
	}
	for _, m := range members {
		head := tar.Header{Typeflag: tar.TypeReg, Name: s.Split + "/" + s.ID + "." + m.ext, Size: int64(len(m.data)), Mode: 0o644, ModTime: time.Unix(0, 0).UTC()}
		if err := h.tar.WriteHeader(&head); err != nil {
			return err
		}
		if _, err := h.tar.Write(m.data); err != nil {
			return err
		}
	}
	if h.size >= shardSize {
		return l.end(s.Split)
	}
	return nil
}

// end closes the open shard of a split, if there is one.
func (l *labelled) end(split string) error {
	h := l.open[split]
	if h == nil {
		return nil
	}
	delete(l.open, split)
	w, err := h.close(h.tar.Close())
	if err != nil {
		return err
	}
	return l.out.add(w)
}
