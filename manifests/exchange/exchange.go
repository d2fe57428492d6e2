// Package exchange holds the formats in which curated data goes to programs that know nothing of Cairn: CLIMB's
// annotations, a Parquet table of the labels, CSV, AVI, MATLAB files, and the notice that goes with all of them. It turns samples
// into bytes and writes no disk; activities/export decides which file lies where.
//
// One dataset has one rendering, byte for byte: nothing here asks a clock, a host or the order of a map.
package exchange

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/github/go-spdx/v2/spdxexp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/document"
)

// Schema names the document that lies in every folder that was exported.
const Schema = "cairn/export/v1"

// The formats of a curated dataset.
const (
	Climb      = "climb"
	WebDataset = "webdataset"
	Parquet    = "parquet"
	Dir        = "dir"
	Croissant  = "croissant"
)

// The formats of a whole benchmark. They hold records, digests and counts, and so may always travel.
const (
	ROCrate     = "ro-crate"
	InToto      = "in-toto"
	OpenLineage = "openlineage"
	Statement   = "statement"
)

// Formats lists those of a curated dataset.
func Formats() []string { return []string{Climb, WebDataset, Parquet, Dir, Croissant} }

// Accounts lists those of a whole benchmark.
func Accounts() []string { return []string{ROCrate, InToto, OpenLineage, Statement} }

// Names of files that lie beside the data.
const (
	ExportFile    = "export.json"
	NoticeFile    = "NOTICE.txt"
	LabelsFile    = "labels.csv"
	TableFile     = "labels.parquet"
	CroissantFile = "croissant.json"
	CrateFile     = "ro-crate-metadata.json"
)

// Export is export.json: what a folder was made of.
type Export struct {
	Schema     string         `json:"schema"`
	Format     string         `json:"format"`
	Dataset    string         `json:"dataset"`
	Artifact   digest.Digest  `json:"artifact"`
	Licence    string         `json:"licence"`
	Access     string         `json:"access"`
	Restricted string         `json:"restricted,omitempty"` // why it may not be passed on
	Samples    map[string]int `json:"samples"`              // by split
	Files      int            `json:"files"`
	Bytes      int64          `json:"bytes"`
	Notes      []string       `json:"notes,omitempty"` // what a reader of this format has to know of these data
}

// New describes the export of a dataset before anything is written. restricted says why the data may not be passed on, "" if they may.
func New(format string, artifact digest.Digest, d document.Dataset, restricted string) Export {
	return Export{
		Schema: Schema, Format: format, Dataset: d.ID, Artifact: artifact, Licence: d.Licence, Access: d.Access,
		Restricted: restricted, Samples: map[string]int{},
	}
}

// Notice writes what everybody who finds the folder has to know, in words.
func (e Export) Notice(w io.Writer) error {
	say := fmt.Sprintf("This folder was made from the dataset %s\n%s\n\nLicence: %s\nAccess:  %s\n", e.Dataset, e.Artifact, orUnknown(e.Licence), orUnknown(e.Access))
	if e.Restricted != "" {
		say += fmt.Sprintf("\nRESTRICTED: do not pass these files on, and do not publish pictures of them: %s.\n"+
			"Everything that is made of them stays under the same terms. Records and digests may travel.\n", e.Restricted)
	}
	_, err := io.WriteString(w, say)
	return err
}

// Account is export.json of a whole benchmark, and what `cairn export --json` prints of one.
type Account struct {
	Schema    string        `json:"schema"`
	Format    string        `json:"format"`
	Benchmark string        `json:"benchmark"`
	Lock      digest.Digest `json:"lock"` // of the bytes of benchmark.lock
	Files     int           `json:"files"`
	Bytes     int64         `json:"bytes"`
	Notes     []string      `json:"notes,omitempty"`
}

// JSON writes a value for people and programs: indented, with members of maps sorted and no HTML escapes.
func JSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(v)
	return b.Bytes(), err
}

// LicenceURL is the page of an SPDX licence, or nothing if the expression is not one licence of the list.
func LicenceURL(expression string) string {
	ids, err := spdxexp.ExtractLicenses(expression)
	if err != nil || len(ids) != 1 || ids[0] != expression || strings.HasPrefix(strings.ToUpper(expression), "LICENSEREF-") || strings.Contains(expression, ":") {
		return ""
	}
	return "https://spdx.org/licenses/" + expression
}

func orUnknown(s string) string {
	if s == "" {
		return "not stated"
	}
	return s
}

// ClassFolder makes a folder's name of a class. Letters, digits, blanks and most signs stay; what some file system
// refuses, such as a slash, becomes "~" and two hexadecimal digits a byte. Different classes have different folders.
func ClassFolder(class string) string {
	var b strings.Builder
	for i := range len(class) {
		c := class[i]
		edge := i == 0 || i == len(class)-1
		if c < 0x20 || c == 0x7f || strings.IndexByte(`/\:*?"<>|~`, c) >= 0 || edge && (c == '.' || c == ' ') {
			fmt.Fprintf(&b, "~%02x", c)
			continue
		}
		b.WriteByte(c)
	}
	if b.Len() == 0 {
		return "~"
	}
	return b.String()
}

// positive says for every class of the task whether a sample has it.
func positive(classes, labels []string) []bool {
	out := make([]bool, len(classes))
	for i, c := range classes {
		out[i] = slices.Contains(labels, c)
	}
	return out
}
