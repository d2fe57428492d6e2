package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
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
	first, err := t.take()
	if err != nil {
		return err
	}
	changed := fileName(t.n / 2)
	if err := os.WriteFile(filepath.Join(t.scene.dir, "input", "files", changed), []byte("changed"), 0o600); err != nil {
		return err
	}
	out, again, err := t.clock(take)
	if err != nil {
		return err
	}
	second, err := fetched(out)
	if err != nil {
		return err
	}
	t.got.Figures["taken again s"] = again
	if err := t.compare(first, second); err != nil {
		return err
	}
	return t.look(second, changed)
}

// compare counts the shards of the second artifact that are not in the first.
func (t *turn) compare(first, second string) error {
	before, err := t.shards(first)
	if err != nil {
		return err
	}
	after, err := t.shards(second)
	if err != nil {
		return err
	}
	fresh := slices.DeleteFunc(slices.Clone(after), func(d digest.Digest) bool { return slices.Contains(before, d) })
	t.got.Figures["shards"], t.got.Figures["new shards"] = float64(len(after)), float64(len(fresh))
	return nil
}

// shards are the layers of an artifact but the first, which says what the others hold.
func (t *turn) shards(id string) ([]digest.Digest, error) {
	text, err := os.ReadFile(blob(filepath.Join(t.dir, "home/store"), id))
	if err != nil {
		return nil, err
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, fmt.Errorf("%s: %w", id, err)
	}
	var out []digest.Digest
	for i, l := range m.Layers {
		if i > 0 {
			out = append(out, l.Digest)
		}
	}
	return out, nil
}

// look measures how fast one looks into an artifact.
func (t *turn) look(id, file string) error {
	_, list, err := t.clock("cairn ls " + id + " >/dev/null")
	if err != nil {
		return err
	}
	cat := fmt.Sprintf("test \"$(cairn cat %s %s)\" = changed", id, file)
	if _, _, err := t.clock(cat); err != nil {
		return err
	}
	_, warm, err := t.clock(cat)
	t.got.Figures["ls s"], t.got.Figures["cat ms"] = list, 1000*warm
	return err
}

// blob is where a store keeps a digest.
func blob(store, id string) string {
	return filepath.Join(store, "blobs", strings.ReplaceAll(id, ":", "/"))
}
