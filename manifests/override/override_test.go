package override_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/cairn-bench/cairn/manifests/envelope"
	"github.com/cairn-bench/cairn/manifests/override"
	"github.com/cairn-bench/cairn/manifests/terms"
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

func (s signer) known() trust.Key {
	k, err := trust.NewPublicKey(s.PrivateKey.Public())
	if err != nil {
		panic(err)
	}
	return trust.Key{Name: fmt.Sprint("key ", s.PrivateKey.Seed()[0]), Public: k}
}

func given() override.Override {
	heart := digest.FromString("heart")
	d := terms.Decision{Question: terms.Question{What: terms.Curated}, Term: terms.Term{Dataset: "heart", Licence: "MIT", Access: "credentialed"}, Rule: "closed-access", Reason: "ask"}
	return override.Override{Verb: terms.Push, To: "ghcr.io/lab/x", By: "Ada Łovelace", Reason: "the lab has an agreement", At: time.Date(2026, 11, 26, 4, 5, 6, 789, time.UTC),
		Name: "small", Artifact: digest.FromString("small"), Refused: []override.Refusal{override.NewRefusal("small/curate/heart", heart, d)}}
}

func signed(t *testing.T, o override.Override, key dsse.Signer) []byte {
	t.Helper()
	text, err := o.Sign(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestRoundTrip: who has the key knows who signed; who has not, reads it all the same, and knows that he does not know.
func TestRoundTrip(t *testing.T) {
	text := signed(t, given(), keyOf(1))
	want := given()
	want.At = want.At.Truncate(time.Second)
	for name, c := range map[string]struct {
		keys   []trust.Key
		signer string
	}{"the key": {[]trust.Key{keyOf(2).known(), keyOf(1).known()}, "key 1"}, "another key": {[]trust.Key{keyOf(2).known()}, ""}, "no key": {}} {
		got, err := override.Open(text, c.keys...)
		if err != nil || got.Signer != c.signer || !strings.HasPrefix(got.Key, "SHA256:") {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if diff := cmp.Diff(want, got.Override); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if !want.About(digest.FromString("heart")) || !want.About(digest.FromString("small")) || want.About(digest.FromString("lung")) {
		t.Error("it is about something else than what was refused and what was pushed")
	}
}

// TestGolden pins the bytes that are signed, as they lie in stores for good.
func TestGolden(t *testing.T) {
	var e dsse.Envelope
	if err := json.Unmarshal(signed(t, given(), keyOf(1)), &e); err != nil {
		t.Fatal(err)
	}
	payload, err := base64.StdEncoding.DecodeString(e.Payload)
	if err != nil {
		t.Fatal(err)
	}
	heart, small := digest.FromString("heart"), digest.FromString("small")
	want := `{"_type":"https://in-toto.io/Statement/v1","predicate":{"at":"2026-11-26T04:05:06Z","by":"Ada Łovelace","reason":"the lab has an agreement",` +
		`"refused":[{"access":"credentialed","artifact":"` + heart.String() + `","dataset":"heart","licence":"MIT","name":"small/curate/heart","reason":"ask","rule":"closed-access","what":"curated"}],` +
		`"to":"ghcr.io/lab/x","verb":"push"},"predicateType":"https://cairn-bench.github.io/override/v1","subject":[{"digest":{"sha256":"` + small.Encoded() + `"},"name":"small"},` +
		`{"digest":{"sha256":"` + heart.Encoded() + `"},"name":"small/curate/heart"}]}`
	if diff := cmp.Diff(want, string(payload)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRefused(t *testing.T) {
	for want, change := range map[string]func(*override.Override){
		"no reason":             func(o *override.Override) { o.Reason = " " },
		"want the name of the":  func(o *override.Override) { o.By = "a\nb" },
		`name ""`:               func(o *override.Override) { o.By = "" },
		`name "a\x7f"`:          func(o *override.Override) { o.By = "a\x7f" },
		"no time":               func(o *override.Override) { o.At = time.Time{} },
		"want one of":           func(o *override.Override) { o.Verb = "publish" },
		"a destination":         func(o *override.Override) { o.To = "" },
		"not a sha256 digest":   func(o *override.Override) { o.Artifact = "x" },
		"nothing was refused":   func(o *override.Override) { o.Refused = nil },
		`x: "" is not a sha256`: func(o *override.Override) { o.Refused = []override.Refusal{{Name: "x"}} },
	} {
		o := given()
		change(&o)
		if text, err := o.Sign(t.Context(), keyOf(1)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: signed %s, error %v", want, text, err)
		}
	}
}

// TestForged: no byte of an envelope can be changed without notice where its key is known.
func TestForged(t *testing.T) {
	text := signed(t, given(), keyOf(1))
	was, err := override.Open(text, keyOf(1).known())
	if err != nil {
		t.Fatal(err)
	}
	for i := range text {
		bad := bytes.Clone(text)
		bad[i] ^= 1
		o, err := override.Open(bad, keyOf(1).known())
		if err == nil && o.Signer != "" && !cmp.Equal(o, was) {
			t.Fatalf("byte %d: opened as %+v", i, o)
		}
	}
}

// TestManifest: it is an override by what it says and by its shape.
func TestManifest(t *testing.T) {
	text, err := override.Manifest(ocispec.Descriptor{Digest: digest.FromString("small")}, ocispec.Descriptor{}, ocispec.Descriptor{})
	var m ocispec.Manifest
	if err != nil || json.Unmarshal(text, &m) != nil || !override.IsManifest(m) {
		t.Errorf("%s, %v", text, err)
	}
	for name, change := range map[string]func(*ocispec.Manifest){
		"without a subject":    func(m *ocispec.Manifest) { m.Subject = nil },
		"of another type":      func(m *ocispec.Manifest) { m.ArtifactType = "text/plain" },
		"of another predicate": func(m *ocispec.Manifest) { m.Annotations = nil },
		"with two layers":      func(m *ocispec.Manifest) { m.Layers = append(m.Layers, m.Layers...) },
	} {
		other := m
		if change(&other); override.IsManifest(other) {
			t.Errorf("%s it is one, too", name)
		}
	}
}

// TestOneForm: of one override there is one statement, whose subjects are what was done and each that was refused, once.
func TestOneForm(t *testing.T) {
	o := given()
	o.Refused = append(o.Refused, o.Refused[0], override.Refusal{Name: "small", Artifact: o.Artifact})
	var e dsse.Envelope
	if err := json.Unmarshal(signed(t, o, keyOf(1)), &e); err != nil {
		t.Fatal(err)
	}
	payload, err := e.DecodeB64Payload()
	if err != nil || strings.Count(string(payload), `{"digest":`) != 2 {
		t.Errorf("%s, %v: want two subjects", payload, err)
	}
	for name, c := range map[string]struct{ payloadType, old, new string }{
		"as it is":             {"application/vnd.in-toto+json", "", ""},
		"another payload":      {"text/plain", "", ""},
		"another statement":    {"application/vnd.in-toto+json", "Statement/v1", "Statement/v2"},
		"another predicate":    {"application/vnd.in-toto+json", "override/v1", "override/v2"},
		"an unknown member":    {"application/vnd.in-toto+json", `"subject"`, `"note":1,"subject"`},
		"a subject too many":   {"application/vnd.in-toto+json", `"subject":[`, `"subject":[{"digest":{"sha256":"` + digest.FromString("x").Encoded() + `"},"name":"x"},`},
		"white space":          {"application/vnd.in-toto+json", `"subject"`, ` "subject"`},
		"a refusal taken out":  {"application/vnd.in-toto+json", digest.FromString("heart").String(), digest.FromString("lung").String()},
		"a subject's own name": {"application/vnd.in-toto+json", `},"name":"small/curate/heart"}]`, `},"name":"x"}]`},
	} {
		if !strings.Contains(string(payload), c.old) {
			t.Fatalf("%s: no %q in %s", name, c.old, payload)
		}
		text, err := envelope.Sign(t.Context(), c.payloadType, []byte(strings.Replace(string(payload), c.old, c.new, 1)), keyOf(1))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := override.Open(text, keyOf(1).known()); (err == nil) != (name == "as it is") {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// TestString: each artifact is named once, and of many the first.
func TestString(t *testing.T) {
	o := given()
	for _, name := range []string{"small/curate/heart", "a", "b", "c", "d"} {
		o.Refused = append(o.Refused, override.Refusal{Name: name})
	}
	if got, want := o.String(), "push to ghcr.io/lab/x on 2026-11-26 by Ada Łovelace although refused (small/curate/heart, a, b and 2 more): the lab has an agreement"; got != want {
		t.Errorf("%s, want\n%s", got, want)
	}
	o.Refused = o.Refused[:4]
	if got := o.String(); !strings.Contains(got, "(small/curate/heart, a, b):") {
		t.Error(got)
	}
}

func FuzzOpen(f *testing.F) {
	text, err := given().Sign(f.Context(), keyOf(1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{"keyid":"","sig":""}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if o, err := override.Open(text, keyOf(1).known()); err == nil && o.Check() != nil {
			t.Errorf("opened as %+v", o)
		}
	})
}
