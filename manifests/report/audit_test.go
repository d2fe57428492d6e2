package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// exampleAudit is a verification of two datasets, one of which may not be passed on, a model of each and one of both.
func exampleAudit(t *testing.T) Audit {
	t.Helper()
	dataset := func(licence, access string) manifests.Dataset {
		return manifests.Dataset{Title: "Signals under " + licence, Modality: "ecg", Licence: licence, Access: access,
			Fetch: manifests.Step{Plugin: "http", Params: json.RawMessage(`{"url":"https://example.org/` + licence + `.zip"}`)}, Curate: manifests.Step{Plugin: "ecg", Seed: 1}}
	}
	b := &manifests.Benchmark{APIVersion: manifests.APIVersion, Kind: manifests.Kind, Name: "small",
		Datasets: map[string]manifests.Dataset{"open": dataset("CC-BY-4.0", "open"), "closed": dataset("LicenseRef-Own", "credentialed")},
		Models: map[string]manifests.Model{"each": {Plugin: "go", Datasets: []string{"closed", "open"}, Each: true, Seed: 7},
			"joint": {Plugin: "go", Datasets: []string{"closed", "open"}, Seed: 7}},
		Evaluations: map[string]manifests.Evaluation{"test": {Plugin: "classification", Models: []string{"each", "joint"}, Split: "test"}}}
	p, err := plan.Compile(b, func(kind catalog.Kind, name string, params json.RawMessage) (plan.Resolved, error) {
		spec := catalog.Spec{Kind: kind, Name: name, Version: "1", Determinism: catalog.Exact, Queue: catalog.QueueCPU}
		if kind == catalog.Pretrain {
			spec.Determinism = catalog.None
		}
		if len(params) == 0 {
			params = json.RawMessage(`{}`)
		}
		return plan.Resolved{Spec: spec, Params: params}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	a := Audit{Plan: p, Lock: &lock.Lock{Benchmark: "small", Manifest: p.Manifest, Plan: named("plan")},
		Verdict: verify.Verdict{Schema: "cairn/verify/v1", Subject: "/home/ann/benchmark.lock", OK: true, Level: verify.Bytes, Checked: verify.Checked{Records: 11, Blobs: 40, Bytes: 123456},
			Signed: &verify.Signed{Policy: "/home/ann/.config/trust.yaml", Steps: 9, Of: 11, By: map[string]int{"lab": 9}, Unknown: map[string]int{"SHA256:stranger": 1}, Unsigned: 1}}}
	for i, s := range p.Steps {
		a.Lock.Steps = append(a.Lock.Steps, lock.Step{Name: s.Name, Plugin: s.Plugin.String(), Action: named(s.Name), Artifact: named(s.Name + " artifact")})
		v := verify.Step{Name: s.Name, Level: verify.Bytes, Signed: []string{"lab"}}
		if i < 2 {
			v.Signed = nil
		}
		if s.Name == "fetch/closed" {
			v.Level, v.Unseen = verify.Records, []string{"layer 1"}
		}
		a.Verdict.Steps = append(a.Verdict.Steps, v)
	}
	for i, e := range p.Evaluations {
		for j, metric := range []string{"auroc", "accuracy"} {
			v := 0.5 + float64(i)/16 + float64(j)/64
			a.Lock.Results = append(a.Lock.Results, lock.Result{Evaluation: e.Name, Model: e.Model, Dataset: e.Dataset, Metric: metric, Value: &v, Low: ptr(v - 0.125), High: ptr(v + 0.125)})
		}
	}
	return a
}

func auditPage(t *testing.T, a Audit) string {
	t.Helper()
	page, err := AuditHTML(a)
	if err != nil {
		t.Fatal(err)
	}
	again, err := AuditHTML(a)
	if err != nil || !bytes.Equal(page, again) {
		t.Errorf("a second rendering differs: %v", err)
	}
	return string(page)
}

func TestAuditGolden(t *testing.T) {
	page := auditPage(t, exampleAudit(t))
	const file = "testdata/audit.html"
	if *update {
		if err := os.WriteFile(file, []byte(page), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), page); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
	for _, leak := range []string{"/home/ann", "<script", "src=", "@import"} {
		if strings.Contains(page, leak) {
			t.Errorf("the page has %q", leak)
		}
	}
}

var tags = regexp.MustCompile(`<[^>]*>`)

// TestAuditChains: every number of the lock stands on the page, above the steps and publishers that it comes from and no others.
func TestAuditChains(t *testing.T) {
	a := exampleAudit(t)
	page := auditPage(t, a)
	for _, r := range a.Lock.Results {
		_, chain, ok := strings.Cut(page, ">"+r.Model+" on "+r.Dataset+"<")
		chain, _, end := strings.Cut(chain, "</article>")
		if !ok || !end || !strings.Contains(chain, fmt.Sprintf(`title="%v">%s<`, *r.Value, number(r.Value))) {
			t.Fatalf("%s %s of %s: no such number in %s", r.Metric, number(r.Value), r.Model, chain)
		}
		text := tags.ReplaceAllString(chain, "")
		other := map[string]string{"open": "closed", "closed": "open"}[r.Dataset]
		want := []string{"data it is tested on: curate/" + r.Dataset, "raw data: fetch/" + r.Dataset, "publisher: https://example.org/"}
		not := "curate/" + other
		if r.Model == "joint" {
			want, not = append(want, "trained model: pretrain/joint"), "pretrain/each"
		} else {
			want = append(want, "trained model: pretrain/"+r.Model, "curated dataset: curate/"+r.Dataset)
		}
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s on %s: no %q in\n%s", r.Model, r.Dataset, w, text)
			}
		}
		if strings.Contains(text, not) {
			t.Errorf("%s on %s: %q is not in its chain\n%s", r.Model, r.Dataset, not, text)
		}
	}
	if n := strings.Count(page, "drawn above"); n != 1 {
		t.Errorf("%d models are drawn once and meant again, want joint", n)
	}
}

