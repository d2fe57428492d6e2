package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/compare"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// claiming is the small benchmark with a claim of its accuracy.
func claiming(value, tolerance string) string {
	return small + "claims:\n  - {evaluation: test, model: single, dataset: heart, metric: accuracy, value: " + value + ", tolerance: " + tolerance + ", source: a paper}\n"
}

func pinnings(v verify.Verdict) string {
	var out []string
	for _, c := range v.Claims {
		out = append(out, string(c.Pinned))
	}
	return strings.Join(out, " ")
}

func (m *machine) rename(file, old, new string) {
	m.t.Helper()
	text := m.read(file)
	if !strings.Contains(text, old) {
		m.t.Fatalf("%s: no %q in\n%s", file, old, text)
	}
	m.write(file, strings.Replace(text, old, new, 1))
}

// TestClaimsArePinned: a claim that stood in the manifest before the run is in the lock, and in the ledger before its result.
// Its bound cannot be moved then: not in the manifest, not in the lock, and not by leaving the lock away.
func TestClaimsArePinned(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.write("benchmark.yaml", claiming("0.9", "0.5"))
	m.want(0, words("run benchmark.yaml"))
	pinned := "claims:\n  - {evaluation: test, model: single, dataset: heart, metric: accuracy, value: 0.9, tolerance: 0.5, source: \"a paper\"}\n"
	text := m.read("benchmark.lock")
	if !strings.Contains(text, pinned) {
		t.Fatalf("the lock does not pin the claim:\n%s", text)
	}
	v := object[verify.Verdict](m, 0, "verify", "benchmark.lock")
	if got := pinnings(v); got != "before" || v.Ledger.Records != v.Ledger.Of {
		t.Errorf("pinned %q: %+v, %+v", got, v.Claims, v.Ledger)
	}
	m.want(0, words("verify benchmark.lock --level files"), "pinned before the result: 1 of 1 claim")

	m.write("benchmark.yaml", claiming("0.9", "0.55"))
	m.want(3, words("run benchmark.yaml"), "benchmark.yaml:29: claims[0]", "is to be 0.9 within 0.55", "benchmark.lock:13 has pinned 0.9 within 0.5", "put it back", "a new name")
	m.write("benchmark.yaml", strings.Replace(claiming("0.9", "0.5"), "a paper", "a paper of 2024", 1))
	m.want(0, words("run benchmark.yaml")) // who has published it is no bound
	if got := pinnings(object[verify.Verdict](m, 0, "verify", "benchmark.lock")); got != "before" {
		t.Errorf("another source: pinned %q", got)
	}

	// The lock alone is edited, and sealed again.
	body, _, _ := strings.Cut(strings.Replace(text, "tolerance: 0.5,", "tolerance: 0.55,", 1), "digest: ")
	m.write("edited.lock", body+"digest: "+digest.FromString(body).String()+"\n")
	m.want(3, words("verify edited.lock"), "claim-changed", "0.9 within 0.55", "0.9 within 0.5")

	// The lock is taken away, so that nothing pins: what the home has committed itself to is in its ledger.
	if err := os.Remove(m.path("benchmark.lock")); err != nil {
		t.Fatal(err)
	}
	m.write("benchmark.yaml", claiming("0.9", "0.55"))
	m.want(0, words("run benchmark.yaml"), "nothing to do")
	m.want(3, words("verify benchmark.lock"), "claim-changed", "0.9 within 0.5, as was claimed first", "0.9 within 0.55, which was claimed when the result was there")
	if got := pinnings(object[verify.Verdict](m, 3, "verify", "small")); got != "changed" {
		t.Errorf("pinned %q", got)
	}

	// Another name is another history, in which the claim came late.
	m.rename("benchmark.yaml", "name: small", "name: smaller")
	m.want(0, words("run benchmark.yaml"))
	if v := object[verify.Verdict](m, 0, "verify", "benchmark.lock"); pinnings(v) != string(compare.Late) {
		t.Errorf("under another name: %+v", v.Claims)
	}

	// Another seed is another result, before which the bound stands.
	m.rename("benchmark.yaml", "name: smaller", "name: small")
	m.rename("benchmark.yaml", "seed: 3", "seed: 4")
	m.want(0, words("run benchmark.yaml"))
	if v := object[verify.Verdict](m, 0, "verify", "benchmark.lock"); pinnings(v) != string(compare.Before) {
		t.Errorf("before another result: %+v", v.Claims)
	}
}

