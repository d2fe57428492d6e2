package dataset

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// CroissantVersion is the version of the format that Croissant writes.
const CroissantVersion = "http://mlcommons.org/croissant/1.1"

// croissantContext is the context that tools of the format expect, most of whose terms only describe records.
const croissantContext = `{
	"@language": "en", "@vocab": "https://schema.org/", "citeAs": "cr:citeAs", "column": "cr:column", "conformsTo": "dct:conformsTo",
	"cr": "http://mlcommons.org/croissant/", "data": {"@id": "cr:data", "@type": "@json"}, "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
	"dct": "http://purl.org/dc/terms/", "equivalentProperty": "cr:equivalentProperty", "examples": {"@id": "cr:examples", "@type": "@json"},
	"extract": "cr:extract", "field": "cr:field", "fileObject": "cr:fileObject", "fileProperty": "cr:fileProperty", "fileSet": "cr:fileSet",
	"format": "cr:format", "includes": "cr:includes", "isLiveDataset": "cr:isLiveDataset", "jsonPath": "cr:jsonPath", "key": "cr:key",
	"md5": "cr:md5", "parentField": "cr:parentField", "path": "cr:path", "rai": "http://mlcommons.org/croissant/RAI/",
	"recordSet": "cr:recordSet", "references": "cr:references", "regex": "cr:regex", "repeated": "cr:repeated", "replace": "cr:replace",
	"samplingRate": "cr:samplingRate", "sc": "https://schema.org/", "separator": "cr:separator", "source": "cr:source",
	"subField": "cr:subField", "transform": "cr:transform"
}`

// croissant is the part of Croissant that a catalog can truthfully fill. The specification asks for datePublished and
// creator, too: no source states the first, and "Wagner et al." is neither a person nor an organisation. They are left
// out and not made up, as is every other property that is not known.
type croissant struct {
	Context      json.RawMessage `json:"@context"`
	Type         string          `json:"@type"`
	ConformsTo   string          `json:"conformsTo"`
	Name         string          `json:"name"`
	AlternateID  string          `json:"identifier"`
	Description  string          `json:"description"`
	License      string          `json:"license,omitempty"`
	URL          string          `json:"url,omitempty"`
	Version      string          `json:"version,omitempty"`
	CiteAs       string          `json:"citeAs,omitempty"`
	Keywords     []string        `json:"keywords"`
	Distribution []croissantFile `json:"distribution,omitempty"`
}

type croissantFile struct {
	Type   string `json:"@type"`
	ID     string `json:"@id"`
	Name   string `json:"name"`
	URL    string `json:"contentUrl"`
	Size   string `json:"contentSize"`
	Format string `json:"encodingFormat"`
	SHA256 string `json:"sha256"`
}

// Croissant describes an entry in MLCommons' format, at the level of the dataset: what it is, whose, under which terms
// and where. Only files known to the byte are its distribution.
func (c *Catalog) Croissant(e Entry) ([]byte, error) {
	doc := croissant{
		Context: json.RawMessage(croissantContext),
		Type:    "sc:Dataset", ConformsTo: CroissantVersion,
		Name: e.Name, AlternateID: e.ID, Description: c.describe(e), License: licenceURL(e.Licence), URL: text(e.Access.Page),
		CiteAs: cite(e.Citation), Keywords: slices.Compact([]string{e.Modality, e.Domain}), Distribution: files(e.Locators),
	}
	if e.Version != nil {
		doc.Version = e.Version.Value
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(doc); err != nil {
		return nil, fmt.Errorf("describe %s in Croissant: %w", e.ID, err)
	}
	return out.Bytes(), nil
}

// describe says in sentences what the keys of Croissant have no room for.
func (c *Catalog) describe(e Entry) string {
	says := []string{e.Task.Name + "."}
	if t := e.Counts.Total; t != nil {
		unit := "samples"
		if e.Counts.Unit != nil {
			unit = "samples, counted by " + *e.Counts.Unit
		}
		source, _ := c.Source(t.Source)
		says = append(says, fmt.Sprintf("%d %s. Who says so: %s.", t.Value, unit, source.Title))
	}
	if len(e.Disputed("counts.total")) > 0 {
		says = append(says, "Sources disagree about that number.")
	}
	says = append(says, "Access: "+e.Access.Kind+". Licence: "+e.Licence.Name+".")
	return strings.Join(says, " ")
}

// String names an origin for a sentence.
func (o Origin) String() string {
	if o.At == "" {
		return o.Source
	}
	return o.Source + " (" + o.At + ")"
}

// licenceURL is the address of the text, or the expression: Croissant prefers an address.
func licenceURL(l Licence) string {
	if l.URL != nil {
		return *l.URL
	}
	return text(l.Expression)
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func cite(c *Citation) string {
	if c == nil {
		return ""
	}
	out := c.Authors
	if c.Year != nil {
		out += fmt.Sprintf(" %d", *c.Year)
	}
	if c.DOI != nil {
		out += " https://doi.org/" + *c.DOI
	}
	return out
}

func files(locators []Locator) []croissantFile {
	var out []croissantFile
	for _, l := range locators {
		if l.File == nil {
			continue
		}
		name := l.Place[strings.LastIndexByte(l.Place, '/')+1:]
		out = append(out, croissantFile{"cr:FileObject", name, name, l.Place, fmt.Sprintf("%d B", l.File.Bytes), l.File.Type, l.File.SHA256})
	}
	return out
}
