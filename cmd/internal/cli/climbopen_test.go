package cli

import (
	"archive/zip"
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/fetch/synthetic"
	"github.com/cairn-bench/cairn/plugins/npy"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

const climbOpen = "../../../manifests/benchmarks/climb-open/benchmark.yaml"

// TestClimbOpen rebuilds climb-open as it is shipped, from publishers in a box that have files of the real forms under the real
// addresses, but made from seeds. The internet itself it cannot try.
func TestClimbOpen(t *testing.T) {
	text, err := os.ReadFile(climbOpen)
	if err != nil {
		t.Fatal(err)
	}
	m := newMachine(t, string(text))
	box := m.meets(openPublishers(t))
	before := object[planDocument](m, 0, "plan", "benchmark.yaml")
	if e := before.Estimate; e.Fetches != 5 || e.Unknown != 3 || e.Bytes != 70136078+162827155 || e.Blocked != 0 {
		t.Errorf("estimate is %+v", e)
	}
	if n, _ := box.Asked(); n != 0 {
		t.Errorf("a plan has asked the publishers %d times", n)
	}
	m.want(0, words("run benchmark.yaml"))
	m.want(0, words("verify benchmark.lock --level bytes"), "verified, level bytes")
	asked := map[string]bool{}
	for _, r := range box.Requests() {
		asked[r.URL.Host] = true
	}
	want := []string{"api.github.com", "github-cloud.githubusercontent.com", "github.com", "physionet.org", "raw.githubusercontent.com", "snap.stanford.edu", "www.chrsmrrs.com"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(asked))); diff != "" {
		t.Errorf("hosts (-want +asked):\n%s", diff)
	}
	l, err := lock.Parse("benchmark.lock", []byte(m.read("benchmark.lock")))
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Steps) != len(before.Steps) || len(l.Results) != 8 {
		t.Errorf("the lock has %d steps of %d and %d results, want 2 metrics of 4 evaluations", len(l.Steps), len(before.Steps), len(l.Results))
	}
	m.want(0, words("run benchmark.yaml"), "nothing to do")
	for _, s := range object[planDocument](m, 0, "plan", "benchmark.yaml").Steps {
		if s.State != planCached || s.Kind == "fetch" && (s.Size == nil || s.Size.From != saidByStore) {
			t.Errorf("afterwards %s is %s with size %+v", s.Name, s.State, s.Size)
		}
	}
}

// openPublishers have what climb-open asks for: few records, and no word of the real ones.
func openPublishers(t *testing.T) publisher.Hosts {
	t.Helper()
	cpsc := map[string][]byte{"RECORDS": []byte("training/cpsc_2018/g1/\n"), "training/georgia/g1/E00001.hea": []byte("not wanted")}
	for name, data := range made(t, `{"dataset":"ecg","samples":60,"difficulty":0.3}`, 1) {
		prefix := name[:len(name)-len("00001.hea")]
		if strings.HasSuffix(name, ".hea") {
			data = bytes.ReplaceAll(data, []byte(prefix+"0"), []byte("A0"))
		}
		cpsc["training/cpsc_2018/g1/"+strings.Replace(name, prefix, "A", 1)] = data
	}
	proteins := map[string][]byte{}
	for name, data := range made(t, `{"dataset":"graph","samples":60,"difficulty":0.3}`, 2) {
		proteins["PROTEINS/"+strings.Replace(name, "SYN_", "PROTEINS_", 1)] = data
	}
	ppi := &publisher.Tree{}
	ppi.Put("graphsage/ppi.zip", zipFiles(t, map[string][]byte{
		"ppi/ppi-G.json":         []byte(`{"nodes": [{"id": 0, "test": false, "val": false}, {"id": 1, "test": false, "val": true}, {"id": 2, "test": true, "val": false}], "links": [{"source": 0, "target": 1}]}`),
		"ppi/ppi-class_map.json": []byte(`{"0": [1, 0], "1": [0, 1], "2": [1, 1]}`),
		"ppi/ppi-id_map.json":    []byte(`{"0": 0, "1": 1, "2": 2}`),
		"ppi/ppi-feats.npy":      npy.Float32([]int{3, 2}, []float32{1, 2, 3, 4, 5, 6}),
	}))
	gait := map[string][]byte{}
	for person := 1; person <= 10; person++ {
		gait[fmt.Sprintf("Data/HuGaDB_v1_walking_%02d_00.txt", person)] = walk(person)
	}
	hosts := publisher.GitHubHosts(&publisher.GitHub{Repos: map[string]*publisher.GitHubRepo{
		"NinaWie/COVID-BLUES": {Commits: map[string]map[string][]byte{"8c7147244f5966dde0bb83b86962732f0d4f027e": {
			"README.md": []byte("# not wanted\n"), "clinical_variables.csv": []byte("patient\n1\n"), "lus_videos/patient_1_L1.mp4": []byte("\x00\x00\x00\x18ftypmp42")}}},
		"romanchereshnev/HuGaDB": {LFS: map[string]bool{"HumanGaitDataBase.zip": true}, Commits: map[string]map[string][]byte{"f99dbf85b38e4cd79ccaec70ee12ae9d68f3ad22": {
			".gitattributes": []byte("*.zip filter=lfs diff=lfs merge=lfs -text\n"), "HumanGaitDataBase.zip": zipFiles(t, gait)}}},
	}})
	hosts["physionet.org"] = &publisher.PhysioNet{Projects: map[string]publisher.PhysioNetProject{"challenge-2020/1.0.2": {Files: cpsc}}}
	hosts["www.chrsmrrs.com"] = &publisher.Pages{Files: map[string][]byte{"graphkerneldatasets/PROTEINS.zip": zipFiles(t, proteins)}}
	hosts["snap.stanford.edu"] = ppi
	return hosts
}

// walk is a recording of HuGaDB: 38 sensors and what the person does, 300 times.
func walk(person int) []byte {
	var b bytes.Buffer
	b.WriteString("#Activity\twalking\n#ActivityID\t1\n#Date-Time\t10-25-13-01\n")
	for _, place := range []string{"rf", "rs", "rt", "lf", "ls", "lt"} {
		for _, sensor := range []string{"acc", "gyro"} {
			for _, axis := range []string{"x", "y", "z"} {
				b.WriteString(sensor + "_" + place + "_" + axis + "\t")
			}
		}
	}
	b.WriteString("EMG_r\tEMG_l\tact\n")
	for row := range 300 {
		for column := range 38 {
			fmt.Fprintf(&b, "%d\t", (row*(column+1)+person*17)%997)
		}
		b.WriteString("1\n")
	}
	return b.Bytes()
}

// made are the files of a synthetic dataset.
func made(t *testing.T, params string, seed uint64) plugintest.Files {
	t.Helper()
	files := plugintest.Case{Plugin: synthetic.Plugin(), Params: params, Seed: seed}.Must(t)
	delete(files, "dataset.json")
	return files
}

func zipFiles(t *testing.T, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write(files[name])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
