package climb_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// records are health records, expression tables, and graphs.
func records() []recipe {
	return []recipe{
		{id: "mimic-iv", raw: mimic, want: map[string]want{
			sound: {done: 4, labels: map[string]int{"Yes": 1, "No": 3}, subjects: 3, left: map[string]int{"ended": 1}},
			// Of five admissions, by number, the first four are train. The last stays of patients 1 and 2 end with death.
			asPublished: {done: 5, labels: map[string]int{"Yes": 4, "No": 1}, subjects: 3, count: "4/0/1", flaws: 4},
		}},
		{id: "mimic-iv-diagnoses", raw: besideMimic, want: map[string]want{
			sound: {done: 4, labels: map[string]int{"circulatory": 2, "endocrine": 1}, subjects: 3, left: map[string]int{"ended": 1}},
		}},
		{id: "vital", raw: vital, want: map[string]want{
			sound: {done: 5, labels: map[string]int{"CT": 2, "MRI": 2, "Histology": 1, "Chest X-ray": 1}, subjects: 4, left: map[string]int{"no-label": 2, "no-text": 1}, flaws: 3, more: articles},
		}},
		{id: "geo", raw: vectors("assay", "datasets/GDSnnn/GDS1/soft/", "GDS1.soft"), want: map[string]want{
			sound:       {done: 4, labels: map[string]int{"normal": 2, "tumour, grade 2": 2}, subjects: 2},
			asPublished: {done: 4, labels: map[string]int{"normal": 2, "tumour, grade 2": 2}, subjects: 4, flaws: 3},
		}},
		{id: "expression-atlas", raw: atlas, want: map[string]want{
			sound: {done: 2, labels: map[string]int{"liver": 1, "lung": 1}, subjects: 2},
		}},
		{id: "ppi", raw: ppi, want: map[string]want{
			sound: {done: 5, labels: map[string]int{"0": 2, "1": 3}, subjects: 3, count: "2/1/2"},
		}},
		{id: "abide", raw: vectors("connectome", "", "abide.npy"), want: map[string]want{
			sound:       {done: 5, labels: map[string]int{"Typical controls": 2, "ASD": 3}, subjects: 5},
			asPublished: {done: 5, labels: map[string]int{"Typical controls": 2, "ASD": 3}, subjects: 5, flaws: 2},
		}},
		{id: "abcd", raw: abcd, want: map[string]want{
			sound:       {done: 4, labels: map[string]int{"female": 2, "male": 2}, subjects: 4, left: map[string]int{"no-label": 1}},
			asPublished: {done: 4, labels: map[string]int{"female": 2, "male": 2}, subjects: 4, left: map[string]int{"no-label": 1}, flaws: 4},
		}},
		{id: "ppmi", raw: vectors("connectome", "", "ppmi.mat"), want: map[string]want{
			sound:       {done: 5, labels: map[string]int{"Control": 2, "PD patients": 3}, subjects: 5},
			asPublished: {done: 5, labels: map[string]int{"Control": 2, "PD patients": 3}, subjects: 5, flaws: 2},
		}},
		{id: "proteins", raw: proteins, want: map[string]want{
			sound:       {done: 10, labels: map[string]int{"enzyme": 5, "not-enzyme": 5}, subjects: 10},
			asPublished: {done: 10, labels: map[string]int{"enzyme": 5, "not-enzyme": 5}, subjects: 10, count: "8/1/1", flaws: 1},
		}},
	}
}

