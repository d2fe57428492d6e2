package cli

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/all"
	gopretrain "github.com/cairn-bench/cairn/plugins/pretrain/go"
)

// asRelease names the release that the command stands for: the next one has other workflows, the one after it
// another version of a plugin.
const asRelease = "CAIRN_TEST_RELEASE"

func release(name string) (Release, func() (plugins.Set, error)) {
	switch name {
	case "v2":
		return Release{Name: "v2", Workflows: 1000}, nil
	case "v3":
		return Release{Name: "v3"}, otherTrainer
	}
	return Release{Name: "v1"}, nil
}

// otherTrainer are the plugins, of which pretrain/go has another version, that learns nothing.
func otherTrainer() (plugins.Set, error) {
	built, err := all.Plugins()
	if err != nil {
		return plugins.Set{}, err
	}
	var set []plugins.Plugin
	for _, spec := range built.Catalog() {
		p, err := built.Find(spec.Kind, spec.Name)
		if err != nil {
			return plugins.Set{}, err
		}
		if spec.Kind == catalog.Pretrain {
			spec.Version = "99"
			p = plugins.Pretrain(spec, gopretrain.Defaults(), func(context.Context, gopretrain.Params, uint64, int, []*plugins.Curated) (plugins.Trainer, error) {
				return idle{}, nil
			})
		}
		set = append(set, p)
	}
	return plugins.NewSet(set...)
}

// idle is a training that is over at once.
type idle struct{}

func (idle) Step(context.Context) (plugins.Progress, bool, error) {
	return plugins.Progress{}, true, nil
}
func (idle) Save(io.Writer) error { return nil }
func (idle) Load(io.Reader) error { return nil }
func (idle) Export(out plugins.Output) error {
	return plugins.WriteFile(out, "model.json", []byte("{}"))
}

// released is the same machine with another release of the program.
func (m *machine) released(name string) *machine {
	other := *m
	other.env = append([]string{asRelease + "=" + name}, m.env...)
	return &other
}

// TestUpgrade kills a run and goes on with another release, whose workflows are of another version: it ends with the
// same lock, and what was done is not done again.
func TestUpgrade(t *testing.T) {
	straight := smallMachine(newMachine(t, slow))
	straight.write("benchmark.yaml", slow)
	straight.want(0, words("run benchmark.yaml"))
	for _, c := range []struct{ from, to, verb string }{
		{"v1", "v2", "resume"},
		{"v2", "v1", "resume"},
		{"v1", "v2", "run benchmark.yaml"},
	} {
		t.Run(c.from+" to "+c.to+", "+c.verb, func(t *testing.T) {
			t.Parallel()
			m := smallMachine(newMachine(t, ""))
			m.write("benchmark.yaml", slow)
			was, is := m.released(c.from), m.released(c.to)
			was.killedAt("pretrain/single", words("run benchmark.yaml --progress plain")...)
			is.want(0, words("status"), "running")
			// Whether the training was under way is told only if Temporal knew of it before the kill.
			is.want(0, words(c.verb), "was begun by cairn "+c.from, "this is cairn "+c.to, "finds what was done in the store",
				"goes on: 2 steps are done, 2 are left", "2 steps done, 2 found in the cache")
			if m.read("benchmark.lock") != straight.read("benchmark.lock") {
				t.Error("another lock")
			}
			is.want(1, words("resume"), "nothing to resume: every run of this home has ended")
		})
	}
}

// TestUpgradedPlugin: a run that was planned with a plugin which this program does not have is refused before
// anything is done; to run it again plans it anew.
func TestUpgradedPlugin(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.write("benchmark.yaml", slow)
	was, is := m.released("v1"), m.released("v3")
	only := []string{"run", "benchmark.yaml", "--only", "pretrain/single", "--progress", "plain"}
	was.killedAt("pretrain/single", only...)
	run := runOf(was)
	out := is.want(1, words("resume"), "was planned by cairn v1", "this program, cairn v3", "pretrain/single needs pretrain/go@2, here is pretrain/go@99.",
		"Let cairn v1 finish it", "cancel "+run, "run benchmark.yaml")
	if strings.Contains(out.stderr, "→") {
		t.Errorf("something was done:\n%s", out.stderr)
	}
	out = is.want(0, append(only, "--json"), "pretrain/single needs", "planned anew by this program")
	var doc runDocument
	if err := json.Unmarshal([]byte(out.stdout), &doc); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range doc.Steps {
		got = append(got, s.Plugin+" "+s.State)
	}
	if diff := cmp.Diff([]string{"fetch/dir@1 cached", "curate/table@2 cached", "pretrain/go@99 ran"}, got[:3]); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

// TestUpgradeBeside: a run that another release is at, or may be at, is left to it.
func TestUpgradeBeside(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.write("benchmark.yaml", slow)
	was, is := m.released("v1"), m.released("v2")
	first := was.start(words("run benchmark.yaml --progress plain")...)
	first.at("→   pretrain/single")
	run := runOf(is)
	for _, verb := range []string{"run benchmark.yaml", "resume"} {
		is.want(1, words(verb), "run "+run+" was begun by cairn v1", "Let cairn v1 finish it", "cancel "+run, "run benchmark.yaml")
	}
	first.done()
	is.want(0, words("run benchmark.yaml"), "nothing to do")
}
