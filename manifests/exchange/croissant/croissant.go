// Package croissant describes a curated dataset in MLCommons' format, Croissant 1.1
// (https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html) with the Responsible AI vocabulary 1.0, down to its records.
//
// The description lies beside the files that it describes:
//
//	samples.parquet         one row a sample, as package exchange writes it; its columns are typed, so that the id "007" stays one
//	shards-<digest>/        the arrays of the samples, in <split>-000000.tar and so on, keyed <split>/<id>
//
// and has these record sets:
//
//	splits    cr:Split: train, validation, test
//	classes   sc:Enumeration: the classes of the task
//	counts    how many samples there are, by split and class
//	samples   id, split, subject, labels, media {path, type, dtype, shape, sampling_rate}, text
//	media     of each array, its path within the shards
//
// Of data that may not be passed on nothing is described but counts: no file, no id.
//
// What is not known is left out and not made up. So creator is never there: a manifest has a citation, which names no person in a way that a program
// could read; and datePublished only where the caller gives a date.
package croissant

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/exchange"
	"github.com/cairn-bench/cairn/manifests/exchange/dossier"
)

// Specifications that a description conforms to.
const (
	Version = "http://mlcommons.org/croissant/1.1"
	RAI     = "http://mlcommons.org/croissant/RAI/1.0"
)

// SamplesFile is the table that the records are read from.
const SamplesFile = "samples.parquet"

// Shards is the folder of the shards of an artifact. It is another one for every artifact: mlcroissant 1.1.1 unpacks an archive once for each
// address, wherever the description lies, so that of two datasets with a train-000000.tar the second would be given the
// arrays of the first.
func Shards(artifact digest.Digest) string {
	return "shards-" + artifact.Encoded()[:16] + "/"
}

// context has the terms that the specification recommends, and those of PROV.
const context = `{
	"@language": "en", "@vocab": "https://schema.org/", "annotation": "cr:annotation", "arrayShape": "cr:arrayShape", "citeAs": "cr:citeAs",
	"column": "cr:column", "conformsTo": "dct:conformsTo", "containedIn": "cr:containedIn", "cr": "http://mlcommons.org/croissant/",
	"data": {"@id": "cr:data", "@type": "@json"}, "dataType": {"@id": "cr:dataType", "@type": "@vocab"}, "dct": "http://purl.org/dc/terms/",
	"description": {"@container": "@language"}, "equivalentProperty": "cr:equivalentProperty",
	"examples": {"@id": "cr:examples", "@type": "@json"}, "excludes": "cr:excludes", "extract": "cr:extract", "field": "cr:field",
	"fileObject": "cr:fileObject", "fileProperty": "cr:fileProperty", "fileSet": "cr:fileSet", "format": "cr:format",
	"includes": "cr:includes", "isArray": "cr:isArray", "isLiveDataset": "cr:isLiveDataset", "jsonPath": "cr:jsonPath", "key": "cr:key", "md5": "cr:md5",
	"name": {"@container": "@language"}, "parentField": "cr:parentField", "path": "cr:path", "prov": "http://www.w3.org/ns/prov#",
	"rai": "http://mlcommons.org/croissant/RAI/", "readLines": "cr:readLines", "recordSet": "cr:recordSet", "references": "cr:references",
	"regex": "cr:regex", "repeated": "cr:repeated", "replace": "cr:replace", "samplingRate": "cr:samplingRate", "sc": "https://schema.org/",
	"sdVersion": "cr:sdVersion", "separator": "cr:separator", "source": "cr:source", "subField": "cr:subField", "transform": "cr:transform",
	"unArchive": "cr:unArchive", "value": "cr:value"
}`

// Dataset is what is described.
type Dataset struct {
	Artifact   digest.Digest
	Info       document.Dataset // its Task is there
	Curation   document.Curation
	Restricted string // why it may not be passed on; "" if it may
	Files      []File // beside the description; none of data that may not be passed on
	About
}

// About is what the benchmark says of a dataset; its zero value says nothing.
type About struct {
	Manifest *manifests.Dataset
	Plugin   *action.Plugin  // that made it
	Raw      []digest.Digest // artifacts that it was made of
	Date     time.Time       // when it is said to be published; the zero time is not said
}

// File is a file beside the description.
type File struct {
	Name   string
	Size   int64
	SHA256 string // hexadecimal
}

// node is an object of the description; encoding/json sorts its members.
type node map[string]any

func ref(id string) node { return node{"@id": id} }

