package label

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

func finder(t *testing.T, p Place, in plugintest.Files) *Finder {
	t.Helper()
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	f, err := p.Read(in)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestTable(t *testing.T) {
	in := plugintest.Files{"t.csv": []byte("name,finding,who,side\na.nii,x,p1,train\nb,y,p2,test\n1.2.3,z,p3,\ncase_7,y,p7,\nc,x,p4,\nc.nii,y,p4,\n")}
	p := Default()
	p.Labels.From, p.Labels.Table, p.Labels.ID, p.Labels.Columns, p.Labels.Subject, p.Labels.Side = FromTable, "t.csv", "name", []string{"finding"}, "who", "side"
	p.Pattern = `(?P<id>case_\d+)/`
	f := finder(t, p, in)
	for _, c := range []struct {
		file    string
		others  []string
		subject string // "" is no row
	}{
		{"d/a.nii", nil, "p1"},
		{"d/a.nii.gz", nil, "p1"},
		{"d/b.nii.gz", nil, "p2"},
		{"d/b.png", nil, "p2"},
		{"d/b.x.png", nil, ""},
		{"case_7/imaging.nii", nil, "p7"},
		{"case_8/b.png", nil, ""}, // named by its folder, and by that only
		{"d/0001.dcm", []string{"9.9", "1.2.3"}, "p3"},
		{"d/b.dcm", []string{"1.2.3"}, "p2"},
	} {
		got := f.Candidate(c.file, c.others...)
		if got.Subject != c.subject || (got.Excluded != nil) != (c.subject == "") {
			t.Errorf("%s %v: subject %q, %v, want %q", c.file, c.others, got.Subject, got.Excluded, c.subject)
		}
	}
}

func TestFolder(t *testing.T) {
	p := Default()
	p.SideFolder, p.Restart, p.Pattern = 2, true, `(?P<subject>p\d+)`
	p.Labels.Classes = map[string]string{"N": "normal", "S": "sick", "bad": ""}
	f := finder(t, p, nil)
	want := plugins.Candidate{ID: "train~2fN~2fp1~2epng", Subject: "train/p1", Split: "train", Labels: []string{"normal"}, Files: []string{"train/N/p1.png"}}
	if diff := cmp.Diff(want, f.Candidate("train/N/p1.png")); diff != "" {
		t.Error(diff)
	}
	for file, code := range map[string]string{"train/bad/p1.png": "dropped-class", "train/X/p1.png": "unknown-label", "p1.png": "no-label"} {
		if c := f.Candidate(file); c.Excluded == nil || c.Excluded.Code != code {
			t.Errorf("%s: %v, want %s", file, c.Excluded, code)
		}
	}
}
