package cli

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
)

// TestPlanOfClimb: what of CLIMB is to be had by a person who has nothing yet, and what is missing of the rest. Nobody is
// asked for it.
func TestPlanOfClimb(t *testing.T) {
	manifest, err := filepath.Abs("../../../manifests/benchmarks/climb/benchmark.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m := newMachine(t, "")
	box := m.meets(publisher.Hosts{})
	started := time.Now()
	doc := object[planDocument](m, 0, "plan", manifest)
	t.Logf("%d steps in %s", len(doc.Steps), time.Since(started).Round(time.Millisecond))
	got := map[string]string{}
	for _, s := range doc.Steps {
		if s.Kind != "fetch" {
			continue
		}
		name := datasetOf(s.Name)
		for _, missing := range s.Missing {
			if missing.Do == "" && missing.Page == "" {
				t.Errorf("%s: nothing says what to do about %s", name, missing.What)
			}
			kind, _, _ := strings.Cut(missing.What, " ")
			got[name] = strings.TrimSpace(got[name] + " " + kind)
		}
		if (s.State == planBlocked) != (len(s.Missing) > 0) || s.State != planBlocked && s.State != planRun {
			t.Errorf("%s is %s and misses %v", name, s.State, s.Missing)
		}
	}
	want := map[string]string{
		"cbis-ddsm": "terms", "cbis-ddsm-cases": "terms the", "cmmd": "terms", "cmmd-clinical": "terms the",
		"aptos-2019": "terms credentials", "rspect": "terms credentials",
		"chexpert": "terms credentials", "echonet-dynamic": "terms credentials", "inspect": "terms credentials", "iiic": "terms credentials",
		"mimic-cxr": "terms credentials", "mimic-cxr-studies": "terms credentials", "mimic-iv": "terms credentials", "mimic-iv-diagnoses": "terms credentials",
		"vindr-cxr": "terms credentials", "vindr-mammo": "terms credentials",
		"tuab": "terms the a the", "tuev": "terms the a the", // the name of an account, a key, the host's key
		"abcd": "terms the", "abide": "terms the", "cholec80": "terms the", "messidor-2": "terms the", "ppmi": "terms the", // files
		"bcss": "the", "covid-us": "the", "expression-atlas": "the", "geo": "the", "lc25000": "the",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what is missing (-want +got):\n%s", diff)
	}
	if e := doc.Estimate; e.Fetches != 40 || e.Unknown != 35 || e.Blocked != 16 || e.Bytes < 250e9 {
		t.Errorf("estimate is %+v", e)
	}
	if n, _ := box.Asked(); n != 0 {
		t.Errorf("%d requests: %v", n, box.Requests())
	}
}
