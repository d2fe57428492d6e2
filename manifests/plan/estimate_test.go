package plan_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests/plan"
)

func TestEstimate(t *testing.T) {
	net := func(bytes int64, unpacks bool) plan.Fetch {
		return plan.Fetch{Bytes: bytes, Network: true, Unpacks: unpacks}
	}
	for _, c := range []struct {
		name    string
		fetches []plan.Fetch
		atOnce  int
		want    plan.Estimate
	}{
		{"nothing", nil, 4, plan.Estimate{}},
		{"files of the network lie in partial files and in the store", []plan.Fetch{net(100, false)}, 4, plan.Estimate{Fetches: 1, Bytes: 100, Stays: 100, Peak: 200}},
		{"archives are unpacked beside them", []plan.Fetch{net(100, true)}, 4, plan.Estimate{Fetches: 1, Bytes: 100, Stays: 100, Peak: 300}},
		{"a folder is not fetched", []plan.Fetch{{Bytes: 100}}, 4, plan.Estimate{Stays: 100, Peak: 100}},
		{"an archive on disk is unpacked", []plan.Fetch{{Bytes: 100, Unpacks: true}}, 4, plan.Estimate{Stays: 100, Peak: 200}},
		{"what is made here has no size and needs none", []plan.Fetch{{}}, 4, plan.Estimate{}},
		{"not known", []plan.Fetch{net(0, true), net(7, false)}, 4, plan.Estimate{Fetches: 2, Unknown: 1, Bytes: 7, Stays: 7, Peak: 14}},
		{"the largest two of three at once", []plan.Fetch{net(1, false), net(100, false), net(10, false)}, 2, plan.Estimate{Fetches: 3, Bytes: 111, Stays: 111, Peak: 221}},
		{"one at a time at least", []plan.Fetch{net(1, false), net(2, false)}, 0, plan.Estimate{Fetches: 2, Bytes: 3, Stays: 3, Peak: 5}},
	} {
		if diff := cmp.Diff(c.want, plan.NewEstimate(c.fetches, c.atOnce)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}
