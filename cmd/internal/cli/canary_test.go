package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/all"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
)

// tattler is a fetch that does with its token what no plugin should.
func tattler() plugins.Plugin {
	spec := catalog.Spec{Name: "tattler", Version: "1", Summary: "For tests.", Determinism: catalog.None, Reason: "For tests.", Queue: catalog.QueueIO, Network: true, Secrets: []string{"TATTLER_TOKEN"}}
	type params struct {
		Does string `json:"does"`
	}
	return plugins.Fetch(spec, params{}, func(p params, env plugins.Env, _ uint64) (plugins.Source, error) {
		return tattling{p.Does, env}, nil
	})
}

type tattling struct {
	does string
	env  plugins.Env
}

func (s tattling) List(context.Context) ([]plugins.SourceFile, error) {
	token, err := s.env.Secret("TATTLER_TOKEN")
	if err != nil {
		return nil, err
	}
	req, _ := http.NewRequest(http.MethodGet, "https://tattler.test/?token="+token, nil)
	req.Header.Set("Authorization", basic("u", token))
	switch s.does {
	case "throw":
		panic(fmt.Sprintf("cannot send %s with %v", req.URL, req.Header))
	case "fail":
		return nil, fmt.Errorf("cannot send %s with %q", req.URL, req.Header)
	}
	return []plugins.SourceFile{{Path: "heart.csv", Size: -1}}, nil
}

func (s tattling) Open(context.Context, plugins.SourceFile, int64) (io.ReadCloser, error) {
	token, _ := s.env.Secret("TATTLER_TOKEN")
	return io.NopCloser(strings.NewReader("id,age,chol,num\n" + basic("u", token))), nil
}

// nest is a machine with canaries, and all that was said there.
type nest struct {
	*machine
	canaries
	inFiles  bool
	flags    []string
	switches map[string]*publisher.Switch // by source
	healthy  map[string]http.Handler
	sent     map[string]*heard // to a source: addresses and headers
	ssh      *publisher.SFTP
	keyed    string            // dataset that it has
	keys     map[string]string // files by which it lets in
	meeting  []string          // environment that has nothing to do with canaries
	tmp      string
	planted  []string // files that hold canaries
	said     strings.Builder
}

// dataset of a manifest of canaries.
const canaryDataset = `  %s:
    title: Heart disease table
    modality: table
    licence: CC0-1.0
    access: open
    fetch: %s
    curate: {plugin: table, seed: 1, params: {drop: [id], label: {column: %s, classes: {"0": absent, "1": present}}}}
`

// manifest has a dataset for each source, and more.
func canaryManifest(more ...string) string {
	all := slices.Clone(more)
	for _, s := range sources {
		all = append(all, fmt.Sprintf(canaryDataset, s.name, s.fetch, "num"))
	}
	return regexp.MustCompile(`(?s)  heart:.*?models:`).ReplaceAllString(strings.Replace(small, "[heart]", "[http]", 1), strings.ReplaceAll(strings.Join(all, ""), "$", "$$")+"models:")
}

// newNest has a box of all sources.
func newNest(t *testing.T, inFiles bool, flags ...string) *nest {
	n := &nest{machine: newMachine(t, ""), canaries: canaries{map[string]string{}}, inFiles: inFiles, flags: flags, tmp: t.TempDir(),
		switches: map[string]*publisher.Switch{}, healthy: map[string]http.Handler{}, sent: map[string]*heard{}}
	heart, hosts := []byte(table(60)), publisher.Hosts{}
	for _, s := range sources {
		own, sw, sent := s.hosts(n.canaries, heart), &publisher.Switch{}, &heard{more: make(chan struct{}, 1)}
		sw.Set(own)
		n.switches[s.name], n.healthy[s.name], n.sent[s.name] = sw, own, sent
		for name := range own {
			hosts[name] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprintf(sent, "%s %q\n", r.URL, r.Header)
				sw.ServeHTTP(w, r)
			})
		}
	}
	n.ssh, n.keyed, n.keys = keyed(t, n.canaries, heart)
	n.meets(hosts)
	n.meeting = append(n.env, "TMPDIR="+n.tmp)
	return n
}

