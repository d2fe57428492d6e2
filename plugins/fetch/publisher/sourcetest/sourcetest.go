// Package sourcetest judges sources: one suite for all of them, over the publisher of each in a box. A source fetches what
// its publisher has; bears every fault or says why not, and stores nothing wrong; goes on where it was killed; notices
// what its publisher changes; and keeps its credentials to itself.
//
//	func TestSource(t *testing.T) { sourcetest.Run(t, sourcetest.Case{Plugin: Plugin, Open: world}) }
package sourcetest

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// Sizes of files. Block stands for the 8 MiB of a real transfer; a file of more than 8 blocks comes in parts.
const (
	Block = 4096
	Small = 5*Block + 100
	Large = 20*Block + 100

	half = 2*Block + 1000 // where faults strike
)

// Random makes a file of n bytes that no compression makes smaller, another one for each seed.
func Random(n int, seed uint64) []byte {
	out, r := make([]byte, n), rand.New(rand.NewPCG(seed, seed))
	for i := range out {
		out[i] = byte(r.Uint32())
	}
	return out
}

// Case is a source that is judged.
type Case struct {
	Plugin func(*http.Client) plugins.Plugin
	Open   func() World // is called anew for each test
	// Except says why a test is not for this source, by the test's name, such as "fault/changed". An entry that names
	// no test fails.
	Except map[string]string
}

// World is a publisher and what is fetched from it.
type World struct {
	Params string
	Hosts  publisher.Hosts
	Files  map[string][]byte // what a fetch gives, but for dataset.json. One has to come from a file of at least Large bytes

	// Data names the file of whose bytes a request asks, in any words, "" if it asks for something else, such as a list.
	Data     func(*url.URL) string
	Sums     bool // the publisher's list has a checksum of every file
	Versions bool // the answers have an ETag or a date, so that a transfer is taken up without a checksum

	Secrets  map[string]string // the credentials that let us in, by name; no other text holds their values
	Optional bool              // it goes on without them
	Trusted  []string          // the hosts that may see them
	// Terms makes the publisher refuse what this person has not accepted yet, and returns how they accept it. nil if the
	// publisher has no such terms.
	Terms func() (accept func())

	// What the publisher does between two fetches; nil if this publisher cannot.
	Touch   func() // gives other bytes of the same size for a file, and its list does not know
	Relist  func() // says another checksum of a file in its list
	Replace func() // puts another file in the place of one, and its list says so
	Add     func() // adds a file
	Remove  func() // takes a file away
}

// Run judges a source.
func Run(t *testing.T, c Case) {
	ran := map[string]bool{}
	for _, group := range []struct {
		name  string
		tests map[string]func(*visit)
	}{
		{"fetch", fetches}, {"fault", faults()}, {"list", listFaults()}, {"kill", kills}, {"drift", drifts}, {"secret", secrets},
	} {
		for name, test := range group.tests {
			full := group.name + "/" + name
			ran[full] = true
			t.Run(full, func(t *testing.T) {
				if why := c.Except[full]; why != "" {
					t.Skip(why)
				}
				synctest.Test(t, func(t *testing.T) { test(newVisit(t, c)) })
			})
		}
	}
	for name := range c.Except {
		if !ran[name] {
			t.Errorf("no test is named %q", name)
		}
	}
}

// visit is a source that is fetched from, with what it said on the way.
type visit struct {
	*testing.T
	World
	box     *publisher.Box
	plugin  plugins.Plugin
	partial string
	block   int64
	env     map[string]string // the credentials that are there

	mu    sync.Mutex
	fault publisher.Fault // that requests meet now
	notes []string
	last  plugins.Progress
}

func newVisit(t *testing.T, c Case) *visit {
	v := &visit{T: t, World: c.Open(), partial: t.TempDir(), block: Block, fault: publisher.None}
	v.env = v.Secrets
	v.Hosts[stranger] = http.NotFoundHandler()
	hosts := v.Hosts.Faulty(publisher.Script(func(int, *http.Request) publisher.Fault {
		v.mu.Lock()
		defer v.mu.Unlock()
		return v.fault
	}))
	v.box = hosts.Open(t)
	v.plugin = c.Plugin(v.box.Client)
	return v
}

// meets says what requests meet from now on.
func (v *visit) meets(match func(file string) bool, f publisher.Fault) {
	v.mu.Lock()
	defer v.mu.Unlock()
	faulty := f(v.Hosts) // once, so that it counts all requests
	v.fault = publisher.For(func(r *http.Request) bool { return match(v.file(r)) }, func(http.Handler) http.Handler { return faulty })
}

