// Package tcia fetches the DICOM series of a collection of The Cancer Imaging Archive, through the API of its NBIA server.
//
// A collection grows and is corrected, and has no versions: list pins which series it held, with how many images and
// bytes each, when the manifest was made. Each series comes as a folder named by its SeriesInstanceUID.
//
// The server makes a zip of a series for each request. No two are the same, none has a length, a checksum or parts: a
// transfer that breaks begins anew, and costs at most one series. What the zip holds is checked file by file, against the MD5
// sums in its own md5hashes.csv and the number of images that the list gives, as the server may end a zip early without
// a word. The names in a zip are numbers in an order that nobody promises, so a file is named by what it is, its
// SOPInstanceUID: 1.3.6.1.4.1/1.2.840.dcm. One that is not DICOM keeps its name. A LICENSE in the zip is kept; of it alone
// there is no sum.
//
// No account is needed. NBIA holds public data only: what is under controlled access has moved to the NCI's
// General Commons, and version 4 of the API describes no way to log in (https://cbiit.github.io/NBIA-TCIA/nbia-api.yaml).
// A person accepts TCIA's data usage policy, https://www.cancerimagingarchive.net/data-usage-policies-and-restrictions/.
package tcia

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/pin"
	"github.com/cairn-bench/cairn/plugins/fetch/web"
)

const api = "https://nbia.cancerimagingarchive.net/nbia-api/services/v4"

// Params says what to fetch.
type Params struct {
	Collection string     `json:"collection" jsonschema:"name of the collection, such as CBIS-DDSM"`
	Modality   string     `json:"modality" jsonschema:"fetch the series of this modality only, such as MG"`
	BodyPart   string     `json:"body_part" jsonschema:"fetch the series of this part of the body only, such as BREAST"`
	List       pin.Digest `json:"list,omitempty" jsonschema:"digest that the list of series must have, as dataset.json of an earlier fetch names it"`
}

// Validate says which parameter is wrong.
func (p Params) Validate() error {
	if p.Collection == "" {
		return errors.New("collection is required")
	}
	for name, v := range map[string]string{"collection": p.Collection, "modality": p.Modality, "body_part": p.BodyPart} {
		if strings.ContainsFunc(v, unicode.IsControl) || strings.TrimSpace(v) != v {
			return fmt.Errorf("%s is %q: it begins or ends with a blank, or holds a control character", name, v)
		}
	}
	if err := p.List.Check(); err != nil {
		return fmt.Errorf("list: %w", err)
	}
	return nil
}

// Estimate says that every series comes as a zip.
func (Params) Estimate() plugins.Estimate { return plugins.Estimate{Bytes: -1, Unpacks: true} }

// Plugin returns fetch/tcia. nil means the client of package web.
func Plugin(client *http.Client) plugins.Plugin {
	return plugins.Fetch(catalog.Spec{
		Name: "tcia", Version: "1",
		Summary:     "Fetches the DICOM series of a collection of The Cancer Imaging Archive, each file checked against its MD5.",
		Determinism: catalog.None,
		Reason:      "a collection grows, and the archive vouches for the bytes with MD5 only; the lock pins what it may give",
		Queue:       catalog.QueueIO,
		Network:     true,
	}, Params{}, func(p Params, env plugins.Env, _ uint64) (plugins.Source, error) {
		return &source{Params: p, env: env, Client: web.New(client, web.Options{
			Hint: "the collection may be under controlled access, which this API does not serve: see its page at https://www.cancerimagingarchive.net/"})}, nil
	})
}
