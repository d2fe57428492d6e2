package sftpfetch

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/pick"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

const (
	tuh     = "www.isip.piconepress.com"
	corpus  = "data/tuh_eeg/v1"
	account = "nedc-canary-account"
	block   = 4096
)

// guest is somebody who has a key at a server, and who may lose it.
type guest struct {
	t       *testing.T
	server  *publisher.SFTP
	home    string
	env     map[string]string
	dial    func(context.Context, string, string) (net.Conn, error)
	partial string

	codes []string // of the faults that were survived
}

func random(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*i>>3 ^ i>>9)
	}
	return b
}

func newGuest(t *testing.T) *guest {
	t.Helper()
	mine, private := publisher.Key(t, "mine")
	g := &guest{t: t, home: t.TempDir(), env: map[string]string{"TUH_USERNAME": account}, partial: t.TempDir()}
	g.server = &publisher.SFTP{User: account, Keys: []ssh.PublicKey{mine.PublicKey()}}
	g.write("id_ed25519", pemOf(t, private, ""))
	g.write("known_hosts", knownhosts.Line([]string{tuh, "sftp.test"}, g.server.HostKey(t))+"\n")
	g.dial = g.server.Open(t)
	return g
}

func pemOf(t *testing.T, key ed25519.PrivateKey, passphrase string) string {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(key, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block))
}

// write writes a file of the guest's .ssh; "" removes it.
func (g *guest) write(name, text string) {
	g.t.Helper()
	at := filepath.Join(g.home, ".ssh", name)
	err := os.MkdirAll(filepath.Dir(at), 0o700)
	if err == nil {
		err = os.WriteFile(at, []byte(text), 0o600)
	}
	if text == "" {
		err = os.Remove(at)
	}
	if err != nil {
		g.t.Fatal(err)
	}
}

func (g *guest) plugin() plugins.Plugin { return Plugin(Options{Home: g.home, Dial: g.dial}) }

func (g *guest) lookups() plugins.Env {
	return plugins.Env{Block: block, Retry: plugins.Retry{Attempts: 3}, Lookup: func(name string) (string, bool) { v, ok := g.env[name]; return v, ok }}
}

// fetch fetches, and holds every error to what none may say.
func (g *guest) fetch(params string) (plugintest.Files, error) {
	g.t.Helper()
	c := plugintest.Case{Plugin: g.plugin(), Params: params, Partial: g.partial, Env: g.lookups(), Progress: func(p plugins.Progress) {
		if p.News {
			g.codes = append(g.codes, strings.TrimSuffix(p.Note[strings.LastIndex(p.Note, ": ")+2:], ", tries again"))
		}
	}}
	files, err := c.Run(g.t.Context(), 2, g.t.TempDir())
	if err != nil && (strings.Contains(err.Error(), account) || strings.Contains(err.Error(), g.home)) {
		g.t.Errorf("the error tells of the account or of this machine: %v", err)
	}
	return files.Fetched(), err
}

func params(t *testing.T, p Params) string {
	t.Helper()
	if p.Host == "" {
		p.Host = tuh
	}
	if p.Path == "" {
		p.Path = corpus
	}
	p.Port = 22
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// bubble runs a test where a minute takes no time.
func bubble(t *testing.T, do func(t *testing.T, g *guest)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { do(t, newGuest(t)) })
}

func TestFetch(t *testing.T) {
	bubble(t, func(t *testing.T, g *guest) {
		large := random(40*block + 77)
		g.server.Put(corpus+"/AAREADME.txt", []byte("read me"))
		g.server.Put(corpus+"/edf/eval/a b.edf", large)
		g.server.Put(corpus+"/edf/train/ü.edf", []byte("E"))
		g.server.Put(corpus+"/empty", nil)
		g.server.Put("/shared/montage.txt", []byte("M"))
		g.server.Link(corpus+"/montage.txt", "/shared/montage.txt")
		g.server.Link(corpus+"/latest", "edf")
		for _, c := range []struct {
			params Params
			want   plugintest.Files
		}{
			{Params{Params: pick.Params{Exclude: []string{"latest"}}}, plugintest.Files{"AAREADME.txt": []byte("read me"), "edf/eval/a b.edf": large, "edf/train/ü.edf": []byte("E"), "empty": {}, "montage.txt": []byte("M")}},
			{Params{Params: pick.Params{Include: []string{"edf/**"}}}, plugintest.Files{"edf/eval/a b.edf": large, "edf/train/ü.edf": []byte("E")}},
			{Params{Path: "/home/" + account + "/" + corpus + "/edf/train"}, plugintest.Files{"ü.edf": []byte("E")}},
		} {
			got, err := g.fetch(params(t, c.params))
			if err != nil {
				t.Fatal(err)
			}
			if diff := plugintest.Diff(c.want, got); diff != "" {
				t.Errorf("%+v: %s", c.params, diff)
			}
		}
		if conns, _, _ := g.server.Asked(); conns > 3*6 {
			t.Errorf("%d connections for three fetches: none is used again", conns)
		}
	})
}

