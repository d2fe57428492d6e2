package cairn_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"os"
)

const module = "github.com/cairn-bench/cairn"

// rule says what the packages under a folder may import of ours, and what they may never import.
type rule struct {
	folder string
	ours   []string // folders, each with all below it; "=x" is x itself only
	never  []string
}

// rules are those of ARCHITECTURE.md; the first folder that fits a package decides.
var rules = []rule{
	{"manifests", []string{"manifests"}, []string{"os", "os/exec", "net", "net/http", "go.temporal.io"}},
	{"plugins/all", []string{"plugins"}, []string{"go.temporal.io"}},
	{"plugins/plugintest", []string{"=plugins", "manifests"}, []string{"go.temporal.io"}},
	{"plugins/host", []string{"=plugins", "manifests"}, []string{"go.temporal.io"}},
	{"plugins/nn", []string{"plugins/nn", "plugins/npy", "manifests/document"}, []string{"go.temporal.io", "os", "net"}},
	{"plugins/npy", nil, []string{"go.temporal.io", "os", "net"}},
	{"plugins/mersenne", nil, []string{"go.temporal.io", "os", "net"}},
	{"plugins/fetch/publisher", []string{"=plugins", "=plugins/plugintest", "plugins/fetch", "manifests/catalog", "manifests/document"}, []string{"go.temporal.io"}},
	{"plugins/fetch", []string{"=plugins", "plugins/fetch", "plugins/nn", "manifests/catalog", "manifests/document", "manifests/action"}, []string{"go.temporal.io"}},
	{"plugins/curate", []string{"=plugins", "plugins/curate", "plugins/mersenne", "plugins/nn", "plugins/npy", "manifests/canonical", "manifests/catalog", "manifests/document", "manifests/action"}, []string{"go.temporal.io", "net/http", "os"}},
	{"plugins/pretrain", []string{"=plugins", "plugins/pretrain", "plugins/nn", "plugins/npy", "manifests/catalog", "manifests/document", "manifests/action"}, []string{"go.temporal.io", "net/http", "os"}},
	{"plugins/evaluate", []string{"=plugins", "plugins/evaluate", "plugins/nn", "plugins/npy", "manifests/catalog", "manifests/document", "manifests/action"}, []string{"go.temporal.io", "net/http", "os"}},
	{"plugins", []string{"manifests/action", "manifests/canonical", "manifests/catalog", "manifests/document", "manifests/fingerprint", "manifests/withdrawal", "plugins/mersenne"}, []string{"go.temporal.io"}},
	{"workflows", []string{"manifests", "=activities"}, []string{"os", "net", "net/http", "math/rand", "math/rand/v2", "crypto/rand"}},
	{"activities/suite", []string{"activities", "manifests", "plugins", "workflows"}, nil},
	{"activities", []string{"activities", "manifests", "=plugins", "=plugins/host", "=plugins/npy"}, []string{module + "/workflows"}},
	{"deploy", nil, nil},
	{"cmd", []string{"activities", "cmd", "deploy", "manifests", "plugins", "workflows"}, nil},
}

func ruleFor(dir string) (rule, bool) {
	for _, r := range rules {
		if dir == r.folder || strings.HasPrefix(dir, r.folder+"/") {
			return r, true
		}
	}
	return rule{}, false
}

func TestLayers(t *testing.T) {
	seen := 0
	err := fs.WalkDir(os.DirFS("."), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && p != "." && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return nil
		}
		seen++
		checkFile(t, p)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 20 {
		t.Fatalf("only %d files were looked at", seen)
	}
}

func checkFile(t *testing.T, file string) {
	dir := path.Dir(file)
	r, ok := ruleFor(dir)
	if !ok {
		t.Errorf("%s: no rule for the folder; there are seven: workflows activities plugins manifests cmd deploy and the root", file)
		return
	}
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Error(err)
		return
	}
	for _, im := range f.Imports {
		name, err := strconv.Unquote(im.Path.Value)
		if err != nil {
			t.Error(err)
			continue
		}
		checkImport(t, file, dir, r, name)
	}
}

func checkImport(t *testing.T, file, dir string, r rule, name string) {
	for _, n := range r.never {
		if name == n || strings.HasPrefix(name, n+"/") && strings.Contains(n, ".") {
			t.Errorf("%s imports %s: packages under %s never do", file, name, r.folder)
		}
	}
	if strings.HasPrefix(name, "go.temporal.io/server") && dir != "deploy/embedded" {
		t.Errorf("%s imports %s: only deploy/embedded does", file, name)
	}
	inner, ours := strings.CutPrefix(name, module+"/")
	if !ours {
		return
	}
	const box = "plugins/fetch/publisher"
	if strings.HasPrefix(inner, box) && !strings.HasPrefix(dir, box) {
		t.Errorf("%s imports %s: only tests do", file, inner)
	}
	allowed := slices.ContainsFunc(r.ours, func(o string) bool {
		only, exact := strings.CutPrefix(o, "=")
		return inner == only || !exact && strings.HasPrefix(inner, o+"/")
	})
	if !allowed {
		t.Errorf("%s imports %s: packages under %s may import %v of ours", file, inner, r.folder, r.ours)
	}
}
