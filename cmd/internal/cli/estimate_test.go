package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests/plan"
)

// costly has a dataset for each way in which a size becomes known. The publishers are not there, as a plan asks nobody.
const costly = `apiVersion: cairn/v1
kind: Benchmark
name: costly
datasets:
  listed: {title: L, modality: image, licence: MIT, access: open, size: 5 GB,
    fetch: {plugin: http, params: {files: [{url: "https://listed.invalid/a.bin", size: 1000}, {url: "https://listed.invalid/b.bin", size: 500}]}}}
  said: {title: S, modality: image, licence: MIT, access: open, size: 1.5 TB,
    fetch: {plugin: http, params: {files: [{url: "https://said.invalid/a.zip", unpack: true}]}}}
  silent: {title: X, modality: image, licence: MIT, access: open,
    fetch: {plugin: http, params: {files: [{url: "https://silent.invalid/a.bin"}]}}}
  gated: {title: G, modality: image, licence: MIT, access: credentialed, size: 2 kB, version: "1", terms: [{id: T-1, url: "https://gated.invalid/"}],
    fetch: {plugin: http, params: {files: [{url: "https://gated.invalid/a.bin"}]}}}
  local: {title: D, modality: image, licence: MIT, access: open, fetch: {plugin: dir, params: {path: data}}}
  made: {title: M, modality: table, licence: MIT, access: open, fetch: {plugin: synthetic, params: {dataset: table, samples: 40}}}
`

// TestEstimate: a plan says what there is to fetch and what room it takes, before anything is fetched.
func TestEstimate(t *testing.T) {
	m := newMachine(t, costly)
	m.write("data/a.txt", "0123456789")
	doc := object[planDocument](m, 0, "plan", "benchmark.yaml")
	got := map[string]*planSize{}
	for _, s := range doc.Steps {
		got[s.Name] = s.Size
		if want := map[bool][]string{true: {"T-1"}}[s.Name == "fetch/gated"]; !cmp.Equal(s.Terms, want) || (s.State == planBlocked) != (want != nil) {
			t.Errorf("%s is %s with terms %v", s.Name, s.State, s.Terms)
		}
	}
	want := map[string]*planSize{
		"fetch/listed": {1500, saidByPlugin}, "fetch/said": {1_500_000_000_000, saidByManifest}, "fetch/silent": {},
		"fetch/gated": {2000, saidByManifest}, "fetch/local": {10, saidByPlugin}, "fetch/made": nil,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sizes (-want +got):\n%s", diff)
	}
	const all = 1_500_000_003_500
	sum := planEstimate{plan.Estimate{Fetches: 4, Unknown: 1, Bytes: all, Stays: all + 10, Peak: all + 10 + 3_000_000_003_500}, 1, doc.Estimate.Free}
	if diff := cmp.Diff(sum, doc.Estimate); diff != "" || doc.Estimate.Free == 0 {
		t.Errorf("estimate (-want +got):\n%s", diff)
	}
	m.want(0, words("plan benchmark.yaml"), "1.5 TB", "?", "to fetch: 1.5 TB of 3 datasets, and 1 dataset of which nobody says how much it is; 1 of them is blocked",
		"disk: 1.5 TB stay and up to 4.5 TB are taken while it is fetched", "which is not enough")
}

// TestEstimateOfWhatIsThere: what is in the store is not fetched again, and what was there tells how much a changed step brings.
func TestEstimateOfWhatIsThere(t *testing.T) {
	made := "apiVersion: cairn/v1\nkind: Benchmark\nname: made\ndatasets:\n  heart: {title: M, modality: table, licence: MIT, access: open, fetch: {plugin: synthetic, params: {dataset: table, samples: 40}}}\n"
	m := newMachine(t, made)
	m.want(0, words("run benchmark.yaml"))
	there := object[planDocument](m, 0, "plan", "benchmark.yaml")
	has := there.Steps[0].Size
	if has == nil || has.From != saidByStore || has.Bytes < 1000 {
		t.Fatalf("fetch/heart has %+v, want its size in the store", has)
	}
	if e := there.Estimate.Estimate; e != (plan.Estimate{}) {
		t.Errorf("estimate is %+v where nothing is to be done", e)
	}
	m.write("benchmark.yaml", strings.Replace(made, "samples: 40", "samples: 41", 1))
	changed := object[planDocument](m, 0, "plan", "benchmark.yaml")
	if diff := cmp.Diff(&planSize{has.Bytes, saidByEarlier}, changed.Steps[0].Size); diff != "" {
		t.Errorf("size of a changed step (-want +got):\n%s", diff)
	}
	if e := changed.Estimate.Estimate; e != (plan.Estimate{Stays: has.Bytes, Peak: has.Bytes}) {
		t.Errorf("estimate is %+v", e)
	}
}
