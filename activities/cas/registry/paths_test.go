package registry

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"pgregory.net/rapid"
)

// shards makes the manifest of a dataset whose layers begin with these paths.
func shards(first ...string) document {
	d := document{digest: "x", blobs: []ocispec.Descriptor{{Digest: "config"}, {Digest: "first"}}}
	for _, f := range first {
		l := ocispec.Descriptor{Digest: digest.Digest(f)}
		if f != "" {
			l.Annotations = map[string]string{FirstKey: f}
		}
		d.blobs = append(d.blobs, l)
	}
	return d
}

func chosen(p Paths, d document, alone bool) string {
	var out []string
	for _, b := range p.of(d, alone)[1:] {
		out = append(out, b.Digest.String())
	}
	return strings.Join(out, " ")
}

func TestPaths(t *testing.T) {
	data := shards("a/1", "test/5", "train/100", "train/500", "validation/3")
	never := func(string) bool { return false }
	for name, c := range map[string]struct {
		spans []Span
		want  string
	}{
		"folder":           {[]Span{Behind("train/")}, "first test/5 train/100 train/500"},
		"first of a shard": {[]Span{Exactly("train/500")}, "first train/500"},
		"in a shard":       {[]Span{Exactly("train/499")}, "first train/100"},
		"before all":       {[]Span{Behind("A")}, "first"},
		"behind all":       {[]Span{Behind("z")}, "first validation/3"},
		"all":              {[]Span{Behind("")}, "first a/1 test/5 train/100 train/500 validation/3"},
		"two":              {[]Span{Behind("a/"), Exactly("train/600")}, "first a/1 train/500"},
	} {
		if got := chosen(Paths{Spans: c.spans, Match: never}, data, true); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if got := chosen(Paths{}, data, true); got != "first a/1 test/5 train/100 train/500 validation/3" {
		t.Errorf("without a selection: %s", got)
	}
	for name, d := range map[string]document{"not told": shards("a", "", "c"), "not in order": shards("b", "a", "c")} {
		if got := p0.of(d, true); len(got) != len(d.blobs) {
			t.Errorf("%s: %d blobs of %d; want all", name, len(got), len(d.blobs))
		}
	}
}

var p0 = Paths{Spans: []Span{Behind("x")}, Match: func(string) bool { return false }}

// TestFilesAreLayers: of a model or an evaluation the files that match, unless it is a part of a benchmark.
func TestFilesAreLayers(t *testing.T) {
	d := shards()
	for _, title := range []string{"metrics.json", "predictions.jsonl"} {
		d.blobs = append(d.blobs, ocispec.Descriptor{Digest: digest.Digest(title), Annotations: map[string]string{ocispec.AnnotationTitle: title}})
	}
	p := Paths{Match: func(path string) bool { return path == "metrics.json" }}
	if got := chosen(p, d, true); got != "first metrics.json" {
		t.Errorf("alone: %s", got)
	}
	if got := chosen(p, d, false); got != "first metrics.json predictions.jsonl" {
		t.Errorf("in a benchmark: %s", got)
	}
}

// TestNoWantedShardIsLeftOut: whatever the shards and the paths, the shard that holds a wanted path is fetched.
func TestNoWantedShardIsLeftOut(t *testing.T) {
	path := rapid.StringMatching(`[ab\xff]{1,4}(/[ab]{1,3})?`)
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfNDistinct(path, 1, 20, rapid.ID).Draw(t, "paths")
		slices.Sort(all)
		holder := map[string]string{} // first path of the shard of a path
		var first []string
		for i, p := range all {
			if i == 0 || rapid.Bool().Draw(t, fmt.Sprint("cut before ", p)) {
				first = append(first, p)
			}
			holder[p] = first[len(first)-1]
		}
		begin := rapid.StringMatching(`[ab]{0,3}`).Draw(t, "begin")
		got := strings.Fields(chosen(Paths{Spans: []Span{Behind(begin)}, Match: func(string) bool { return true }}, shards(first...), true))
		for p, shard := range holder {
			if strings.HasPrefix(p, begin) && !slices.Contains(got, shard) {
				t.Errorf("%q lies in the shard from %q on, which is not fetched: %q", p, shard, got)
			}
		}
	})
}
