package cli

import (
	"os"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// TestVerifyHTML: a verification leaves a page of its verdict, the same bytes each time, and also where something is wrong.
func TestVerifyHTML(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.want(0, words("run benchmark.yaml"))
	m.want(0, words("verify benchmark.lock --html one.html"), "verified")
	m.want(0, words("verify small --html two.html"))
	page := m.read("one.html")
	if page != m.read("two.html") {
		t.Error("of one verdict there are two pages")
	}
	l, err := lock.Parse("benchmark.lock", []byte(m.read("benchmark.lock")))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range l.Steps {
		if !strings.Contains(page, s.Artifact.String()) || !strings.Contains(page, ">"+s.Name+"<") {
			t.Errorf("the page has no step %s", s.Name)
		}
	}
	for _, want := range []string{"Verified, level records", "CC0-1.0", "a folder of whoever ran it", "vouched for by this home"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	for _, leak := range []string{m.home, m.dir} {
		if strings.Contains(page, leak) {
			t.Errorf("the page has the path %s", leak)
		}
	}

	text := m.read("benchmark.lock")
	m.write("benchmark.lock", strings.Replace(text, "value: ", "value: 1", 1))
	m.want(3, words("verify benchmark.lock --html bad.html"), "NOT verified")
	if bad := m.read("bad.html"); !strings.Contains(bad, "Not verified, level none") || !strings.Contains(bad, verify.LockEdited) {
		t.Error("the page of an edited lock does not say so")
	}
	m.want(2, words("verify small/fetch/heart --html x.html"), "one artifact")
	m.write("benchmark.lock", "nothing\n")
	m.want(4, words("verify benchmark.lock --html x.html"), "no lock that can be read")
	if _, err := os.Stat(m.path("x.html")); err == nil {
		t.Error("a page was written of nothing")
	}
}
