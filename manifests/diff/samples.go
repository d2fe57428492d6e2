package diff

import (
	"path"
	"slices"
	"strings"

	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/document"
)

// Sample is one sample of a curated dataset that is not the same.
type Sample struct {
	ID    string `json:"id"`
	State string `json:"state"` // added, removed or changed
	What  []Part `json:"what"`  // of one that changed
}

// Part is one thing about a sample.
type Part struct {
	Name string `json:"name"` // split, subject, labels, media, text, meta, sources
	Was  string `json:"was"`
	Is   string `json:"is"`
}

// Samples compares two curated datasets, whose samples are sorted by id. files is the difference of their files, which
// tells of media that have other bytes.
func Samples(was, is []document.Sample, files artifact.Difference) []Sample {
	bytes := map[string]bool{}
	for _, f := range files.Changed {
		key, _, _ := strings.Cut(path.Base(f.Is.Path), ".")
		bytes[key] = true
	}
	out := []Sample{}
	for len(was) > 0 || len(is) > 0 {
		switch {
		case len(is) == 0 || len(was) > 0 && was[0].ID < is[0].ID:
			out, was = append(out, Sample{ID: was[0].ID, State: Removed, What: []Part{}}), was[1:]
		case len(was) == 0 || is[0].ID < was[0].ID:
			out, is = append(out, Sample{ID: is[0].ID, State: Added, What: []Part{}}), is[1:]
		default:
			if parts := differ(was[0], is[0], bytes[is[0].ID]); len(parts) > 0 {
				out = append(out, Sample{ID: is[0].ID, State: Changed, What: parts})
			}
			was, is = was[1:], is[1:]
		}
	}
	return out
}

func differ(a, b document.Sample, bytes bool) []Part {
	var out []Part
	add := func(name, was, is string) {
		if was != is {
			out = append(out, Part{name, was, is})
		}
	}
	add("split", a.Split, b.Split)
	add("subject", a.Subject, b.Subject)
	add("labels", strings.Join(a.Labels, ", "), strings.Join(b.Labels, ", "))
	switch {
	case !slices.EqualFunc(a.Media, b.Media, sameForm):
		add("media", text(a.Media), text(b.Media))
	case bytes:
		out = append(out, Part{Name: "media", Was: "its bytes", Is: "others"})
	}
	add("text", a.Text, b.Text)
	add("meta", text(a.Meta), text(b.Meta))
	add("sources", text(a.Sources), text(b.Sources))
	return out
}

// sameForm compares two media but for the folder, which is the split.
func sameForm(a, b document.Media) bool {
	a.Path, b.Path = path.Base(a.Path), path.Base(b.Path)
	return a.Path == b.Path && a.Type == b.Type && slices.Equal(a.Shape, b.Shape) && a.DType == b.DType && a.SamplingRate == b.SamplingRate
}

// text is a value as JSON.
func text(v any) string {
	b, err := canonical.Marshal(v)
	if err != nil {
		return err.Error() // of numbers that JSON has no form for
	}
	return string(b)
}
