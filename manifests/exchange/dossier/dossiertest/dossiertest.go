// Package dossiertest makes dossiers of small rebuilds for tests.
package dossiertest

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/compare"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/exchange/dossier"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/manifests/report"
)

// Manifest is what New is of. Texts in it are such as have a meaning in Markdown, JSON or HTML.
const Manifest = `apiVersion: cairn/v1
kind: Benchmark
name: two
title: Two datasets | <one> model
datasets:
  heart:
    title: Heart "disease"
    modality: table
    licence: CC-BY-4.0
    access: open
    version: 1.0.3
    citation: "doi:10.1000/heart"
    homepage: https://heart.test/data
    fetch: {plugin: files, params: {path: data}}
    curate: {plugin: table, seed: 1}
  xray:
    title: Chest X-ray
    modality: xray
    licence: LicenseRef-Kermany
    access: registration
    terms: [{id: Kermany-2018, url: "https://x.test/terms"}]
    fetch: {plugin: web, params: {url: "https://x.test/x.zip"}}
    curate: {plugin: table, seed: 1}
models:
  both: {plugin: net, datasets: [heart, xray], seed: 7}
evaluations:
  results: {plugin: score, models: [both], datasets: [heart], metrics: [auroc, accuracy]}
claims:
  - {evaluation: results, model: both, dataset: heart, metric: auroc, value: 0.9, tolerance: 0.05, source: "table 2"}
`

// plugins are those that the manifest names. "files" is of this machine.
var plugins = catalog.Catalog{
	{Kind: catalog.Fetch, Name: "files", Version: "1"},
	{Kind: catalog.Fetch, Name: "web", Version: "2"},
	{Kind: catalog.Curate, Name: "table", Version: "2"},
	{Kind: catalog.Pretrain, Name: "net", Version: "1", Determinism: catalog.Platform},
	{Kind: catalog.Evaluate, Name: "score", Version: "3"},
}

// New is the dossier of Manifest.
func New(t testing.TB) *dossier.Dossier { return Of(t, Manifest) }

// Of is the dossier of a manifest with those plugins. Actions and artifacts have made-up digests.
func Of(t testing.TB, manifest string) *dossier.Dossier {
	t.Helper()
	d := &dossier.Dossier{Manifest: []byte(manifest), Date: dossier.Undated()}
	var err error
	if d.Benchmark, err = manifests.Parse("benchmark.yaml", d.Manifest, plugins); err != nil {
		t.Fatal(err)
	}
	d.Plan, err = plan.Compile(d.Benchmark, func(kind catalog.Kind, plugin string, params json.RawMessage) (plan.Resolved, error) {
		spec, _ := plugins.Find(kind, plugin)
		if spec.Determinism == "" {
			spec.Determinism = catalog.Exact
		}
		if len(params) == 0 {
			params = json.RawMessage("{}")
		}
		r := plan.Resolved{Spec: spec, Params: params}
		if plugin == "files" {
			r.Source = digest.FromString("data")
		}
		return r, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	d.Lock = &lock.Lock{Benchmark: d.Benchmark.Name, Manifest: d.Plan.Manifest, Plan: digest.FromString("plan")}
	for _, s := range d.Plan.Steps {
		d.Lock.Steps = append(d.Lock.Steps, lock.Step{Name: s.Name, Plugin: s.Plugin.String(), Action: digest.FromString("action " + s.Name), Artifact: digest.FromString("artifact " + s.Name)})
	}
	d.LockText = d.Lock.Marshal()
	d.Report = reportOf(d)
	if d.ReportDoc, err = report.JSON(d.Report); err != nil {
		t.Fatal(err)
	}
	return d
}

func number(f float64) *float64 { return &f }

func reportOf(d *dossier.Dossier) report.Report {
	b := d.Benchmark
	r := report.Report{Benchmark: report.Benchmark{Name: b.Name, Title: b.Title, Manifest: d.Plan.Manifest, Lock: d.LockDigest()}}
	for _, s := range d.Plan.Steps {
		r.Steps = append(r.Steps, report.Step{Name: s.Name, Kind: s.Plugin.Kind, Plugin: s.Plugin.String(), Determinism: string(s.Determinism)})
	}
	for i, l := range d.Lock.Steps {
		r.Steps[i].Artifact = l.Artifact
	}
	for _, e := range d.Plan.Evaluations {
		one := report.Result{Evaluation: e.Name, Model: e.Model, ModelGroup: e.Group, Dataset: e.Dataset, Split: "test", Samples: 3,
			Bootstrap: document.Bootstrap{Method: "percentile", Replicates: 1000, Level: 0.95, Unit: "subject"}, Trail: []report.Trace{{Role: "evaluation", Step: e.Step}}}
		one.Metric, one.Value, one.Low, one.High = "auroc", number(0.91), number(0.8), number(0.97)
		two := one
		two.Metric, two.Value, two.Low, two.High, two.Undefined = "accuracy", nil, nil, nil, "no sample"
		r.Results = append(r.Results, one, two)
		r.Claims = append(r.Claims, report.Claim{Evaluation: e.Name, Model: e.Model, Dataset: e.Dataset, Metric: "auroc", Published: 0.9, Tolerance: 0.05, Source: "table 2", Value: number(0.91), Verdict: compare.Holds, Reason: "within"})
	}
	for _, id := range []string{"heart", "xray"} {
		set, ok := b.Datasets[id]
		if !ok {
			continue
		}
		r.Datasets = append(r.Datasets, report.Dataset{ID: id, Title: set.Title, Modality: set.Modality, Licence: set.Licence, Access: set.Access,
			Raw:      document.Dataset{Schema: document.DatasetSchema, Stage: "raw", Files: 2, Bytes: 100},
			Curated:  document.Dataset{Schema: document.DatasetSchema, Stage: "curated", ID: id, Files: 9, Bytes: 200, Samples: map[string]int{"train": 5, "validation": 1, "test": 3}},
			Curation: document.Curation{Expected: 10, Done: 9, Excluded: []document.Outcome{{Sample: "person-4711", Path: "4711.csv", Code: "no-label", Reason: "none"}}}})
	}
	for _, m := range b.Expanded() {
		r.Models = append(r.Models, report.Model{ID: m.ID, Group: m.Name})
	}
	return r
}

// WithTimes says that each step took a second, one after the other from 2026-01-02 on.
func WithTimes(d *dossier.Dossier) *dossier.Dossier {
	at := time.Date(2026, 1, 2, 3, 4, 5, 600_000_000, time.UTC)
	d.Times = map[string]dossier.Times{}
	for i, s := range d.Plan.Steps {
		d.Times[s.Name] = dossier.Times{Started: at.Add(time.Duration(i) * time.Second), Finished: at.Add(time.Duration(i+1) * time.Second)}
	}
	return d
}
