package provenance_test

import (
	"bytes"
	_ "crypto/sha512" // for a digest that is valid and not ours
	"encoding/json"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/provenance"
)

func curate() action.Action {
	return action.Action{
		Plugin:  action.Plugin{Kind: "curate", Name: "ecg", Version: "1"},
		Params:  json.RawMessage(`{"rate": 100}`),
		Inputs:  []action.Input{{Name: "raw", Artifact: digest.FromString("raw")}, {Name: "extra", Artifact: digest.FromString("extra")}},
		Dataset: &action.Dataset{ID: "ecg", Modality: "ecg", Licence: "CC-BY-4.0", Access: "open"},
		Seed:    "1",
	}
}

func execution() provenance.Execution {
	zone := time.FixedZone("CEST", 2*60*60)
	return provenance.Execution{
		Step: "curate/ecg", Invocation: "run-1",
		Builder:  provenance.Builder{ID: "https://cairn-bench.github.io/cairn", Version: map[string]string{"cairn": "1.0.0"}},
		Started:  time.Date(2026, 1, 2, 3, 4, 5, 6_999_999, zone),
		Finished: time.Date(2026, 1, 2, 3, 4, 6, 0, zone),
	}
}

var result = digest.FromString("curated")

func statement(t testing.TB) []byte {
	t.Helper()
	text, err := provenance.New(curate(), result, execution())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

const golden = `{"_type":"https://in-toto.io/Statement/v1",` +
	`"predicate":{"buildDefinition":{"buildType":"https://cairn-bench.github.io/action/v1",` +
	`"externalParameters":{"action":{"dataset":{"access":"open","id":"ecg","licence":"CC-BY-4.0","modality":"ecg"},` +
	`"inputs":[{"artifact":"sha256:EXTRA","name":"extra"},{"artifact":"sha256:RAW","name":"raw"}],` +
	`"params":{"rate":100},"plugin":{"kind":"curate","name":"ecg","version":"1"},"schema":"cairn/action/v1","seed":"1"},"id":"sha256:ID"},` +
	`"resolvedDependencies":[{"digest":{"sha256":"EXTRA"},"name":"extra"},{"digest":{"sha256":"RAW"},"name":"raw"}]},` +
	`"runDetails":{"builder":{"id":"https://cairn-bench.github.io/cairn","version":{"cairn":"1.0.0"}},` +
	`"metadata":{"finishedOn":"2026-01-02T01:04:06Z","invocationId":"run-1","startedOn":"2026-01-02T01:04:05.006Z"}}},` +
	`"predicateType":"https://slsa.dev/provenance/v1",` +
	`"subject":[{"digest":{"sha256":"RESULT"},"name":"curate/ecg"}]}`

// sha256sum of "raw", "extra" and "curated", and of the action, which stands in the text.
func goldenText() string {
	return strings.NewReplacer(
		"RAW", "d7439bee24773bcbfa2d0a97947ee36227b10d1022b1a55847e928965bb6bfde", "EXTRA", "c8dee78f8c7b466c881847accc196998bad00e2b96c5ef913dfbe454d3807c96",
		"RESULT", "97237ed9325a20ef8fa812603a294f8bed8879bd1896cc9e6cb4913bf0a96e53", "ID", "cc43897d0c3de898989a84c5368da6556b82f6e2082e73c00a2198faa6e578af",
	).Replace(golden)
}

// Times are in UTC with milliseconds, whatever clock they came from.
func TestGolden(t *testing.T) {
	if diff := cmp.Diff(goldenText(), string(statement(t))); diff != "" {
		t.Error(diff)
	}
}

// The members that in-toto Statement v1 and SLSA provenance v1 define, an object each; "{}" is one whose members are the builder's own.
// https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md, https://slsa.dev/spec/v1.0/provenance
var schema = map[string][]string{
	"":                           {"_type", "subject", "predicateType", "predicate"},
	".subject":                   descriptor,
	".subject.digest":            {"sha256"},
	".predicate":                 {"buildDefinition", "runDetails"},
	".predicate.buildDefinition": {"buildType", "externalParameters", "internalParameters", "resolvedDependencies"},
	".predicate.buildDefinition.resolvedDependencies":        descriptor,
	".predicate.buildDefinition.resolvedDependencies.digest": {"sha256"},
	".predicate.buildDefinition.externalParameters":          nil, // of the build type
	".predicate.runDetails":                                  {"builder", "metadata", "byproducts"},
	".predicate.runDetails.builder":                          {"id", "builderDependencies", "version"},
	".predicate.runDetails.builder.version":                  nil, // of the builder
	".predicate.runDetails.metadata":                         {"invocationId", "startedOn", "finishedOn"},
}

var descriptor = []string{"name", "uri", "digest", "content", "downloadLocation", "mediaType", "annotations"}

func checkMembers(t *testing.T, path string, v any, seen map[string]bool) {
	switch v := v.(type) {
	case []any:
		for _, one := range v {
			checkMembers(t, path, one, seen)
		}
	case map[string]any:
		allowed, known := schema[path]
		if !known {
			t.Errorf("%s is an object, which the specifications do not have there", path)
		}
		seen[path] = true
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if allowed == nil {
				continue
			}
			if !slices.Contains(allowed, name) {
				t.Errorf("%s.%s is not in the specifications", path, name)
			}
			checkMembers(t, path+"."+name, v[name], seen)
		}
	}
}

