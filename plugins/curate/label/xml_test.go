package label

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

func voc(file string, objects ...string) []byte {
	out := "<annotation><folder>x</folder><filename>" + file + "</filename>"
	for _, o := range objects {
		out += "<object><name>" + o + "</name><part><name>nucleus</name></part><bndbox><xmin>1</xmin></bndbox></object>"
	}
	return []byte(out + "</annotation>")
}

func TestXML(t *testing.T) {
	in := plugintest.Files{
		"a/one.xml": voc("one.jpg", "RBC", "Platelets", "RBC"), "a/two.xml": voc(`C:\x\two.jpg`, "RBC"), "a/three.xml": voc("three.jpg"),
		"a/four.xml": []byte("<annotation><object>"), "a/five.xml": voc("five.jpg", ""), "a/six.xml": []byte("<html></html>"), "a/stem.xml": voc("stem", "WBC"),
		"a/twice.xml": voc("eight.jpg", "WBC"), "a/eight.xml": voc("eight.jpg", "RBC"),
	}
	p := Default()
	p.Labels.From, p.Labels.Table, p.Labels.Columns = FromXML, "*.xml", []string{"Platelets"}
	f := finder(t, p, in)
	if diff := cmp.Diff([]string{"Platelets", "no Platelets"}, f.Task().Classes); diff != "" {
		t.Error(diff)
	}
	for file, want := range map[string]string{
		"one": "Platelets", "two": "no Platelets", "three": "no Platelets", "four": "broken-annotation", "five": "broken-annotation", "six": "broken-annotation",
		"stem": "no Platelets", "seven": "no-label", "eight": "no Platelets", // both of its two say so
	} {
		c := f.Candidate("pictures/" + file + ".jpg")
		got := strings.Join(c.Labels, ",")
		if c.Excluded != nil {
			got = c.Excluded.Code
		}
		if got != want {
			t.Errorf("%s: %s, want %s", file, got, want)
		}
	}
	if diff := cmp.Diff(map[string]string{"objects RBC": "2", "objects Platelets": "1"}, f.Candidate("one.jpg").Meta); diff != "" {
		t.Error(diff)
	}
	p.Labels.Columns, p.Labels.Task = []string{"Platelets", "RBC", "WBC"}, document.Multilabel
	f = finder(t, p, in)
	if diff := cmp.Diff([]string{"Platelets", "RBC"}, f.Candidate("one.jpg").Labels); diff != "" {
		t.Error(diff)
	}
	if c := f.Candidate("three.jpg"); len(c.Labels) != 0 || c.Excluded != nil {
		t.Error(c)
	}
	if c := f.Candidate("eight.jpg"); c.Excluded == nil || c.Excluded.Code != "ambiguous-label" {
		t.Error(c)
	}
}

func FuzzXML(f *testing.F) {
	f.Add(voc("one.jpg", "RBC", "WBC"))
	f.Add([]byte(`<?xml version="1.0" encoding="latin1"?><annotation/>`))
	f.Add([]byte(`<!DOCTYPE a [<!ENTITY b "c">]><annotation><filename>&b;</filename></annotation>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := parseXML(strings.NewReader(string(b)))
		if err == nil && a.file == "" {
			t.Fatal("no file and no error")
		}
	})
}