// plant puts the canaries in their places: into files, where a source has some and the nest is to have them there, else
// into the environment. change is applied to each.
func (n *nest) plant(change func(string) string) {
	n.env, n.planted = slices.Clone(n.meeting), nil
	files := maps.Clone(n.keys)
	for _, s := range sources {
		if n.inFiles && s.files != nil {
			for name, text := range s.files(n.canaries) {
				files[name] += change(text)
			}
			continue
		}
		for name, value := range s.env(n.canaries) {
			n.env = append(n.env, name+"="+change(value))
		}
	}
	n.env = append(n.env, "TATTLER_TOKEN="+change(n.odd("tattler token")))
	home := &machine{t: n.t, dir: n.home}
	for name, text := range files {
		home.write(name, text)
		n.planted = append(n.planted, filepath.Join(n.home, name))
	}
}

// wrong changes canaries into others, which let nobody in.
func (n *nest) wrong() func(string) string {
	n.plant(func(s string) string { return s }) // so that all are known
	var pairs []string
	for _, what := range slices.Sorted(maps.Keys(n.cores)) {
		pairs = append(pairs, n.cores[what], n.of("wrong "+what))
	}
	return strings.NewReplacer(pairs...).Replace
}

// say runs a command and keeps what it says.
func (n *nest) say(code int, args ...string) string {
	n.t.Helper()
	if args[0] == "run" || args[0] == "resume" {
		args = append(args, n.flags...)
	}
	out := n.cairn(args...)
	fmt.Fprintf(&n.said, "$ cairn %q\n%s%s", args, out.stdout, out.stderr)
	if out.code != code {
		n.t.Errorf("cairn %q: exit code %d, want %d\n%s\n%s", args, out.code, code, out.stdout, out.stderr)
	}
	return out.stdout + out.stderr
}

// run runs the manifest, and has said what there is to say of the run.
func (n *nest) run(code int, args ...string) {
	n.t.Helper()
	n.say(code, append([]string{"run", "benchmark.yaml"}, args...)...)
	run := runOf(n.machine)
	n.say(0, "status", run, "--json")
	n.say(0, "log", run)
}

// look has everything said that can be said of the home, and of each log.
func (n *nest) look() {
	n.t.Helper()
	run := runOf(n.machine)
	for _, args := range []string{"doctor", "doctor --json", "plan benchmark.yaml", "plan benchmark.yaml --json", "status", "status --json", "status " + run, "log --json " + run, "ls", "ls --json", "plugin list --json"} {
		n.say(0, words(args)...)
	}
	for _, log := range slices.Compact(slices.Sorted(slices.Values(regexp.MustCompile(`log"?:? *"?sha256:[0-9a-f]{64}`).FindAllString(n.said.String(), -1)))) {
		n.say(0, "show", log[strings.Index(log, "sha256:"):])
	}
}

// caught looks for the canaries in all that is left.
func (n *nest) caught() []string {
	n.t.Helper()
	h := newHunt(n.canaries)
	files := h.folder(n.t, n.home, n.planted...) + h.folder(n.t, n.dir) + h.folder(n.t, n.tmp)
	h.text("what was said", []byte(n.said.String()))
	if files < 100 || h.bytes < 1<<20 || n.said.Len() < 10_000 {
		n.t.Errorf("looked into %d files and %d bytes, %d of them said", files, h.bytes, n.said.Len())
	}
	n.t.Logf("%d forms of %d canaries in %d files, %d bytes, %d of them said", len(h.forms), len(n.cores), files, h.bytes, n.said.Len())
	return h.catch()
}

// TestCanary plants secrets in every place that a credential can come from, lets all go wrong that can, and looks for
// them in all that is left: the home with store, database and logs, the folder of the manifest, temporary folders, and
// what was said.
func TestCanary(t *testing.T) {
	for name, n := range map[string]func(*testing.T) *nest{
		"environment":     func(t *testing.T) *nest { return newNest(t, false) },
		"files, isolated": func(t *testing.T) *nest { return newNest(t, true, "--isolate") },
	} {
		t.Run(name, func(t *testing.T) { n(t).live() })
	}
}

// faults are what the sources meet, one after the other; some go by, others are final.
var canaryFaults = []publisher.Fault{publisher.Forbidden, publisher.First(1, publisher.Status(http.StatusInternalServerError)), publisher.First(2, publisher.CutAt(100)), publisher.Page, publisher.ToLogin, publisher.First(1, publisher.Hangup)}

