package verdict_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/envelope"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/tolerance"
	"github.com/cairn-bench/cairn/manifests/verdict"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// fixedKey signs with a key of a fixed seed.
type fixedKey struct{}

func (fixedKey) Sign(_ context.Context, data []byte) ([]byte, error) {
	return ed25519.Sign(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), data), nil
}

func (fixedKey) KeyID() (string, error) { return "fixed", nil }

func summary() verdict.Summary {
	return verdict.Summary{Verifier: verdict.Verifier{ID: "cairn"}, TimeVerified: time.Unix(1e9, 5).UTC(), ResourceURI: "small", Policy: verdict.Policy{URI: "none"}, Result: verdict.Failed,
		Details: verdict.Details{Benchmark: "small", Level: verify.Bytes, Reruns: []verdict.Rerun{
			{Step: "a", Class: "exact", Outcome: verdict.Agrees, Artifact: digest.FromString("a")},
			{Step: "b", Class: "exact", Outcome: verdict.Differs, Artifact: digest.FromString("x"), Why: "file f, byte 3"},
			{Step: "c", Class: "none", Outcome: verdict.CouldNot, Why: "class none"}}}}
}

func signed(t testing.TB, edit func(string) string) []byte {
	t.Helper()
	text, err := verdict.New("small", digest.FromString("lock"), summary())
	if err != nil {
		t.Fatal(err)
	}
	out, err := envelope.Sign(t.Context(), provenance.MediaType, []byte(edit(string(text))), fixedKey{})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func unedited(s string) string { return s }

func TestVerdict(t *testing.T) {
	s, _, err := verdict.Parse(signed(t, unedited))
	if err != nil || s.Of() != digest.FromString("lock") || len(s.Predicate.Details.Reruns) != 3 {
		t.Fatalf("%+v, %v", s, err)
	}
	for name, c := range map[string]struct{ old, new string }{
		"another predicate":        {"verification_summary/v1", "verification_summary/v2"},
		"a failure that passed":    {"FAILED", "PASSED"},
		"a failure taken out":      {`"outcome":"differs"`, `"outcome":"agrees"`},
		"an outcome of no meaning": {`"outcome":"differs"`, `"outcome":"perhaps"`},
		"no subject":               {digest.FromString("lock").Encoded(), "x"},
		"could not, and did":       {`"outcome":"could-not"`, `"outcome":"agrees"`},
		"an unknown member":        {`"benchmark"`, `"another":1,"benchmark"`},
		"another statement":        {"Statement/v1", "Statement/v2"},
		"two subjects":             {`"subject":[{`, `"subject":[{"digest":{},"name":"x"},{`},
		"a meaning beside":         {`"outcome":"agrees"`, `"outcome":"perhaps"`},
		"a step of no name":        {`"step":"a"`, `"step":""`},
		"no list of levels":        {`"verifiedLevels":[]`, `"verifiedLevels":null`},
	} {
		edit := func(s string) string {
			if !strings.Contains(s, c.old) {
				t.Fatalf("%s: no %q in %s", name, c.old, s)
			}
			return strings.Replace(s, c.old, c.new, 1)
		}
		if s, _, err := verdict.Parse(signed(t, edit)); err == nil {
			t.Errorf("%s: accepted as %+v", name, s)
		}
	}
}

// What is wrong is kept, and makes it a failure, whatever was done again.
func TestProblems(t *testing.T) {
	s := summary()
	s.Details.Reruns, s.Details.Problems = s.Details.Reruns[:1], []verify.Problem{{Code: verify.BlobAltered, Step: "b"}}
	text, err := verdict.New("small", digest.FromString("lock"), s)
	if err != nil || !bytes.Contains(text, []byte(`"problems":[{"code":"blob-altered","step":"b"}]`)) {
		t.Errorf("%s, %v", text, err)
	}
	s.Result = verdict.Passed
	if text, err := verdict.New("small", digest.FromString("lock"), s); err == nil {
		t.Errorf("passed with a problem: %s", text)
	}
	s.Details = verdict.Details{}
	if text, err := verdict.New("small", digest.FromString("lock"), s); err != nil || !bytes.Contains(text, []byte(`"problems":[],"reruns":[]`)) || !bytes.Contains(text, []byte(`"verifiedLevels":[]`)) {
		t.Errorf("%s, %v: want empty lists", text, err)
	}
}

// Of one who has said several things the worst counts, and of one who does not count nothing.
func TestCount(t *testing.T) {
	a, x := digest.FromString("a"), digest.FromString("x")
	l := &lock.Lock{Steps: []lock.Step{{Name: "s", Artifact: a}, {Name: "other", Artifact: a}}}
	of := func(step, class, by, why, outcome string, d digest.Digest) verdict.Heard {
		return verdict.Heard{By: []string{by}, Why: why, Reruns: []verdict.Rerun{{Step: step, Class: class, Outcome: outcome, Artifact: d, Why: "why"}}}
	}
	says := func(by, why, outcome string, d digest.Digest) verdict.Heard {
		return of("s", "exact", by, why, outcome, d)
	}
	got := verdict.Count(l, []verdict.Heard{
		says("ann", "", verdict.Agrees, a), says("ann", "", verdict.Differs, x), says("ann", "", verdict.Agrees, a),
		says("bob", "", verdict.CouldNot, ""), says("bob", "", verdict.Agrees, a),
		says("cyd", "", verdict.CouldNot, ""),
		says("eve", "", verdict.Agrees, x),
		says("nobody", "not known", verdict.Differs, x),
		says("fay", "", verdict.CouldNot, ""), says("fay", "", verdict.Differs, x),
		of("s", "platform", "gil", "", verdict.Agrees, x), of("s", "tolerance", "hal", "", verdict.Agrees, x),
		of("other", "exact", "ida", "", verdict.Agrees, a), of("unheard", "exact", "ida", "", verdict.Differs, x),
	})
	want := []verdict.Tally{{Step: "s", Artifact: a, Agree: []string{"bob"},
		Differ:   map[string]string{"ann": "why", "eve": "it says that it agrees, and gave " + x.String(), "fay": "why", "gil": "it says that it agrees, and gave " + x.String(), "hal": "it says that it agrees, and gave " + x.String()},
		CouldNot: map[string]string{"cyd": "why"}, Within: map[string]string{}},
		{Step: "other", Artifact: a, Agree: []string{"ida"}, Differ: map[string]string{}, CouldNot: map[string]string{}, Within: map[string]string{}}}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(verdict.Tally{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestCountWithin: other bytes agree where the lock has bounds for the step, and nowhere else, whatever class a verdict names.
func TestCountWithin(t *testing.T) {
	a, x := digest.FromString("a"), digest.FromString("x")
	says := func(by, class, outcome string) verdict.Heard {
		return verdict.Heard{By: []string{by}, Reruns: []verdict.Rerun{{Step: "s", Class: class, Outcome: outcome, Artifact: x, Why: "0.01 apart"}}}
	}
	all := []verdict.Heard{says("ann", "tolerance", verdict.AgreesWithin), says("bob", "tolerance", verdict.Agrees), says("cyd", "none", verdict.Agrees),
		says("dan", "tolerance", verdict.AgreesWithin), says("dan", "tolerance", verdict.Differs)}
	bounded := lock.Step{Name: "s", Artifact: a, Rerun: tolerance.Bounds{Compare: tolerance.Metrics, Absolute: 0.1}}
	got := verdict.Count(&lock.Lock{Steps: []lock.Step{bounded}}, all)[0]
	if strings.Join(got.Agree, " ") != "ann" || len(got.Within) != 1 || got.Within["ann"] != "0.01 apart" || len(got.Differ) != 3 {
		t.Errorf("with bounds: %+v", got)
	}
	got = verdict.Count(&lock.Lock{Steps: []lock.Step{{Name: "s", Artifact: a}}}, all)[0]
	if len(got.Agree)+len(got.Within) != 0 || !strings.Contains(got.Differ["ann"], "the lock has none") {
		t.Errorf("without bounds: %+v", got)
	}
}

// A problem of a step keeps its key from agreeing; one of the whole is told beside the steps.
func TestObjections(t *testing.T) {
	a := digest.FromString("a")
	l := &lock.Lock{Steps: []lock.Step{{Name: "s", Artifact: a}}}
	says := func(by, code, step string) verdict.Heard {
		return verdict.Heard{By: []string{by}, Problems: []verify.Problem{{Code: code, Step: step}}}
	}
	stranger := says("eve", verify.BlobAltered, "s")
	stranger.Why = "not known"
	outsider := says("eve", verify.LedgerDiffers, "")
	outsider.Why = "not known"
	rerun := says("fay", verify.RerunDiffers, "s")
	rerun.Reruns = []verdict.Rerun{{Step: "s", Class: "exact", Outcome: verdict.Differs, Why: "file f, byte 3"}}
	all := []verdict.Heard{says("ann", verify.BlobAltered, "s"), says("bob", verify.BlobMissing, "s"), says("cyd", verify.LedgerDiffers, "documents"), says("dan", verify.RecordMissing, "documents"),
		stranger, outsider, rerun}
	got := verdict.Count(l, all)[0]
	if len(got.Differ) != 2 || got.Differ["ann"] == "" || got.Differ["fay"] != "file f, byte 3" || len(got.CouldNot) != 1 || got.CouldNot["bob"] == "" || len(got.Agree) != 0 {
		t.Errorf("%+v", got)
	}
	if whole := verdict.Objections(l, all); len(whole) != 1 || whole["cyd"] == "" {
		t.Errorf("of the whole: %v", whole)
	}
}

// The outcome of a challenge names verdicts by their digests, and has no steps of its own.
func TestInputs(t *testing.T) {
	for name, c := range map[string]struct {
		inputs []verdict.Input
		reruns bool
		ok     bool
	}{
		"none at all":       {[]verdict.Input{}, false, true},
		"one":               {[]verdict.Input{verdict.InputOf([]byte("x"))}, false, true},
		"with steps":        {[]verdict.Input{}, true, false},
		"not a digest":      {[]verdict.Input{{Digest: map[string]string{"sha256": "x"}}}, false, false},
		"of another digest": {[]verdict.Input{{Digest: map[string]string{"sha1": "x"}}}, false, false},
		"of two digests":    {[]verdict.Input{{Digest: map[string]string{"sha1": "x", "sha256": digest.FromString("x").Encoded()}}}, false, false},
	} {
		s := summary()
		s.Inputs = c.inputs
		if !c.reruns {
			s.Details.Reruns, s.Result = nil, verdict.Passed
		}
		if _, err := verdict.New("small", digest.FromString("lock"), s); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is accepted is what New writes.
func FuzzParse(f *testing.F) {
	f.Add(signed(f, unedited))
	f.Add(signed(f, func(s string) string {
		return strings.Replace(s, `"policy"`, `"inputAttestations":[],"policy"`, 1)
	}))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, e, err := verdict.Parse(text)
		if err != nil {
			return
		}
		again, err := verdict.New(s.Subject[0].Name, s.Of(), s.Predicate)
		if err != nil || !bytes.Equal(again, e.Payload) {
			t.Errorf("%s is written as %s, %v", e.Payload, again, err)
		}
	})
}
