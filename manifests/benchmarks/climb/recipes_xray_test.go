package climb_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

func recipes() []recipe {
	return slices.Concat(xray(), skin(), fundus(), tissue(), ultrasound(), brain(), chestCT(), mammography(), electrocardiograms(), records(), echocardiograms(), slides())
}

const findings = "No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices"

func xray() []recipe {
	return []recipe{
		{id: "chexpert", raw: chexpert, want: map[string]want{
			sound: {done: 6, labels: map[string]int{"No Finding": 2, "Edema": 1, "Fracture": 1}, subjects: 4,
				sides: map[string]string{"patient00003/study1/view1_frontal.jpg": "test", "patient00003/study1/view2_lateral.jpg": "test"}, left: map[string]int{"no-label": 1}, more: uncertainEdema},
			asPublished: {done: 4, labels: map[string]int{"No Finding": 2, "Edema": 1, "Fracture": 1}, subjects: 3, count: "3/0/1", left: map[string]int{"no-label": 3}, flaws: 2},
		}},
		{id: "mimic-cxr", raw: mimicCXR, want: map[string]want{
			sound: {done: 5, labels: map[string]int{"Atelectasis": 2, "No Finding": 1}, subjects: 3, count: "3/1/1", left: map[string]int{"no-label": 1, "no-row": 1},
				sides: map[string]string{"p10000001/s50000001/a1.jpg": "train", "p10000002/s50000003/c1.jpg": "validation", "p10000003/s50000004/d1.jpg": "test"}},
			asPublished: {done: 3, labels: map[string]int{"Atelectasis": 2, "No Finding": 1}, subjects: 2, count: "2/0/1", left: map[string]int{"no-label": 3, "no-row": 1}, flaws: 3},
		}},
		{id: "vindr-cxr", raw: vindrCXR, want: map[string]want{
			sound: {done: 5, labels: map[string]int{"Lung Opacity": 2, "No Finding": 1, "Lung Lesion": 1}, subjects: 5, left: map[string]int{"no-label": 1},
				sides: map[string]string{"test/e0.dicom": "test"}},
		}},
		{id: "coronahack", raw: coronahack, want: map[string]want{
			sound: {done: 6, labels: map[string]int{"Normal": 2, "Bacterial Pneumonia": 2, "Viral Pneumonia": 2}, subjects: 5, left: map[string]int{"dropped-class": 1, "no-label": 1},
				sides: map[string]string{"test/person1_virus_6.jpeg": "test"}, more: childrenApart},
			asPublished: {done: 6, labels: map[string]int{"Normal": 2, "Bacterial Pneumonia": 2, "Viral Pneumonia": 2}, subjects: 6, count: "4/0/2", left: map[string]int{"dropped-class": 1, "no-label": 1}, flaws: 1},
		}},
		{id: "covid-19-cxr", raw: covid19, want: map[string]want{
			sound:       {done: 8, labels: map[string]int{"Normal": 2, "BacterialPneumonia": 2, "ViralPneumonia": 2, "COVID-19": 2}, subjects: 8, sides: map[string]string{"ValData/COVID-19/6.jpg": "test"}, left: map[string]int{"unknown-label": 1}},
			asPublished: {done: 8, labels: map[string]int{"Normal": 2, "BacterialPneumonia": 2, "ViralPneumonia": 2, "COVID-19": 2}, subjects: 8, count: "4/0/4", left: map[string]int{"unknown-label": 1}, flaws: 1},
		}},
	}
}

// finding is a row of 14 cells with some of them filled.
func finding(cells map[string]string) string {
	var out []string
	for _, name := range strings.Split(findings, ",") {
		out = append(out, cells[name])
	}
	return strings.Join(out, ",")
}

