package cli

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/envelope"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/trust"
	"github.com/cairn-bench/cairn/manifests/verdict"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// rebuilder is another machine with the same manifest and data, on which the same lock was made.
func rebuilder(t *testing.T, of *machine) *machine {
	t.Helper()
	m := smallMachine(newMachine(t, ""))
	m.want(0, words("run benchmark.yaml"))
	if m.read("benchmark.lock") != of.read("benchmark.lock") {
		t.Fatal("another machine has made another lock")
	}
	return m
}

// gives takes a file from one machine to another.
func (m *machine) gives(to *machine, name, as string) { to.write(as, m.read(name)) }

// knows has a machine know the keys of others, with rules as given.
func (m *machine) knows(rules string, others map[string]*machine) {
	m.t.Helper()
	text := fmt.Sprintf("apiVersion: cairn/v1\nkind: %s\nkeys:\n", trust.Kind)
	for name, o := range others {
		text += fmt.Sprintf("  %s: {public: %s}\n", name, object[shownKey](o, 0, "key", "show").Public)
	}
	m.write("trust.yaml", text+rules)
	m.env = append(m.env, "CAIRN_TRUST="+m.path("trust.yaml"))
}

// TestChallenge: rebuilders on machines of their own are counted by step, those who differ are named and never covered up, and
// strangers do not count.
func TestChallenge(t *testing.T) {
	a := smallMachine(newMachine(t, ""))
	a.want(0, words("run benchmark.yaml"))
	b, c, d, stranger := rebuilder(t, a), rebuilder(t, a), rebuilder(t, a), rebuilder(t, a)
	for _, m := range []*machine{b, c, d, stranger} {
		m.want(0, words("verify benchmark.lock --rerun all --attest good.json"))
	}
	b.gives(a, "good.json", "b.json")
	c.gives(a, "good.json", "c.json")
	d.gives(a, "good.json", "d.json")
	stranger.gives(a, "good.json", "s.json")
	a.want(4, words("challenge benchmark.lock --with b.json"), "b.json does not count", "unknown to the policy")
	a.knows("", map[string]*machine{"lab-b": b, "lab-c": c, "lab-d": d})

	a.want(0, words("challenge benchmark.lock --with b.json --with c.json --agree 2 --attest out.json"), "fetch/heart", "lab-b, lab-c", "agreed by 2 or more on each of 4 steps")
	a.want(0, words("challenge small --with b.json"), "agreed by 1 or more")
	a.want(4, words("challenge benchmark.lock --with b.json --with c.json --agree 3"), "fewer than 3 agree on 4 of 4 steps")
	a.want(4, words("challenge benchmark.lock --with b.json --with b.json --agree 2"), "fewer than 2")
	a.want(4, words("challenge benchmark.lock --with s.json"), "s.json does not count")

	t.Run("the outcome is a statement, and no rebuild", func(t *testing.T) {
		s, _, err := verdict.Parse([]byte(a.read("out.json")))
		want := []verdict.Input{verdict.InputOf([]byte(a.read("b.json"))), verdict.InputOf([]byte(a.read("c.json")))}
		if p := s.Predicate; err != nil || p.Result != verdict.Passed || p.Details.Level != verify.Rerun || fmt.Sprint(p.Inputs) != fmt.Sprint(want) || s.Of() != digest.FromString(a.read("benchmark.lock")) {
			t.Errorf("%+v, %v", s, err)
		}
		d.gives(d, "good.json", "own.json")
		d.want(4, words("challenge benchmark.lock --with own.json --agree 2 --attest few.json --trust "+a.path("trust.yaml")))
		d.gives(a, "few.json", "few.json")
		a.want(4, words("challenge benchmark.lock --with few.json"), "outcome of a challenge")
	})
	t.Run("one who could not", func(t *testing.T) {
		must(t, os.RemoveAll(c.path("data")))
		c.want(4, words("verify benchmark.lock --rerun all --attest gone.json"), "could not be done again here: fetch/heart", "level bytes")
		c.gives(a, "gone.json", "gone.json")
		a.want(4, words("challenge benchmark.lock --with gone.json"), "lab-c could not: it failed there", "fewer than 1 agree on 1 of 4 steps")
		a.want(0, words("challenge benchmark.lock --with gone.json --with b.json"), "lab-c could not")
	})
	t.Run("what is wrong", func(t *testing.T) {
		for name, e := range map[string]struct {
			was, is string
			code    int
			text    string
		}{
			"a signature of somebody else": {sigOf(t, a.read("b.json")), sigOf(t, a.read("c.json")), 3, "w.json: the signature that names key lab-b"},
			"no envelope":                  {"{", "[", 2, "w.json: verdict: envelope"},
		} {
			a.write("w.json", strings.Replace(a.read("b.json"), e.was, e.is, 1))
			out := a.want(e.code, words("challenge benchmark.lock --with w.json"), e.text)
			if t.Failed() {
				t.Fatalf("%s: %s", name, out.stderr)
			}
		}
		b.rename("benchmark.yaml", "epochs: 2", "epochs: 3")
		b.want(0, words("run benchmark.yaml"))
		b.want(0, words("verify benchmark.lock --attest other.json"))
		b.gives(a, "other.json", "other.json")
		a.want(3, words("challenge benchmark.lock --with other.json"), "other.json: a verdict of lab-b about sha256:")
		a.want(2, words("challenge benchmark.lock --with nothing.json"), "nothing.json")
		a.want(2, words("challenge benchmark.lock --with data"), "no file *.json")
		a.want(2, words("challenge benchmark.lock"), "--with")
	})
	t.Run("a policy that wants two", func(t *testing.T) {
		a.knows("rules:\n  - {kinds: [verify], agree: 2}\n", map[string]*machine{"lab-b": b, "lab-c": c})
		a.want(4, words("challenge benchmark.lock --with b.json"), "fewer than 2")
		a.want(0, words("challenge benchmark.lock --with b.json --with c.json"), "agreed by 2 or more")
		a.knows("rules:\n  - {kinds: [fetch]}\n", map[string]*machine{"lab-b": b, "lab-c": c})
		a.want(4, words("challenge benchmark.lock --with b.json"), "the policy lets nobody vouch for it")
	})
}

