package host

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// loader looks for programs where the test does.
func loader() *Host { return &Host{Lookup: os.LookupEnv} }

// loadPython loads a plugin of testdata, all of which are in Python.
func loadPython(t *testing.T, name string) plugins.Plugin {
	t.Helper()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("python3 is not installed")
	}
	p, err := loader().Load(filepath.Join("testdata", "plugins", name))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var pointsSet = &action.Dataset{ID: "points", Modality: "table", Licence: "CC0-1.0", Access: "open"}

// TestExternalPlugins walks all four kinds, in Python, each twice in different places.
func TestExternalPlugins(t *testing.T) {
	raw := plugintest.Case{Plugin: loadPython(t, "lines"), Seed: 3}.Deterministic(t)
	points := plugintest.Case{Plugin: loadPython(t, "rows"), Dataset: pointsSet, Inputs: map[string]plugintest.Files{"raw": raw}}.Deterministic(t)
	model := plugintest.Case{Plugin: loadPython(t, "centroid"), Seed: 7, Inputs: map[string]plugintest.Files{"points": points}}.Deterministic(t)
	scores := plugintest.Case{Plugin: loadPython(t, "nearest"), Params: `{"split":"test"}`, Inputs: map[string]plugintest.Files{"dataset": points, "model": model}}.Deterministic(t)
	for file, want := range map[string]string{document.MetricsFile: `"value": 1.0`, document.PredictionsFile: `"id": "r0004"`} {
		if !strings.Contains(string(scores[file]), want) {
			t.Errorf("%s: no %s in %s", file, want, scores[file])
		}
	}
	for file, want := range map[string]string{
		document.DatasetFile: `"id": "points"`, document.SamplesFile: `{"dataset":"points","id":"r0000",`, document.CurationFile: `"done": 40`,
	} {
		if !strings.Contains(string(points[file]), want) {
			t.Errorf("%s: no %s in %s", file, want, points[file])
		}
	}
	if !strings.Contains(string(raw[document.DatasetFile]), `"plugin": "fetch/lines@1"`) || !strings.Contains(string(model[document.CurveFile]), document.CurveSchema) {
		t.Errorf("documents: %s %s", raw[document.DatasetFile], model[document.CurveFile])
	}
}

// TestExternalTrainingResumes: killed at any step, a training in Python gives the same model.
func TestExternalTrainingResumes(t *testing.T) {
	raw := plugintest.Case{Plugin: loadPython(t, "lines"), Params: `{"rows":10}`, Seed: 3}.Must(t)
	points := plugintest.Case{Plugin: loadPython(t, "rows"), Dataset: pointsSet, Inputs: map[string]plugintest.Files{"raw": raw}}.Must(t)
	plugintest.Case{Plugin: loadPython(t, "centroid"), Params: `{"steps":4}`, Seed: 7, Inputs: map[string]plugintest.Files{"points": points}}.Resumes(t)
}