// TestKeys: a key comes from a file or from the agent, and one that is locked only from there.
func TestKeys(t *testing.T) {
	_, private := publisher.Key(t, "mine")
	_, other := publisher.Key(t, "other")
	for _, c := range []struct {
		name  string
		set   func(g *guest)
		codes plugins.Code
		want  string // in the error
	}{
		{"usual file", func(*guest) {}, "", ""},
		{"IdentityFile", func(g *guest) {
			g.write("tuh_key", pemOf(g.t, private, ""))
			g.write("id_ed25519", "")
			g.write("config", "Host *.piconepress.com\n  IdentityFile ~/.ssh/tuh_key\n")
		}, "", ""},
		{"agent", func(g *guest) { g.write("id_ed25519", ""); g.agent(private) }, "", ""},
		{"agent, and a file of no use", func(g *guest) { g.write("id_ed25519", pemOf(g.t, other, "")); g.agent(private) }, "", ""},
		{"agent, and a locked file", func(g *guest) { g.write("id_ed25519", pemOf(g.t, private, "s3cret")); g.agent(private) }, "", ""},
		{"an agent that has gone", func(g *guest) { g.env["SSH_AUTH_SOCK"] = filepath.Join(g.home, "gone") }, "", ""},
		{"locked", func(g *guest) { g.write("id_ed25519", pemOf(g.t, private, "s3cret")) }, plugins.FaultUnauthorized, "id_ed25519 needs a passphrase: put it into an agent with ssh-add"},
		{"none", func(g *guest) { g.write("id_ed25519", "") }, plugins.FaultUnauthorized, "there is none in ~/.ssh"},
		{"no key", func(g *guest) { g.write("id_ed25519", "s3cret") }, "", "~/.ssh/id_ed25519 is no private key"},
		{"wrong key", func(g *guest) { g.write("id_ed25519", pemOf(g.t, other, "")) }, plugins.FaultUnauthorized, "takes none of our keys for this account"},
		{"wrong account", func(g *guest) { g.env["TUH_USERNAME"] = "other" }, plugins.FaultUnauthorized, "takes none of our keys for this account"},
		{"no account", func(g *guest) { delete(g.env, "TUH_USERNAME") }, plugins.FaultUnauthorized, "no name of an account at " + tuh},
		{"account from the config", func(g *guest) {
			delete(g.env, "TUH_USERNAME")
			g.write("config", "Host www.isip.*\n  User "+account+"\n")
		}, "", ""},
		{"no SFTP", func(g *guest) { g.server.Bare = true }, plugins.FaultRefused, "bring the files into a folder with it, and fetch that with the plugin drop"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGuest(t)
			g.server.Put(corpus+"/a.edf", []byte("A"))
			c.set(g)
			files, err := g.fetch(params(t, Params{}))
			if c.want == "" && (err != nil || string(files["a.edf"]) != "A") {
				t.Fatalf("%v, %q", err, files)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || plugins.FaultCode(err) != c.codes || strings.Contains(err.Error(), "s3cret")) {
				t.Errorf("error %v with code %q, want one with %q and %q", err, plugins.FaultCode(err), c.want, c.codes)
			}
		})
	}
}

// agent serves a key from an agent.
func (g *guest) agent(key ed25519.PrivateKey) {
	g.t.Helper()
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
		g.t.Fatal(err)
	}
	at := filepath.Join(g.home, "agent")
	l, err := net.Listen("unix", at)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(ring, c); _ = c.Close() }()
		}
	}()
	g.env["SSH_AUTH_SOCK"] = at
}

