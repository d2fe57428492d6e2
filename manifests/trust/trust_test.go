package trust_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cairn-bench/cairn/manifests/envelope"
	"github.com/cairn-bench/cairn/manifests/trust"
)

// signer is a key of a test.
type signer struct {
	private crypto.Signer
	public  trust.PublicKey
	id      string // that it gives; "" for its own
}

func newSigner(t testing.TB, private crypto.Signer) signer {
	t.Helper()
	public, err := trust.NewPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	return signer{private, public, public.ID}
}

func ed(t testing.TB, seed byte) signer {
	s := make([]byte, ed25519.SeedSize)
	s[0] = seed
	return newSigner(t, ed25519.NewKeyFromSeed(s))
}

func (s signer) KeyID() (string, error) { return s.id, nil }

func (s signer) Sign(_ context.Context, data []byte) ([]byte, error) {
	if _, ok := s.private.(ed25519.PrivateKey); ok {
		return s.private.Sign(nil, data, crypto.Hash(0))
	}
	sum := sha256.Sum256(data)
	return s.private.Sign(rand.Reader, sum[:], crypto.SHA256)
}

func (s signer) seal(t testing.TB, payload string) envelope.Envelope {
	t.Helper()
	text, err := envelope.Sign(context.Background(), "text/plain", []byte(payload), s)
	if err != nil {
		t.Fatal(err)
	}
	e, err := envelope.Open(text)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestPublicKey(t *testing.T) {
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []signer{ed(t, 1), newSigner(t, curve)} {
		for _, text := range []string{s.public.Text(), s.public.Text() + "\n", string(s.public.PEM())} {
			k, err := trust.ParsePublicKey(text)
			if err != nil || k.ID != s.public.ID || k.Text() != s.public.Text() {
				t.Errorf("%q: %+v, %v", text, k, err)
			}
		}
	}
	large, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	wide, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []crypto.PublicKey{large.Public(), wide.Public(), nil} {
		if _, err := trust.NewPublicKey(k); err == nil {
			t.Errorf("a %T counts", k)
		}
	}
	for _, text := range []string{"", "x", "aGVsbG8=", strings.Replace(string(ed(t, 1).public.PEM()), "PUBLIC", "PRIVATE", 2), string(ed(t, 1).public.PEM()) + "x"} {
		if k, err := trust.ParsePublicKey(text); err == nil {
			t.Errorf("%q is key %s", text, k.ID)
		}
	}
}

// policy has keys a, b and c; a and b together vouch for fetches, a for curation, and nobody for anything else.
func policy(t testing.TB) *trust.Policy {
	t.Helper()
	p, err := trust.Parse("trust.yaml", []byte(fmt.Sprintf(`apiVersion: cairn/v1
kind: TrustPolicy
ledger: required
keys:
  a: {public: %s}
  b: {public: %s, since: 2026-01-01, until: 2027-01-01T00:00:00Z}
  c:
    public: |
      %s
rules:
  - {kinds: [fetch], keys: [a, b], agree: 2}
  - {kinds: [curate, pretrain], keys: [a, c]}
`, ed(t, 1).public.Text(), ed(t, 2).public.Text(), strings.ReplaceAll(string(ed(t, 3).public.PEM()), "\n", "\n      "))))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestJudge(t *testing.T) {
	p := policy(t)
	if !p.Strict || !p.Ledger || p.Name != "trust.yaml" || len(p.Keys) != 3 {
		t.Errorf("policy %+v", p)
	}
	a, b, c, stranger := ed(t, 1), ed(t, 2), ed(t, 3), ed(t, 4)
	posing, nameless := stranger, a
	posing.id, nameless.id = a.id, ""
	now := time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)
	altered := a.seal(t, "x")
	altered.Payload = []byte("y")
	retyped := a.seal(t, "x")
	retyped.Type = "text/html"
	for _, test := range []struct {
		name, kind string
		at         time.Time
		by         []envelope.Envelope
		ok         bool
		why        string
	}{
		{"both", "fetch", now, []envelope.Envelope{a.seal(t, "x"), b.seal(t, "x")}, true, "2 of 2 that must vouch: a, b"},
		{"one twice", "fetch", now, []envelope.Envelope{a.seal(t, "x"), a.seal(t, "y")}, false, "1 of 2 that must vouch: a"},
		{"one and a stranger", "fetch", now, []envelope.Envelope{a.seal(t, "x"), stranger.seal(t, "x")}, false, "1 of 2 that must vouch: a; signed by " + stranger.id},
		{"one that may not", "fetch", now, []envelope.Envelope{a.seal(t, "x"), c.seal(t, "x")}, false, "c (not for this kind)"},
		{"too early", "fetch", now.AddDate(-1, 0, 0), []envelope.Envelope{a.seal(t, "x"), b.seal(t, "x")}, false, "b (not at 2025-11-26T00:00:00Z)"},
		{"too late", "fetch", time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), []envelope.Envelope{a.seal(t, "x"), b.seal(t, "x")}, false, "b (not at 2027-01-01T00:00:00Z)"},
		{"on the first day", "fetch", time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), []envelope.Envelope{a.seal(t, "x"), b.seal(t, "x")}, true, ""},
		{"curated", "curate", now, []envelope.Envelope{c.seal(t, "x")}, true, ""},
		{"without a key ID", "curate", now, []envelope.Envelope{nameless.seal(t, "x")}, true, ""},
		{"altered", "curate", now, []envelope.Envelope{altered}, false, "the signature that names key a (" + a.id + ") is not of it"},
		{"of another type", "curate", now, []envelope.Envelope{retyped}, false, "is not of it"},
		{"posing", "curate", now, []envelope.Envelope{posing.seal(t, "x")}, false, "is not of it"},
		{"posing beside a good one", "curate", now, []envelope.Envelope{a.seal(t, "x"), posing.seal(t, "x")}, false, "is not of it"},
		{"nobody", "curate", now, nil, false, "0 of 1 that must vouch: nobody"},
		{"of a kind without a rule", "evaluate", now, []envelope.Envelope{a.seal(t, "x")}, false, "the policy lets nobody vouch for it"},
	} {
		j := p.Judge(test.kind, test.at, test.by...)
		if j.OK() != test.ok || !strings.Contains(j.Why(), test.why) {
			t.Errorf("%s: %+v, %q; want %v, %q", test.name, j, j.Why(), test.ok, test.why)
		}
	}
}

