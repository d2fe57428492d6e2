package manifests

import (
	"fmt"
	"strings"

	"github.com/github/go-spdx/v2/spdxexp"
)

// Restriction says why data may not be passed on to others, or nothing if it may: everybody can get it, and its licence
// lets everybody share what is made of it. What is not known is not allowed. Everything that brings data, or pictures of
// it, out of a store asks here; records, digests and counts may always travel.
func Restriction(licence, access string) string {
	switch access {
	case Accesses()[0]:
	case "":
		return "nothing says who may have it"
	default:
		return fmt.Sprintf("its access is %q, so that whoever wants it has to ask its publisher", access)
	}
	if licence == "" {
		return "nothing says under which licence it is"
	}
	ids, err := spdxexp.ExtractLicenses(licence)
	if len(licence) > maxLicence || err != nil || len(ids) == 0 {
		return fmt.Sprintf("its licence %q is none that is known", shorten(licence))
	}
	for _, id := range ids {
		switch upper := strings.ToUpper(id); {
		case strings.Contains(upper, "LICENSEREF-"):
			return fmt.Sprintf("its licence %s is its publisher's own", id)
		case strings.Contains(upper, "-ND"):
			return fmt.Sprintf("its licence %s lets nobody pass on what is made of it", id)
		}
	}
	return ""
}
