package cli

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// withoutData removes everything but what the records say: the index, the documents, the plan and the records.
func (s *scene) withoutData() {
	s.t.Helper()
	l, err := lock.Parse("", []byte(s.lock))
	if err != nil {
		s.t.Fatal(err)
	}
	keep := map[digest.Digest]bool{l.Plan: true}
	named, err := s.store.Index(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, m := range named.Manifests {
		keep[m.Digest] = m.Annotations["org.opencontainers.image.ref.name"] == "small"
	}
	for _, m := range s.benchmark().Manifests {
		step := m.Annotations[verify.StepKey]
		if m.ArtifactType != provenance.MediaType && step != verify.DocumentsStep {
			continue
		}
		keep[m.Digest] = true
		own := s.manifest(step, m.ArtifactType == provenance.MediaType)
		for _, b := range append(own.Layers, own.Config) {
			keep[b.Digest] = true
		}
	}
	blobs := filepath.Join(s.home, "store", "blobs", "sha256")
	files, err := os.ReadDir(blobs)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range files {
		if keep[digest.NewDigestFromEncoded(digest.SHA256, f.Name())] {
			continue
		}
		if err := os.Remove(filepath.Join(blobs, f.Name())); err != nil {
			s.t.Fatal(err)
		}
	}
}

// TestCopies: a copy without data, with some and with all says what it proves, by step, and asks for more where it is asked for
// more.
func TestCopies(t *testing.T) {
	p := prove(t)
	p.strict(t)

	none := newScene(t, p)
	none.withoutData()
	code, v := none.check("--level", "records")
	if code != exitOK || v.Level != verify.Records || !v.Signed.OK || v.Ledger == nil || v.Ledger.Records != 4 || v.Unseen() != 5 {
		t.Errorf("without data: code %d, level %s, %d unseen, %+v%s", code, v.Level, v.Unseen(), v.Signed, problems(v))
	}
	if code, v := none.check("--level", "bytes"); code != exitUnknown || v.Level != verify.Records {
		t.Errorf("without data, asked for bytes: code %d, level %s", code, v.Level)
	}
	none.relock(func(body string) string { return replaceLine(body, "  - {evaluation: test", "") })
	if code, _ := none.check("--level", "records"); code != exitDiffers {
		t.Errorf("without data, a number taken out of the lock: code %d", code)
	}

	some := newScene(t, p)
	some.exchange(some.manifest(curatedIn, false).Layers[1].Digest, nil)
	code, v = some.check("--level", "bytes")
	if code != exitUnknown || v.Level != verify.Records {
		t.Errorf("with some data: code %d, level %s", code, v.Level)
	}
	for _, s := range v.Steps {
		if want := map[bool]string{true: verify.Records, false: verify.Bytes}[s.Name == curatedIn]; s.Level != want {
			t.Errorf("with some data: step %s has level %s, want %s", s.Name, s.Level, want)
		}
	}

	all := newScene(t, p)
	if code, v := all.check("--level", "files"); code != exitOK || v.Level != verify.Files || slices.ContainsFunc(v.Steps, func(s verify.Step) bool { return s.Level != verify.Files }) {
		t.Errorf("with all data: code %d, level %s, %+v", code, v.Level, v.Steps)
	}
}

// TestWithoutNetwork: in a network namespace with no network verification says the same.
func TestWithoutNetwork(t *testing.T) {
	if exec.Command("unshare", "--user", "--net", "--map-root-user", "true").Run() != nil {
		t.Skip("no network namespaces here")
	}
	p := prove(t)
	p.strict(t)
	self := p.command("verify", "benchmark.lock", "--level", "files", "--json")
	apart := exec.CommandContext(t.Context(), "unshare", append([]string{"--user", "--net", "--map-root-user"}, self.Args...)...)
	apart.Dir, apart.Env = self.Dir, self.Env
	apart.Args[4] = self.Path
	text, err := apart.Output()
	var v verify.Verdict
	if err != nil || json.Unmarshal(text, &v) != nil || !v.OK || v.Level != verify.Files || !v.Signed.OK || v.Ledger.Records != 4 {
		t.Errorf("%v, %s", err, text)
	}
}
