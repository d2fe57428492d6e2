package climb_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/action"
	promise "github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/dataset"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// A publisher's list of samples does not belong into this repository. Who has one runs a recipe's split over it:
//
//	go test ./manifests/benchmarks/climb -run TestLists -v -args -lists FOLDER
//
// FOLDER has a folder for each dataset, with the publisher's tables in their places and, in files.txt, the paths of all other files, one a
// line. Nothing is fetched or decoded; only the scans of curate/volume must be there, as small as they like, since it reads their headers.
var lists = flag.String("lists", "", "folder of lists of samples, by dataset")

// sides runs a recipe's split over names and tables.
func sides(t *testing.T, variant, id string, raw plugintest.Files) (dataset.Sides, plugins.Sides) {
	t.Helper()
	d := parsed(t, variant).Datasets[id]
	known, err := set()
	if err != nil {
		t.Fatal(err)
	}
	p, params, err := planner(known, d.Curate)
	if err != nil {
		t.Fatal(err)
	}
	c := plugins.Call{Params: params, Seed: d.Curate.Seed, Dataset: &action.Dataset{ID: id, Modality: d.Modality, Licence: d.Licence, Access: d.Access}}
	all := inputs(raw, d.Curate.With)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		c.Inputs = append(c.Inputs, plugins.Input{Name: name, Tree: all[name]})
	}
	got, err := p.Sides(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return dataset.Sides{Train: int64(got.Samples["train"]), Validation: int64(got.Samples["validation"]), Test: int64(got.Samples["test"])}, got
}

// planner is the plugin of a recipe, but for ffmpeg its brother, which names films as it does and asks for no program.
func planner(known plugins.Set, step manifests.Step) (plugins.Plugin, json.RawMessage, error) {
	if step.Plugin != "ffmpeg" {
		p, err := known.Find(promise.Curate, step.Plugin)
		return p, step.Params, err
	}
	var params map[string]json.RawMessage
	if err := json.Unmarshal(step.Params, &params); err != nil {
		return plugins.Plugin{}, nil, err
	}
	delete(params, "version")
	text, err := json.Marshal(params)
	if err != nil {
		return plugins.Plugin{}, nil, err
	}
	p, err := known.Find(promise.Curate, "video")
	return p, text, err
}

// TestReruns: what the catalog says of a rerun over labels comes out again, by the recipe in the manifest.
func TestReruns(t *testing.T) {
	tried := 0
	for _, e := range load(t).Entries {
		for _, r := range e.Reruns {
			if len(r.List.Labels) == 0 {
				continue
			}
			tried++
			if got, all := sides(t, r.Recipe, e.ID, labelled(t, e.ID, r.List.Labels)); got != r.Counts {
				t.Errorf("%s: %+v, the catalog has %+v; left out %v", e.ID, got, r.Counts, all.LeftOut)
			}
		}
	}
	if tried < 8 {
		t.Errorf("%d reruns over labels, want at least 8", tried)
	}
}

// TestProteins: the one whole list that is here is run again, as it is.
func TestProteins(t *testing.T) {
	agree(t, "proteins", real(t, "PROTEINS_full"))
}

// TestSixAreCompared: at least six datasets say what their recipe gives for a whole list beside what CLIMB counts, and others for sizes of
// classes. Several of either are equal.
func TestSixAreCompared(t *testing.T) {
	whole, sizes, equal := map[string]bool{}, map[string]bool{}, 0
	for _, e := range load(t).Entries {
		for _, r := range e.Reruns {
			if len(r.List.Labels) == 0 {
				whole[e.ID] = true
			} else {
				sizes[e.ID] = true
			}
			if r.Reason == nil {
				equal++
			}
		}
	}
	if len(whole) < 6 || len(sizes) < 8 || equal < 9 {
		t.Errorf("compared over lists %v, over sizes %v; %d are equal", whole, sizes, equal)
	}
}

func TestLists(t *testing.T) {
	if *lists == "" {
		t.Skip("no -lists")
	}
	folders, err := os.ReadDir(*lists)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		agree(t, f.Name(), listed(t, filepath.Join(*lists, f.Name())))
	}
}

