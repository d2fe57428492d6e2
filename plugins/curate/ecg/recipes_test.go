package ecg

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins/npy"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

func sides(from, to int, side string) (out []string) {
	for f := from; f <= to; f++ {
		out = append(out, fmt.Sprintf(`"%d": %q`, f, side))
	}
	return out
}

// ptbXL is what manifests/benchmarks/climb says of PTB-XL.
var ptbXL = `{"files": "*_hr.hea", "labels": "ptb-xl-7", "split": {"rule": "publisher"},
	"codes": {"table": "ptbxl_database.csv", "id": "filename_hr", "columns": ["scp_codes"], "subject": "patient_id", "side": "strat_fold", "facts": ["age", "sex"]},
	"sides": {` + strings.Join(slices.Concat(sides(1, 8, "train"), sides(9, 9, "validation"), sides(10, 10, "test")), ",") + `}}`

// TestPTBXL: files as PhysioNet's ptb-xl 1.0.3 names them, with rows as ptbxl_database.csv writes them.
func TestPTBXL(t *testing.T) {
	raw := plugintest.Files{"ptbxl_database.csv": []byte("ecg_id,patient_id,age,sex,scp_codes,strat_fold,filename_lr,filename_hr\n" +
		`1,15709.0,56.0,1,"{'NORM': 100.0, 'LVOLT': 0.0, 'SR': 0.0}",3,records100/00000/00001_lr,records500/00000/00001_hr` + "\n" +
		`2,13243.0,19.0,0,"{'AFIB': 0.0, 'IMI': 35.0, 'ABQRS': 0.0}",9,records100/00000/00002_lr,records500/00000/00002_hr` + "\n" +
		`3,20372.0,37.0,1,"{'SR': 0.0}",10,records100/00000/00003_lr,records500/00000/00003_hr` + "\n" +
		`4,13243.0,24.0,0,"{'LAO/LAE': 50.0, 'PRC(S)': 100.0}",10,records100/00000/00004_lr,records500/00000/00004_hr` + "\n" +
		`9,1.0,24.0,0,{},1,records100/00000/00009_lr,records500/00000/00009_hr` + "\n")}
	for _, name := range []string{"00001_hr", "00002_hr", "00003_hr", "00004_hr", "00005_hr", "00009_hr", "00001_lr"} {
		for p, b := range record(name, Defaults().Leads, "500", 5000, "", wave) {
			raw["records"+map[string]string{"hr": "500", "lr": "100"}[name[6:]]+"/00000/"+p] = b
		}
	}
	out := plugintest.Case{Plugin: Plugin(), Params: ptbXL, Seed: 1, Dataset: dataset, Inputs: map[string]plugintest.Files{"raw": raw}}.Deterministic(t)
	d, report := openOut(t, out)
	got := map[string]string{}
	for _, s := range d.Samples {
		got[s.ID[len(s.ID)-8:]] = fmt.Sprintf("%s %s %q %v", s.Split, s.Subject, s.Labels, s.Meta)
		if a, err := npy.Decode(out[s.Media[0].Path]); err != nil || !slices.Equal(a.Shape, []int{12, 5000}) {
			t.Errorf("%s: %v %v", s.ID, a.Shape, err)
		}
	}
	want := map[string]string{
		"00001_hr": `train 15709 ["Normal" "Other"] map[age:56.0 sex:1]`,
		"00003_hr": `test 20372 [] map[age:37.0 sex:1]`,
		"00004_hr": `test 13243 ["HYP" "Other"] map[age:24.0 sex:0]`,
		"00002_hr": `validation 13243 ["AFib" "MI" "Other"] map[age:19.0 sex:0]`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	why := map[string]string{}
	for _, o := range report.Excluded {
		why[o.Sample[len(o.Sample)-8:]] = o.Code
	}
	if diff := cmp.Diff(map[string]string{"00005_hr": "no-row", "00009_hr": "no-diagnosis"}, why); diff != "" {
		t.Error(diff)
	}
}

// TestRawCPSC2018: two records as the challenge itself gave them, with a REFERENCE.csv.
func TestRawCPSC2018(t *testing.T) {
	raw := sharedFolder(t, "malformed/cpsc2018_raw_mat")
	raw["REFERENCE.csv"] = []byte("Recording,First_label,Second_label,Third_label\nA1980,5,2,\nA1985,1,,\n")
	params := `{"files": "A*.mat", "labels": "cpsc-2018-7", "codes": {"table": "REFERENCE.csv", "id": "Recording", "columns": ["First_label", "Second_label", "Third_label"]},
		"split": {"train": 1, "validation": 0, "test": 0}}`
	out := plugintest.Case{Plugin: Plugin(), Params: params, Seed: 1, Dataset: dataset, Inputs: map[string]plugintest.Files{"raw": raw}}.Deterministic(t)
	d, report := openOut(t, out)
	if report.Expected != 2 || report.Done != 2 || len(report.Warnings) != 1 || report.Warnings[0].Code != "long-record" || report.Warnings[0].Sample != "A1985" {
		t.Errorf("expected %d, done %d, warnings %v", report.Expected, report.Done, report.Warnings)
	}
	for i, want := range []string{`A1980 ["AFib" "CD"] map[age:52 sex:Male]`, `A1985 ["Normal"] map[age:26 sex:Female]`} {
		s := d.Samples[i]
		if got := fmt.Sprintf("%s %q %v", s.ID, s.Labels, s.Meta); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	a, err := npy.Decode(out["train/A1980.npy"])
	if err != nil {
		t.Fatal(err)
	}
	// The first values of the first and the second lead, by scipy.io.loadmat.
	if x := a.Float32(); x[0] != float32(0.20186720822040347) && (x[0] < 0.2018672 || x[0] > 0.2018673) {
		t.Errorf("begins with %v", x[0])
	}
}

// TestForce: the force signals of gaitndd, of which four of 64 records have them.
func TestForce(t *testing.T) {
	raw := sharedFolder(t, "gaitndd")
	params := `{"leads": ["left-foot", "right-foot"], "rate": 300, "seconds": 60, "task": "multiclass",
		"codes": {"pattern": "^(?P<subject>(?P<code>als|hunt|park|control)\\d+)\\."}, "labels": {"als": "ALS", "hunt": "Huntington", "park": "Parkinson", "control": "control"}}`
	out := plugintest.Case{Plugin: Plugin(), Params: params, Seed: 1, Dataset: dataset, Inputs: map[string]plugintest.Files{"raw": raw}}.Deterministic(t)
	d, report := openOut(t, out)
	var got []string
	for _, s := range d.Samples {
		got = append(got, s.ID+" "+s.Labels[0])
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"als1 ALS", "control1 control", "hunt1 Huntington", "park1 Parkinson"}, got); diff != "" {
		t.Error(diff)
	}
	headers := 0
	for p := range raw {
		if strings.HasSuffix(p, ".hea") {
			headers++
		}
	}
	missing := 0
	for _, o := range report.Failed {
		if o.Code == "missing-file" {
			missing++
		}
	}
	if headers != 56 || report.Expected != headers || missing != 52 || len(report.Excluded) != 0 {
		t.Errorf("%d headers, %d expected, %d without signals, %v", headers, report.Expected, missing, report.Excluded)
	}
}

// The rows are those of the split tables of BenchMD for CPSC, Georgia, Chapman and PTB-XL: row, positive classes by their number, label.
func TestDrawn(t *testing.T) {
	for _, c := range []struct {
		row      uint32
		positive string
		want     int
	}{
		{0, "1", 1}, {2, "15", 1}, {8, "15", 5}, {10, "", 1}, {16, "15", 5}, {43, "", 4}, {56, "", 5}, {73, "", 6}, {81, "", 3}, {151, "13", 1},
		{162, "13", 3}, {688, "15", 5}, {759, "", 0}, {764, "", 6}, {832, "135", 3}, {833, "14", 4}, {834, "135", 1},
		{246, "01", 0}, {247, "1234", 4}, {295, "0136", 0}, {367, "2346", 4}, {380, "", 2}, {397, "", 4}, {425, "", 5},
		{982, "0134", 3}, {1032, "012346", 0}, {1046, "1356", 5}, {3567, "0124", 4}, {3577, "01246", 4}, {3583, "02346", 6}, {3680, "1356", 5}, {3705, "12456", 6},
	} {
		var positive []string
		for _, n := range c.positive {
			positive = append(positive, published[n-'0'])
		}
		if got := drawn(c.row, positive, published); got != published[c.want] {
			t.Errorf("row %d of %v: %s, published is %s", c.row, positive, got, published[c.want])
		}
	}
}

var published = []string{"Normal", "CD", "MI", "STTC", "Other", "AFib", "HYP"}

// TestAsPublished draws the labels of the four records of CPSC 2018, whose rows are here 0 to 3.
func TestAsPublished(t *testing.T) {
	raw := plugintest.Files{}
	for p, b := range sharedFolder(t, "cinc2021_ecg") {
		if p[0] == 'A' {
			raw[p] = b
		}
	}
	params := `{"labels": "benchmd-cpsc", "also": "benchmd-cpsc-also", "task": "multiclass", "scale": "range", "short": "exclude",
		"draw": ["Normal", "CD", "MI", "STTC", "Other", "AFib", "HYP"], "split": {"train": 0.8, "validation": 0, "test": 0.2}}`
	out := plugintest.Case{Plugin: Plugin(), Params: params, Seed: 1, Dataset: dataset, Inputs: map[string]plugintest.Files{"raw": raw}}.Deterministic(t)
	d, report := openOut(t, out)
	var got []string
	for _, s := range d.Samples {
		got = append(got, fmt.Sprintf("%s %s %q", s.ID, s.Labels[0], s.Meta[positiveFact]))
		a, err := npy.Decode(out[s.Media[0].Path])
		if err != nil {
			t.Fatal(err)
		}
		if x := a.Float32(); slices.Max(x)-slices.Min(x) > 1.000001 {
			t.Errorf("%s reaches from %v to %v, a range of 1 at most", s.ID, slices.Min(x), slices.Max(x))
		}
	}
	slices.Sort(got)
	// By NumPy: RandomState(0).choice of [1, 5] is 1; the codes are those of the four headers.
	want := []string{`A0689 CD "CD,AFib"`}
	if diff := cmp.Diff(want, got[:1]); diff != "" {
		t.Error(diff)
	}
	drawnLabels := 0
	for _, w := range report.Warnings {
		if w.Code == "drawn-label" {
			drawnLabels++
		}
	}
	kept := 0
	for _, s := range d.Samples {
		if _, ok := s.Meta[positiveFact]; ok {
			kept++
		}
	}
	if kept == 0 || drawnLabels != kept {
		t.Errorf("%d labels were drawn, %d warnings", kept, drawnLabels)
	}
	if d.Info.Task.Type != document.Multiclass {
		t.Errorf("task %s", d.Info.Task.Type)
	}
}

func TestCells(t *testing.T) {
	for cell, want := range map[string]string{
		"": "[]", "{}": "[]", "5": "[5]", "5.0": "[5]", "{'NORM': 100.0}": "[NORM]", "{'LAO/LAE': 0.0, 'PRC(S)': -1}": "[LAO/LAE PRC(S)]",
		"{'a': 1": "", "{a: 1}": "", "{'a': 1}{": "", "{'a': __import__}": "",
	} {
		got, err := cellCodes(cell)
		if want == "" && err == nil || want != "" && (err != nil || fmt.Sprint(got) != want) {
			t.Errorf("%q: %v, %v, want %s", cell, got, err, want)
		}
	}
}

func FuzzCells(f *testing.F) {
	f.Add("{'NORM': 100.0, 'SR': 0.0}")
	f.Add("{'a': 1, ")
	f.Fuzz(func(t *testing.T, cell string) {
		codes, err := cellCodes(cell)
		if err == nil && len(codes) > len(cell) {
			t.Errorf("%q has %d codes", cell, len(codes))
		}
	})
}

// TestMalformed: every odd record of the folder ends in a sample or in a reason.
func TestMalformed(t *testing.T) {
	raw := sharedFolder(t, "malformed/wfdb_formats")
	for p, b := range sharedFolder(t, "malformed/wfdb_formats/multi-segment/s25047") {
		raw[p] = b
	}
	params := `{"leads": ["II"], "rate": 125, "seconds": 4, "task": "multiclass", "codes": {"pattern": "(?P<code>.)"}, "labels": {"*": "any"}}`
	out := plugintest.Case{Plugin: Plugin(), Params: params, Seed: 1, Dataset: dataset, Inputs: map[string]plugintest.Files{"raw": raw}}.Deterministic(t)
	d, report := openOut(t, out)
	got := map[string]string{}
	for _, o := range slices.Concat(report.Excluded, report.Failed) {
		got[o.Sample] = o.Code
	}
	for _, s := range d.Samples {
		got[s.ID] = "done"
	}
	want := map[string]string{
		"100-no-len": "missing-file", "100skew": "missing-file", "drive02-no-len": "missing-file", "n16": "missing-file", "3234460_layout": "missing-file",
		"a103l": "done", "a103l-no-len": "done", "mixedsignals": "sampling-rate", "binformats": "missing-lead", "flacformats": "missing-lead",
		"flac_3_constant": "missing-lead", "s25047-2704-05-04-10-44": "multi-segment", "s25047-2704-05-04-10-44n": "missing-lead",
	}
	for i := 1; i <= 18; i++ {
		want[fmt.Sprintf("3234460_%04d", i)] = "done"
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// FuzzCurate: whatever the files, the run ends and the outcomes add up.
func FuzzCurate(f *testing.F) {
	good := record("r", []string{"I", "II"}, "100", 100, "#Dx: 1\n", wave)
	f.Add(string(good["r.hea"]), good["r.dat"], "id,code\nr,\"{'a': 1.0}\"\n")
	f.Add("r/2 2 100 100\na 50\n~ 50\n", []byte("MATLAB 5.0"), "id,code\n")
	f.Fuzz(func(t *testing.T, header string, data []byte, table string) {
		raw := plugintest.Files{"r.hea": []byte(header), "r.dat": data, "a.mat": data, "t.csv": []byte(table)}
		for _, params := range []string{
			`{"leads":["I","II"],"rate":100,"seconds":1,"labels":{"*":"x"}}`,
			`{"leads":["I"],"files":"?.*","rate":200,"seconds":1,"scale":"range","labels":{"a":"x","*":"y"},"codes":{"table":"t.csv","id":"id","columns":["code"]},"task":"multiclass","draw":["x","y"]}`,
		} {
			out, err := plugintest.Case{Plugin: Plugin(), Params: params, Dataset: dataset, Inputs: map[string]plugintest.Files{"raw": raw}}.Run(t.Context(), 2, "")
			if err != nil {
				if strings.Contains(err.Error(), "panic") {
					t.Fatal(err)
				}
				continue
			}
			d, report := openOut(t, out)
			if report.Expected != report.Done+len(report.Excluded)+len(report.Failed) || len(d.Samples) != report.Done {
				t.Fatalf("%d samples, report %+v", len(d.Samples), report)
			}
			for _, o := range report.Failed {
				if o.Code == "panic" {
					t.Fatal(o.Reason)
				}
			}
		}
	})
}