// TestLateClaim: a claim that was added when its result was known is told as that, and is no failure. One that fails does so
// whenever it was made.
func TestLateClaim(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.want(0, words("run benchmark.yaml"))
	if strings.Contains(m.read("benchmark.lock"), "claims:") {
		t.Error("a lock without claims has a section of them")
	}
	m.write("benchmark.yaml", claiming("0.9", "0.5"))
	m.want(0, words("run benchmark.yaml"), "nothing to do")
	m.want(0, words("verify benchmark.lock"), "not pinned before the result", "its result was there first", "pinned before the result: 0 of 1 claim")
	m.write("benchmark.yaml", claiming("0.9", "0.5")+"  - {evaluation: test, model: single, dataset: heart, metric: accuracy, value: 0.01, tolerance: 0.01, source: another paper}\n")
	m.want(10, words("run benchmark.yaml"), "1 of 2 claims do not hold") // a second paper changes nothing of the first
	if v := object[verify.Verdict](m, 0, "verify", "benchmark.lock"); pinnings(v) != "late late" {
		t.Errorf("%+v", v.Claims)
	}
}

// TestClaimOfResultsFromElsewhere: a result that another home has made was there before a claim of this one.
func TestClaimOfResultsFromElsewhere(t *testing.T) {
	one, other := smallMachine(newMachine(t, "")), smallMachine(newMachine(t, ""))
	one.want(0, words("run benchmark.yaml"))
	for _, dir := range []string{"store", "actions"} {
		if err := os.CopyFS(filepath.Join(other.home, "cairn", dir), os.DirFS(filepath.Join(one.home, "cairn", dir))); err != nil {
			t.Fatal(err)
		}
	}
	other.write("benchmark.yaml", claiming("0.9", "0.5"))
	other.want(0, words("run benchmark.yaml"), "nothing to do")
	if v := object[verify.Verdict](other, 0, "verify", "benchmark.lock"); pinnings(v) != "late" {
		t.Errorf("%+v", v.Claims)
	}
}

// TestDeletedResult: who deletes a result and claims it before it is there once more, claims it late: the benchmark goes on naming the record
// of the first time.
func TestDeletedResult(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	first := object[runDocument](m, 0, "run", "benchmark.yaml")
	for _, s := range first.Steps {
		if s.Kind == "evaluate" {
			if err := os.Remove(filepath.Join(m.home, "cairn", "store", "blobs", "sha256", s.Artifact.Encoded())); err != nil {
				t.Fatal(err)
			}
		}
	}
	m.write("benchmark.yaml", claiming("0.9", "0.5"))
	again := object[runDocument](m, 0, "run", "benchmark.yaml")
	if again.Steps[len(again.Steps)-1].State != "ran" || again.Benchmark == first.Benchmark {
		t.Fatalf("it was not done again: %+v", again.Steps)
	}
	for range 2 {
		v := object[verify.Verdict](m, 0, "verify", "benchmark.lock")
		if got := pinnings(v); got != "late" || v.Ledger.Records != 5 || v.Ledger.Of != 5 {
			t.Errorf("pinned %q: %+v, %+v", got, v.Claims, v.Ledger)
		}
		if d := object[runDocument](m, 0, "run", "benchmark.yaml"); d.Benchmark != again.Benchmark {
			t.Errorf("another run gives %s, want %s", d.Benchmark, again.Benchmark)
		}
	}
}
