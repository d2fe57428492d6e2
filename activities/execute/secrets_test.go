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

// TestSignature: of a link the signature is hidden wherever it comes, and a word beside it is not.
func TestSignature(t *testing.T) {
	const sig = "mE+/9wq3v0Y1JHbF5uC8pXz2rT6kLdN4sAiG7oQ1VbE="
	for _, link := range []string{"sv=2019-02-02&sr=c&sp=rl&sig=" + url.QueryEscape(sig), "https://a.test/x?se=2026-12-01T00%3A00%3A00Z&sig=" + url.QueryEscape(sig) + " https://a.test/y?sig=z"} {
		var s secrets
		s.add("SAS", link)
		for _, text := range []string{sig, "get /x?sig=" + url.QueryEscape(sig) + "&comp=list", link} {
			if hidden := s.hide(text); strings.Contains(hidden, sig[:8]) || strings.Contains(hidden, sig[20:30]) {
				t.Errorf("%q of %q", hidden, text)
			}
		}
		if text := "2019-02-02 rl c 2026-12-01T00:00:00Z"; s.hide(text) != text {
			t.Errorf("%q of %q", s.hide(text), text)
		}
	}
}