// vectors lays out what the test of a plugin reads, too.
func vectors(plugin, folder, name string) func(*testing.T) plugintest.Files {
	return func(t *testing.T) plugintest.Files {
		b, err := os.ReadFile(filepath.Join("..", "..", "..", "plugins", "curate", plugin, "testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return plugintest.Files{folder + name: b}
	}
}

// mimic has three patients. 21 has left before a day is over, 12 dies after 36 hours, 22 after eight days.
func mimic(t *testing.T) plugintest.Files {
	admissions := []string{
		"1,11,2180-01-01 00:00:00,2180-01-04 00:00:00,,URGENT,CLINIC REFERRAL,HOME,Other,ENGLISH,SINGLE,WHITE,0",
		"1,12,2181-01-01 00:00:00,2181-01-02 12:00:00,2181-01-02 12:00:00,URGENT,CLINIC REFERRAL,DIED,Other,ENGLISH,SINGLE,WHITE,1",
		"2,21,2150-01-01 00:00:00,2150-01-01 06:00:00,,ELECTIVE,PACU,HOME,Medicare,ENGLISH,MARRIED,ASIAN,0",
		"2,22,2151-01-01 00:00:00,2151-01-09 00:00:00,2151-01-09 00:00:00,ELECTIVE,PACU,DIED,Medicare,ENGLISH,MARRIED,ASIAN,1",
		"3,31,2160-01-01 00:00:00,2160-01-03 00:00:00,,ELECTIVE,PACU,HOME,Medicare,ENGLISH,,ASIAN,0",
	}
	table := func(header string, rows ...string) []byte { return packed(t, string(lines(header, rows...))) }
	return plugintest.Files{
		"hosp/admissions.csv.gz":    table("subject_id,hadm_id,admittime,dischtime,deathtime,admission_type,admission_location,discharge_location,insurance,language,marital_status,race,hospital_expire_flag", admissions...),
		"hosp/patients.csv.gz":      table("subject_id,gender,anchor_age,anchor_year,anchor_year_group,dod", "1,F,50,2180,2011 - 2013,2181-01-02", "2,M,60,2150,2011 - 2013,", "3,M,70,2160,2011 - 2013,"),
		"hosp/diagnoses_icd.csv.gz": table("subject_id,hadm_id,seq_num,icd_code,icd_version", "1,11,1,I5020,10", "1,12,1,E8600,9", "2,21,1,4280,9", "2,22,1,4280,9", "3,31,1,E860,10", "3,31,2,V4581,9"),
		"hosp/labevents.csv.gz":     table("labevent_id,subject_id,hadm_id,itemid,charttime,value,valuenum", "1,1,11,50912,2180-01-01 02:00:00,1.2,1.2", "2,1,11,50912,2180-01-03 02:00:00,9,9"),
		"icu/chartevents.csv.gz":    table("subject_id,hadm_id,stay_id,charttime,itemid,value,valuenum", "2,22,5,2151-01-01 03:00:00,220045,88,88"),
	}
}

// besideMimic is the list of codes, and the files of mimic-iv in a folder of that name.
func besideMimic(t *testing.T) plugintest.Files {
	out := plugintest.Files{"hosp/d_icd_diagnoses.csv.gz": packed(t, "icd_code,icd_version,long_title\n")}
	for name, text := range mimic(t) {
		out["mimic-iv/"+name] = text
	}
	return out
}

func atlas(*testing.T) plugintest.Files {
	const folder = "experiments/E-MTAB-1/E-MTAB-1"
	return plugintest.Files{
		folder + "-tpms.tsv":           []byte("GeneID\tGene Name\tg1\tg2\nENSG1\tA\t1,2,3,4,5\t0\nENSG2\tB\t7\t7\n"),
		folder + ".condensed-sdrf.tsv": []byte("E-MTAB-1\t\tERR1\tfactor\torganism part\tliver\nE-MTAB-1\t\tERR2\tfactor\torganism part\tlung\n"),
		folder + "-configuration.xml": []byte(`<configuration><analytics><assay_groups><assay_group id="g1" label="liver"><assay>ERR1</assay></assay_group>` +
			`<assay_group id="g2" label="lung"><assay>ERR2</assay></assay_group></assay_groups></analytics></configuration>`),
	}
}

// ppi has three graphs, one a side.
func ppi(*testing.T) plugintest.Files {
	dict := "{'descr': '<f8', 'fortran_order': False, 'shape': (5, 1), }"
	features := append([]byte("\x93NUMPY\x01\x00\x76\x00"), dict+strings.Repeat(" ", 117-len(dict))+"\n"...)
	for i := range 5 {
		features = binary.LittleEndian.AppendUint64(features, math.Float64bits(float64(i)))
	}
	return plugintest.Files{
		"graphsage/ppi/ppi-G.json": []byte(`{"directed": false, "graph": {}, "nodes": [{"test": false, "id": 0, "val": false}, {"test": false, "id": 1, "val": false},
			{"test": false, "id": 2, "val": true}, {"test": true, "id": 3, "val": false}, {"test": true, "id": 4, "val": false}],
			"links": [{"source": 0, "target": 1}, {"source": 3, "target": 4}], "multigraph": false}`),
		"graphsage/ppi/ppi-class_map.json": []byte(`{"0": [1, 0], "1": [1, 1], "2": [0, 1], "3": [0, 1], "4": [0, 0]}`),
		"graphsage/ppi/ppi-id_map.json":    []byte(`{"0": 0, "1": 1, "2": 2, "3": 3, "4": 4}`),
		"graphsage/ppi/ppi-feats.npy":      features,
	}
}

// abcd has a table of another order than the matrices and one name less.
func abcd(t *testing.T) plugintest.Files {
	in := vectors("connectome", "", "abcd.npy")(t)
	return plugintest.Files{
		"abcd_rest-pearson-HCP2016.npy": in["abcd.npy"],
		"ids_HCP2016.txt":               []byte("NDAR1\nNDAR2\nNDAR3\nNDAR4\nNDAR5\n"),
		"id2sex.txt":                    []byte("id,sex\nNDAR5,M\nNDAR2,M\nNDAR1,F\nNDAR3,F\n"),
	}
}

func proteins(*testing.T) plugintest.Files {
	var labels, graphs, edges, nodes strings.Builder
	for g := range 10 {
		fmt.Fprintf(&labels, "%d\n", 1+g%2)
		fmt.Fprintf(&graphs, "%d\n%d\n", g+1, g+1)
		fmt.Fprintf(&edges, "%d, %d\n%d, %d\n", 2*g+1, 2*g+2, 2*g+2, 2*g+1)
		fmt.Fprintf(&nodes, "%d\n%d\n", g%3, 1)
	}
	return plugintest.Files{
		"PROTEINS_graph_labels.txt": []byte(labels.String()), "PROTEINS_graph_indicator.txt": []byte(graphs.String()),
		"PROTEINS_A.txt": []byte(edges.String()), "PROTEINS_node_labels.txt": []byte(nodes.String()),
	}
}

// vital is the list of conversations as the authors' code writes it, of parts that number theirs anew: two are about images of one article, one names no kind
// of image, one none that is true, and one says nothing.
func vital(*testing.T) plugintest.Files {
	var list []string
	for i, image := range []string{"28104940_F2.jpg ct_scan", "28104940_F3.jpg mri ct_scan", "PMC7_1.jpg histology", "30254804_FIG1.jpg chest_xray", "31000000_F1.jpg mri", "31000001_F1.jpg other"} {
		kinds := strings.Fields(image)
		domain := ""
		for _, kind := range []string{"chest_xray", "mri", "ct_scan", "histology", "gross"} {
			domain += fmt.Sprintf(`, %q: %v`, kind, slices.Contains(kinds[1:], kind))
		}
		list = append(list, fmt.Sprintf(`{"id": %d, "image": %q, "domain": {%s}, "conversations": [{"from": "human", "value": "What is shown in %d?\n<image>"}, {"from": "gpt", "value": "An image."}]}`, i%3, kinds[0], domain[2:], i))
	}
	list = append(list, `{"id": 0, "image": "32_F1.jpg", "conversations": [{"from": "human", "value": "What?"}]}`, `{"id": 1, "image": "33_F1.jpg", "domain": {"mri": true}, "conversations": []}`)
	return plugintest.Files{
		"BioMed-VITAL-instructions-210K.json": []byte("[" + strings.Join(list, ", ") + "]"),
		"PMC_image_urls.jsonl":                []byte(`{"pair_id": "28104940_F2", "pmc_tar_url": "https://example.org"}` + "\n"),
	}
}

// Conversations about one article stay together.
func articles(t *testing.T, samples map[string]document.Sample) {
	of := map[string]int{}
	for _, s := range samples {
		of[s.Subject]++
		if s.Subject == "PMC7" && s.Text != "What is shown in 2?\n<image>\n\nAn image." {
			t.Errorf("the text is %q", s.Text)
		}
	}
	if of["28104940"] != 2 || of["PMC7"] != 1 {
		t.Errorf("samples by article: %v", of)
	}
}
