package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/all"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// builtins are the plugins that the test binary serves: all of the program, and some that misbehave.
func builtins() []plugins.Plugin {
	set, err := all.Plugins()
	if err != nil {
		panic(err)
	}
	out := []plugins.Plugin{odd()}
	for _, s := range set.Catalog() {
		if p, err := set.Find(s.Kind, s.Name); err == nil {
			out = append(out, p)
		}
	}
	return out
}

type oddParams struct {
	Does string `json:"does"`
}

// odd is a fetch that does as its parameter says.
func odd() plugins.Plugin {
	spec := catalog.Spec{Name: "odd", Version: "1", Summary: "For tests.", Determinism: catalog.Exact, Queue: catalog.QueueIO, Network: true, Secrets: []string{"PASSWORD", "ABSENT"}}
	return plugins.Fetch(spec, oddParams{}, func(p oddParams, env plugins.Env, _ uint64) (plugins.Source, error) {
		switch p.Does {
		case "panic":
			panic("index 7")
		case "fault":
			return nil, &plugins.Fault{Code: plugins.FaultBusy, Err: errors.New("come later"), Again: true, After: 7e9}
		case "exit":
			os.Exit(3)
		case "variable":
			v, ok := env.Lookup("PASSWORD")
			_, other := env.Lookup("OTHER")
			return nil, fmt.Errorf("PASSWORD is %q, %v; OTHER is set: %v; in the environment it is %q", v, ok, other, os.Getenv("PASSWORD"))
		case "absent":
			_, err := env.Secret("ABSENT")
			return nil, fmt.Errorf("%w; OTHER has the trouble %s", err, fmt.Sprint(env.Trouble("OTHER")))
		}
		return nil, errors.New("odd")
	})
}

// isolatedHost runs plugins in processes of the test binary.
func isolatedHost(t *testing.T) Runner {
	return new(Host).Isolated(self(t, "serve"))
}

func find(t *testing.T, kind catalog.Kind, name string) plugins.Plugin {
	t.Helper()
	set, err := plugins.NewSet(builtins()...)
	if err != nil {
		t.Fatal(err)
	}
	p, err := set.Find(kind, name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// both runs a case here and in a process of its own, and wants the same files.
func both(t *testing.T, c plugintest.Case) plugintest.Files {
	t.Helper()
	here := c.Must(t)
	c.Host = isolatedHost(t)
	if diff := plugintest.Diff(here, c.Must(t)); diff != "" {
		t.Fatalf("%s/%s in a process of its own: %s", c.Plugin.Spec().Kind, c.Plugin.Spec().Name, diff)
	}
	return here
}

// TestBuiltInsAreTheSame: every plugin of this program gives the same bytes in both places.
func TestBuiltInsAreTheSame(t *testing.T) {
	dataset := func(id, modality string) *action.Dataset {
		return &action.Dataset{ID: id, Modality: modality, Licence: "CC0-1.0", Access: "open"}
	}
	curated := map[string]plugintest.Files{}
	for _, c := range []struct{ id, fetch, plugin, params string }{
		{"ecg", `{"dataset":"ecg","samples":40}`, "ecg", `{"rate":50,"task":"multiclass","labels":{"426783006":"Normal","*":"other"},"priority":["Normal"]}`},
		{"xray", `{"dataset":"xray","samples":40,"pixels":32}`, "image", `{"size":24,"labels":{"from":"folder","side":"path"}}`},
		{"graph", `{"dataset":"graph","samples":40}`, "graph", ``},
		{"table", `{"dataset":"table","samples":60}`, "table", `{"drop":["id"],"label":{"column":"num","classes":{"0":"absent","1":"present","2":"present","3":"present","4":"present"}}}`},
	} {
		raw := both(t, plugintest.Case{Plugin: find(t, catalog.Fetch, "synthetic"), Params: c.fetch, Seed: 11})
		curated[c.id] = both(t, plugintest.Case{Plugin: find(t, catalog.Curate, c.plugin), Params: c.params, Seed: 1, Dataset: dataset(c.id, c.id), Inputs: map[string]plugintest.Files{"raw": raw}})
	}
	model := both(t, plugintest.Case{Plugin: find(t, catalog.Pretrain, "go"), Params: `{"epochs":1}`, Seed: 7, Inputs: curated})
	both(t, plugintest.Case{Plugin: find(t, catalog.Evaluate, "classification"), Params: `{"split":"test"}`, Seed: 3, Inputs: map[string]plugintest.Files{"model": model, "dataset": curated["table"]}})

	dir := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "d"), 0o700), os.WriteFile(filepath.Join(dir, "d", "a.txt"), []byte("a"), 0o600)); err != nil {
		t.Fatal(err)
	}
	both(t, plugintest.Case{Plugin: find(t, catalog.Fetch, "dir"), Params: `{"path":"d"}`, Env: plugins.Env{Dir: dir}})
}