func (n *nest) live() {
	bad := []string{
		n.keyed, fmt.Sprintf(canaryDataset, "thrown", `{plugin: tattler, params: {does: throw}}`, "num"),
		fmt.Sprintf(canaryDataset, "failed", `{plugin: tattler, params: {does: fail}}`, "num"),
		fmt.Sprintf(canaryDataset, "curated", strings.Replace(sources[0].fetch, "heart.csv", "other.csv", 1), "nmu"),
	}
	n.write("benchmark.yaml", canaryManifest(bad...))

	n.plant(n.wrong())
	n.run(1)
	n.plant(func(s string) string { return s })
	for round := range 2 {
		for i, s := range sources {
			n.switches[s.name].Set(canaryFaults[(i+round)%len(canaryFaults)](n.healthy[s.name]))
		}
		n.run(1, [][]string{{"--progress", "fancy"}, {"--json"}}[round]...)
	}

	n.write("benchmark.yaml", canaryManifest(n.keyed))
	for _, s := range sources {
		n.switches[s.name].Set(n.healthy[s.name])
	}
	silent := sources[3].name // has met nothing that goes by
	n.switches[silent].Set(publisher.Silent(nil))
	r := n.start(append(words("run benchmark.yaml --progress plain"), n.flags...)...)
	r.at("fetch/" + silent)
	if err := r.Process.Kill(); err != nil {
		n.t.Fatal(err)
	}
	<-r.end
	n.said.WriteString(r.said.String())
	n.switches[silent].Set(n.healthy[silent])
	n.say(0, "resume")
	n.say(0, "verify", "benchmark.lock", "--level", "bytes")
	n.look()

	n.sung()
	if diff := cmp.Diff([]string(nil), n.caught()); diff != "" {
		n.t.Errorf("canaries were found:\n%s", diff)
	}

	// That the hunt catches what there is: a plugin that writes its token into the dataset.
	n.write("benchmark.yaml", canaryManifest(fmt.Sprintf(canaryDataset, "leaked", `{plugin: tattler, params: {does: leak}}`, "num")))
	n.run(1)
	if found := n.caught(); !slices.ContainsFunc(found, func(f string) bool {
		return strings.HasPrefix(f, "tattler token: in base64") && strings.Contains(f, "/store/")
	}) {
		n.t.Errorf("a token that was written into a dataset is not found, only %q", found)
	}
}

// sung checks that canaries are found where they were planted, and that each source has heard a canary of its own, so that the hunt is for what was really used, and none of
// another.
func (n *nest) sung() {
	n.t.Helper()
	whose := map[string]string{}
	for _, s := range sources {
		own := canaries{map[string]string{}}
		if s.env(own); s.files != nil {
			s.files(own)
		}
		for what := range own.cores {
			whose[what], whose["wrong "+what] = s.name, s.name
		}
	}
	for _, path := range n.planted {
		h := newHunt(n.canaries)
		if h.text("", []byte((&machine{t: n.t, dir: "/"}).read(path))); len(h.catch()) == 0 {
			n.t.Errorf("no canary is found in %s, where one was planted", path)
		}
	}
	if conns, opened, _ := n.ssh.Asked(); conns < 2 || len(opened) == 0 {
		n.t.Errorf("the SSH server was asked over %d connections for %q", conns, opened)
	}
	for _, s := range sources {
		own, sent := 0, n.sent[s.name].String()
		for form, says := range newHunt(n.canaries).forms {
			what, _, _ := strings.Cut(says, ":")
			switch found := strings.Contains(sent, form); {
			case found && whose[what] == s.name:
				own++
			case found:
				i := strings.Index(sent, form)
				n.t.Errorf("%s has heard the %s, %q: %s", s.name, says, form, sent[max(0, i-300):min(len(sent), i+100)])
			}
		}
		if own == 0 {
			n.t.Errorf("%s has heard no canary of its own", s.name)
		}
	}
}

// TestCanariesAreComplete: whoever adds a source with credentials adds canaries for it.
func TestCanariesAreComplete(t *testing.T) {
	set, err := all.Plugins()
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range set.Catalog() {
		if len(spec.Secrets) > 0 && spec.Name != "sftp" && !slices.ContainsFunc(sources, func(s source) bool {
			return strings.Contains(s.fetch, "plugin: "+spec.Name+",")
		}) {
			t.Errorf("%s has the credentials %v and no canaries in sources", spec.Name, spec.Secrets)
		}
	}
}
