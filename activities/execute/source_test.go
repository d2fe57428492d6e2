package execute_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	"go.temporal.io/sdk/temporal"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/activitytest"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/execute"
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/drift"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/plugins"
	httpfetch "github.com/cairn-bench/cairn/plugins/fetch/http"
)

// site is a real HTTP server that counts the bytes of its answers.
type site struct {
	*httptest.Server
	mu    sync.Mutex
	files map[string]string
	noise bool // another byte is wrong in each answer but lists
	asked int
	given int
}

func newSite(t *testing.T) *site {
	s := &site{files: map[string]string{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, ok := s.files[strings.TrimPrefix(r.URL.Path, "/")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	body := []byte(text)
	if s.asked++; s.noise && !strings.HasSuffix(r.URL.Path, "SUMS") {
		body = bytes.Clone(body)
		body[s.asked] ^= 1
	}
	s.given += len(body)
	w.Header().Set("ETag", fmt.Sprintf("%q", digest.FromBytes(body).Encoded()))
	_, _ = w.Write(body)
}

func (s *site) put(name, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[name] = text
}

// took is how many requests there were since it was asked last, and how many bytes were given.
func (s *site) took() (asked, given int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked, given = s.asked, s.given
	s.asked, s.given = 0, 0
	return asked, given
}

func (s *site) makeNoise() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noise = true
}

// list writes the checksum list of all other files.
func (s *site) list() {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.files, "SUMS")
	var b strings.Builder
	for _, name := range []string{"a.bin", "b.bin"} {
		if text, ok := s.files[name]; ok {
			fmt.Fprintf(&b, "%s  %s\n", digest.FromString(text).Encoded(), name)
		}
	}
	s.files["SUMS"] = b.String()
}

// Contents of a.bin, all of one size, and the size of a list of one file.
var (
	first, second, other = strings.Repeat("first ", 500), strings.Repeat("secnd ", 500), strings.Repeat("other ", 500)
	size, line           = len(first), 64 + len("  a.bin\n")
)

// sources is a publisher, a mirror, and a home that fetches from them.
type sources struct {
	*bench
	publisher, mirror *site
}

func newSources(t *testing.T) *sources {
	h := activitytest.New(t)
	s := &sources{bench: &bench{Home: h, Executor: executor(h)}, publisher: newSite(t), mirror: newSite(t)}
	var err error
	if s.Executor.Plugins, err = plugins.NewSet(httpfetch.Plugin(nil)); err != nil {
		t.Fatal(err)
	}
	for _, at := range []*site{s.publisher, s.mirror} {
		at.put("a.bin", first)
		at.list()
	}
	return s
}

// took is that of both.
func (s *sources) took() (asked, given int) {
	a, n := s.publisher.took()
	b, m := s.mirror.took()
	return a + b, n + m
}

// action is that of the step.
func (s *sources) action(t *testing.T) action.Action {
	t.Helper()
	p, err := resolve.ReadPlan(t.Context(), s.Home.Store, s.plan)
	if err != nil {
		t.Fatal(err)
	}
	a, err := p.Steps[0].Bind(nil)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// use makes the plan of a manifest with these parameters; P and M stand for publisher and mirror.
func (s *sources) use(t *testing.T, params string) *plan.Plan {
	t.Helper()
	fetch, err := s.Executor.Plugins.Find("fetch", "http")
	if err != nil {
		t.Fatal(err)
	}
	normal, err := fetch.Normalise([]byte(strings.NewReplacer("P/", s.publisher.URL+"/", "M/", s.mirror.URL+"/").Replace(params)))
	if err != nil {
		t.Fatal(err)
	}
	p := &plan.Plan{Schema: plan.Schema, Benchmark: "b", Steps: []plan.Step{{Name: "fetch/x", Plugin: fetch.Spec().Identity(), Params: normal}}, Evaluations: []plan.Evaluation{}}
	text, err := canonical.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if s.plan, err = cas.PutBytes(t.Context(), s.Home.Store, text); err != nil {
		t.Fatal(err)
	}
	return p
}

// fetch does the step as a run would that begins with a lock, which may be nil.
func (s *sources) fetch(t *testing.T, params string, l *lock.Lock, update ...string) (activities.Result, error) {
	t.Helper()
	p := s.use(t, params)
	r := &resolve.Resolver{Store: s.Home.Store, Cache: s.Home.Cache, Plugins: s.Executor.Plugins, Env: s.Home.Env}
	states, err := r.States(t.Context(), p, resolve.NewPins(l, update...))
	if err != nil {
		t.Fatal(err)
	}
	want := states[0].Wanted
	if len(update) > 0 {
		want.Fresh = activities.NoLock
	}
	return s.Execute(t.Context(), activities.ExecuteRequest{Plan: s.plan, Step: "fetch/x", Wanted: want}, execute.Attempt{Invocation: "run"})
}

// sourceRows are all ways in which lock, publisher's list and bytes can disagree. Before, publisher and mirror give
// first; the bytes are those of lists and files that the second fetch took.
var sourceRows = []struct {
	name  string
	was   string // parameters
	is    string // "" if they are the same
	then  func(s *sources)
	code  drift.Code
	kind  string // of the error; "" if the fetch is good
	bytes int
	text  string // in the error
}{
	{name: "nothing has changed", was: `{"sums": "P/SUMS"}`, then: func(*sources) {}, bytes: line + size},
	{name: "the publisher has changed file and list", was: `{"sums": "P/SUMS"}`, then: func(s *sources) { s.publisher.put("a.bin", second); s.publisher.list() },
		code: drift.PublisherChanged, kind: activities.Differs, bytes: line + size, text: "~ a.bin: was 3000 bytes"},
	{name: "the publisher has added a file", was: `{"sums": "P/SUMS"}`, then: func(s *sources) { s.publisher.put("b.bin", second); s.publisher.list() },
		code: drift.PublisherChanged, kind: activities.Differs, bytes: 2*line + 2*size, text: "1 added, 0 removed, 0 changed\n  + b.bin: is 3000 bytes"},
	{name: "so through a mirror", was: `{"sums": "P/SUMS", "base": "M/"}`, then: func(s *sources) {
		s.publisher.put("a.bin", second)
		s.publisher.list()
		s.mirror.put("a.bin", second)
	}, code: drift.PublisherChanged, kind: activities.Differs, bytes: line + size},
	{name: "the publisher has changed its list alone", was: `{"sums": "P/SUMS"}`, then: func(s *sources) {
		s.publisher.put("a.bin", second)
		s.publisher.list()
		s.publisher.put("a.bin", first)
	}, code: drift.ListChanged, kind: activities.Differs, bytes: line + 2*size, text: "lock and received bytes agree"},
	{name: "the list contradicts the manifest's checksum", was: `{"sums": "P/SUMS", "files": [{"url": "P/a.bin", "sha256": "FIRST"}]}`, then: func(s *sources) { s.publisher.put("a.bin", second); s.publisher.list() },
		code: drift.PublisherChanged, kind: activities.Differs, bytes: line, text: "now has"},
	{name: "the mirror differs", was: `{"sums": "P/SUMS", "base": "M/"}`, then: func(s *sources) { s.mirror.put("a.bin", second) },
		code: drift.MirrorDiffers, kind: activities.Differs, bytes: line + 2*size, text: "the lock is with the list"},
	{name: "the mirror is behind", was: `{"sums": "P/SUMS", "base": "M/"}`, then: func(s *sources) { s.publisher.put("a.bin", second); s.publisher.list() },
		code: drift.MirrorDiffers, kind: activities.Differs, bytes: line + 2*size, text: "the list has changed since"},
	{name: "damaged in the same way each time", was: `{"sums": "P/SUMS"}`, then: func(s *sources) { s.publisher.put("a.bin", second) },
		code: drift.Damaged, kind: activities.Differs, bytes: line + 2*size, text: "lock and publisher's checksum list agree"},
	{name: "damaged in another way each time", was: `{"sums": "P/SUMS"}`, then: func(s *sources) { s.publisher.makeNoise() },
		code: drift.Damaged, kind: activities.Network, bytes: line + 3*size, text: "lock and checksum agree"},
	{name: "list, bytes and lock are three", was: `{"sums": "P/SUMS"}`, then: func(s *sources) {
		s.publisher.put("a.bin", second)
		s.publisher.list()
		s.publisher.put("a.bin", other)
	}, code: drift.ListDiffers, kind: activities.Differs, bytes: line + 2*size, text: "the lock has a third"},
	{name: "no list", was: `{"files": [{"url": "P/a.bin"}]}`, then: func(s *sources) { s.publisher.put("a.bin", second) },
		code: drift.NoList, kind: activities.Differs, bytes: size, text: "nothing but the lock"},
	{name: "no list, and a checksum in the manifest", was: `{"files": [{"url": "P/a.bin", "sha256": "FIRST"}]}`, then: func(s *sources) { s.publisher.put("a.bin", second) },
		code: drift.NoList, kind: activities.Differs, bytes: 2 * size, text: "no checksum list that could say which is right"},
	{name: "the address changed, its checksum was kept", was: `{"files": [{"url": "P/v1/a.bin", "sha256": "FIRST"}]}`, is: `{"files": [{"url": "P/v2/a.bin", "sha256": "FIRST"}]}`,
		then: func(s *sources) { s.publisher.put("v2/a.bin", second) }, code: drift.URLKeptSum, kind: activities.Differs, bytes: 2 * size, text: "/v1/a.bin to http"},
	{name: "the address changed, the bytes did not", was: `{"files": [{"url": "P/v1/a.bin"}]}`, is: `{"files": [{"url": "P/v2/a.bin"}]}`,
		then: func(s *sources) { s.publisher.put("v2/a.bin", first) }, code: drift.VersionKeptSum, bytes: size},
	{name: "address and bytes changed", was: `{"files": [{"url": "P/v1/a.bin"}]}`, is: `{"files": [{"url": "P/v2/a.bin"}]}`,
		then: func(s *sources) { s.publisher.put("v2/a.bin", second) }, code: drift.ManifestChanged, bytes: size},
	{name: "a file with a checksum that its publisher does not keep, without a lock for it", was: `{"sums": "P/SUMS"}`, is: `{"files": [{"url": "P/v2/a.bin", "sha256": "FIRST"}]}`,
		then: func(s *sources) { s.publisher.put("v2/a.bin", second) }, code: drift.NoList, kind: activities.Differs, bytes: 2 * size},
}

func TestThreeWayCheck(t *testing.T) {
	for _, row := range sourceRows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := newSources(t)
			s.publisher.put("v1/a.bin", first)
			sum := strings.NewReplacer("FIRST", digest.FromString(first).Encoded())
			was, err := s.fetch(t, sum.Replace(row.was), nil)
			if err != nil {
				t.Fatal(err)
			}
			l := &lock.Lock{Steps: []lock.Step{{Name: "fetch/x", Action: was.Action.Digest(), Artifact: was.Artifact}}}
			s.forget(t)
			row.then(s)
			s.took()
			params := sum.Replace(row.is)
			if row.is == "" {
				params = sum.Replace(row.was)
			}
			is, err := s.fetch(t, params, l)
			if row.kind == "" {
				s.good(t, err, l, is, row.code)
			} else {
				s.bad(t, err, l, row.kind, row.code, row.text)
			}
			if _, got := s.took(); got != row.bytes {
				t.Errorf("%d bytes were transferred, want %d", got, row.bytes)
			}
		})
	}
}