// TestIsolatedTrainingResumes: killed anywhere, a training in a process of its own gives the same model.
func TestIsolatedTrainingResumes(t *testing.T) {
	raw := plugintest.Case{Plugin: find(t, catalog.Fetch, "synthetic"), Params: `{"dataset":"table","samples":20}`, Seed: 11}.Must(t)
	table := plugintest.Case{Plugin: find(t, catalog.Curate, "table"), Params: `{"drop":["id"],"label":{"column":"num","classes":{"0":"absent","1":"present","2":"present","3":"present","4":"present"}}}`,
		Dataset: &action.Dataset{ID: "table", Modality: "table", Licence: "CC0-1.0", Access: "open"}, Inputs: map[string]plugintest.Files{"raw": raw}}.Must(t)
	c := plugintest.Case{Plugin: find(t, catalog.Pretrain, "go"), Params: `{"epochs":4}`, Seed: 7, Inputs: map[string]plugintest.Files{"table": table}}
	here := c.Must(t)
	c.Host = isolatedHost(t)
	if diff := plugintest.Diff(here, c.Resumes(t)); diff != "" {
		t.Error(diff)
	}
}

// TestOddBuiltIns: what goes wrong in the other process arrives here as what it was.
func TestOddBuiltIns(t *testing.T) {
	for _, c := range []struct {
		does, want string
		again      bool
	}{
		{"panic", "the plugin panicked: index 7", false},
		{"fault", "come later [busy]", true},
		{"exit", "the plugin ended with exit code 3 and no result", false},
		{"variable", `PASSWORD is "secret", true; OTHER is set: false; in the environment it is ""`, false},
		{"absent", "ABSENT is not to be had: line 3 of a file is wrong [unauthorized]; OTHER has the trouble <nil>", false},
		{"other", "odd", false},
	} {
		_, err := plugintest.Case{Plugin: find(t, catalog.Fetch, "odd"), Params: fmt.Sprintf(`{"does":%q}`, c.does), Host: isolatedHost(t),
			Env: plugins.Env{Lookup: func(name string) (string, bool) { return "secret", name != "ABSENT" },
				Trouble: func(string) error { return errors.New("line 3 of a file is wrong") }}}.Run(t.Context(), 1, t.TempDir())
		if err == nil || !strings.Contains(err.Error(), c.want) || plugins.IsTransient(err) != c.again {
			t.Errorf("%s: error is %v, want %q, tried again: %v", c.does, err, c.want, c.again)
		}
		if thrown := errors.Is(err, plugins.ErrPanic); thrown != (c.does == "panic") {
			t.Errorf("%s: taken for a panic: %v", c.does, thrown)
		}
		var log interface{ Log() []byte }
		if c.does == "panic" && (!errors.As(err, &log) || !strings.Contains(string(log.Log()), "host.odd.")) {
			t.Errorf("the stack did not arrive: %+v", err)
		}
	}
}

// rotten is an input of which one file cannot be read to its end.
type rotten struct {
	plugins.Tree
	path string
}

var errRotten = errors.New("the blob is rotten")

func (r rotten) Open(path string) (io.ReadCloser, error) {
	f, err := r.Tree.Open(path)
	if err == nil && path == r.path {
		f = io.NopCloser(io.MultiReader(io.LimitReader(f, 3), brokenReader{}))
	}
	return f, err
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errRotten }

// TestRottenInput: a fault of the store is not taken for one of the plugin.
func TestRottenInput(t *testing.T) {
	p := find(t, catalog.Curate, "table")
	raw := plugintest.Case{Plugin: find(t, catalog.Fetch, "synthetic"), Params: `{"dataset":"table","samples":20}`, Seed: 11}.Must(t)
	params, err := p.Normalise([]byte(`{"drop":["id"],"label":{"column":"num","classes":{"0":"absent"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	path := ""
	for name := range raw {
		if strings.HasSuffix(name, ".csv") {
			path = name
		}
	}
	c := plugins.Call{Params: params, Dataset: &action.Dataset{ID: "t", Modality: "table", Licence: "CC0-1.0", Access: "open"}, Scratch: t.TempDir(),
		Inputs: []plugins.Input{{Name: "raw", Tree: rotten{raw, path}}}, Output: nowhere{}}
	if err := isolatedHost(t)(t.Context(), p, c); !errors.Is(err, errRotten) {
		t.Errorf("error is %v, want the one of the store", err)
	}
}

type nowhere struct{}

func (nowhere) Create(path string) (io.WriteCloser, error) {
	return nil, fmt.Errorf("create %s: nothing was to be written", path)
}

// TestIsolatedIsCancelled: the end of the context ends the process, and is the error.
func TestIsolatedIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := plugintest.Case{Plugin: find(t, catalog.Fetch, "synthetic"), Params: `{"dataset":"ecg","samples":400}`, Seed: 1, Host: isolatedHost(t)}.Run(ctx, 1, t.TempDir())
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}