// TestRulesForAll: a rule without kinds is about every kind, one without keys about every key; the first that fits decides.
func TestRulesForAll(t *testing.T) {
	a, b := ed(t, 1), ed(t, 2)
	p := policy(t)
	p.Rules = []trust.Rule{{Kinds: []string{"fetch"}, Agree: 2}, {Keys: []string{"a"}}, {}}
	for _, test := range []struct {
		kind string
		by   []envelope.Envelope
		ok   bool
	}{
		{"fetch", []envelope.Envelope{a.seal(t, "x"), b.seal(t, "x")}, true},
		{"fetch", []envelope.Envelope{a.seal(t, "x")}, false},
		{"evaluate", []envelope.Envelope{a.seal(t, "x")}, true},
		{"evaluate", []envelope.Envelope{b.seal(t, "x")}, false},
	} {
		if j := p.Judge(test.kind, time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC), test.by...); j.OK() != test.ok {
			t.Errorf("%s by %d: %+v, want %v", test.kind, len(test.by), j, test.ok)
		}
	}
}

// roots says of every bundle who it is said to be signed by, and whether that holds.
type roots struct {
	who trust.Signer
	err error
}

func (r roots) Signer(envelope.Envelope) (trust.Signer, error) { return r.who, r.err }

// TestIdentities: an identity is an issuer and a subject, and counts for its kinds and from since until before until.
func TestIdentities(t *testing.T) {
	since, until := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	ci := trust.Signer{Issuer: "i", Subject: "s", At: since}
	at := func(at time.Time) trust.Bundles { return roots{trust.Signer{Issuer: "i", Subject: "s", At: at}, nil} }
	bundle := ed(t, 1).seal(t, "x")
	bundle.Bundle = []byte("{}")
	for name, test := range map[string]struct {
		kind string
		by   trust.Bundles
		why  string // "" if it counts
	}{
		"the first instant":  {"fetch", at(since), ""},
		"the last instant":   {"fetch", at(until.Add(-1)), ""},
		"too early":          {"fetch", at(since.Add(-1)), "ci (not at 2025-12-31T23:59:59Z)"},
		"too late":           {"fetch", at(until), "ci (not at 2026-02-01T00:00:00Z)"},
		"another kind":       {"curate", roots{ci, nil}, "ci (not for this kind)"},
		"another issuer":     {"fetch", roots{trust.Signer{Issuer: "j", Subject: "s", At: since}, nil}, "signed by s of j"},
		"another subject":    {"fetch", roots{trust.Signer{Issuer: "i", Subject: "t", At: since}, nil}, "signed by t of i"},
		"a lie about it":     {"fetch", roots{ci, errors.New("no proof")}, "the bundle that names identity ci (s of i) does not hold: no proof"},
		"a lie about others": {"fetch", roots{trust.Signer{}, errors.New("no proof")}, "signed by a Sigstore bundle that does not hold: no proof"},
		"no roots":           {"fetch", nil, "the policy has no roots"},
	} {
		// The key of the envelope is known, and a bundle is not judged by it.
		p := &trust.Policy{Strict: true, Keys: []trust.Key{{Name: "a", Public: ed(t, 1).public}}, Rules: []trust.Rule{{Kinds: []string{"fetch"}}, {Keys: []string{"a"}}},
			Identities: []trust.Identity{{Name: "ci", Issuer: "i", Subject: "s", Since: since, Until: until}}, Bundles: test.by}
		j := p.Judge(test.kind, since, bundle)
		if j.OK() != (test.why == "") || !strings.Contains(j.Why(), test.why) || (j.Wrong != "") != strings.HasPrefix(test.why, "the bundle") {
			t.Errorf("%s: %+v, %q; want %q", name, j, j.Why(), test.why)
		}
	}
}