func TestMembersAreThoseOfTheSpecifications(t *testing.T) {
	var doc map[string]any
	if err := json.Unmarshal(statement(t), &doc); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	checkMembers(t, "", doc, seen)
	if len(seen) != len(schema) {
		t.Errorf("objects %v were found, want %v", slices.Sorted(maps.Keys(seen)), slices.Sorted(maps.Keys(schema)))
	}
	s, err := provenance.Parse(statement(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, uri := range []string{s.Type, s.PredicateType, s.Predicate.BuildDefinition.BuildType, s.Predicate.RunDetails.Builder.ID} {
		if u, err := url.Parse(uri); err != nil || !u.IsAbs() {
			t.Errorf("%q is not a URI: %v", uri, err)
		}
	}
	for _, d := range append(s.Subject, s.Predicate.BuildDefinition.ResolvedDependencies...) {
		if !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(d.Digest["sha256"]) || d.Name == "" {
			t.Errorf("descriptor %+v needs a name and sha256 in hex", d)
		}
	}
}

func TestReadBack(t *testing.T) {
	s, err := provenance.Parse(statement(t))
	if err != nil {
		t.Fatal(err)
	}
	if s.Artifact() != result {
		t.Errorf("artifact is %s, want %s", s.Artifact(), result)
	}
	id, err := curate().ID()
	p := s.Predicate.BuildDefinition.ExternalParameters
	if err != nil || p.ID != id {
		t.Errorf("ID is %s, want %s, %v", p.ID, id, err)
	}
	if got, err := p.Action.ID(); err != nil || got != id {
		t.Errorf("the action inside has ID %s, %v; want %s", got, err, id)
	}
}

// A fetch reads nothing: it has empty lists, not null, and the record of a bare action is one too.
func TestRecordOfAnActionWithoutInputs(t *testing.T) {
	text, err := provenance.New(action.Action{Plugin: action.Plugin{Kind: "fetch", Name: "dir", Version: "1"}}, result, execution())
	if err != nil || bytes.Contains(text, []byte("null")) {
		t.Fatalf("record %s, %v", text, err)
	}
	if _, err := provenance.Parse(text); err != nil {
		t.Error(err)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, d := range []digest.Digest{"", "sha256", "sha256:", "sha256:xyz", digest.SHA512.FromString("x")} {
		if text, err := provenance.New(curate(), d, execution()); err == nil || !strings.Contains(err.Error(), "record of curate/ecg") {
			t.Errorf("artifact %q: %s, %v; want an error that names the step", d, text, err)
		}
	}
	if text, err := provenance.New(action.Action{}, result, execution()); err == nil || !strings.Contains(err.Error(), "record of curate/ecg") {
		t.Errorf("no action: %s, %v; want an error that names the step", text, err)
	}
	e := execution()
	e.Started = time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)
	if text, err := provenance.New(curate(), result, e); err == nil {
		t.Errorf("a year that RFC 3339 cannot write: %s", text)
	}
}

func TestParseRefuses(t *testing.T) {
	good := string(statement(t))
	id, err := curate().ID()
	if err != nil {
		t.Fatal(err)
	}
	sum := result.Encoded()
	for name, c := range map[string]struct{ old, new, want string }{
		"no JSON":                  {good, "{", "record: "},
		"another statement":        {"Statement/v1", "Statement/v0.1", "not a record of an action"},
		"another predicate":        {"provenance/v1", "provenance/v0.2", "not a record of an action"},
		"another build type":       {"action/v1", "action/v2", "not a record of an action"},
		"no action":                {`"kind":"curate"`, `"kind":""`, "plugin needs kind"},
		"another ID":               {id.Digest().Encoded(), sum, "its action has ID " + id.String() + ", it says " + result.String()},
		"another action":           {`"rate":100`, `"rate":200`, "it says " + id.String()},
		"another plugin":           {`"version":"1"`, `"version":"2"`, "it says " + id.String()},
		"no subject":               {`"subject":[{"digest":{"sha256":"` + sum + `"},"name":"curate/ecg"}]`, `"subject":[]`, "0 subjects, want one"},
		"two subjects":             {`"subject":[`, `"subject":[{"digest":{"sha256":"` + sum + `"},"name":"curate/ecg"},`, "2 subjects, want one"},
		"a subject without sha256": {`"sha256":"` + sum + `"`, `"sha512":"` + sum + `"`, `its artifact "sha256:" is not a sha256 digest`},
		"a subject's digest":       {sum, strings.ToUpper(sum), "is not a sha256 digest"},
		"a subject's short digest": {sum, "x", `its artifact "sha256:x" is not`},
		"a dependency's digest":    {`{"digest":{"sha256":"` + digest.FromString("raw").Encoded() + `"}`, `{"digest":{"sha256":"` + sum + `"}`, "are not the inputs of its action"},
		"a dependency's name":      {`},"name":"raw"}]}`, `},"name":"RAW"}]}`, "are not the inputs of its action"},
		"no dependency":            {`"resolvedDependencies":[`, `"resolvedDependencies":[],"x":[`, "are not the inputs of its action"},
		"an unknown member":        {`"predicateType"`, `"note":"","predicateType"`, "not canonical"},
		"a member twice":           {`"predicateType"`, `"subject":[],"predicateType"`, "not canonical"},
		"white space":              {good, good + "\n", "not canonical"},
		"a time's form":            {"05.006Z", "05.0060Z", "not canonical"},
		"no time":                  {"2026-01-02T01:04:05.006Z", "yesterday", "record: "},
	} {
		if !strings.Contains(good, c.old) {
			t.Fatalf("%s: %q is not in the statement", name, c.old)
		}
		s, err := provenance.Parse([]byte(strings.Replace(good, c.old, c.new, 1)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want an error with %q", name, err, c.want)
		}
		s.Artifact() // must not panic on what was refused
	}
}

func TestArtifactOfNoRecord(t *testing.T) {
	for _, s := range []provenance.Statement{{}, {Subject: []provenance.Subject{{}}}, {Subject: []provenance.Subject{{Digest: map[string]string{"sha256": "../.."}}}}} {
		if d := s.Artifact(); d.Validate() == nil {
			t.Errorf("%+v has artifact %s", s, d)
		}
	}
}

// The manifest is an OCI artifact whose subject is what the record is about, so that any OCI tool finds it.
func TestManifest(t *testing.T) {
	d := func(mediaType, content string) ocispec.Descriptor {
		return ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromString(content), Size: int64(len(content))}
	}
	text, err := provenance.Manifest(d(ocispec.MediaTypeImageManifest, "artifact"), d(provenance.MediaType, "statement"), d(ocispec.MediaTypeEmptyJSON, "{}"))
	if err != nil {
		t.Fatal(err)
	}
	descriptor := func(mediaType, content string) string {
		return `{"digest":"` + digest.FromString(content).String() + `","mediaType":"` + mediaType + `","size":` + map[string]string{"artifact": "8", "statement": "9", "{}": "2"}[content] + `}`
	}
	want := `{"annotations":{"in-toto.io/predicate-type":"https://slsa.dev/provenance/v1"},"artifactType":"application/vnd.in-toto+json",` +
		`"config":` + descriptor("application/vnd.oci.empty.v1+json", "{}") +
		`,"layers":[` + descriptor("application/vnd.in-toto+json", "statement") +
		`],"mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2,` +
		`"subject":` + descriptor("application/vnd.oci.image.manifest.v1+json", "artifact") + `}`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Error(diff)
	}
}

// What is accepted names its artifact and is about the action whose ID it gives.
func FuzzParse(f *testing.F) {
	f.Add(statement(f))
	f.Add([]byte(`{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":null}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := provenance.Parse(text)
		d := s.Artifact()
		if err != nil {
			return
		}
		p := s.Predicate.BuildDefinition.ExternalParameters
		if id, err := p.Action.ID(); err != nil || id != p.ID || d.Validate() != nil {
			t.Fatalf("artifact %q, ID %s, %v; it says %s", d, id, err, p.ID)
		}
	})
}