func chexpert(t *testing.T) plugintest.Files {
	row := func(name string, cells map[string]string) string {
		return "CheXpert-v1.0/" + name + ",Male,60,Frontal,AP," + finding(cells)
	}
	const header = "Path,Sex,Age,Frontal/Lateral,AP/PA," + findings
	return pictures(t, plugintest.Files{
		"CheXpert-v1.0/train.csv": lines(header,
			row("train/patient00001/study1/view1_frontal.jpg", map[string]string{"No Finding": "1.0"}),
			row("train/patient00001/study2/view1_frontal.jpg", map[string]string{"Edema": "1.0", "Atelectasis": "-1.0", "Fracture": "0.0"}),
			row("train/patient00002/study1/view1_frontal.jpg", map[string]string{"Edema": "-1.0"}),
			row("train/patient00004/study1/view1_frontal.jpg", map[string]string{"Fracture": "1.0"})),
		"CheXpert-v1.0/valid.csv": lines(header,
			row("valid/patient00003/study1/view1_frontal.jpg", map[string]string{"No Finding": "1.0"}),
			row("valid/patient00003/study1/view2_lateral.jpg", map[string]string{"Edema": "0.0"})),
	}, "CheXpert-v1.0/train/patient00001/study1/view1_frontal.jpg", "CheXpert-v1.0/train/patient00001/study2/view1_frontal.jpg", "CheXpert-v1.0/train/patient00002/study1/view1_frontal.jpg",
		"CheXpert-v1.0/train/patient00004/study1/view1_frontal.jpg", "CheXpert-v1.0/valid/patient00003/study1/view1_frontal.jpg", "CheXpert-v1.0/valid/patient00003/study1/view2_lateral.jpg",
		"CheXpert-v1.0/train/patient00009/study1/view1_frontal.jpg") // of which the table knows nothing
}

// Images of one name in folders of their own keep their own labels, and what was uncertain is not lost.
func uncertainEdema(t *testing.T, samples map[string]document.Sample) {
	for file, want := range map[string]string{
		"CheXpert-v1.0/train/patient00001/study1/view1_frontal.jpg": "[No Finding] ",
		"CheXpert-v1.0/train/patient00001/study2/view1_frontal.jpg": "[Edema] Atelectasis",
		"CheXpert-v1.0/train/patient00002/study1/view1_frontal.jpg": "[] Edema",
	} {
		if s := samples[file]; fmt.Sprint(s.Labels)+" "+s.Meta["uncertain"] != want {
			t.Errorf("%s: labels %v, uncertain %q, want %q", file, s.Labels, s.Meta["uncertain"], want)
		}
	}
}

func mimicCXR(t *testing.T) plugintest.Files {
	row := func(who, study, atelectasis, none string) string {
		return fmt.Sprintf("%s,%s,%s,,,,,,,,%s,,,,,", who, study, atelectasis, none)
	}
	return pictures(t, plugintest.Files{
		"mimic-cxr-2.0.0-chexpert.csv.gz": packed(t, string(lines("subject_id,study_id,Atelectasis,Cardiomegaly,Consolidation,Edema,Enlarged Cardiomediastinum,Fracture,Lung Lesion,Lung Opacity,No Finding,Pleural Effusion,Pleural Other,Pneumonia,Pneumothorax,Support Devices",
			row("10000001", "50000001", "1.0", ""), row("10000001", "50000002", "-1.0", ""), row("10000002", "50000003", "", ""), row("10000003", "50000004", "", "1.0"), row("10000004", "50000005", "1.0", "")))),
		"mimic-cxr-2.0.0-split.csv.gz": packed(t, string(lines("dicom_id,study_id,subject_id,split",
			"a1,50000001,10000001,train", "a2,50000001,10000001,train", "b1,50000002,10000001,train", "c1,50000003,10000002,validate", "d1,50000004,10000003,test", "f1,50000006,10000005,train"))),
	}, "files/p10/p10000001/s50000001/a1.jpg", "files/p10/p10000001/s50000001/a2.jpg", "files/p10/p10000001/s50000002/b1.jpg", "files/p10/p10000002/s50000003/c1.jpg",
		"files/p10/p10000003/s50000004/d1.jpg", "files/p10/p10000004/s50000005/e1.jpg" /* on no side */, "files/p10/p10000005/s50000006/f1.jpg" /* in no study */)
}