// TestStrangers: a server that is not known is not talked to, whoever says that it is.
func TestStrangers(t *testing.T) {
	other, _ := publisher.Key(t, "other")
	line := func(k ssh.PublicKey) string { return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k))) }
	for _, c := range []struct {
		name   string
		params Params
		set    func(g *guest)
		want   string // in the error
	}{
		{"known", Params{}, func(*guest) {}, ""},
		{"known by a hashed name", Params{}, func(g *guest) {
			g.write("known_hosts", knownhosts.Line([]string{knownhosts.HashHostname(tuh)}, g.server.HostKey(g.t)))
		}, ""},
		{"not known", Params{}, func(g *guest) { g.write("known_hosts", "") }, "the host key of " + tuh + " is not known"},
		{"known by another key", Params{}, func(g *guest) { g.write("known_hosts", knownhosts.Line([]string{tuh}, other.PublicKey())) }, "shows the host key ssh-ed25519 SHA256:"},
		{"revoked", Params{}, func(g *guest) {
			g.write("known_hosts", knownhosts.Line([]string{tuh}, g.server.HostKey(g.t))+"\n@revoked * "+line(g.server.HostKey(g.t)))
		}, "shows the host key ssh-ed25519 SHA256:"},
		{"known by a key of another kind", Params{}, func(g *guest) {
			g.write("known_hosts", tuh+" ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEmKSENjQEezOmxkZMy7opKgwFB9nkt5YRrYMjNuG5N87uRgg6CLrbo5wAdT/y6v0mKV0U2w0WZ2YB/++Tpockg=")
		}, "of a kind that it has"},
		{"pinned", Params{HostKey: line(newGuest(t).server.HostKey(t))}, func(g *guest) { g.write("known_hosts", "") }, ""},
		{"pinned to another key", Params{HostKey: line(other.PublicKey())}, func(*guest) {}, "somebody may be in between"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGuest(t)
			g.server.Put(corpus+"/a.edf", []byte("A"))
			c.set(g)
			_, err := g.fetch(params(t, c.params))
			if c.want == "" && err != nil {
				t.Fatal(err)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || plugins.FaultCode(err) != plugins.FaultRefused || plugins.IsTransient(err)) {
				t.Errorf("error %v with code %q, want one with %q", err, plugins.FaultCode(err), c.want)
			}
			if _, opened, _ := g.server.Asked(); c.want != "" && len(opened) > 0 {
				t.Errorf("opened %v", opened)
			}
		})
	}
}

// TestAccountsStayWhereTheyBelong: the name of the TUH account goes to no other server, whatever a manifest says.
func TestAccountsStayWhereTheyBelong(t *testing.T) {
	g := newGuest(t)
	g.server.Put(corpus+"/a.edf", []byte("A"))
	if _, err := g.fetch(params(t, Params{Host: "sftp.test"})); err == nil || !strings.Contains(err.Error(), "no name of an account at sftp.test") {
		t.Errorf("error %v", err)
	}
	if conns, _, _ := g.server.Asked(); conns > 0 {
		t.Error("the server was asked")
	}
	g.write("config", "Host sftp.test\n  User "+account+"\n")
	if _, err := g.fetch(params(t, Params{Host: "sftp.test"})); err != nil {
		t.Error(err)
	}
}

