package cli

import (
	"net/http"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/all"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	sftpfetch "github.com/cairn-bench/cairn/plugins/fetch/sftp"
)

// boxAt is where publishers in a box are served to a process of a test, and the home in which it finds its SSH keys; "" is
// the internet.
const boxAt = "CAIRN_TEST_PUBLISHERS"

// boxed are the plugins of this program, which know no other internet, and one that tattles.
func boxed(at string) func() (plugins.Set, error) {
	return func() (plugins.Set, error) {
		address, home, _ := strings.Cut(at, " ")
		set, err := all.Over(publisher.Through(address))
		if err != nil {
			return set, err
		}
		own := []plugins.Plugin{tattler(), sftpfetch.Plugin(sftpfetch.Options{Home: home})}
		for _, spec := range set.Catalog() {
			if p, err := set.Find(spec.Kind, spec.Name); err == nil && spec.Name != "sftp" {
				own = append(own, p)
			}
		}
		return plugins.NewSet(own...)
	}
}

// meets lets the processes of a machine meet these publishers, and no others.
func (m *machine) meets(hosts publisher.Hosts) *publisher.Box {
	m.t.Helper()
	box := hosts.Open(m.t)
	m.env = append(m.env, boxAt+"="+box.Serve(m.t)+" "+m.home)
	return box
}

// TestBox: a process fetches from the publishers in a box at their real names.
func TestBox(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	heart := []byte(m.read("data/heart.csv"))
	m.write("benchmark.yaml", strings.Replace(small, "{plugin: dir, params: {path: data}}",
		"{plugin: http, params: {base: 'https://publisher.test', files: [{url: heart.csv}], auth: basic}}", 1))
	m.env = []string{"CAIRN_USERNAME_PUBLISHER_TEST=ann", "CAIRN_PASSWORD_PUBLISHER_TEST=s3cret"}
	box := m.meets(publisher.Hosts{"publisher.test": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "ann" || password != "s3cret" || r.URL.Path != "/heart.csv" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		publisher.Content(w, r, `"v1"`, heart)
	})})
	m.want(0, words("run benchmark.yaml"))
	if n, sent := box.Asked(); n == 0 || sent != int64(len(heart)) {
		t.Errorf("%d requests, %d bytes, want %d: %v", n, sent, len(heart), box.Requests())
	}
}
