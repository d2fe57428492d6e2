package plugins_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/withdrawal"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

const withdrawalSalt = "00112233445566778899aabbccddeeff"

// clinic has thirty people with two samples each, a broken one of patient-07 among them, and a copy of patient-03's first under another name.
func clinic() plugintest.Files {
	raw := plugintest.Files{}
	for i := range 30 {
		for visit := range 2 {
			raw[fmt.Sprintf("scan-%02d-%d", i, visit)] = fmt.Appendf(nil, "patient-%02d - %c v%d.%d", i, 'x'+rune(i%2), i, visit)
		}
	}
	raw["scan-07-1"] = []byte("patient-07 - x break")
	return raw
}

func without(raw plugintest.Files, entries ...withdrawal.Entry) plugintest.Case {
	c := curateCase(lines{document.Multiclass, []string{"x", "y"}}, `{"train":0.6,"validation":0.1,"test":0.3}`, raw)
	if len(entries) > 0 {
		text, _ := json.Marshal(entries)
		c.Params = strings.TrimSuffix(c.Params, "}") + `,"withdrawn":` + string(text) + `}`
	}
	return c
}

func sides(d *plugins.Curated) map[string]string {
	out := map[string]string{}
	for _, s := range d.Samples {
		out[s.ID] = s.Split
	}
	return out
}

// TestWithdrawn: two people and a sample are gone without a trace, all others are where they were, and everybody is counted.
func TestWithdrawn(t *testing.T) {
	raw := clinic()
	before, _ := read(t, without(raw).Must(t))
	want := sides(before)
	for _, id := range strings.Fields("scan-03-0 scan-03-1 scan-07-0 scan-11-1") {
		delete(want, id)
	}
	from := raw.Root()
	files := without(raw, withdrawal.Subject("patient-07", withdrawalSalt, from), withdrawal.Sample("scan-11-1", withdrawalSalt, from),
		withdrawal.Subject("patient-03", strings.Repeat("ab", 16), from)).Deterministic(t)
	after, report := read(t, files)
	if diff := cmp.Diff(want, sides(after)); diff != "" {
		t.Errorf("samples and sides (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&document.Withdrawn{Entries: 3, Samples: 5}, report.Withdrawn); diff != "" {
		t.Error(diff)
	}
	if report.Expected != 60 || report.Done != 55 || len(report.Excluded)+len(report.Failed) != 0 || report.Labels.One != 55 {
		t.Errorf("of %d %d are done, %d excluded, %d failed; %+v", report.Expected, report.Done, len(report.Excluded), len(report.Failed), report.Labels)
	}
	for name, text := range files {
		for _, gone := range strings.Fields("patient-03 patient-07 scan-03 scan-07 scan-11-1") {
			if strings.Contains(name+string(text), gone) {
				t.Errorf("%s tells of %s", name, gone)
			}
		}
	}
}

// TestWithdrawnCopies: the same bytes under another name go, too, and are not taken in because their twin is gone.
func TestWithdrawnCopies(t *testing.T) {
	raw := album()
	raw["2"] = raw["1"]
	for _, policy := range strings.Fields("report drop-test") {
		c := curateCase(copied{}, `{"rule":"publisher","duplicates":"`+policy+`"}`, raw)
		entry, _ := json.Marshal(withdrawal.Sample("a", withdrawalSalt, raw.Root()))
		c.Params = strings.TrimSuffix(c.Params, "}") + `,"withdrawn":[` + string(entry) + `]}`
		d, report := read(t, c.Deterministic(t))
		if got := sides(d); got["a"] != "" || got["b"] != "" || got["c"] != "test" || report.Withdrawn.Samples != 2 {
			t.Errorf("%s: %v, %+v", policy, got, report.Withdrawn)
		}
	}
}

// TestWithdrawnGone: a name that is not there is a mistake in the files in which it was found, and in newer ones the publisher's doing.
func TestWithdrawnGone(t *testing.T) {
	raw := clinic()
	here, gone := withdrawal.Subject("patient-05", withdrawalSalt, raw.Root()), withdrawal.Subject("somebody", withdrawalSalt, digest.FromString("last year's files"))
	d, report := read(t, without(raw, here, gone).Deterministic(t))
	if diff := cmp.Diff(&document.Withdrawn{Entries: 2, Gone: 1, Samples: 2}, report.Withdrawn); diff != "" || len(d.Samples) != 57 {
		t.Errorf("%d samples: %s", len(d.Samples), diff)
	}
	if len(report.Warnings) != 1 || report.Warnings[0].Code != "withdrawn-gone" || !strings.Contains(report.Warnings[0].Reason, gone.Subject.String()) {
		t.Errorf("warnings are %+v", report.Warnings)
	}
	gone.From = raw.Root()
	_, err := without(raw, here, gone).Run(t.Context(), 1, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), gone.Subject.String()+" names nobody") || !strings.Contains(err.Error(), "would come back") {
		t.Errorf("error is %v", err)
	}
}

// TestWithdrawnAll: where nobody is left, the error does not say who was there.
func TestWithdrawnAll(t *testing.T) {
	raw := plugintest.Files{"scan": []byte("anna - x v")}
	_, err := without(raw, withdrawal.Subject("anna", withdrawalSalt, raw.Root())).Run(t.Context(), 1, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "consent was withdrawn") || strings.Contains(err.Error(), "anna") {
		t.Errorf("error is %v", err)
	}
}

// TestWithdrawnExpect: published counts that only somebody's withdrawal falls short of do not end a rebuild.
func TestWithdrawnExpect(t *testing.T) {
	raw := clinic()
	delete(raw, "scan-07-1")
	for expect, fails := range map[string]bool{`"total":59`: false, `"total":58`: true} {
		c := without(raw, withdrawal.Subject("patient-04", withdrawalSalt, raw.Root()))
		c.Params = strings.TrimSuffix(c.Params, "}") + `,"expect":{"source":"a paper","differ":"fail",` + expect + `}}`
		if _, err := c.Run(t.Context(), 1, t.TempDir()); (err != nil) != fails {
			t.Errorf("%s: error %v", expect, err)
		}
	}
}

// TestWithdrawnIdentity: who is left out is part of what a step is, in whatever order they stand; nobody is as without the key.
func TestWithdrawnIdentity(t *testing.T) {
	from := digest.FromString("raw")
	a, b := withdrawal.Subject("a", withdrawalSalt, from), withdrawal.Subject("b", withdrawalSalt, from)
	normal := func(params string) string {
		t.Helper()
		text, err := plugin(lines{}).Normalise(json.RawMessage(params))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	list := func(all ...withdrawal.Entry) string {
		text, _ := json.Marshal(map[string]any{"withdrawn": all})
		return normal(string(text))
	}
	if list(a, b) != list(b, a) || list(a) == list(b) || list(a) == normal("{}") {
		t.Error("the order counts, or the entries do not")
	}
	if normal("{}") != normal(`{"withdrawn":[]}`) || strings.Contains(normal("{}"), "withdrawn") {
		t.Errorf("nobody is %s", normal(`{"withdrawn":[]}`))
	}
	_, err := plugin(lines{}).Normalise(json.RawMessage(`{"withdrawn":[{"subject":"anna"}]}`))
	if err == nil || !strings.Contains(err.Error(), "withdrawn[0]") {
		t.Errorf("error is %v", err)
	}
}