// TestAuditSaysWhatIsOpen: what is not proven, not seen, not vouched for and not repeatable stands there as that.
func TestAuditSaysWhatIsOpen(t *testing.T) {
	a := exampleAudit(t)
	page := auditPage(t, a)
	for _, want := range []string{"◐ in part, records", "not here: layer 1", "vouched for by nobody who is known", "vouches for 2 of 11 steps", "SHA256:stranger", "1 record was signed by nobody",
		"No proof says that the records are in a ledger", "No step was done again", "neither confirm nor refute them: pretrain/each/closed, pretrain/each/open, pretrain/joint",
		"LicenseRef-Own", "whoever wants the data has to ask their publisher", "✓ Verified, level bytes"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
	a.Verdict.OK, a.Verdict.Level = false, verify.None
	a.Verdict.Steps[3].Level = verify.None
	a.Verdict.Problems = []verify.Problem{
		{Code: verify.FilesDiffer, Step: "curate/closed", Path: "test/patient-7.npy", Want: "patient-7", Got: "patient-8"},
		{Code: verify.FilesDiffer, Step: "fetch/open", Path: "records/1.dat"},
		{Code: verify.LockEdited, Path: "/home/ann/benchmark.lock", Got: "/home/ann/benchmark.lock:7: edited"}}
	page = auditPage(t, a)
	for _, want := range []string{"✗ Not verified, level none", "Nothing: something is wrong", "✗ not proven", "box wrong", "records/1.dat", "benchmark.lock:7: edited", "3 problems"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
	for _, leak := range []string{"patient-", "/home/ann", "✓ Verified"} {
		if strings.Contains(page, leak) {
			t.Errorf("the page has %q", leak)
		}
	}
	a.Plan = nil
	if page = auditPage(t, a); !strings.Contains(page, "The plan is not here") || strings.Contains(page, "records/1.dat") {
		t.Error("without the plan nobody knows what was made of what, or what may be passed on")
	}
}

// TestAuditEscapes: whatever a stranger's lock, plan or verdict says is text.
func TestAuditEscapes(t *testing.T) {
	const evil = `"><script>alert(1)</script><a href="javascript:x">`
	a := exampleAudit(t)
	a.Lock.Benchmark = evil
	for i := range a.Lock.Results {
		r := &a.Lock.Results[i]
		r.Model, r.Dataset, r.Metric = r.Model+evil, r.Dataset+evil, r.Metric+evil
	}
	for i := range a.Plan.Steps {
		s := &a.Plan.Steps[i]
		s.Hints.Title = evil
		if s.Dataset != nil {
			s.Dataset = &action.Dataset{ID: evil, Licence: evil, Access: evil}
		}
		if strings.HasPrefix(s.Name, "fetch/") {
			s.Params = json.RawMessage(`{"url":"https://example.org/\"><script>"}`)
			s.Gate = &plan.Gate{Terms: []manifests.Term{{ID: evil, URL: "javascript:alert(1)"}}}
		}
	}
	for i := range a.Plan.Evaluations {
		a.Plan.Evaluations[i].Model += evil
		a.Plan.Evaluations[i].Dataset += evil
	}
	a.Verdict.Steps[0].Unseen, a.Verdict.Steps[1].Signed = []string{evil}, []string{evil}
	a.Verdict.Signed.By[evil] = 1
	a.Verdict.Ledger = &verify.Ledger{Origin: evil, Signed: []string{evil}}
	a.Verdict.Problems = []verify.Problem{{Code: evil, Step: evil, Path: evil, Want: evil, Got: evil, Digest: evil}}
	page := auditPage(t, a)
	for _, bad := range []string{"<script", `href="javascript`} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if !strings.Contains(page, "&lt;script&gt;") {
		t.Error("the names are not there")
	}
}
