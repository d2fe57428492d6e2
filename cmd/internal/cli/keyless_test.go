package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities/sigstore/sigstoretest"
	"github.com/cairn-bench/cairn/manifests/envelope"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/verify"
)

const (
	ciIssuer  = "https://token.actions.githubusercontent.com"
	ciSubject = "https://github.com/org/repo/.github/workflows/x.yml@refs/heads/main"
)

// attest has an identity sign what the records of the benchmark say, and lists the bundles beside them.
func (s *scene) attest(by *sigstoretest.Sigstore) {
	s.t.Helper()
	s.index(func(ix *ocispec.Index) {
		for _, listed := range ix.Manifests {
			if listed.ArtifactType != provenance.MediaType {
				continue
			}
			m := read[ocispec.Manifest](s, listed.Digest)
			e, err := envelope.Open(s.blob(m.Layers[0].Digest))
			if err != nil {
				s.t.Fatal(err)
			}
			bundle := by.Sign(s.t, ciIssuer, ciSubject, provenance.MediaType, e.Payload, sigstoretest.Signing{})
			m.Layers[0] = descriptorOf(envelope.BundleType, s.put(bundle), len(bundle))
			d := s.keep(m)
			listed.Digest, listed.Size = d.Digest, d.Size
			ix.Manifests = append(ix.Manifests, listed)
		}
	})
}

// identify has the scene trust an identity and no key, by a trusted root beside the policy.
func (s *scene) identify(subject string, root []byte) {
	s.t.Helper()
	dir := s.t.TempDir()
	s.trust = filepath.Join(dir, "policy.yaml")
	text := fmt.Sprintf("apiVersion: cairn/v1\nkind: TrustPolicy\nroots: root.json\nidentities:\n  ci: {issuer: %s, subject: %s, since: 2026-01-01}\nrules: [{keys: [ci]}]\n", ciIssuer, subject)
	if err := os.WriteFile(s.trust, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if root != nil {
		if err := os.WriteFile(filepath.Join(dir, "root.json"), root, 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
}

// TestKeyless: a benchmark that a workflow has signed verifies for those who know the workflow and no key.
func TestKeyless(t *testing.T) {
	p := prove(t)
	by := sigstoretest.New(t)
	s := newScene(t, p)
	s.identify(ciSubject, by.Root(t))
	if code, v := s.check(); code != exitDiffers || v.Problems[0].Code != verify.RecordUntrusted {
		t.Errorf("without bundles: exit %d, %+v", code, v.Problems)
	}
	s.attest(by)
	if code, v := s.check(); code != 0 || !v.OK || !v.Signed.OK || v.Signed.By["ci"] != v.Signed.Of || v.Level != verify.Files {
		t.Errorf("exit %d, %+v, %+v", code, v.Problems, v.Signed)
	}
	s.identify(ciSubject+"2", by.Root(t))
	if code, v := s.check(); code != exitDiffers || v.Problems[0].Code != verify.RecordUntrusted || !strings.Contains(v.Problems[0].Got, ciSubject+" of "+ciIssuer+", unknown to the policy") {
		t.Errorf("another identity: exit %d, %+v", code, v.Problems)
	}
	s.identify(ciSubject, sigstoretest.New(t).Root(t))
	if code, v := s.check(); code != exitDiffers || v.Problems[0].Code != verify.SignatureWrong || !strings.Contains(v.Problems[0].Got, "log inclusion") {
		t.Errorf("another root: exit %d, %+v", code, v.Problems)
	}
	for want, root := range map[string][]byte{"root.json: no such file": nil, "want Sigstore's trusted root in JSON": []byte("{")} {
		s.identify(ciSubject, root)
		var stdout, stderr bytes.Buffer
		code := Main(t.Context(), World{Args: []string{"--home", s.home, "--trust", s.trust, "verify", p.path("benchmark.lock")},
			Stdout: &stdout, Stderr: &stderr, Lookup: func(string) (string, bool) { return "", false }})
		if code != exitUsage || !strings.Contains(stderr.String(), want) || !strings.Contains(stderr.String(), "policy.yaml: roots: ") {
			t.Errorf("exit %d, %q; want %q", code, stderr.String(), want)
		}
	}
}
