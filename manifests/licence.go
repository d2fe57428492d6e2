package manifests

import (
	"fmt"
	"strings"

	"github.com/github/go-spdx/v2/spdxexp"
	"github.com/github/go-spdx/v2/spdxexp/spdxlicenses"
)

// maxLicence bounds what the SPDX parser is given; no true expression is longer.
const maxLicence = 500

// Licence returns an SPDX expression as SPDX writes it. The error says what an expression looks like, and which
// licence was probably meant.
func Licence(expression string) (string, error) {
	if len(expression) <= maxLicence {
		if normal, bad := spdxexp.ValidateAndNormalizeLicensesWithOptions([]string{expression}, spdxexp.ValidateLicensesOptions{}); len(bad) == 0 && len(normal) == 1 {
			return normal[0], nil
		}
	}
	hint := ""
	if near := Nearest(expression, spdxlicenses.GetLicenses()); near != "" {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	if strings.HasPrefix(strings.ToLower(expression), "licenseref-") {
		hint = "; after LicenseRef- come letters, digits, dots and dashes"
	}
	return "", fmt.Errorf("%q is no licence: want an SPDX licence such as CC-BY-4.0, or LicenseRef- and a name of your own%s", shorten(expression), hint)
}
