package cli

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas/registry/registrytest"
	"github.com/cairn-bench/cairn/activities/sigstore/sigstoretest"
	"github.com/cairn-bench/cairn/manifests/envelope"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// bundles has an identity sign the statement of each record of the machine's benchmark, as `cairn export --format in-toto` gives them,
// and returns the files.
func (m *machine) bundles(t *testing.T, by *sigstoretest.Sigstore, subject string) []string {
	t.Helper()
	m.want(0, words("export small --format in-toto --force -o records.jsonl"))
	var files []string
	for _, line := range strings.Split(strings.TrimSpace(m.read("records.jsonl")), "\n") {
		e, err := envelope.Open([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := provenance.Parse(e.Payload); err != nil {
			continue // the numbers of an evaluation
		}
		files = append(files, fmt.Sprintf("%s-%d.sigstore.json", filepath.Base(subject), len(files)))
		m.write(files[len(files)-1], string(by.Sign(t, ciIssuer, subject, provenance.MediaType, e.Payload, sigstoretest.Signing{})))
	}
	if len(files) != 5 {
		t.Fatalf("%d records, want those of 4 steps and of the documents", len(files))
	}
	return files
}

// policyOf writes a trust policy that knows an identity, and what more there is.
func (m *machine) policyOf(by *sigstoretest.Sigstore, t *testing.T, more string) []string {
	t.Helper()
	m.write("root.json", string(by.Root(t)))
	m.write("trust.yaml", fmt.Sprintf("apiVersion: cairn/v1\nkind: TrustPolicy\nroots: root.json\nidentities:\n  ci: {issuer: %s, subject: %s}\n%s", ciIssuer, ciSubject, more))
	return []string{"--trust", "trust.yaml"}
}

func attach(policy []string, ref string, files ...string) []string {
	return slices.Concat(policy, []string{"attach", ref}, files)
}

// TestAttach: bundles that are attached count in verification, are there once, outlive the next run and a collection, and the
// proof of the ledger holds as before.
func TestAttach(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	was := object[runDocument](m, 0, "run", "benchmark.yaml").Benchmark
	by := sigstoretest.New(t)
	files := m.bundles(t, by, ciSubject)
	key := object[shownKey](m, 0, "key", "show")
	policy := m.policyOf(by, t, fmt.Sprintf("keys:\n  me: {public: %s}\nrules: [{keys: [ci, me], agree: 2}]\n", key.Public))
	m.want(3, append(policy, words("verify benchmark.lock")...), "1 of 2 that must vouch: me")

	got := object[attachDocument](m, 0, attach(policy, "benchmark.lock", files...)...)
	if got.Was != was || got.Digest == was || !slices.Equal(got.Names, []string{"small"}) || len(got.Attached) != 5 {
		t.Fatalf("%+v", got)
	}
	for i, x := range got.Attached {
		if x.File != files[i] || !x.New || !slices.Equal(x.By, []string{"ci"}) {
			t.Errorf("%+v", x)
		}
	}
	holds := func(m *machine, why string) {
		t.Helper()
		v := object[verify.Verdict](m, 0, append(policy, words("verify small --level files")...)...)
		if !v.OK || v.Signed.By["ci"] != 5 || v.Signed.By["me"] != 5 || v.Signed.Steps != 5 || v.Ledger.Records != 4 || v.Ledger.Of != 4 {
			t.Errorf("%s: %+v, %+v, %+v", why, v.Problems, v.Signed, v.Ledger)
		}
	}
	holds(m, "attached")

	slices.Reverse(files)
	again := object[attachDocument](m, 0, attach(policy, "small", files...)...)
	if again.Digest != got.Digest || again.Was != got.Digest || again.Attached[0].New {
		t.Errorf("again: %+v", again)
	}
	for range 2 { // the second remembers the first
		if d := object[runDocument](m, 0, "run", "benchmark.yaml"); d.Benchmark != got.Digest {
			t.Errorf("after a run the benchmark is %s, want %s", d.Benchmark, got.Digest)
		}
	}
	m.want(0, words("gc"))
	holds(m, "after a run and a collection")
	m.want(0, words("export small --format in-toto --force -o again.jsonl"))
	if m.read("again.jsonl") != m.read("records.jsonl") {
		t.Error("the records of who has done it are others")
	}
	eachRegistry(t, func(t *testing.T, server *registrytest.Server) {
		ref := "oci://" + server.Addr + "/bench/small"
		m.want(0, []string{"push", "small", ref})
		other := smallMachine(newMachine(t, ""))
		other.policyOf(by, t, "rules: [{keys: [ci]}]\n")
		if out := other.want(0, append(policy, "pull", ref), got.Digest.String()); strings.Contains(out.stderr, "do not count") {
			t.Errorf("pull: %s", out.stderr)
		}
		other.want(0, append(policy, words("verify small --level files")...), "verified", "by ci (5)")
		if d := object[runDocument](other, 0, append(policy, words("run benchmark.yaml --offline")...)...); d.Benchmark != got.Digest {
			t.Errorf("after a run of what was pulled the benchmark is %s, want %s", d.Benchmark, got.Digest)
		}
	})
}

// TestAttachRefuses: what does not hold, or is about something else, is not attached, and nothing of what came with it.
func TestAttachRefuses(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	was := object[runDocument](m, 0, "run", "benchmark.yaml").Benchmark
	by := sigstoretest.New(t)
	good, others := m.bundles(t, by, ciSubject), m.bundles(t, by, ciSubject+"2")
	policy := m.policyOf(by, t, "")
	other := smallMachine(newMachine(t, ""))
	other.write("data/heart.csv", strings.Replace(m.read("data/heart.csv"), "\n", "\n\n", 1))
	other.want(0, words("run benchmark.yaml"))
	elsewhere := other.bundles(t, by, ciSubject)
	for i, f := range elsewhere {
		m.write("elsewhere-"+f, other.read(elsewhere[i]))
	}
	m.write("envelope.json", strings.SplitN(m.read("records.jsonl"), "\n", 2)[0])
	m.write("statement.sigstore.json", string(by.Sign(t, ciIssuer, ciSubject, provenance.MediaType, []byte(`{"_type":"https://in-toto.io/Statement/v1"}`), sigstoretest.Signing{})))
	e, err := envelope.Open([]byte(strings.SplitN(m.read("records.jsonl"), "\n", 2)[0]))
	if err != nil {
		t.Fatal(err)
	}
	s, err := provenance.Parse(e.Payload)
	if err != nil {
		t.Fatal(err)
	}
	lie := strings.Replace(string(e.Payload), s.Artifact().Encoded(), digest.FromString("x").Encoded(), 1)
	m.write("another.sigstore.json", string(by.Sign(t, ciIssuer, ciSubject, provenance.MediaType, []byte(lie), sigstoretest.Signing{})))
	m.write("torn.sigstore.json", m.read(good[0])[:1000])
	m.write("another.json", string(sigstoretest.New(t).Root(t)))
	m.write("wrong.yaml", strings.Replace(m.read("trust.yaml"), "root.json", "another.json", 1))
	for _, c := range []struct {
		code   int
		policy []string
		file   string
		says   string
	}{
		{5, policy, others[0], ciSubject + "2 of " + ciIssuer},
		{5, nil, good[0], "the policy has no roots"},
		{3, []string{"--trust", "wrong.yaml"}, good[1], "the bundle that names identity ci"},
		{3, policy, "another.sigstore.json", "in the benchmark it gave"},
		{3, policy, "elsewhere-" + good[0], "of no step of the benchmark"},
		{3, policy, "elsewhere-" + good[1], "of no step of the benchmark"},
		{2, policy, "statement.sigstore.json", "statement of a record"},
		{2, policy, "envelope.json", "mediaType"},
		{2, policy, "torn.sigstore.json", "torn.sigstore.json"},
		{2, policy, "nothing.json", "no such file"},
	} {
		out := m.want(c.code, attach(c.policy, "small", good[1], c.file))
		if c.policy == nil {
			continue // the first one is refused, too
		}
		if !strings.Contains(out.stderr, c.file) || !strings.Contains(out.stderr, c.says) {
			t.Errorf("%s: %s; want %q", c.file, out.stderr, c.says)
		}
	}
	m.want(2, attach(policy, was.String()[:20], good[0]), "nothing is called")
	m.want(2, attach(policy, "small/fetch/heart", good[0]), "is no benchmark")
	if d := object[attachDocument](m, 0, attach(policy, "small", good[0])...); d.Was != was {
		t.Errorf("something was attached before: %+v", d)
	}
	m.want(2, attach(policy, was.String(), good[0]), "no name in this store stands for")
}
