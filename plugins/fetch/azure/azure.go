// Package azure fetches the blobs of a container of Azure Blob Storage, with a shared access signature (SAS) as Stanford
// AIMI gives one to who has signed its terms, or without one where the container is open.
//
// The container's own list (List Blobs) says what there is, with sizes, ETags and, where whoever wrote a blob gave one,
// its MD5. A blob is asked for on the condition that it still is the one with the ETag of the list (If-Match), so
// that parts of two versions never meet, and is checked against its MD5. Of a blob that has none, as large ones
// often do, nothing but the ETag is known.
//
// On a dataset's page a person signs Stanford's agreement and is given a link, good for 30 days:
//
//	https://aimistanforddatasets01.blob.core.windows.net/CONTAINER?sv=...&sig=...
//
// The link, as it is, goes into AZURE_STORAGE_SAS_TOKEN; where there are several datasets, the links of all, with blanks
// or line feeds between them. A link is sent to its own account and container only, so that no manifest can lead it
// elsewhere. What has no address before its question mark is taken for one of Stanford's. When a link has expired
// the dataset is blocked until there is a new one, and goes on with it where it was.
//
// It is spoken to through package web, like any other publisher: of Azure's own library two requests would be used.
package azure

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/pick"
)

// Params says what to fetch.
type Params struct {
	Account   string `json:"account" jsonschema:"storage account; default: that of Stanford AIMI"`
	Container string `json:"container" jsonschema:"name of the container, such as echonetdynamic-2"`
	Prefix    string `json:"prefix" jsonschema:"folder whose blobs are fetched, such as CheXpert/test/; paths are what follows it"`
	Signed    bool   `json:"signed" jsonschema:"send the link or token in AZURE_STORAGE_SAS_TOKEN; default: ask anonymously"`
	pick.Params
}

const (
	sasToken = "AZURE_STORAGE_SAS_TOKEN"
	stanford = "aimistanforddatasets01"
	aimiPage = "https://aimi.stanford.edu/shared-datasets"
	domain   = ".blob.core.windows.net"
)

// The names that Azure allows.
var (
	accountName   = regexp.MustCompile(`^[a-z0-9]{3,24}$`)
	containerName = regexp.MustCompile(`^(?:\$root|\$web|[a-z0-9](?:-?[a-z0-9]){2,62})$`)
)

// Validate says which parameter is wrong.
func (p Params) Validate() error {
	switch {
	case !accountName.MatchString(p.Account):
		return fmt.Errorf("account %q: want the name of a storage account, of 3 to 24 small letters and digits", p.Account)
	case p.Container == "":
		return errors.New("container is required")
	case !containerName.MatchString(p.Container):
		return fmt.Errorf("container %q: want the name of a container, of small letters, digits and hyphens", p.Container)
	case p.Prefix != "" && !strings.HasSuffix(p.Prefix, "/"):
		return fmt.Errorf("prefix %q: want a folder, which ends in a slash; include selects among its files", p.Prefix)
	}
	return p.Check()
}

func (p Params) origin() string { return "https://" + p.Account + domain }

// address of the container.
func (p Params) address() string { return p.origin() + "/" + p.Container }

// page is where a person gets a link, "" if that is not known.
func (p Params) page() string {
	if p.Account == stanford {
		return aimiPage
	}
	return ""
}

// Plugin returns fetch/azure over an HTTP client; nil means that of web.New.
func Plugin(client *http.Client) plugins.Plugin {
	return plugins.Fetch(catalog.Spec{
		Name: "azure", Version: "1",
		Summary:     "Fetches the blobs of a container of Azure Blob Storage, such as one of Stanford AIMI.",
		Determinism: catalog.None,
		Reason:      "a container's owner can change what lies in it; the lock pins what it may give",
		Queue:       catalog.QueueIO,
		Network:     true,
		Secrets:     []string{sasToken},
	}, Params{Account: stanford, Params: pick.All()}, func(p Params, env plugins.Env, _ uint64) (plugins.Source, error) {
		return newSource(client, p, env), nil
	})
}
