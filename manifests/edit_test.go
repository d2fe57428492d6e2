package manifests_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/cairn-bench/cairn/manifests"
)

type added struct {
	Who  string `json:"who"`
	Salt string `json:"salt"`
}

var (
	listPath = []string{"datasets", "a", "curate", "params", "list"}
	anItem   = added{Who: "sha256:ab", Salt: "0123"}
)

// TestAppend: whatever the form of the file, what stood there stands there, comments and all.
func TestAppend(t *testing.T) {
	for name, c := range map[string]struct{ before, after string }{
		"parameters": {
			"datasets:\n  a:\n    curate:\n      plugin: image # why\n      params:\n        # small\n        size: 64\n\n  # the other\n  b: {}\n",
			"datasets:\n  a:\n    curate:\n      plugin: image # why\n      params:\n        # small\n        size: 64\n        list:\n          - who: \"sha256:ab\"\n            salt: \"0123\"\n\n  # the other\n  b: {}\n",
		},
		"no parameters": {
			"datasets:\n    a:\n        curate:\n            plugin: image\n",
			"datasets:\n    a:\n        curate:\n            plugin: image\n            params:\n              list:\n                - who: \"sha256:ab\"\n                  salt: \"0123\"\n",
		},
		"a list": {
			"datasets:\n  a:\n    curate:\n      params:\n        list:\n        - who: x # first\n          salt: y\n        # end\n        size: 1\n",
			"datasets:\n  a:\n    curate:\n      params:\n        list:\n        - who: x # first\n          salt: y\n        - who: \"sha256:ab\"\n          salt: \"0123\"\n        # end\n        size: 1\n",
		},
		"no end of the line": {
			"datasets: \n  a:\n    curate:\n      params:\n        size: 1",
			"datasets: \n  a:\n    curate:\n      params:\n        size: 1\n        list:\n          - who: \"sha256:ab\"\n            salt: \"0123\"\n",
		},
		"Windows": {
			"datasets:\r\n  a:\r\n    curate:\r\n      params:\r\n        size: 1\r\nmodels: {}\r\n",
			"datasets:\r\n  a:\r\n    curate:\r\n      params:\r\n        size: 1\r\n        list:\r\n          - who: \"sha256:ab\"\r\n            salt: \"0123\"\r\nmodels: {}\r\n",
		},
		"a flow": {
			"datasets:\n  a: {title: \"é\", curate:   {plugin: image}} # é\n",
			"datasets:\n  a: {title: \"é\", curate:   {params: {list: [{who: \"sha256:ab\", salt: \"0123\"}]}, plugin: image}} # é\n",
		},
		"a flow in the one form": {
			"datasets:\n  a: {curate: {plugin: image, seed: 1}}\n",
			"datasets:\n  a: {curate: {plugin: image, seed: 1, params: {list: [{who: \"sha256:ab\", salt: \"0123\"}]}}}\n",
		},
		"an empty flow": {
			"datasets: {a: {curate: {params: {}}}}\n",
			"datasets: {a: {curate: {params: {list: [{who: \"sha256:ab\", salt: \"0123\"}]}}}}\n",
		},
		"a list in a flow": {
			"datasets: {a: {curate: {params: {list: [{who: x}]}}}}\n",
			"datasets: {a: {curate: {params: {list: [{who: \"sha256:ab\", salt: \"0123\"}, {who: x}]}}}}\n",
		},
		"a text of several lines": {
			"datasets:\n  a:\n    curate:\n      params:\n        note: >-\n          one\n          two\n  b: {}\n",
			"datasets:\n  a:\n    curate:\n      params:\n        note: >-\n          one\n          two\n        list:\n          - who: \"sha256:ab\"\n            salt: \"0123\"\n  b: {}\n",
		},
	} {
		got, err := manifests.Append("f", []byte(c.before), listPath, anItem)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.after, string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestAppendByHand: where it is not safe, a person is told what to write.
func TestAppendByHand(t *testing.T) {
	for _, text := range []string{
		"datasets: {a: {curate: {params: {list: 1}}}}\n",
		"datasets:\n  a:\n    curate:\n      params:\n",
		"datasets:\n  a:\n    curate:\n      params:\n        note: |\n          one\n\n          # two\n",
	} {
		_, err := manifests.Append("f", []byte(text), listPath, anItem)
		byHand, ok := errors.AsType[*manifests.ByHand](err)
		if !ok || byHand.Path != "datasets.a.curate.params.list" {
			t.Errorf("%q: error is %v", text, err)
			continue
		}
		var doc map[string]any
		if err := yaml.Unmarshal([]byte(byHand.Lines), &doc); err != nil || !strings.Contains(byHand.Lines, "list:\n          - who: \"sha256:ab\"") {
			t.Errorf("%v: told to write\n%s", err, byHand.Lines)
		}
	}
	if _, err := manifests.Append("f", []byte("a: [\n"), listPath, anItem); err == nil || !strings.Contains(err.Error(), "not YAML") {
		t.Errorf("error is %v", err)
	}
}

// FuzzAppend: bytes are only put in, and the item is there.
func FuzzAppend(f *testing.F) {
	f.Add(good(f))
	f.Add([]byte("datasets:\n  a:\n    curate:\n      params:\n        list:\n        - who: x # first\n          salt: y\n        # end\n"))
	f.Add([]byte("datasets: {a: {curate: {params: {list: [{who: x}]}}}}\n"))
	f.Add([]byte("datasets:\r\n  a:\n    curate: # é\n      plugin: 'a\n\n         b'"))
	f.Fuzz(func(t *testing.T, text []byte) {
		out, err := manifests.Append("f", text, listPath, anItem)
		if err != nil {
			return
		}
		if !bytes.Contains(out, []byte(anItem.Who)) {
			t.Fatalf("the item is not in\n%s", out)
		}
		var doc any
		if err := yaml.Unmarshal(out, &doc); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if tidy, err := manifests.Format("f", text); err == nil && bytes.Equal(tidy, text) {
			return // keys of a flow may have changed places
		}
		at := 0
		for i := range len(out) {
			if at < len(text) && out[i] == text[at] {
				at++
			}
		}
		if at < len(text) {
			t.Fatalf("something is lost of\n%s\nin\n%s", text, out)
		}
	})
}