// shell writes a plugin that is a script.
func shell(t *testing.T, kind, script string, more ...string) string {
	t.Helper()
	dir := t.TempDir()
	extra := ""
	if len(more) > 0 {
		extra = "," + strings.Join(more, ",")
	}
	declaration := fmt.Sprintf(`{"schema":"cairn/plugin/v1","kind":%q,"name":"test","version":"1","summary":"For tests.","command":["sh","main.sh"],"determinism":"exact"%s}`, kind, extra)
	err := errors.Join(os.WriteFile(filepath.Join(dir, DeclarationFile), []byte(declaration), 0o600), os.WriteFile(filepath.Join(dir, "main.sh"), []byte(script), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func mustLoad(t *testing.T, dir string) plugins.Plugin {
	t.Helper()
	p, err := loader().Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// out is how a script finds the folder of its output.
const out = `out=$(sed 's/.*"output":"//;s/".*//'); `

// TestUnacceptable: what is not what a kind gives is refused.
func TestUnacceptable(t *testing.T) {
	sample := `{"id":"a","split":"train","labels":["x"],"text":"t"}`
	curate := func(lines, result string) string {
		return out + "printf '%s' '" + lines + "' >$out/samples.jsonl; echo '" + result + "'"
	}
	const task = `{"event":"result","task":{"type":"multiclass","classes":["x","y"]}}`
	for _, c := range []struct{ name, kind, script, want string }{
		{"nothing", "fetch", out + "echo '" + `{"event":"result"}` + "'", "wrote no file"},
		{"listed and missing", "fetch", out + `echo x >$out/a; echo '{"event":"file","path":"b"}'; echo '{"event":"result"}'`, "b was listed and is not in the output"},
		{"listed twice", "fetch", out + `echo '{"event":"file","path":"b"}'; echo '{"event":"file","path":"b"}'`, "listed twice"},
		{"size", "fetch", out + `echo x >$out/a; echo '{"event":"file","path":"a","size":7}'; echo '{"event":"result"}'`, "size differs: publisher says 7, received 2 [wrong-size]"},
		{"digest", "fetch", out + `echo x >$out/a; echo '{"event":"file","path":"a","digest":"md5:00000000000000000000000000000000"}'; echo '{"event":"result"}'`, "digest"},
		{"sha256", "fetch", out + `echo x >$out/a; echo '{"event":"file","path":"a","digest":"sha256:` + strings.Repeat("0", 64) + `"}'; echo '{"event":"result"}'`, "[list-differs]"},
		{"a document of ours", "fetch", out + `echo x >$out/dataset.json; echo '{"event":"result"}'`, "every dataset has one of its own"},
		{"no task", "curate", curate(sample, `{"event":"result"}`), "want a task"},
		{"no samples", "curate", out + "echo x >$out/a; echo '" + task + "'", "there is no samples.jsonl"},
		{"empty", "curate", curate("", task), "has no sample"},
		{"fingerprints", "curate", out + "echo x >$out/fingerprints.jsonl; " + strings.TrimPrefix(curate(sample, task), out), "only what the framework curates has it"},
		{"unknown field", "curate", curate(`{"id":"a","spilt":"train"}`, task), `samples.jsonl:1: unknown field "spilt"`},
		{"split", "curate", curate(`{"id":"a","split":"trian","labels":["x"],"text":"t"}`, task), `split is "trian"`},
		{"label", "curate", curate(`{"id":"a","split":"train","labels":["z"],"text":"t"}`, task), `label "z" is none of the classes`},
		{"two labels", "curate", curate(`{"id":"a","split":"train","labels":["x","y"],"text":"t"}`, task), "has 2 labels"},
		{"twice", "curate", curate(sample+`
`+sample, task), "samples.jsonl:2: sample a is there twice"},
		{"another dataset", "curate", curate(`{"id":"a","dataset":"other","split":"train","labels":["x"],"text":"t"}`, task), `dataset is "other", want "points"`},
		{"media", "curate", curate(`{"id":"a","split":"train","labels":["x"],"media":[{"path":"../x","type":"t","dtype":"d"}]}`, task), `media "../x" is not in the output`},
		{"id", "curate", curate(`{"id":"a/b","split":"train","labels":["x"],"text":"t"}`, task), `id "a/b"`},
		{"no model", "pretrain", out + `echo x >$out/a; echo '{"event":"result"}'`, "there is no model.json"},
		{"odd model", "pretrain", out + `echo '{"schema":"x"}' >$out/model.json; echo '{"event":"result"}'`, "want schema cairn/model/v1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := plugintest.Case{Plugin: mustLoad(t, shell(t, c.kind, c.script)), Dataset: pointsSet}.Run(t.Context(), 1, t.TempDir())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want %q", err, c.want)
			}
		})
	}
}

// TestDeclarations: what is wrong with a folder is said, and where.
func TestDeclarations(t *testing.T) {
	good := `{"schema":"cairn/plugin/v1","kind":"curate","name":"test","version":"1","summary":"For tests.","command":["sh","main.sh"],"determinism":"exact"}`
	edit := func(from, to string) string { return strings.Replace(good, from, to, 1) }
	if _, err := ParseDeclaration([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, text, want string }{
		{"not JSON", "x", "invalid character"},
		{"unknown field", edit(`"kind"`, `"knid"`), `unknown field "knid"`},
		{"more", good + good, "more behind the object"},
		{"schema", edit("cairn/plugin/v1", "cairn/plugin/v2"), `schema is "cairn/plugin/v2"`},
		{"kind", edit("curate", "curat"), `unknown kind "curat"`},
		{"name", edit(`"test"`, `"Te st"`), "name is"},
		{"version", edit(`"1"`, `"1@2"`), "version is"},
		{"summary", edit("For tests.", ""), "summary are required"},
		{"no command", edit(`["sh","main.sh"]`, `[]`), "command is empty"},
		{"command outside", edit(`"sh"`, `"../sh"`), "want a program of the folder"},
		{"determinism", edit(`"exact"`, `"mostly"`), "unknown determinism class"},
		{"no reason", edit(`"exact"`, `"none"`), "needs a reason"},
		{"variables", edit(`"kind"`, `"variables":["HF_TOKEN"],"kind"`), "gets none of the environment"},
		{"memory", edit(`"kind"`, `"memoryBytes":1,"kind"`), "want 16 MiB or more"},
		{"queue", edit(`"kind"`, `"queue":"tpu","kind"`), "unknown queue"},
		{"params", edit(`"kind"`, `"params":{"type":"array"},"kind"`), `type is "array", want object`},
		{"default", edit(`"kind"`, `"params":{"type":"object","properties":{"a":{"type":"integer","default":"x"}}},"kind"`), `has type "string", want "integer"`},
		{"program of the folder", edit(`"sh"`, `"bin/sh"`), "bin/sh is not an executable file of the folder"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, DeclarationFile), []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := loader().Load(dir); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) && c.name != "x" {
			t.Errorf("%s: error is %v, want %q and the folder", c.name, err, c.want)
		}
	}
	if _, err := loader().Load(t.TempDir()); err == nil || !strings.Contains(err.Error(), "there is no plugin.json") {
		t.Errorf("empty folder: %v", err)
	}
	if _, err := loader().Load(filepath.Join(t.TempDir(), "gone")); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("no folder: %v", err)
	}
}