func TestNobody(t *testing.T) {
	a := ed(t, 1)
	now := time.Now()
	if j := trust.Nobody().Judge("fetch", now, a.seal(t, "x")); j.OK() || !slices.Equal(j.Unknown, []string{a.id}) || trust.Nobody().Strict {
		t.Errorf("%+v", j)
	}
	if j := trust.Known("me", trust.Key{Name: "me", Public: a.public}).Judge("fetch", now, a.seal(t, "x")); !j.OK() || !slices.Equal(j.By, []string{"me"}) {
		t.Errorf("%+v", j)
	}
}

func TestBadPolicies(t *testing.T) {
	public := ed(t, 1).public.Text()
	good := "apiVersion: cairn/v1\nkind: TrustPolicy\nkeys:\n  a: {public: " + public + "}\n"
	b := "  b: {public: " + ed(t, 2).public.Text() + "}\n"
	id := "  ci: {issuer: https://example.org, subject: https://example.org/ci}\n"
	keyless := "apiVersion: cairn/v1\nkind: TrustPolicy\nroots: r.json\nidentities:\n" + id
	for text, want := range map[string]string{
		keyless + strings.Replace(id, "ci:", "cd:", 1):                                        "trust.yaml:5:7: identities.ci: the same identity as cd",
		strings.Replace(keyless, "roots: r.json\n", "", 1):                                    "want roots",
		good + "roots: r.json\n":                                                              "want roots",
		keyless + "keys:\n  ci: {public: " + public + "}\n":                                   "trust.yaml:5:7: identities.ci: there is a key ci",
		strings.Replace(keyless, "issuer: https://example.org, ", "", 1):                      "trust.yaml:5:7: identities.ci.issuer: want the URL",
		strings.Replace(keyless, "https://example.org/ci", `""`, 1):                           "trust.yaml:5:46: identities.ci.subject: want the subject",
		strings.Replace(keyless, "subject:", "subjekt:", 1):                                   `unknown key "subjekt"; did you mean "subject"?`,
		strings.Replace(keyless, "ci:", "C I:", 1):                                            "want a name of lower-case letters",
		strings.Replace(keyless, "/ci}", "/ci, since: soon}", 1):                              `identities.ci.since: "soon", want a day`,
		strings.Replace(keyless, id, "  ci: 1\n", 1):                                          "want a mapping with issuer, subject, since, until",
		keyless + "rules: [{keys: [ci], agree: 2}]\n":                                         "2, want 1 to 1",
		keyless + "rules: [{keys: [cd]}]\n":                                                   `there is no key "cd" and no identity of that name`,
		"":                                                                                    "trust.yaml: want a trust policy",
		"x":                                                                                   "trust.yaml:1:1: want a mapping",
		"apiVersion: cairn/v1\nkind: TrustPolicy\n":                                           "no key",
		strings.Replace(good, "TrustPolicy", "Benchmark", 1):                                  `trust.yaml:2:7: kind: apiVersion "cairn/v1" and kind "Benchmark"`,
		strings.Replace(good, "cairn/v1", "cairn/v2", 1):                                      `apiVersion "cairn/v2" and kind "TrustPolicy"`,
		good + "zzzzzzzzz: 1\nyyyyyyyyy: 1\n":                                                 `trust.yaml:5:1: unknown key "zzzzzzzzz"; want one of apiVersion`,
		strings.Replace(good, "keys:", "key:", 1):                                             `trust.yaml:3:1: unknown key "key"; did you mean "keys"?`,
		strings.Replace(good, "public:", "publik:", 1):                                        `trust.yaml:4:7: keys: unknown key "publik"; did you mean "public"?`,
		strings.Replace(good, public, "abc", 1):                                               "trust.yaml:4:15: keys.a.public: want a public key",
		good + "  b: {public: " + public + "}\n":                                              "the same key as a: one key is one vote",
		good + "  B b: {public: " + ed(t, 2).public.Text() + "}\n":                            "want a name of lower-case letters",
		good + "ledger: yes\n":                                                                `"yes", want required or optional`,
		good + "rules: [{kinds: [cook]}]\n":                                                   `trust.yaml:5:17: rules[0].kinds: "cook", want some of fetch`,
		good + "rules: [{keys: [z]}]\n":                                                       `there is no key "z"`,
		good + "rules: [{agree: 2}]\n":                                                        "2, want 1 to 1",
		good + b + "rules: [{agree: 3}]\n":                                                    "3, want 1 to 2",
		good + b + "rules: [{keys: [a], agree: 2}]\n":                                         "2, want 1 to 1",
		good + b + "rules: [{keys: [a, a], agree: 2}]\n":                                      "2, want 1 to 1",
		good + "rules: [{agree: 0}]\n":                                                        "0, want 1 to 1",
		good + "rules: [{agre: 1}]\n":                                                         `did you mean "agree"?`,
		good + "rules: [1]\n":                                                                 "want a mapping with kinds, keys, agree",
		good + "rules: 1\n":                                                                   "trust.yaml",
		good + "---\nkind: x\n":                                                               "want one document",
		strings.Replace(good, "}", ", since: soon}", 1):                                       `keys.a.since: "soon", want a day`,
		strings.Replace(good, "}", ", since: 2026-02-01, until: 2026-01-01}", 1):              "it ends before it begins",
		good + "keys:\n" + b:                                                                  "trust.yaml",
		strings.Replace(good, "}", ", since: 2026-02-01, until: 2026-02-01}", 1):              "it ends before it begins",
		strings.Repeat("#", 1<<20) + "\n" + good:                                              "bytes, want a trust policy",
		strings.Replace(good, "a: {", "a: &x {", 1) + "  b: *x\n":                             "want a mapping",
		strings.Replace(good, "kind: TrustPolicy", "kind: TrustPolicy\nkind: TrustPolicy", 1): "trust.yaml",
	} {
		if p, err := trust.Parse("trust.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.200q: %+v, %v; want %q", text, p, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	public := ed(f, 1).public.Text()
	f.Add([]byte("apiVersion: cairn/v1\nkind: TrustPolicy\nkeys:\n  a: {public: " + public + ", since: 2026-01-01}\nrules: [{kinds: [fetch], keys: [a], agree: 1}]\n"))
	f.Add([]byte("keys: &a [*a]"))
	f.Add([]byte("apiVersion: cairn/v1\nkind: TrustPolicy\nroots: r\nidentities:\n  a: {issuer: i, subject: s, until: 2026-01-01}\nrules: [{keys: [a]}]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := trust.Parse("x", text)
		if err != nil {
			return
		}
		if len(p.Keys)+len(p.Identities) == 0 || !p.Strict {
			t.Errorf("%q is a policy without a key", text)
		}
		p.Judge("fetch", time.Now(), ed(t, 1).seal(t, "x"))
	})
}
