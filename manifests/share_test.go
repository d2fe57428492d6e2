package manifests

import (
	"strings"
	"testing"
)

// TestRestriction: only what is known to be open may be passed on.
func TestRestriction(t *testing.T) {
	for _, c := range []struct{ licence, access, want string }{
		{"CC-BY-4.0", "open", ""},
		{"CC0-1.0", "open", ""},
		{"CC-BY-NC-SA-4.0", "open", ""},
		{"MIT OR Apache-2.0", "open", ""},
		{"ODbL-1.0", "open", ""},
		{"CC-BY-4.0", "credentialed", "credentialed"},
		{"CC-BY-4.0", "registration", "registration"},
		{"CC-BY-4.0", "", "who may have it"},
		{"CC-BY-4.0", "Open", "Open"},
		{"", "open", "which licence"},
		{"CC-BY-ND-4.0", "open", "CC-BY-ND-4.0"},
		{"CC-BY-NC-ND-4.0", "open", "pass on"},
		{"LicenseRef-PhysioNet-Credentialed-1.5.0", "open", "publisher's own"},
		{"MIT AND LicenseRef-terms", "open", "publisher's own"},
		{"free for all", "open", "none that is known"},
		{strings.Repeat("(", 1000), "open", "none that is known"},
	} {
		got := Restriction(c.licence, c.access)
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s, %s: %q, want %q", c.licence, c.access, got, c.want)
		}
	}
}
