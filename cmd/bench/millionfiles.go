package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

var millionFiles = workload{
	name: "million-files", title: "take in %d files of 1 KiB", unit: "files",
	sizes: map[string]int{"tiny": 100, "small": 20_000, "full": 1_000_000},
	most:  1,

	prepare: func(t *turn) error { return writeFiles(filepath.Join(t.dir, "files"), t.n, 1<<10) },
	sides:   []side{{name: cairn, version: cairnVersion, work: takeMillion}},
	goals: []goal{
		{text: "at least 10,000 files/s", limit: 10_000, least: true, unit: " files/s", have: rate},
		{text: "at most 300 MB of memory", limit: 300e6 / mebi, unit: " MiB", have: memoryPeak},
		{text: "one file changed: at most 2 new shards", limit: 2, have: figureOf("new shards")},
		{text: "one file read by its path in at most 50 ms, warm", limit: 50, unit: " ms", have: figureOf("cat ms")},
	},
	notes: "Cairn alone; git-annex would need hours. Then one file is changed and the folder taken in again, its files are listed\n" +
		"with `cairn ls`, and one is written with `cairn cat`, the second time of two, with the start of the program.",
}

func takeMillion(t *turn) error {
	if err := takeFiles(t); err != nil {
		return err
	}
	before, err := t.taken()
	if err != nil {
		return err
	}
	changed := fileName(t.n / 2)
	if err := os.WriteFile(filepath.Join(t.scene.dir, "input", "files", changed), []byte("changed"), 0o600); err != nil {
		return err
	}
	again, err := t.clock(take + " >again.json")
	if err != nil {
		return err
	}
	after, err := t.taken()
	if err != nil {
		return err
	}
	t.got.Figures["taken again s"] = again.Seconds()
	t.got.Figures["shards"] = float64(len(after.shards))
	t.got.Figures["new shards"] = float64(after.notIn(before))
	return t.look(after.id, changed)
}

// look measures how fast one looks into an artifact.
func (t *turn) look(id, file string) error {
	list, err := t.clock("cairn ls " + id + " >/dev/null")
	if err != nil {
		return err
	}
	cat := fmt.Sprintf("test \"$(cairn cat %s %s)\" = changed", id, file)
	if _, err := t.clock(cat); err != nil {
		return err
	}
	warm, err := t.clock(cat)
	t.got.Figures["ls s"], t.got.Figures["cat ms"] = list.Seconds(), float64(warm.Milliseconds())
	return err
}

// packed is an artifact in the store of a turn.
type packed struct {
	id     string
	shards []string // without the first layer, which says what the others hold
}

// taken is what the manifest of the turn gives; all of it is in the cache.
func (t *turn) taken() (packed, error) {
	out, err := t.shell(take)
	if err != nil {
		return packed{}, err
	}
	id, err := fetched(out)
	if err != nil {
		return packed{}, err
	}
	text, err := os.ReadFile(blob(filepath.Join(t.dir, "home/store"), id))
	if err != nil {
		return packed{}, err
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return packed{}, err
	}
	p := packed{id: id}
	for i, l := range m.Layers {
		if i > 0 {
			p.shards = append(p.shards, l.Digest.String())
		}
	}
	return p, nil
}

// blob is where a store keeps a digest.
func blob(store, id string) string {
	return filepath.Join(store, "blobs", strings.ReplaceAll(id, ":", "/"))
}

// notIn counts the shards that another image has not.
func (p packed) notIn(other packed) int {
	had := map[string]bool{}
	for _, s := range other.shards {
		had[s] = true
	}
	n := 0
	for _, s := range p.shards {
		if !had[s] {
			n++
		}
	}
	return n
}
