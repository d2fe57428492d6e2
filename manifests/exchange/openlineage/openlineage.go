// Package openlineage tells a finished rebuild as OpenLineage events (https://openlineage.io, spec 2-0-2): JSON lines, for
// each step one START and one COMPLETE, in an order in which the steps can be done, within those of the whole rebuild.
//
//	job        namespace "cairn/<benchmark>", name that of the step
//	run        UUID v5 of URL RunURL(digest): of the action of a step, of the lock for the whole
//	dataset    namespace "cairn", name the digest of the artifact: one artifact has one name on every machine
//
// The time of an event is that of the record where the dossier has Times, else its date. Facets are those of the
// specification, each in the version that is written into its _schemaURL.
package openlineage

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/exchange/dossier"
)

// Names and addresses.
const (
	Producer  = dossier.Home + "cairn"
	SchemaURL = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
	facetURL  = "https://openlineage.io/spec/facets/"
	Namespace = "cairn" // of datasets
)

// RunURL is what the UUID of a run is made of.
func RunURL(d digest.Digest) string { return dossier.Home + "run/" + d.String() }

// RunID is the UUID of a run.
func RunID(d digest.Digest) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte(RunURL(d))).String()
}

type event struct {
	Type      string    `json:"eventType"`
	Time      string    `json:"eventTime"`
	Producer  string    `json:"producer"`
	SchemaURL string    `json:"schemaURL"`
	Run       run       `json:"run"`
	Job       job       `json:"job"`
	Inputs    []dataset `json:"inputs"`
	Outputs   []dataset `json:"outputs"`
}

type facets map[string]map[string]any

type run struct {
	ID     string `json:"runId"`
	Facets facets `json:"facets,omitempty"`
}

type job struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Facets    facets `json:"facets,omitempty"`
}

type dataset struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Facets    facets `json:"facets,omitempty"`
	Output    facets `json:"outputFacets,omitempty"`
}

// facet completes a facet with who says so and by which schema: "1-0-1", "DatasourceDatasetFacet".
func facet(version, name string, fields map[string]any) map[string]any {
	fields["_producer"], fields["_schemaURL"] = Producer, facetURL+version+"/"+name+".json#/$defs/"+name
	return fields
}

// teller writes the events.
type teller struct {
	*dossier.Dossier
	out  bytes.Buffer
	made map[string]dossier.Step // by name
}

// Events writes all events, one a line.
func Events(d *dossier.Dossier) ([]byte, error) {
	steps, err := d.Steps()
	if err != nil {
		return nil, fmt.Errorf("openlineage: %w", err)
	}
	t := &teller{Dossier: d, made: map[string]dossier.Step{}}
	first, last := t.span()
	whole := event{Time: moment(first), Run: run{ID: RunID(d.LockDigest())}, Job: t.job(d.Benchmark.Name, d.Name(), "BENCHMARK")}
	err = t.emit("START", whole)
	for _, s := range steps {
		t.made[s.Name] = s
		if err == nil {
			err = t.step(s)
		}
	}
	if err == nil {
		whole.Time = moment(last)
		err = t.emit("COMPLETE", whole)
	}
	return t.out.Bytes(), err
}

