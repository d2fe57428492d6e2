package cairn_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	maxLines  = 600       // of a source file
	maxBinary = 200 << 10 // bytes of a file that is no text
)

// files lists what would be committed: all files but those of hidden folders and build outputs.
func files(t *testing.T, suffixes ...string) []string {
	t.Helper()
	var out []string
	err := fs.WalkDir(os.DirFS("."), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if p == "bin" || p == ".git" || p == ".cache" || p == ".warm" {
				return fs.SkipDir
			}
			return nil
		}
		if len(suffixes) == 0 || slices.Contains(suffixes, path.Ext(p)) {
			out = append(out, p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) == 0 {
		t.Fatalf("no file %v was found", suffixes)
	}
	return out
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)(?: "[^"]*")?\)`)
	fenced  = regexp.MustCompile("(?ms)^```.*?^```")
	indents = regexp.MustCompile(`(?m)^(?:    |\t).*$`)
)

func TestLinksResolve(t *testing.T) {
	seen := 0
	for _, file := range files(t, ".md") {
		prose := indents.ReplaceAllString(fenced.ReplaceAllString(read(t, file), ""), "")
		for _, m := range link.FindAllStringSubmatch(prose, -1) {
			u, err := url.Parse(m[1])
			if err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			if u.Scheme != "" || u.Path == "" {
				continue
			}
			seen++
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), filepath.FromSlash(u.Path))); err != nil {
				t.Errorf("%s: the link %s leads nowhere", file, m[1])
			}
		}
	}
	if seen < 5 {
		t.Errorf("only %d links were looked at", seen)
	}
}

// TestPackageComments asks every package for one comment that begins as godoc expects.
func TestPackageComments(t *testing.T) {
	type found struct{ name, comment string }
	packages := map[string]found{}
	for _, file := range files(t, ".go") {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Error(err)
			continue
		}
		dir := path.Dir(file)
		was := packages[dir]
		text := comment(f.Doc)
		if was.comment != "" && text != "" {
			t.Errorf("%s: the package has a second comment; keep one", file)
		}
		packages[dir] = found{f.Name.Name, was.comment + text}
	}
	for dir, p := range packages {
		want := "Package " + p.name + " "
		if p.name == "main" {
			want = "Command " + path.Base(dir) + " "
		}
		if !strings.HasPrefix(p.comment, want) {
			t.Errorf("%s: the package comment begins with %.40q, want %q", dir, p.comment, want)
		}
	}
}

func comment(g *ast.CommentGroup) string {
	if g == nil {
		return ""
	}
	return g.Text()
}

var (
	makeWord  = regexp.MustCompile("(?m)(?:^    |`)make ([a-z0-9]+)")
	makeRule  = regexp.MustCompile(`(?m)^([a-z0-9]+):`)
	cairnWord = regexp.MustCompile("(?m)(?:^    |`)(?:bin/)?cairn (?:--home \\S+ )?([a-z]+)(?: ([a-z]+))?")
	cairnVerb = regexp.MustCompile(`Use:\s+"([a-z]+)`)
)

// TestCommandsExist looks for every make target and every verb of cairn that a document tells a reader to type.
func TestCommandsExist(t *testing.T) {
	targets := words(makeRule, read(t, "Makefile"))
	verbs := words(cairnVerb, sources(t, "cmd/internal/cli/*.go"))
	made, typed := 0, 0
	for _, file := range files(t, ".md") {
		text := read(t, file)
		for _, m := range makeWord.FindAllStringSubmatch(text, -1) {
			made++
			if !slices.Contains(targets, m[1]) {
				t.Errorf("%s: `make %s` is no target of the Makefile", file, m[1])
			}
		}
		for _, m := range cairnWord.FindAllStringSubmatch(text, -1) {
			typed++
			if !slices.Contains(verbs, m[1]) {
				t.Errorf("%s: `cairn %s` is no verb", file, m[1])
			}
		}
	}
	if made < 3 || typed < 3 {
		t.Errorf("only %d make targets and %d verbs were looked at", made, typed)
	}
}

func words(r *regexp.Regexp, text string) []string {
	var out []string
	for _, m := range r.FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	return out
}

func sources(t *testing.T, pattern string) string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: no file: %v", pattern, err)
	}
	var all strings.Builder
	for _, n := range names {
		all.WriteString(read(t, n))
	}
	return all.String()
}

// unfinished is assembled, so that this file does not find itself.
var unfinished = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)

func TestSourcesAreFinished(t *testing.T) {
	for _, file := range files(t, ".go", ".md", ".yaml", ".yml") {
		text := read(t, file)
		if n := strings.Count(text, "\n"); path.Ext(file) == ".go" && n > maxLines {
			t.Errorf("%s has %d lines; at most %d, so that a file holds one idea", file, n, maxLines)
		}
		if m := unfinished.FindString(text); m != "" {
			t.Errorf("%s: %s; finish it or open an issue", file, m)
		}
	}
}

// TestNoLargeBinaries keeps data, models and programs out of the history. They belong in a store.
func TestNoLargeBinaries(t *testing.T) {
	out, err := exec.Command("git", "ls-files", "-z").Output()
	if err != nil {
		t.Skipf("the list of tracked files needs git and a checkout: %v", err)
	}
	names := strings.Split(strings.TrimRight(string(out), "\x00"), "\x00")
	if len(names) < 100 {
		t.Fatalf("git knows only %d files", len(names))
	}
	for _, name := range names {
		info, err := os.Lstat(name)
		if err != nil || info.Size() <= maxBinary { // a file may be tracked and deleted
			continue
		}
		if strings.ContainsRune(read(t, name), 0) {
			t.Errorf("%s: a binary of %d bytes; at most %d", name, info.Size(), maxBinary)
		}
	}
}

// TestDependenciesAreDecided asks for a line in DECISIONS.md for each direct dependency, in its version.
func TestDependenciesAreDecided(t *testing.T) {
	decided := read(t, "DECISIONS.md")
	direct := regexp.MustCompile(`(?m)^\t(\S+) (v\S+)$`).FindAllStringSubmatch(read(t, "go.mod"), -1)
	if len(direct) < 10 {
		t.Fatalf("only %d direct dependencies were found", len(direct))
	}
	for _, m := range direct {
		if !strings.Contains(decided, "| "+m[1]+" | "+m[2]+", ") {
			t.Errorf("DECISIONS.md has no line of %s %s: why, what else was weighed, licence, date", m[1], m[2])
		}
	}
}

func TestBenchmarksAreComplete(t *testing.T) {
	folders, err := os.ReadDir("manifests/benchmarks")
	if err != nil || len(folders) == 0 {
		t.Fatalf("no benchmark was found: %v", err)
	}
	for _, f := range folders {
		has := func(name string) bool {
			_, err := os.Stat(filepath.Join("manifests/benchmarks", f.Name(), name))
			return err == nil
		}
		if !has("README.md") {
			t.Errorf("manifests/benchmarks/%s has no README.md", f.Name())
		}
		if !has("benchmark.yaml") {
			t.Errorf("manifests/benchmarks/%s has no benchmark.yaml", f.Name())
		}
	}
}