// FuzzDeclaration: what is accepted is a promise that a catalog takes.
func FuzzDeclaration(f *testing.F) {
	f.Add([]byte(`{"schema":"cairn/plugin/v1","kind":"fetch","name":"a","version":"1","summary":"x","command":["sh"],"determinism":"exact","variables":["A"],"memoryBytes":99999999}`))
	f.Add([]byte(`{"schema":"cairn/plugin/v1","kind":"evaluate","name":"a","version":"1","summary":"x","command":["a/b"],"determinism":"none","reason":"r","params":{"type":"object","properties":{"a":{"default":1}}}}`))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := ParseDeclaration(text)
		if err != nil {
			return
		}
		if err := d.spec("").Check(); err != nil || d.Queue == "" || len(d.Command) == 0 {
			t.Errorf("%q is accepted as %+v, %v", text, d, err)
		}
		p, err := plugins.External(d.spec(""), nil)
		if err != nil {
			return // the schema of its parameters is looked at later
		}
		if once, err := p.Normalise(nil); err == nil {
			if again, err := p.Normalise(once); err != nil || string(again) != string(once) {
				t.Errorf("%q: parameters %s become %s, %v", text, once, again, err)
			}
		}
	})
}

// TestFolderDigest: whatever can change what a plugin does changes its digest, and nothing else does.
func TestFolderDigest(t *testing.T) {
	dir := shell(t, "curate", "echo 1")
	first := mustLoad(t, dir).Spec().Digest
	same := func(what string, want bool, change error) {
		t.Helper()
		if change != nil {
			t.Fatal(change)
		}
		if got := mustLoad(t, dir).Spec().Digest; (got == first) != want {
			t.Errorf("%s: the digest is the same: %v", what, got == first)
		}
	}
	main := filepath.Join(dir, "main.sh")
	same("hidden file", true, os.WriteFile(filepath.Join(dir, ".gitignore"), nil, 0o600))
	same("cache of Python", true, errors.Join(os.Mkdir(filepath.Join(dir, "__pycache__"), 0o700), os.WriteFile(filepath.Join(dir, "__pycache__", "x.pyc"), nil, 0o600)))
	same("umask", true, os.Chmod(main, 0o664))
	same("executable", false, os.Chmod(main, 0o755))
	same("back", true, os.Chmod(main, 0o600))
	same("content", false, os.WriteFile(main, []byte("echo 2"), 0o600))
	same("content back", true, os.WriteFile(main, []byte("echo 1"), 0o600))
	same("name", false, os.Rename(main, filepath.Join(dir, "mian.sh")))
	same("name back", true, os.Rename(filepath.Join(dir, "mian.sh"), main))
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if _, err := loader().Load(dir); err == nil || !strings.Contains(err.Error(), "link is a symbolic link") {
		t.Errorf("link: %v", err)
	}
}