// Describe writes the description.
func Describe(d Dataset) ([]byte, error) {
	set := cmp.Or(d.Manifest, &manifests.Dataset{})
	licence, access := d.Info.Licence, d.Info.Access
	doc := node{
		"@context": json.RawMessage(context), "@type": "sc:Dataset", "conformsTo": []string{Version, RAI},
		"name": cmp.Or(set.Title, d.Info.ID), "alternateName": d.Info.ID, "identifier": d.Artifact.String(), "description": describe(d),
		"license": cmp.Or(exchange.LicenceURL(licence), licence), "conditionsOfAccess": access, "keywords": []string{d.Info.Modality},
		"url": set.Homepage, "version": set.Version, "citeAs": set.Citation, "isLiveDataset": false,
		"recordSet": recordSets(d),
	}
	if !d.Date.IsZero() {
		doc["datePublished"] = d.Date.UTC().Format(time.DateOnly)
	}
	if files := distribution(d); files != nil {
		doc["distribution"] = files
	}
	maps.Copy(doc, provenance(d.About))
	maps.Copy(doc, responsible(d))
	for k, v := range doc {
		if v == "" {
			delete(doc, k)
		}
	}
	return exchange.JSON(doc)
}

// describe says in sentences what the keys of the format have no room for.
func describe(d Dataset) string {
	n := 0
	for _, samples := range d.Info.Samples {
		n += samples
	}
	says := []string{
		fmt.Sprintf("The dataset %s as curated by Cairn: %d samples of modality %s, for a %s task of %d classes.", d.Info.ID, n, d.Info.Modality, d.Info.Task.Type, len(d.Info.Task.Classes)),
		"It is the OCI artifact " + d.Artifact.String() + ".",
	}
	if d.Restricted != "" {
		says = append(says, "Only counts are given: "+d.Restricted+".")
	}
	return strings.Join(says, " ")
}

// provenance says what the dataset was made of and by what.
func provenance(a About) node {
	out := node{}
	var from []node
	for _, raw := range a.Raw {
		from = append(from, ref("urn:cairn:"+raw.String()))
	}
	if from != nil {
		out["prov:wasDerivedFrom"] = from
	}
	if a.Plugin != nil {
		tool := dossier.ToolOf(*a.Plugin)
		out["prov:wasGeneratedBy"] = node{"@type": "prov:Activity", "prov:label": "Curation by " + tool.Plugin.String(),
			"prov:wasAssociatedWith": node{"@id": tool.ID, "@type": "prov:SoftwareAgent", "prov:label": tool.Plugin.String()}}
	}
	return out
}

// responsible fills in what the curation knows for the vocabulary of Responsible AI.
func responsible(d Dataset) node {
	out, c := node{}, d.Curation
	if c.Split != "" {
		out["rai:dataPreprocessingProtocol"] = []string{"Sides: " + c.Split + "."}
	}
	var limits []string
	for _, what := range []struct {
		name string
		all  []document.Outcome
	}{{"left out by a rule", c.Excluded}, {"left out because they could not be read", c.Failed}, {"kept with a warning", c.Warnings}} {
		codes := map[string]int{}
		for _, o := range what.all {
			codes[o.Code]++
		}
		var said []string
		for _, code := range slices.Sorted(maps.Keys(codes)) {
			said = append(said, fmt.Sprintf("%s %d", code, codes[code]))
		}
		if said != nil {
			limits = append(limits, fmt.Sprintf("Of %d candidates %s: %s.", c.Expected, what.name, strings.Join(said, ", ")))
		}
	}
	if n := len(c.Duplicates); n > 0 {
		limits = append(limits, fmt.Sprintf("Groups of samples that are the same or nearly so: %d.", n))
	}
	if limits != nil {
		out["rai:dataLimitations"] = limits
	}
	return out
}

// distribution describes the files, and the arrays in the shards.
func distribution(d Dataset) []node {
	if d.Restricted != "" {
		return nil
	}
	var out, shards []node
	for _, f := range d.Files {
		format := "application/x-tar"
		switch {
		case f.Name == SamplesFile:
			format = "application/x-parquet"
		case strings.HasSuffix(f.Name, ".json"):
			format = "application/json"
		case strings.HasSuffix(f.Name, ".jsonl"):
			format = "application/jsonlines"
		default:
			shards = append(shards, ref(f.Name))
		}
		out = append(out, node{"@type": "cr:FileObject", "@id": f.Name, "name": f.Name, "contentUrl": f.Name,
			"contentSize": strconv.FormatInt(f.Size, 10) + " B", "encodingFormat": format, "sha256": f.SHA256})
	}
	if shards != nil {
		out = append(out, node{"@type": "cr:FileSet", "@id": arrays, "name": arrays, "description": "The arrays of the samples, as NumPy files.",
			"containedIn": shards, "encodingFormat": "application/octet-stream", "includes": "*.npy"})
	}
	return out
}

// arrays is the name of the set of files in the shards.
const arrays = "arrays"

func (d Dataset) has(file func(File) bool) bool { return slices.ContainsFunc(d.Files, file) }