func sigOf(t *testing.T, text string) string {
	t.Helper()
	_, after, ok := strings.Cut(text, `"sig":"`)
	sig, _, end := strings.Cut(after, `"`)
	if !ok || !end {
		t.Fatalf("no signature in %s", text)
	}
	return sig
}

// TestChallengeDiffers: of a lock with predictions that no model gave, a rebuilder says which file and byte differ, and no later
// verdict of the same key makes up for that.
func TestChallengeDiffers(t *testing.T) {
	s, a := dishonest(t), newMachine(t, "")
	a.write("benchmark.lock", s.lock)
	a.write("bad/.keep", "")
	if code, v := s.check("--rerun", "all", "--attest", a.path("bad/1.json")); code != exitDiffers {
		t.Fatalf("code %d, %s", code, problems(v))
	}
	l, err := lock.Parse("benchmark.lock", []byte(s.lock))
	must(t, err)
	i := slices.IndexFunc(l.Steps, func(s lock.Step) bool { return s.Name == scored })
	text, err := verdict.New("small", digest.FromString(s.lock), verdict.Summary{TimeVerified: time.Now(), Result: verdict.Passed, Details: verdict.Details{
		Reruns: []verdict.Rerun{{Step: scored, Class: "exact", Outcome: verdict.Agrees, Artifact: l.Steps[i].Artifact}}}})
	must(t, err)
	later, err := envelope.Sign(t.Context(), provenance.MediaType, text, s.own())
	must(t, err)
	a.write("bad/2.json", string(later))
	policy, err := os.ReadFile(s.trust)
	must(t, err)
	a.write("trust.yaml", string(policy))
	a.env = append(a.env, "CAIRN_TRUST="+a.path("trust.yaml"))

	a.want(4, words("challenge benchmark.lock --with bad/2.json"), scored+"  rebuilder", "fewer than 1 agree on 3 of 4 steps")
	a.want(3, words("challenge benchmark.lock --with bad --attest out.json"), "somebody differs",
		scored+`  rebuilder differs: the first file that differs is "`+document.PredictionsFile+`", from byte `)
	out := object[challengeDocument](a, 3, words("challenge benchmark.lock --with bad/2.json --with bad/1.json")...)
	if t := out.Steps[i]; out.OK || len(out.Heard) != 2 || len(t.Agree) != 0 || len(t.Differ) != 1 || len(out.Steps[0].Agree) != 1 {
		s.t.Errorf("%+v", out)
	}
	if o, _, err := verdict.Parse([]byte(a.read("out.json"))); err != nil || o.Predicate.Result != verdict.Failed || len(o.Predicate.Inputs) != 2 || o.Predicate.Details.Problems[0].Step != scored {
		t.Errorf("%+v, %v", o, err)
	}
}