// TestChangedFolder: what was read is what runs.
func TestChangedFolder(t *testing.T) {
	dir := shell(t, "fetch", out+`echo x >$out/a; echo '{"event":"result"}'`)
	p := mustLoad(t, dir)
	plugintest.Case{Plugin: p}.Must(t)
	if err := os.WriteFile(filepath.Join(dir, "main.sh"), []byte("echo 2"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (plugintest.Case{Plugin: p}).Run(t.Context(), 1, t.TempDir()); !errors.Is(err, ErrChanged) {
		t.Errorf("error is %v", err)
	}
}

// TestVariables: a fetch gets the variables that it declares, and no others.
func TestVariables(t *testing.T) {
	script := out + `env >$out/env; echo '{"event":"result"}'`
	env := plugins.Env{Lookup: func(name string) (string, bool) { return "secret-" + name, true }}
	files := plugintest.Case{Plugin: mustLoad(t, shell(t, "fetch", script, `"variables":["TOKEN"]`)), Env: env}.Must(t)
	if text := string(files["env"]); !strings.Contains(text, "TOKEN=secret-TOKEN\n") || strings.Count(text, "secret") != 1 {
		t.Errorf("environment:\n%s", text)
	}
}

// TestOwnedVariables: a plugin of a folder is not given what belongs to others.
func TestOwnedVariables(t *testing.T) {
	h := &Host{Lookup: os.LookupEnv, Owner: func(name string) string {
		if name == "KAGGLE_KEY" {
			return "fetch/kaggle"
		}
		return ""
	}}
	for variables, want := range map[string]string{
		`["TOKEN"]`: "", `["TOKEN","KAGGLE_KEY"]`: "variables: KAGGLE_KEY is for fetch/kaggle and nobody else",
		`["KAGGLE_*"]`: `variables: "KAGGLE_*" is not the name of one`, `["A=B"]`: "is not the name of one", `[""]`: "is not the name of one", `["1A"]`: "is not the name of one",
	} {
		_, err := h.Load(shell(t, "fetch", "", `"variables":`+variables))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", variables, err, want)
		}
	}
}

// TestSecretsDoNotLast: what a plugin was given from the environment stands in no error and no note, wherever it says it.
func TestSecretsDoNotLast(t *testing.T) {
	for name, script := range map[string]string{
		"standard error": `echo "GET https://x/?key=$TOKEN: 403" >&2; exit 1`,
		"an error":       `echo '{"event":"error","code":"permanent","message":"wrong token '$TOKEN'"}'`,
		"memory":         `echo '{"event":"error","code":"memory","message":"wrong token '$TOKEN'"}'`,
		"a line":         `echo $TOKEN`,
		"a note":         `echo '{"event":"log","message":"token '$TOKEN'"}'; echo '{"event":"progress","done":1,"note":"token '$TOKEN'"}'; exit 1`,
	} {
		var all strings.Builder
		c := plugintest.Case{Plugin: mustLoad(t, shell(t, "fetch", script, `"variables":["TOKEN"]`)),
			Env:      plugins.Env{Lookup: func(string) (string, bool) { return "correct-horse", true }},
			Progress: func(p plugins.Progress) { fmt.Fprintln(&all, p.Note) }}
		_, err := c.Run(t.Context(), 1, t.TempDir())
		fmt.Fprintln(&all, err)
		if err == nil || strings.Contains(all.String(), "correct-horse") || !strings.Contains(all.String(), "[TOKEN]") {
			t.Errorf("%s: %s", name, all.String())
		}
	}
}

// TestExternalParams: defaults are written out and mistakes refused.
func TestExternalParams(t *testing.T) {
	p := mustLoad(t, shell(t, "evaluate", "", `"params":{"type":"object","properties":{"a":{"type":"integer","default":3},"b":{"type":"string"}},"required":["a","b"]}`))
	for raw, want := range map[string]string{
		`{"b":"x"}`:                        `{"a":3,"b":"x"}`,
		`{"a":4,"b":"x","split":"test"}`:   `{"a":4,"b":"x","split":"test"}`,
		`{"b":"x","metrics":["accuracy"]}`: `{"a":3,"b":"x","metrics":["accuracy"]}`,
	} {
		if got, err := p.Normalise([]byte(raw)); err != nil || string(got) != want {
			t.Errorf("%s: %s, %v; want %s", raw, got, err, want)
		}
	}
	for _, raw := range []string{`{}`, `{"b":1}`, `{"b":"x","c":1}`, `{"a":"x","b":"x"}`, `[]`} {
		if got, err := p.Normalise([]byte(raw)); err == nil {
			t.Errorf("%s is taken: %s", raw, got)
		}
	}
}