// good checks a fetch that was taken in, with what is said of it.
func (s *sources) good(t *testing.T, err error, l *lock.Lock, is activities.Result, code drift.Code) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	was := l.Steps[0]
	if is.Artifact == was.Artifact {
		if code != "" {
			t.Errorf("the result is the lock's, want %s", code)
		}
		return
	}
	c, err := execute.Compare(t.Context(), s.Home.Store, execute.Given{Action: was.Action, Artifact: was.Artifact}, is.Artifact, s.action(t))
	if err != nil || c.Code != code {
		t.Errorf("said %s: %s, %v; want %s", c.Code, c.Text, err, code)
	}
}

// bad checks an error, as the engine keeps it.
func (s *sources) bad(t *testing.T, err error, l *lock.Lock, kind string, code drift.Code, text string) {
	t.Helper()
	var app *temporal.ApplicationError
	if !errors.As(activities.Report(err), &app) || app.Type() != kind || !strings.Contains(app.Message(), text) || !strings.Contains(app.Message(), string(code)) {
		t.Fatalf("error is %v (%s), want type %s, code %s and %q", err, activities.Kind(err), kind, code, text)
	}
	if len(app.Message()) > 1000 {
		t.Errorf("the message has %d bytes; a history keeps 1000", len(app.Message()))
	}
	d := activities.DriftOf(app)
	if kind != activities.Differs {
		if d != nil {
			t.Errorf("what passes is no drift: %+v", d)
		}
		return
	}
	if d == nil || d.Code != code || d.Dataset != "x" || d.State != drift.Refused || d.Lock != l.Steps[0].Artifact || (d.Path == "") != (d.Received != "") {
		t.Errorf("report is %+v, want %s", d, code)
	}
	if s.entries(t) > 0 {
		t.Error("what was refused was recorded")
	}
}

