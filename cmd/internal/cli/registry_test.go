package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/activities/cas/registry"
	"github.com/cairn-bench/cairn/activities/cas/registry/registrytest"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// eachRegistry runs a test against every real registry.
func eachRegistry(t *testing.T, run func(t *testing.T, server *registrytest.Server)) {
	for _, kind := range registrytest.Kinds {
		t.Run(string(kind), func(t *testing.T) { run(t, registrytest.Start(t, kind)) })
	}
}

// TestPushPull: what one home pushes another one pulls and verifies to the last byte, and a run of it has nothing to do.
func TestPushPull(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.want(0, words("run benchmark.yaml"))
	eachRegistry(t, func(t *testing.T, server *registrytest.Server) {
		ref := "oci://" + server.Addr + "/bench/small"
		first := object[pushed](m, 0, "push", "benchmark.lock", ref+":v1")
		if first.Schema != "cairn/push/v1" || first.Ref != ref+":v1" || first.Blobs.Sent == 0 || first.Blobs.Skipped != 0 || first.Bytes == 0 {
			t.Errorf("push: %+v", first)
		}
		again := object[pushed](m, 0, "push", "small", ref+":v1")
		if again.Digest != first.Digest || again.Blobs.Sent != 0 || again.Bytes != 0 || again.Blobs.Skipped != first.Blobs.Sent {
			t.Errorf("push again: %+v", again)
		}
		moved := object[pushed](m, 0, "push", "small", "oci://"+server.Addr+"/another/place")
		if moved.Blobs.Sent != 0 || moved.Blobs.Mounted != first.Blobs.Sent {
			t.Errorf("push to another repository: %+v", moved)
		}

		other := smallMachine(newMachine(t, ""))
		got := object[pulled](other, 0, "pull", ref+":v1")
		if got.Name != "small" || got.Digest != first.Digest || got.Blobs.Fetched != first.Blobs.Sent {
			t.Errorf("pull: %+v", got)
		}
		other.want(0, words("verify small --level bytes"), "verified", "level bytes")
		if got := object[pulled](other, 0, "pull", ref+":v1"); got.Blobs.Fetched != 0 || got.Bytes != 0 {
			t.Errorf("pull again: %+v", got)
		}
		other.want(0, words("run benchmark.yaml --offline"), "nothing to do: all 4 steps")
		if text := other.read("benchmark.lock"); text != m.read("benchmark.lock") {
			t.Errorf("the lock is\n%s", text)
		}

		third := newMachine(t, "")
		object[pushed](m, 0, "push", "small/fetch/heart", "oci://"+server.Addr+"/data/heart")
		third.want(0, []string{"pull", "oci://" + server.Addr + "/data/heart"}, "heart")
		third.want(0, words("ls heart"), "dataset.json")
	})
}

// TestCredentials: they come from where docker keeps them, and no error tells them.
func TestCredentials(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.want(0, words("run benchmark.yaml"))
	for _, kind := range registrytest.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			server := registrytest.StartLocked(t, kind)
			ref := "oci://" + server.Addr + "/private/small"
			login := func(m *machine, password string) {
				m.write("docker/config.json", fmt.Sprintf(`{"auths":{%q:{"username":%q,"password":%q}}}`, server.Addr, registrytest.User, password))
				m.env = []string{"DOCKER_CONFIG=" + m.path("docker")}
			}
			m.env = nil
			m.want(1, []string{"push", "small", ref}, "401 Unauthorized", "docker login "+server.Addr)
			login(m, "hunter3")
			if out := m.want(1, []string{"push", "small", ref}, "401 Unauthorized"); strings.Contains(out.stdout+out.stderr, "hunter3") {
				t.Errorf("the password is in\n%s", out.stderr)
			}
			login(m, registrytest.Password)
			m.want(0, []string{"push", "small", ref})
			other := newMachine(t, "")
			other.want(1, []string{"pull", ref}, "401 Unauthorized", "docker login")
			login(other, registrytest.Password)
			other.want(0, []string{"pull", ref}, "small")
			other.want(1, []string{"pull", ref + ":v9"}, "404", "cairn push")
		})
	}
}

// TestSharedStore: two homes with one store share what they did, and read what they lack.
func TestSharedStore(t *testing.T) {
	eachRegistry(t, func(t *testing.T, server *registrytest.Server) {
		ref := "oci://" + server.Addr + "/cluster/store"
		one, two := smallMachine(newMachine(t, "")), smallMachine(newMachine(t, ""))
		one.want(0, []string{"--store", ref, "run", "benchmark.yaml"})
		two.env = append(two.env, "CAIRN_STORE="+ref)
		two.want(0, words("plan benchmark.yaml"), "its record does not count here", object[shownKey](one, 0, "key", "show").ID)
		two.trusts("one", one)
		two.want(0, words("run benchmark.yaml"), "nothing to do: all 4 steps")
		if one.read("benchmark.lock") != two.read("benchmark.lock") {
			t.Error("the locks differ")
		}
		two.want(0, words("verify benchmark.lock --level bytes"), "verified", "level bytes")
		if err := os.RemoveAll(filepath.Join(one.home, "cairn")); err != nil {
			t.Fatal(err)
		}
		one.want(0, []string{"--store", ref, "verify", "small", "--level", "bytes"}, "verified", "level bytes")
	})
	m := smallMachine(newMachine(t, ""))
	m.want(1, words("--store oci://127.0.0.1:1/x run benchmark.yaml"), "127.0.0.1:1", "cannot be reached")
	m.want(2, words("--store /tmp/x run benchmark.yaml"), "oci://")
	m.want(2, words("--store oci://127.0.0.1:1/x:tag run benchmark.yaml"), "leave")
}