func TestMissing(t *testing.T) {
	for _, c := range []struct {
		name string
		host string
		set  func(g *guest)
		want []string
	}{
		{"nothing", tuh, func(*guest) {}, nil},
		{"all", tuh, func(g *guest) { delete(g.env, "TUH_USERNAME"); g.write("id_ed25519", ""); g.write("known_hosts", "") },
			[]string{"the name of an account at " + tuh, "a key for " + tuh, "the host key of " + tuh}},
		{"an agent may have the key", tuh, func(g *guest) { g.write("id_ed25519", ""); g.env["SSH_AUTH_SOCK"] = "/somewhere" }, nil},
		{"another server", "sftp.test", func(*guest) {}, []string{"the name of an account at sftp.test"}},
		{"another port", "sftp.test", func(g *guest) {
			g.write("config", "Host *\n  User x")
			g.write("known_hosts", knownhosts.Line([]string{"[sftp.test]:2222"}, g.server.HostKey(g.t)))
		}, []string{"the host key of sftp.test"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGuest(t)
			c.set(g)
			missing, err := g.plugin().Missing(t.Context(), json.RawMessage(params(t, Params{Host: c.host})), g.lookups())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, m := range missing {
				got = append(got, m.What)
				if (m.Page != "") != (c.host == tuh) || m.Do == "" {
					t.Errorf("%+v", m)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if conns, _, _ := g.server.Asked(); conns > 0 {
				t.Error("the server was asked")
			}
		})
	}
}

// TestLists: a folder that could not be unpacked, or that is not there, is refused before a byte is asked for.
func TestLists(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(g *guest)
		code plugins.Code
		want string
	}{
		{"a link to a folder", func(g *guest) { g.server.Link(corpus+"/loop", ".") }, "", "list loop: it is a link to a folder"},
		{"a link to nothing", func(g *guest) { g.server.Link(corpus+"/gone", "nothing") }, plugins.FaultAbsent, "follow the link"},
		{"a name that is none", func(g *guest) { g.server.Put(corpus+"/a\nb", nil) }, "", "which is no name"},
		{"clashing names", func(g *guest) { g.server.Put(corpus+"/A.EDF", nil) }, "", `"A.EDF" and "a.edf"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGuest(t)
			g.server.Put(corpus+"/a.edf", []byte("A"))
			c.set(g)
			_, err := g.fetch(params(t, Params{}))
			if err == nil || !strings.Contains(err.Error(), c.want) || plugins.FaultCode(err) != c.code {
				t.Errorf("error %v with code %q, want one with %q and %q", err, plugins.FaultCode(err), c.want, c.code)
			}
		})
	}
	g := newGuest(t)
	if _, err := g.fetch(params(t, Params{Path: "nowhere"})); plugins.FaultCode(err) != plugins.FaultAbsent {
		t.Errorf("error %v", err)
	}
}

func TestParams(t *testing.T) {
	for p, want := range map[string]string{
		`{}`:                                      "host is required",
		`{"host":"a@b","path":"x"}`:               "without a user, a port or a path",
		`{"host":"h:22","path":"x"}`:              "without a user, a port or a path",
		`{"host":"-oProxyCommand=x","path":"x"}`:  "without a user, a port or a path",
		`{"host":"h","port":0,"path":"x"}`:        "port is 0",
		`{"host":"h"}`:                            "path is required",
		`{"host":"h","path":"x/"}`:                `such as "x"`,
		`{"host":"h","path":"../x"}`:              "leaves the account's own folder",
		`{"host":"h","path":"x","hostKey":"x"}`:   "hostKey: want the type of the key",
		`{"host":"h","path":"x","include":["["]}`: `pattern "["`,
		`{"host":"h","path":"x","password":"x"}`:  "unknown field",
	} {
		if _, err := Plugin(Options{}).Normalise(json.RawMessage(p)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", p, err, want)
		}
	}
}

// TestNames: what a manifest names is what a plugin may ask for, and nothing else.
func TestNames(t *testing.T) {
	g := newGuest(t)
	g.server.Put(corpus+"/a.edf", []byte("A"))
	asked := map[string]bool{}
	env := g.lookups()
	env.Lookup = func(name string) (string, bool) { asked[name] = true; return account, name == tuhUsername }
	if _, err := (plugintest.Case{Plugin: g.plugin(), Params: params(t, Params{}), Env: env}).Run(t.Context(), 1, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{agentSocket, tuhUsername}, slices.Sorted(maps.Keys(asked))); diff != "" {
		t.Error(diff)
	}
}

// TestGolden: however bytes are brought, version 1 of the plugin makes these files of them.
func TestGolden(t *testing.T) {
	g := newGuest(t)
	g.server.Put(corpus+"/AAREADME.txt", []byte("read me"))
	g.server.Put(corpus+"/edf/a.edf", random(40*block))
	g.server.Put(corpus+"/empty", nil)
	files, err := (plugintest.Case{Plugin: g.plugin(), Params: params(t, Params{}), Env: g.lookups()}).Run(t.Context(), 2, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := files.Root(), digest.Digest("sha256:22e79a1a50fa68ad2685bd9ed334dacb6ffa06f48fc576b9a0ca3f7ff5c1e08d"); got != want {
		t.Errorf("the files are %s, want %s; raise the plugin's version if that is on purpose", got, want)
	}
}