// TestUpdateTakesWhatWasShown: the bytes that were refused are not fetched again by who accepts them, and a result that
// is in the store is no reason not to ask.
func TestUpdateTakesWhatWasShown(t *testing.T) {
	const params = `{"sums": "P/SUMS"}`
	s := newSources(t)
	was, err := s.fetch(t, params, nil)
	if err != nil {
		t.Fatal(err)
	}
	l := &lock.Lock{Steps: []lock.Step{{Name: "fetch/x", Action: was.Action.Digest(), Artifact: was.Artifact}}}
	s.publisher.put("a.bin", second)
	s.publisher.list()
	if res, err := s.fetch(t, params, l); err != nil || !res.Cached || res.Artifact != was.Artifact {
		t.Fatalf("the lock's own result: %+v, %v", res, err)
	}
	s.forget(t)
	if _, err := s.fetch(t, params, l); permanent(err) != activities.Differs {
		t.Fatalf("error is %v", err)
	}
	s.took()
	is, err := s.fetch(t, params, l, "x")
	if _, given := s.took(); err != nil || is.Cached || is.Artifact == was.Artifact || given != line {
		t.Fatalf("after the update: %+v, %v, %d bytes; want %d", is, err, given, line)
	}
	_, err = s.fetch(t, params, l)
	if _, given := s.took(); permanent(err) != activities.Differs || given > 0 {
		t.Errorf("with the old lock again, whose entry is lost: %v, %d bytes; want none", err, given)
	}
	s.publisher.put("a.bin", other)
	s.publisher.list()
	third := s.update(t, params, is.Artifact)
	if again := s.update(t, params, third.Artifact); again.Artifact != third.Artifact || !again.Cached {
		t.Errorf("a second try of the same run asked again: %+v", again)
	}
	l.Steps[0].Artifact = is.Artifact
	s.took()
	res, err := s.fetch(t, params, l)
	if _, given := s.took(); err != nil || !res.Cached || res.Artifact != is.Artifact || given > 0 {
		t.Errorf("a lock that still has the second: %+v, %v, %d bytes", res, err, given)
	}
}

