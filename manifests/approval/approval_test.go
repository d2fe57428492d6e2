package approval_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/approval"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/manifests/trust"
)

// signer is an ed25519 key made of one byte, so that what it signs is always the same.
type signer struct{ ed25519.PrivateKey }

func keyOf(b byte) signer {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = b
	return signer{ed25519.NewKeyFromSeed(seed)}
}

func (s signer) KeyID() (string, error) { return dsse.SHA256KeyID(s.PrivateKey.Public()) }

func (s signer) Sign(_ context.Context, data []byte) ([]byte, error) {
	return ed25519.Sign(s.PrivateKey, data), nil
}

func (s signer) known() trust.PublicKey {
	k, err := trust.NewPublicKey(s.PrivateKey.Public())
	if err != nil {
		panic(err)
	}
	return k
}

func given() approval.Approval {
	return approval.Approval{Dataset: "mimic-iv", Version: "2.2", Terms: approval.Terms{ID: "MIMIC-DUA-1.5.0", URL: "https://x.test/dua"},
		By: "Ada Łovelace", At: time.Date(2026, 11, 26, 4, 5, 6, 789, time.UTC)}
}

func signed(t *testing.T, a approval.Approval, key dsse.Signer) []byte {
	t.Helper()
	text, err := a.Sign(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestRoundTrip(t *testing.T) {
	text := signed(t, given(), keyOf(1))
	got, err := approval.Open(text, keyOf(2).known(), keyOf(1).known())
	if err != nil {
		t.Fatal(err)
	}
	want := given()
	want.At = want.At.Truncate(time.Second)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestGolden pins the bytes that are signed, as they lie in records for good.
func TestGolden(t *testing.T) {
	var e dsse.Envelope
	if err := json.Unmarshal(signed(t, given(), keyOf(1)), &e); err != nil {
		t.Fatal(err)
	}
	payload, err := base64.StdEncoding.DecodeString(e.Payload)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"_type":"https://in-toto.io/Statement/v1","predicate":{"at":"2026-11-26T04:05:06Z","by":"Ada Łovelace","dataset":"mimic-iv","terms":{"id":"MIMIC-DUA-1.5.0","url":"https://x.test/dua"},"version":"2.2"},"predicateType":"https://cairn-bench.github.io/approval/v1","subject":[{"digest":{"sha256":"DIGEST"},"name":"mimic-iv/MIMIC-DUA-1.5.0"}]}`
	if got := string(payload); !strings.HasPrefix(got, want[:strings.Index(want, "DIGEST")]) || !strings.HasSuffix(got, want[strings.Index(want, "DIGEST")+6:]) || e.PayloadType != "application/vnd.in-toto+json" {
		t.Errorf("%s\n%s", e.PayloadType, got)
	}
}

// TestCovers: an approval is for one dataset, one version and one text.
func TestCovers(t *testing.T) {
	a := given()
	g, term := plan.Gate{Dataset: "mimic-iv", Version: "2.2"}, manifests.Term{ID: "MIMIC-DUA-1.5.0", URL: "https://x.test/dua", Steps: []string{"Sign."}}
	if !a.Covers(g, term) {
		t.Error("it does not cover what it is for")
	}
	for name, change := range map[string]func(){
		"another dataset": func() { g.Dataset = "mimic-iii" },
		"another version": func() { g.Version = "3.0" },
		"other terms":     func() { term.ID = "MIMIC-DUA-1.6.0" },
		"another text":    func() { term.URL = "https://x.test/other" },
	} {
		was, as := g, term
		change()
		if a.Covers(g, term) {
			t.Errorf("it covers %s", name)
		}
		g, term = was, as
	}
}

func TestRefused(t *testing.T) {
	for want, change := range map[string]func(*approval.Approval){
		"want the name of a dataset": func(a *approval.Approval) { a.Dataset = "../x" },
		"no ID or no address":        func(a *approval.Approval) { a.Terms.ID = "" },
		"want the name of the":       func(a *approval.Approval) { a.By = "a\nb" },
		`name " "`:                   func(a *approval.Approval) { a.By = " " },
		"it has no time":             func(a *approval.Approval) { a.At = time.Time{} },
	} {
		a := given()
		change(&a)
		if text, err := a.Sign(t.Context(), keyOf(1)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: signed %s, error %v", want, text, err)
		}
	}
}

// TestForged: whatever is changed of an envelope, it is none any more; and one that is signed says only what an approval
// says.
func TestForged(t *testing.T) {
	text := signed(t, given(), keyOf(1))
	for i := range text {
		bad := append([]byte{}, text...)
		bad[i] ^= 1
		a, err := approval.Open(bad, keyOf(1).known())
		if err == nil && a != mustOpen(t, text) {
			t.Fatalf("byte %d: opened as %+v", i, a)
		}
	}
	if _, err := approval.Open(text, keyOf(2).known()); err == nil || !strings.Contains(err.Error(), "not signed by a key that counts here") {
		t.Errorf("with another key: %v", err)
	}
	signer, err := dsse.NewEnvelopeSigner(keyOf(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, payload := range []string{`{}`, `x`, `{"predicate":{"dataset":"a","version":"","terms":{"id":"i","url":"u"},"by":"b","at":"2026-11-26T04:05:06Z"}}`} {
		e, err := signer.SignPayload(t.Context(), "application/vnd.in-toto+json", []byte(payload))
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if a, err := approval.Open(text, keyOf(1).known()); err == nil {
			t.Errorf("%s: opened as %+v", payload, a)
		}
	}
}

func mustOpen(t *testing.T, text []byte) approval.Approval {
	t.Helper()
	a, err := approval.Open(text, keyOf(1).known())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func FuzzOpen(f *testing.F) {
	text, err := given().Sign(f.Context(), keyOf(1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{"keyid":"","sig":""}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if a, err := approval.Open(text, keyOf(1).known()); err == nil && a.Check() != nil {
			t.Errorf("opened as %+v", a)
		}
	})
}