// heals lets everything be well from now on.
func (v *visit) heals() { v.meets(func(string) bool { return true }, publisher.None) }

// loginPage is where publisher.ToLogin leads to.
const loginPage = "/login"

// file is what Data says of a request. One for a head asks for no bytes.
func (v *visit) file(r *http.Request) string {
	if r.Method == http.MethodHead {
		return ""
	}
	u := *r.URL
	u.Scheme, u.Host = "http", r.Host
	if r.TLS != nil {
		u.Scheme = "https"
	}
	if u.Path == loginPage {
		return loginPage
	}
	return v.Data(&u)
}

// given is how many bytes of each file the publisher gave, and how many requests asked for something else.
func (v *visit) given() (bytes map[string]int64, others int) {
	synctest.Wait()
	bytes = map[string]int64{}
	for _, r := range v.box.Requests() {
		if file := v.Data(r.URL); file != "" && r.Method == http.MethodGet {
			bytes[file] += r.Bytes
		} else {
			others++
		}
	}
	return bytes, others
}

// all is how many bytes of all files the publisher gave.
func (v *visit) all() (n int64) {
	bytes, _ := v.given()
	for _, b := range bytes {
		n += b
	}
	return n
}

// fetch runs the plugin over what earlier runs have left.
func (v *visit) fetch(ctx context.Context) (plugintest.Files, error) {
	v.Helper()
	v.mu.Lock()
	v.notes, v.last = nil, plugins.Progress{}
	v.mu.Unlock()
	files, err := plugintest.Case{Plugin: v.plugin, Params: v.Params, Partial: v.partial, Progress: v.progress, Env: plugins.Env{
		Block: v.block, Lookup: v.lookup, Retry: plugins.Retry{Attempts: 3},
	}}.Run(ctx, 2, v.TempDir())
	v.holdsNoSecret(files, err)
	return files.Fetched(), err
}

func (v *visit) lookup(name string) (string, bool) {
	value, ok := v.env[name]
	return value, ok
}

func (v *visit) progress(p plugins.Progress) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.last = p
	if p.Note != "" {
		v.notes = append(v.notes, p.Note)
	}
}

// survived says whether a fault was survived.
func (v *visit) survived(code plugins.Code) bool {
	return strings.Contains(v.said(), fmt.Sprintf(": %s, tries again", code))
}

func (v *visit) said() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return strings.Join(v.notes, "\n")
}

// right fails the test unless a fetch gives what the publisher has.
func (v *visit) right() {
	v.Helper()
	files, err := v.fetch(v.Context())
	if err != nil {
		v.Fatalf("fetch: %v\n%s", err, v.said())
	}
	if diff := plugintest.Diff(v.Files, files); diff != "" {
		v.Fatalf("fetch: %s", diff)
	}
	if p := v.last; p.Total > 0 && p.Done != p.Total {
		v.Errorf("progress ends at %d of %d bytes", p.Done, p.Total)
	}
}

// victim is the largest file, which faults strike, and its size as the publisher gives it.
func (v *visit) victim() (file string, size int64) {
	v.Helper()
	bytes, _ := v.given()
	for f, n := range bytes {
		if n > size {
			file, size = f, n
		}
	}
	if size < Large {
		v.Fatalf("the largest file has %d bytes, want at least sourcetest.Large, %d: %v", size, Large, bytes)
	}
	return file, size
}

// fetches is what a source does while all is well.
var fetches = map[string]func(*visit){
	"all": func(v *visit) {
		v.right()
		v.victim()
		before := v.all()
		v.right()
		if again := v.all() - before; again != 0 {
			v.Errorf("over what was there, %d bytes were fetched", again)
		}
	},
	"however many work": func(v *visit) {
		files := plugintest.Case{Plugin: v.plugin, Params: v.Params, Env: plugins.Env{Block: Block, Lookup: v.lookup}}.Deterministic(v)
		if diff := plugintest.Diff(v.Files, files.Fetched()); diff != "" {
			v.Error(diff)
		}
	},
	"what it was asked": func(v *visit) {
		params, err := v.plugin.Normalise(json.RawMessage(v.Params))
		if err != nil {
			v.Fatal(err)
		}
		again, err := v.plugin.Normalise(params)
		if err != nil || string(params) != string(again) {
			v.Errorf("%s becomes %s, %v", params, again, err)
		}
	},
}
