// Package rocrate describes a finished rebuild as an RO-Crate 1.1 (https://w3id.org/ro/crate/1.1) of the Provenance Run Crate
// profile 0.5, which includes the profiles of process runs, workflow runs and Workflow RO-Crate 1.0.
//
// What is what there:
//
//	the crate               the lock, the manifest, the report, and what is said of them
//	the main workflow       benchmark.yaml; each step of the plan is a HowToStep of it
//	a SoftwareApplication   a plugin, by its name and version; the engine is another one
//	a CreateAction          a step that was done: instrument the plugin, object its inputs and parameters, result its artifact
//	a Dataset               an artifact of a fetch or a curation, with its licence and access
//	a CreativeWork          a model, or an evaluation with its numbers
//
// Artifacts are not in the crate; their identifiers are their digests, as RFC 6920 writes them (nih:sha-256;...), so that two
// crates that speak of one artifact say so. Without Times of the dossier the crate has no times but the one that the
// specification demands, which is the date of the dossier.
package rocrate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/exchange"
	"github.com/cairn-bench/cairn/manifests/exchange/dossier"
)

// Names of the files of a crate, beside exchange.CrateFile.
const (
	ManifestFile = "benchmark.yaml"
	LockFile     = "benchmark.lock"
	ReportFile   = "report.json"
	ReadmeFile   = "README.md"
)

// Identifiers of the specifications.
const (
	spec          = "https://w3id.org/ro/crate/1.1"
	workflowCrate = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
	processRun    = "https://w3id.org/ro/wfrun/process/0.5"
	workflowRun   = "https://w3id.org/ro/wfrun/workflow/0.5"
	provenanceRun = "https://w3id.org/ro/wfrun/provenance/0.5"
	bioschemas    = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
	completed     = "http://schema.org/CompletedActionStatus"
)

// File is a file of the crate.
type File struct {
	Name string
	Text []byte
}

// Files lists the files that go into a crate, apart from its metadata. readme may be nil. The report names samples that were left out,
// so it stays away where a dataset is restricted; its digest is in the metadata all the same.
func Files(d *dossier.Dossier, readme []byte) []File {
	out := []File{{ManifestFile, d.Manifest}, {LockFile, d.LockText}}
	if len(d.Restricted()) == 0 {
		out = append(out, File{ReportFile, d.ReportDoc})
	}
	if readme != nil {
		out = append(out, File{ReadmeFile, readme})
	}
	return out
}

// entity is a node of the graph.
type entity map[string]any

// ref is a reference to one.
type ref struct {
	ID string `json:"@id"`
}

func refs(ids ...string) []ref {
	out := []ref{}
	for _, id := range ids {
		out = append(out, ref{id})
	}
	return out
}

// ID is the identifier of an artifact (RFC 6920, section 7).
func ID(d digest.Digest) string {
	if d.Algorithm() == digest.SHA256 {
		return "nih:sha-256;" + d.Encoded()
	}
	return "urn:cairn:" + d.String()
}

// crate is a graph that grows.
type crate struct {
	*dossier.Dossier
	files []File
	steps []dossier.Step
	graph []entity
	have  map[string]bool
}

// Metadata writes ro-crate-metadata.json of a crate with these files.
func Metadata(d *dossier.Dossier, files []File) ([]byte, error) {
	steps, err := d.Steps()
	if err != nil {
		return nil, fmt.Errorf("ro-crate: %w", err)
	}
	c := &crate{Dossier: d, files: files, steps: steps, have: map[string]bool{}}
	c.add(entity{"@id": exchange.CrateFile, "@type": "CreativeWork", "about": ref{"./"}, "conformsTo": refs(spec, workflowCrate)})
	c.root()
	c.payload()
	c.software()
	c.workflowRun()
	for i, s := range steps {
		c.step(i, s)
		c.artifact(s)
	}
	return exchange.JSON(entity{"@context": []any{spec + "/context", entity{"sha256": "https://schema.org/sha256"}}, "@graph": c.graph})
}