func (t *teller) emit(kind string, e event) error {
	e.Type, e.Producer, e.SchemaURL = kind, Producer, SchemaURL
	if e.Inputs == nil {
		e.Inputs = []dataset{}
	}
	if e.Outputs == nil {
		e.Outputs = []dataset{}
	}
	enc := json.NewEncoder(&t.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(e)
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// span is from when the first step began to when the last one ended.
func (t *teller) span() (first, last time.Time) {
	first, last = t.Date, t.Date
	seen := false
	for _, x := range t.Times {
		if !seen || x.Started.Before(first) {
			first = x.Started
		}
		if !seen || x.Finished.After(last) {
			last = x.Finished
		}
		seen = true
	}
	return first, last
}

func (t *teller) job(name, title, kind string) job {
	j := job{Namespace: "cairn/" + t.Benchmark.Name, Name: name, Facets: facets{
		"jobType": facet("2-0-4", "JobTypeJobFacet", map[string]any{"processingType": "BATCH", "integration": "CAIRN", "jobType": kind}),
	}}
	if title != "" {
		j.Facets["documentation"] = facet("1-1-0", "DocumentationJobFacet", map[string]any{"description": title, "contentType": "text/plain"})
	}
	return j
}

func (t *teller) step(s dossier.Step) error {
	began, ended := t.Date, t.Date
	if s.Times != nil {
		began, ended = s.Times.Started, s.Times.Finished
	}
	e := event{Time: moment(began), Job: t.job(s.Name, s.Hints.Title, string(s.Kind)), Run: run{ID: RunID(s.Action), Facets: facets{
		"parent":              t.parent(),
		"executionParameters": facet("1-0-0", "ExecutionParametersRunFacet", map[string]any{"parameters": parameters(s)}),
	}}}
	for _, in := range s.Inputs {
		e.Inputs = append(e.Inputs, t.dataset(t.made[in.Step]))
	}
	if err := t.emit("START", e); err != nil {
		return err
	}
	e.Time = moment(ended)
	made := t.dataset(s)
	if n := statistics(t.About(s)); n != nil {
		made.Output = facets{"outputStatistics": facet("1-0-2", "OutputStatisticsOutputDatasetFacet", n)}
	}
	e.Outputs = []dataset{made}
	return t.emit("COMPLETE", e)
}

func (t *teller) parent() map[string]any {
	return facet("1-2-0", "ParentRunFacet", map[string]any{
		"run": map[string]any{"runId": RunID(t.LockDigest())},
		"job": map[string]any{"namespace": "cairn/" + t.Benchmark.Name, "name": t.Benchmark.Name},
	})
}

// parameters are what decides the bytes of a step, beside its inputs.
func parameters(s dossier.Step) []map[string]any {
	var out []map[string]any
	for _, p := range [][3]string{
		{"action", "the digest of the complete description of the work", s.Action.String()},
		{"plugin", "the code, by kind, name and version", s.Plugin.String()},
		{"plugin.digest", "the folder of the code", s.Plugin.Digest.String()},
		{"params", "what the plugin was told, every default included", string(s.Params)},
		{"seed", "", s.Seed},
		{"determinism", "exact, platform, tolerance or none", string(s.Determinism)},
	} {
		if p[2] == "" {
			continue
		}
		one := map[string]any{"key": p[0], "value": p[2]}
		if p[1] != "" {
			one["description"] = p[1]
		}
		out = append(out, one)
	}
	return out
}

// dataset is what a step gave.
func (t *teller) dataset(s dossier.Step) dataset {
	d := dataset{Namespace: Namespace, Name: s.Artifact.String(), Facets: facets{
		"version":       facet("1-0-1", "DatasetVersionDatasetFacet", map[string]any{"datasetVersion": s.Artifact.String()}),
		"documentation": facet("1-1-0", "DocumentationDatasetFacet", map[string]any{"description": t.title(s), "contentType": "text/plain"}),
	}}
	set, ok := t.Benchmark.Datasets[s.Subject]
	if !ok {
		return d
	}
	source := map[string]any{"name": set.Title}
	if set.Homepage != "" {
		source["uri"] = set.Homepage
	}
	d.Facets["dataSource"] = facet("1-0-1", "DatasourceDatasetFacet", source)
	d.Facets["tags"] = facet("1-0-0", "TagsDatasetFacet", map[string]any{"tags": []map[string]any{tag("licence", set.Licence), tag("access", set.Access), tag("modality", set.Modality)}})
	if s.Kind == catalog.Curate {
		d.Facets["schema"] = facet("1-2-0", "SchemaDatasetFacet", map[string]any{"fields": fields()})
	}
	return d
}

func tag(key, value string) map[string]any {
	return map[string]any{"key": key, "value": value, "source": "CAIRN"}
}

func (t *teller) title(s dossier.Step) string {
	switch s.Kind {
	case catalog.Fetch:
		return t.Benchmark.Datasets[s.Subject].Title + ", as fetched"
	case catalog.Curate:
		return t.Benchmark.Datasets[s.Subject].Title + ", as curated"
	case catalog.Pretrain:
		return "model of " + s.Name
	}
	return "predictions and numbers of " + s.Name
}

// fields are those of a curated sample, as package document has them.
func fields() []map[string]any {
	var out []map[string]any
	for _, f := range [][3]string{
		{"id", "string", "names the sample within the dataset"}, {"split", "string", "train, validation or test"},
		{"subject", "string", "whom the sample is of"}, {"labels", "list<string>", "classes of the task that it has"},
		{"media", "list<struct>", "its arrays: path, type, shape, dtype, sampling_rate"}, {"text", "string", ""},
		{"meta", "map<string,string>", ""}, {"sources", "list<struct>", "the files that it was made from, by path and digest"},
	} {
		one := map[string]any{"name": f[0], "type": f[1], "ordinal_position": len(out) + 1}
		if f[2] != "" {
			one["description"] = f[2]
		}
		out = append(out, one)
	}
	return out
}

// statistics are nil where nothing is known.
func statistics(d document.Dataset) map[string]any {
	if d.Schema == "" {
		return nil
	}
	out := map[string]any{"size": d.Bytes, "fileCount": d.Files}
	if len(d.Samples) > 0 {
		rows := 0
		for _, n := range d.Samples {
			rows += n
		}
		out["rowCount"] = rows
	}
	return out
}