// trusts makes this machine's home trust the key of another one, and returns its ID.
func (m *machine) trusts(name string, other *machine) string {
	m.t.Helper()
	k := object[shownKey](other, 0, "key", "show")
	text := fmt.Sprintf("apiVersion: cairn/v1\nkind: TrustPolicy\nkeys:\n  %s: {public: %s}\n", name, k.Public)
	if err := os.MkdirAll(filepath.Join(m.home, "cairn"), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(m.home, "cairn", trustFile), []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
	return k.ID
}

// TestTrust: what a home has signed counts where its key is trusted, and nowhere else.
func TestTrust(t *testing.T) {
	one := smallMachine(newMachine(t, ""))
	one.want(0, words("run benchmark.yaml"))
	server := registrytest.Start(t, registrytest.Kinds[0])
	ref := "oci://" + server.Addr + "/trust/small"
	one.want(0, []string{"push", "benchmark.lock", ref})
	id := object[shownKey](one, 0, "key", "show").ID
	v := object[verify.Verdict](one, 0, "verify", "small")
	if !v.Signed.OK || v.Signed.By[homeKey] != v.Signed.Of || v.Signed.Of != 5 {
		t.Errorf("in its own home: %+v", v.Signed)
	}

	stranger := smallMachine(newMachine(t, ""))
	stranger.want(0, []string{"pull", ref})
	v = object[verify.Verdict](stranger, 0, "verify", "small")
	if v.Signed.OK || v.Signed.Unknown[id] != 5 || v.Level != verify.Records {
		t.Errorf("where nobody is known: %+v", v.Signed)
	}
	stranger.want(0, words("verify small"), "vouched for: 0 of 5 steps", "signed by "+id+", who does not count here: 5 records")

	friend := smallMachine(newMachine(t, ""))
	friend.trusts("one", one)
	friend.want(0, []string{"pull", ref})
	friend.want(0, words("verify small"), "vouched for: 5 of 5 steps, by one (5); policy: ")
	friend.want(0, words("run benchmark.yaml --offline"), "nothing to do: all 4 steps")

	sceptic := smallMachine(newMachine(t, ""))
	sceptic.trusts("another", stranger)
	sceptic.want(0, []string{"pull", ref}, "5 results of 5 do not count", id)
	sceptic.want(3, words("verify small"), "record-untrusted", "NOT verified, level none")
	sceptic.want(0, []string{"--trust", filepath.Join(friend.home, "cairn", trustFile), "verify", "small"}, "by one (5)")
	sceptic.want(2, words("--trust nowhere.yaml verify small"), "nowhere.yaml")
	sceptic.write("bad.yaml", "kind: TrustPolicy\nkeis: {}\n")
	sceptic.want(2, words("--trust bad.yaml verify small"), `bad.yaml:2:1: unknown key "keis"; did you mean "keys"?`)
	sceptic.want(0, words("run benchmark.yaml"), "4 steps")
	v = object[verify.Verdict](sceptic, 3, "verify", "benchmark.lock")
	if v.Signed.By["another"] != 0 {
		t.Errorf("%+v", v.Signed)
	}
}

// TestKey: a key is made once, and one that is kept elsewhere signs in its place.
func TestKey(t *testing.T) {
	m := newMachine(t, "")
	made := object[shownKey](m, 0, "key", "init")
	again := object[shownKey](m, 0, "key", "init")
	shown := object[shownKey](m, 0, "key", "show")
	if !made.Made || again.Made || made.ID != again.ID || shown.ID != made.ID || shown.Public != made.Public {
		t.Errorf("%+v, %+v, %+v", made, again, shown)
	}
	m.want(0, words("key show --pem"), "-----BEGIN PUBLIC KEY-----")
	other := newMachine(t, "")
	other.env = append(other.env, "CAIRN_KEY="+made.File)
	if k := object[shownKey](other, 0, "key", "show"); k.ID != made.ID {
		t.Errorf("the key of a reference is %s, want %s", k.ID, made.ID)
	}
	other.want(2, words("key init"), "CAIRN_KEY names a key already")
	other.env[len(other.env)-1] = "CAIRN_KEY=exec:false"
	other.want(1, words("key show"), "`false public`", "exit status 1")
}

// TestSpans: what --path looks for, as a span of paths.
func TestSpans(t *testing.T) {
	for glob, want := range map[string][]registry.Span{
		"train/**":    {registry.Behind("train/"), registry.Exactly("train")},
		"train/a.png": {registry.Exactly("train/a.png")},
		"train/a*":    {registry.Behind("train/a")},
		"**/*.png":    {registry.Behind("")},
		"x[0-9]/y":    {registry.Behind("x")},
		`a\*b`:        {registry.Behind("a")},
	} {
		if got := spans(glob); !slices.Equal(got, want) {
			t.Errorf("spans(%q) = %q, want %q", glob, got, want)
		}
	}
	m := newMachine(t, "")
	m.want(2, words("pull oci://127.0.0.1:1/x --path a//b"), "--path", "empty component")
	m.want(2, words("pull 127.0.0.1:1/x"), "oci://")
	m.want(2, words("push x oci://127.0.0.1:1/x@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), "has a digest already")
	m.want(2, words("push nothing oci://127.0.0.1:1/x"), "nothing is called")
}