// add adds an entity, once. What is empty is left out, and a list of one is that one, as RO-Crate recommends.
func (c *crate) add(e entity) {
	id := e["@id"].(string)
	if c.have[id] {
		return
	}
	c.have[id] = true
	for k, v := range e {
		switch v := v.(type) {
		case string:
			if v == "" {
				delete(e, k)
			}
		case []ref:
			one(e, k, v)
		case []string:
			one(e, k, v)
		}
	}
	c.graph = append(c.graph, e)
}

func one[T any](e entity, key string, list []T) {
	switch len(list) {
	case 0:
		delete(e, key)
	case 1:
		e[key] = list[0]
	}
}

// Identifiers within the crate. A fragment of a URI may hold a slash.
func stepID(s dossier.Step) string    { return "#step/" + s.Name }
func actionID(s dossier.Step) string  { return "#execution/" + s.Name }
func controlID(s dossier.Step) string { return "#control/" + s.Name }
func paramsID(s dossier.Step) string  { return "#params/" + s.Name }

const (
	engineID  = dossier.Home + "cairn"
	rebuildID = "#rebuild"
	licenceID = "#licence"
)

func isDataset(s dossier.Step) bool { return s.Kind == catalog.Fetch || s.Kind == catalog.Curate }

func (c *crate) root() {
	var parts []string
	for _, f := range c.files {
		parts = append(parts, f.Name)
	}
	mentions := []string{rebuildID}
	for _, s := range c.steps {
		mentions = append(mentions, actionID(s))
		if id := ID(s.Artifact); isDataset(s) && !slices.Contains(parts, id) {
			parts = append(parts, id)
		}
	}
	profiles := []entity{
		{"@id": processRun, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"},
		{"@id": workflowRun, "@type": "CreativeWork", "name": "Workflow Run Crate", "version": "0.5"},
		{"@id": provenanceRun, "@type": "CreativeWork", "name": "Provenance Run Crate", "version": "0.5"},
		{"@id": workflowCrate, "@type": "CreativeWork", "name": "Workflow RO-Crate", "version": "1.0"},
	}
	description := c.Benchmark.Description
	if description == "" {
		description = "A benchmark that was rebuilt from its manifest, with the digest of everything that was read and made."
	}
	c.add(entity{
		"@id": "./", "@type": "Dataset", "name": c.Name(), "description": description, "identifier": c.LockDigest().String(),
		"datePublished": c.Date.UTC().Format(time.DateOnly), "license": ref{licenceID},
		"conformsTo": refs(processRun, workflowRun, provenanceRun, workflowCrate),
		"hasPart":    refs(parts...), "mainEntity": ref{ManifestFile}, "mentions": refs(mentions...),
	})
	for _, p := range profiles {
		c.add(p)
	}
	c.add(entity{"@id": licenceID, "@type": "CreativeWork", "name": "None stated",
		"description": "Nobody has stated a licence for this record. The datasets that it names are not in it, and each has a licence of its own."})
}

// payload describes the files of the crate.
func (c *crate) payload() {
	for _, f := range c.files {
		e := entity{"@id": f.Name, "@type": "File", "contentSize": strconv.Itoa(len(f.Text)), "sha256": digest.FromBytes(f.Text).Encoded()}
		switch f.Name {
		case ManifestFile:
			e["name"], e["description"], e["encodingFormat"] = "Manifest", "What was to be rebuilt: datasets, models, evaluations and claims.", "application/yaml"
			c.workflow(e)
		case LockFile:
			e["name"], e["description"], e["encodingFormat"] = "Lock", "What every step gave, by digest, and every number.", "application/yaml"
		case ReportFile:
			e["name"], e["description"], e["encodingFormat"] = "Report", "Datasets, models, numbers and claims, and the way from each number to the bytes it came from.", "application/json"
		case ReadmeFile:
			e["name"], e["description"], e["encodingFormat"], e["about"] = "Reproducibility statement", "The same for people, with the commands that verify it.", "text/markdown", ref{"./"}
		}
		c.add(e)
	}
}

// workflow makes the manifest the main workflow.
func (c *crate) workflow(e entity) {
	const language = dossier.Home + "manifest/v1"
	var tools, steps []string
	for _, t := range c.Tools() {
		tools = append(tools, t.ID)
	}
	for _, s := range c.steps {
		steps = append(steps, stepID(s))
	}
	e["@type"] = []string{"File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"}
	e["name"], e["version"], e["identifier"] = c.Name(), c.Lock.Manifest.String(), c.Lock.Manifest.String()
	e["url"], e["programmingLanguage"], e["license"] = dossier.Home, ref{language}, ref{licenceID}
	e["conformsTo"], e["hasPart"], e["step"] = ref{bioschemas}, refs(tools...), refs(steps...)
	c.add(entity{"@id": language, "@type": "ComputerLanguage", "name": "Cairn manifest", "version": manifests.APIVersion, "url": dossier.Home})
	c.add(entity{"@id": bioschemas, "@type": "CreativeWork", "name": "ComputationalWorkflow", "version": "1.0-RELEASE"})
}

func (c *crate) software() {
	c.add(entity{"@id": engineID, "@type": "SoftwareApplication", "name": "Cairn", "url": dossier.Home,
		"description": "The engine. Its version decides no byte of a result; the records, which are signed, say it."})
	for _, t := range c.Tools() {
		e := entity{"@id": t.ID, "@type": "SoftwareApplication", "name": t.Plugin.Kind + "/" + t.Plugin.Name, "softwareVersion": t.Plugin.Version,
			"url": dossier.Home, "identifier": t.Plugin.Digest.String()}
		var parts []string
		for _, p := range t.Plugin.Components {
			parts = append(parts, p.Name+" "+p.Version)
		}
		if parts != nil {
			e["softwareRequirements"] = parts
		}
		c.add(e)
	}
}

// workflowRun is the execution of the whole.
func (c *crate) workflowRun() {
	var read, gave, controls []string
	for _, s := range c.steps {
		controls = append(controls, controlID(s))
		switch id := ID(s.Artifact); {
		case s.Kind == catalog.Fetch && !slices.Contains(read, id):
			read = append(read, id)
		case s.Kind == catalog.Evaluate && !slices.Contains(gave, id):
			gave = append(gave, id)
		}
	}
	for _, f := range c.files {
		if f.Name == LockFile || f.Name == ReportFile {
			gave = append(gave, f.Name)
		}
	}
	run := entity{"@id": rebuildID, "@type": "CreateAction", "name": "Rebuild of " + c.Benchmark.Name, "instrument": ref{ManifestFile},
		"description": "Every step of the plan was done, or its result was found by the digest of its action.",
		"object":      refs(read...), "result": refs(gave...), "actionStatus": completed}
	organised := entity{"@id": "#organize", "@type": "OrganizeAction", "name": "Execution of the plan by the engine", "instrument": ref{engineID},
		"object": refs(controls...), "result": ref{rebuildID}, "actionStatus": completed, "identifier": c.Lock.Plan.String()}
	if first, last, ok := c.span(); ok {
		run["startTime"], run["endTime"] = first, last
		organised["startTime"], organised["endTime"] = first, last
	}
	c.add(run)
	c.add(organised)
}

// span is from when the first step began to when the last one ended.
func (c *crate) span() (first, last string, ok bool) {
	var began, ended time.Time
	for _, t := range c.Times {
		if began.IsZero() || t.Started.Before(began) {
			began = t.Started
		}
		if t.Finished.After(ended) {
			ended = t.Finished
		}
	}
	return moment(began), moment(ended), len(c.Times) > 0
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func (c *crate) step(i int, s dossier.Step) {
	tool := dossier.ToolOf(s.Plugin)
	c.add(entity{"@id": stepID(s), "@type": "HowToStep", "name": s.Name, "description": s.Hints.Title, "position": strconv.Itoa(i + 1), "workExample": ref{tool.ID}})
	c.add(entity{"@id": controlID(s), "@type": "ControlAction", "name": "Execution of step " + s.Name, "instrument": ref{stepID(s)}, "object": ref{actionID(s)}})
	objects := []string{}
	for _, in := range s.Inputs {
		objects = append(objects, ID(in.Artifact))
	}
	params := entity{"@id": paramsID(s), "@type": "PropertyValue", "name": "parameters", "value": string(s.Params)}
	if s.Seed != "" {
		params["description"] = "with the seed " + s.Seed
	}
	c.add(params)
	e := entity{"@id": actionID(s), "@type": "CreateAction", "name": s.Name, "instrument": ref{tool.ID}, "actionStatus": completed,
		"identifier": s.Action.String(), "description": fmt.Sprintf("%s, determinism class %s", s.Plugin, s.Determinism),
		"object": refs(append(objects, paramsID(s))...), "result": ref{ID(s.Artifact)}}
	if s.Times != nil {
		e["startTime"], e["endTime"] = moment(s.Times.Started), moment(s.Times.Finished)
	}
	c.add(e)
}

// artifact describes what a step gave.
func (c *crate) artifact(s dossier.Step) {
	e := entity{"@id": ID(s.Artifact), "name": s.Name, "identifier": s.Artifact.String()}
	switch s.Kind {
	case catalog.Fetch, catalog.Curate:
		c.dataset(e, s)
	case catalog.Evaluate:
		e["@type"], e["description"] = "CreativeWork", "An evaluation: the predictions, and the numbers that follow from them."
		c.numbers(e, s)
	default:
		e["@type"], e["description"] = "CreativeWork", "A model: its weights, what they were trained on, and the loss of every epoch."
	}
	c.add(e)
}

func (c *crate) dataset(e entity, s dossier.Step) {
	set, about := c.Benchmark.Datasets[s.Subject], c.About(s)
	e["@type"], e["name"] = "Dataset", set.Title
	e["license"], e["version"], e["url"], e["citation"] = c.licence(set.Licence), set.Version, set.Homepage, set.Citation
	what := "as fetched"
	if s.Kind == catalog.Curate {
		what = "as curated"
	}
	e["name"] = set.Title + ", " + what
	e["description"] = fmt.Sprintf("The dataset %s %s. Access: %s. It is not in this crate; it is the OCI artifact %s.", s.Subject, what, set.Access, s.Artifact)
	if about.Schema != "" {
		e["contentSize"] = strconv.FormatInt(about.Bytes, 10)
	}
	e["keywords"] = set.Modality
}

// licence describes the licence of a dataset and refers to it.
func (c *crate) licence(expression string) ref {
	id := exchange.LicenceURL(expression)
	e := entity{"@type": "CreativeWork", "name": expression, "description": "A licence of the SPDX list: " + expression}
	if id == "" {
		id = "#licence/" + strings.ReplaceAll(expression, " ", "-")
		e["description"] = "Terms of the publisher, or several licences: " + expression
	}
	e["@id"] = id
	c.add(e)
	return ref{id}
}

// numbers gives an evaluation its numbers.
func (c *crate) numbers(e entity, s dossier.Step) {
	var all []ref
	for _, r := range c.Report.Results {
		if len(r.Trail) == 0 || r.Trail[0].Step != s.Name {
			continue
		}
		n := entity{"@id": "#number/" + s.Name + "/" + r.Metric, "@type": "PropertyValue", "name": r.Metric,
			"description": fmt.Sprintf("%s of %s on the %s side of %s", r.Metric, r.Model, r.Split, r.Dataset)}
		for key, v := range map[string]*float64{"value": r.Value, "minValue": r.Low, "maxValue": r.High} {
			if v != nil {
				n[key] = *v
			}
		}
		if r.Value == nil {
			n["value"] = "undefined: " + r.Undefined
		}
		c.add(n)
		all = append(all, ref{n["@id"].(string)})
	}
	if all != nil {
		e["variableMeasured"] = all
	}
}
