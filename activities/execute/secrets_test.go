package execute

import (
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

// TestSecretForms: a value is found in each form at each place of a text.
func TestSecretForms(t *testing.T) {
	const value = `p"\ä ß&/+=%41`
	for _, before := range []string{"", "u:", "us:", "use:"} {
		for _, after := range []string{"", "a", "ab"} {
			for name, text := range map[string]string{
				"itself": before + value + after, "query": "?k=" + url.QueryEscape(value), "path": "/" + url.PathEscape(value),
				"quoted": strconv.Quote(before + value + after), "base64": base64.StdEncoding.EncodeToString([]byte(before + value + after)),
			} {
				var s secrets
				s.add("P", value)
				if hidden := s.hide(text); !strings.Contains(hidden, "[P]") || len(hidden) > len(text)-len(value)+8 {
					t.Errorf("%s between %q and %q: %q of %q", name, before, after, hidden, text)
				}
			}
		}
	}
}