// agree runs both recipes of a dataset over a list, says what they give, and wants what the catalog has of them.
func agree(t *testing.T, id string, raw plugintest.Files) {
	t.Helper()
	e, ok := load(t).Find(id)
	if !ok {
		t.Fatalf("%s is no dataset of the catalog", id)
	}
	for _, variant := range []string{sound, asPublished} {
		if parsed(t, variant).Datasets[id].Curate.Plugin == "" {
			continue
		}
		got, all := sides(t, variant, id, raw)
		t.Logf("%s, %s: train %d, validation %d, test %d of %v subjects; left out %v; CLIMB counts alike: %v", id, variant, got.Train, got.Validation, got.Test, all.Subjects, all.LeftOut, got.Agrees(e.Counts))
		for _, r := range e.Reruns {
			if r.Recipe == variant && (r.Counts != got || r.LeftOut != total(all.LeftOut)) {
				t.Errorf("%s, %s: the catalog has %+v and %d left out", id, variant, r.Counts, r.LeftOut)
			}
		}
	}
}

func total(byCode map[string]int) (n int64) {
	for _, k := range byCode {
		n += int64(k)
	}
	return n
}

// listed reads a folder of tables and the names of what is not there.
func listed(t *testing.T, dir string) plugintest.Files {
	t.Helper()
	out := plugintest.Files{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		out[filepath.ToSlash(rel)], err = os.ReadFile(p)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(strings.ReplaceAll(string(out["files.txt"]), " ", "\x00")) {
		out[strings.ReplaceAll(name, "\x00", " ")] = nil
	}
	delete(out, "files.txt")
	return out
}

// labelled makes names and tables, laid out as the publisher does, with so many samples of each label.
func labelled(t *testing.T, id string, labels map[string]int64) plugintest.Files {
	t.Helper()
	out := plugintest.Files{}
	var rows []string
	n := 0
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		for i := range labels[label] {
			n++
			name := fmt.Sprintf("%07d", n)
			switch id {
			case "busi":
				name = fmt.Sprintf("Dataset_BUSI_with_GT/%s/%s (%d).png", label, label, i+1)
			case "brain-mri":
				name = fmt.Sprintf("%s/%s.jpg", label, name)
			case "lc25000":
				name = fmt.Sprintf("lung_colon_image_set/x_image_sets/%s/%s%d.jpeg", label, strings.ReplaceAll(label, "_", ""), i+1)
			case "ham10000":
				row := "ISIC_" + name
				for _, c := range []string{"MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"} {
					row += map[bool]string{true: ",1.0", false: ",0.0"}[c == label]
				}
				rows, name = append(rows, row), "2018/ISIC2018_Task3_Training_Input/ISIC_"+name+".jpg"
			case "isic-2020":
				rows, name = append(rows, "ISIC_"+name+",IP_0,"+label), "2020/train/ISIC_"+name+".jpg"
			case "pad-ufes-20":
				rows, name = append(rows, "PAT_0,"+label+",PAT_"+name+".png"), "images/imgs_part_1/PAT_"+name+".png"
			case "aptos-2019":
				rows, name = append(rows, name+","+label), "train_images/"+name+".png"
			case "messidor-2":
				rows, name = append(rows, name+".jpg,"+label+",1"), "IMAGES/"+name+".JPG"
			default:
				t.Fatalf("%s: nobody has said how its files are laid out", id)
			}
			out[name] = nil
		}
	}
	tables := map[string][2]string{
		"ham10000":    {"2018/ISIC2018_Task3_Training_GroundTruth.csv", "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC"},
		"isic-2020":   {"2020/ISIC_2020_Training_GroundTruth.csv", "image_name,patient_id,benign_malignant"},
		"pad-ufes-20": {"metadata.csv", "patient_id,diagnostic,img_id"},
		"aptos-2019":  {"train.csv", "id_code,diagnosis"},
		"messidor-2":  {"messidor-2-grades/messidor_data.csv", "image_id,adjudicated_dr_grade,adjudicated_gradable"},
	}
	if table, ok := tables[id]; ok {
		out[table[0]] = lines(table[1], rows...)
	}
	return out
}
