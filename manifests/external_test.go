package manifests_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/catalog"
)

// withPlugin is the good manifest with a plugin of its own, which curates ecg.
func withPlugin(t testing.TB) string {
	t.Helper()
	text := strings.Replace(string(good(t)), "\ndatasets:", "\nplugins:\n  mine: plugins/mine\n\ndatasets:", 1)
	return strings.Replace(text, "plugin: ecg", "plugin: mine", 1)
}

// externals are the plugins that are looked up for a manifest.
func externals(text string) []manifests.External {
	var found []manifests.External
	_, _ = manifests.ParseWith("f.yaml", []byte(text), func(all []manifests.External) (catalog.Catalog, error) {
		found = all
		return nil, nil
	})
	return found
}

// TestExternals: what stands in the section is found, and the rest of the file need not be right.
func TestExternals(t *testing.T) {
	for _, text := range []string{withPlugin(t), "plugins: {mine: plugins/mine}\ndatasets: 7\n"} {
		got := externals(text)
		if len(got) != 1 || got[0].Name != "mine" || got[0].Folder != "plugins/mine" {
			t.Errorf("plugins are %+v", got)
			continue
		}
		var all manifests.Errors
		if err := got[0].Errorf("no %s", "folder"); !errors.As(err, &all) || all[0].Path != "plugins.mine" || all[0].Line < 1 || all[0].Message != "no folder" {
			t.Errorf("error is %v", err)
		}
	}
	for _, text := range []string{"", "x", "plugins: []", "plugins: {a: /abs}", "a: &x b\nc: *x\nplugins: {a: b}"} {
		if got := externals(text); len(got) > 0 {
			t.Errorf("%q has the plugins %+v", text, got)
		}
	}
}

// TestExternalNotFound: whoever looks for a plugin has the last word.
func TestExternalNotFound(t *testing.T) {
	gone := errors.New("gone")
	b, err := manifests.ParseWith("f.yaml", []byte(withPlugin(t)), func([]manifests.External) (catalog.Catalog, error) { return nil, gone })
	if b != nil || !errors.Is(err, gone) {
		t.Errorf("%+v, %v", b, err)
	}
}

// TestUnknownExternal: of a plugin that is not in the catalog its parameters are kept as they are; of one that is, they are
// checked.
func TestUnknownExternal(t *testing.T) {
	text := withPlugin(t)
	cat := smallCatalog(t)
	b, err := manifests.Parse("f.yaml", []byte(text), cat)
	if err != nil || b.Plugins["mine"] != "plugins/mine" || !strings.Contains(string(b.Datasets["ecg"].Curate.Params), `"rate":100`) {
		t.Fatalf("%+v, %v", b, err)
	}
	spec := catalog.Spec{Kind: catalog.Curate, Name: "mine", Version: "1", Digest: digest.FromString("folder"), Params: []byte(`{"type":"object","properties":{"size":{"type":"integer"}},"additionalProperties":false}`)}
	if _, err := manifests.Parse("f.yaml", []byte(text), append(cat, spec)); err == nil || !strings.Contains(err.Error(), "curate.params.rate: unknown parameter") {
		t.Errorf("error is %v", err)
	}
	spec.Kind = catalog.Pretrain
	if _, err := manifests.Parse("f.yaml", []byte(text), append(cat, spec)); err == nil || !strings.Contains(err.Error(), `there is no curate plugin "mine"`) {
		t.Errorf("a plugin of another kind: %v", err)
	}
}

// TestExternalSection: what is wrong with the section is said at its place.
func TestExternalSection(t *testing.T) {
	for folder, want := range map[string]string{
		"/abs": "want the path of a folder below", "../mine": "want the path of a folder below", ".": "want the path of a folder below", "a/../b": "want the path of a folder below",
		"7": "want a text", "[a]": "want a text", "": "want a text",
	} {
		text := strings.Replace(withPlugin(t), "mine: plugins/mine", "mine: "+folder, 1)
		_, err := manifests.Parse("f.yaml", []byte(text), smallCatalog(t))
		if err == nil || !strings.Contains(err.Error(), "plugins.mine: "+want) {
			t.Errorf("%q: error is %v, want %q", folder, err, want)
		}
	}
	text := strings.Replace(withPlugin(t), "mine: plugins/mine", "Mi ne: plugins/mine", 1)
	if _, err := manifests.Parse("f.yaml", []byte(text), smallCatalog(t)); err == nil || !strings.Contains(err.Error(), "a name has lower-case letters") {
		t.Errorf("error is %v", err)
	}
}

// TestSchemaOfExternals: an editor takes the name of a plugin that comes along, and no other.
func TestSchemaOfExternals(t *testing.T) {
	resolved := smallSchema(t)
	text := withPlugin(t)
	if err := resolved.Validate(jsonOf(t, text)); err != nil {
		t.Errorf("a plugin that comes along: %v", err)
	}
	if err := resolved.Validate(jsonOf(t, strings.Replace(text, "\nplugins:\n  mine: plugins/mine\n", "", 1))); err == nil {
		t.Error("a plugin that does not come along is taken")
	}
}

// TestParamsCheckedOnce: of two steps with the same wrong parameters both are told of, and what was right of one plugin
// says nothing of another.
func TestParamsCheckedOnce(t *testing.T) {
	spec := func(name, least string) catalog.Spec {
		return catalog.Spec{Kind: catalog.Fetch, Name: name, Version: "1", Params: []byte(`{"type":"object","properties":{"n":{"type":"integer","minimum":` + least + `}},"additionalProperties":false}`)}
	}
	cat := catalog.Catalog{spec("low", "1"), spec("high", "9"), {Kind: catalog.Curate, Name: "any", Version: "1", Params: []byte(`{"type":"object"}`)}}
	text := "apiVersion: cairn/v1\nkind: Benchmark\nname: b\ndatasets:\n"
	for name, fetch := range map[string]string{"a": "low, params: {n: 5}", "b": "low, params: {n: 5}", "c": "high, params: {n: 5}", "d": "high, params: {n: 5}", "e": "high, params: {n: 9}"} {
		text += "  " + name + ": {title: T, modality: ecg, licence: CC0-1.0, access: open, fetch: {plugin: " + fetch + "}, curate: {plugin: any}}\n"
	}
	var all manifests.Errors
	if _, err := manifests.Parse("f.yaml", []byte(text), cat); !errors.As(err, &all) || len(all) != 2 {
		t.Fatalf("error is %v", err)
	}
	for _, e := range all {
		if e.Path != "datasets.c.fetch.params" && e.Path != "datasets.d.fetch.params" {
			t.Errorf("error is %v", e)
		}
	}
}