// update asks again, as the run "update".
func (s *sources) update(t *testing.T, params string, before digest.Digest) activities.Result {
	t.Helper()
	s.use(t, params)
	res, err := s.Execute(t.Context(), activities.ExecuteRequest{Plan: s.plan, Step: "fetch/x", Wanted: activities.Wanted{Fresh: activities.NoLock}}, execute.Attempt{Invocation: "update"})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// TestOneUpdateForTwo: of two runs that ask again at the same time one does it.
func TestOneUpdateForTwo(t *testing.T) {
	const params = `{"files": [{"url": "P/a.bin"}]}`
	s := newSources(t)
	if _, err := s.fetch(t, params, nil); err != nil {
		t.Fatal(err)
	}
	s.publisher.put("a.bin", second)
	s.took()
	id, err := s.action(t).ID()
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := s.Home.Cache.Lock(t.Context(), id, nil)
	if err != nil {
		t.Fatal(err)
	}
	var both sync.WaitGroup
	results := make([]activities.Result, 2)
	waiting := make(chan struct{}, 2)
	s.Home.Cache.Waiting = func(cas.Holder) { waiting <- struct{}{} }
	for i := range results {
		both.Go(func() {
			res, err := s.Execute(t.Context(), activities.ExecuteRequest{Plan: s.plan, Step: "fetch/x", Wanted: activities.Wanted{Fresh: activities.NoLock}}, execute.Attempt{Invocation: fmt.Sprint("run", i)})
			if err != nil {
				t.Error(err)
			}
			results[i] = res
		})
	}
	<-waiting
	<-waiting
	unlock()
	both.Wait()
	if asked, _ := s.took(); results[0].Artifact != results[1].Artifact || results[0].Cached == results[1].Cached || asked != 1 {
		t.Errorf("results %+v; the publisher was asked %d times, want once", results, asked)
	}
}