func vindrCXR(t *testing.T) plugintest.Files {
	const named = "Aortic enlargement,Atelectasis,Calcification,Cardiomegaly,Clavicle fracture,Consolidation,Edema,Emphysema,Enlarged PA,ILD,Infiltration,Lung Opacity,Lung cavity,Lung cyst,Mediastinal shift,Nodule/Mass,Pleural effusion,Pleural thickening,Pneumothorax,Pulmonary fibrosis,Rib fracture,Other lesion,COPD,Lung tumor,Pneumonia,Tuberculosis,Other diseases,No finding"
	row := func(start string, found ...string) string {
		for _, name := range strings.Split(named, ",") {
			if slices.Contains(found, name) {
				start += ",1"
			} else {
				start += ",0"
			}
		}
		return start
	}
	files := plugintest.Files{
		"annotations/image_labels_train.csv": lines("image_id,rad_id,"+named,
			row("a0,R1", "Infiltration", "Lung Opacity"), row("a0,R2", "Infiltration"), row("a0,R3", "No finding"),
			row("b0,R1", "No finding"), row("b0,R2", "No finding"), row("b0,R3", "Edema"),
			row("c0,R1", "Calcification"), row("c0,R2", "Calcification"), row("c0,R3", "COPD"),
			row("d0,R1", "Edema"), row("d0,R2", "Nodule/Mass", "Lung tumor"), row("d0,R3", "Lung tumor")),
		"annotations/image_labels_test.csv": lines("image_id,"+strings.Replace(named, "Other diseases", "Other disease", 1), row("e0", "Lung Opacity")),
	}
	for i, name := range []string{"train/a0", "train/b0", "train/c0", "train/d0", "test/e0", "test/ff"} {
		files[name+".dicom"] = dicomImage(i, "0")
	}
	return files
}

func coronahack(t *testing.T) plugintest.Files {
	const at = "Coronahack-Chest-XRay-Dataset/Coronahack-Chest-XRay-Dataset/"
	return pictures(t, plugintest.Files{"Chest_xray_Corona_Metadata.csv": lines(",X_ray_image_name,Label,Dataset_type,Label_2_Virus_category,Label_1_Virus_category",
		"0,IM-0128-0001.jpeg,Normal,TRAIN,,", "1,person1_bacteria_1.jpeg,Pnemonia,TRAIN,,bacteria", "2,person1_bacteria_2.jpeg,Pnemonia,TRAIN,,bacteria", "3,1-s2.0.png,Pnemonia,TRAIN,COVID-19,Virus",
		"4,x.jpg,Pnemonia,TRAIN,,Stress-Smoking", "5,person1_virus_6.jpeg,Pnemonia,TEST,,Virus", "6,NORMAL2-IM-0001-0001.jpeg,Normal,TEST,,", "7,gone.jpeg,Normal,TEST,,")},
		at+"train/IM-0128-0001.jpeg", at+"train/person1_bacteria_1.jpeg", at+"train/person1_bacteria_2.jpeg", at+"train/1-s2.0.png", at+"train/x.jpg", at+"test/person1_virus_6.jpeg",
		at+"test/NORMAL2-IM-0001-0001.jpeg", at+"test/unnamed.jpeg")
}

// person1 of the training side is another child than person1 of the test side.
func childrenApart(t *testing.T, samples map[string]document.Sample) {
	const at = "Coronahack-Chest-XRay-Dataset/Coronahack-Chest-XRay-Dataset/"
	one, two, other := samples[at+"train/person1_bacteria_1.jpeg"], samples[at+"train/person1_bacteria_2.jpeg"], samples[at+"test/person1_virus_6.jpeg"]
	if one.Subject != two.Subject || one.Subject == other.Subject {
		t.Errorf("subjects %q, %q and %q", one.Subject, two.Subject, other.Subject)
	}
}

func covid19(t *testing.T) plugintest.Files {
	var names []string
	for i, class := range []string{"BacterialPneumonia", "COVID-19", "Normal", "ViralPneumonia"} {
		names = append(names, fmt.Sprintf("TrainData/%s/%d.jpeg", class, i), fmt.Sprintf("ValData/%s/%d.jpg", class, i+5))
	}
	return pictures(t, plugintest.Files{}, append(names, "TrainData/OversampledAugmented/9.jpg")...)
}
