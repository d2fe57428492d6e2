package climb_test

import (
	"fmt"
	"path"
	"testing"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

func skin() []recipe {
	five := map[string]int{"MEL": 4, "NV": 6, "BCC": 2, "AKIEC": 2, "OTHER": 6}
	return []recipe{
		{id: "ham10000", raw: ham10000, want: map[string]want{
			sound:       {done: 20, labels: five, subjects: 10, left: map[string]int{"no-row": 1}},
			asPublished: {done: 21, labels: map[string]int{"MEL": 4, "NV": 7, "BCC": 2, "AKIEC": 2, "OTHER": 6}, subjects: 21, count: "18/0/3", flaws: 2}, // 3 + 6 + 2 + 2 + 5
		}},
		{id: "isic-2020", raw: isic2020, want: map[string]want{
			sound:       {done: 12, labels: map[string]int{"Benign": 10, "Malignant": 2}, subjects: 4, left: map[string]int{"no-label": 1}},
			asPublished: {done: 12, labels: map[string]int{"Benign": 10, "Malignant": 2}, subjects: 4, count: "10/0/2", left: map[string]int{"no-label": 1}, flaws: 2},
		}},
		{id: "pad-ufes-20", raw: padUFES, want: map[string]want{
			sound:       {done: 12, labels: map[string]int{"MEL": 2, "NV": 2, "BCC": 2, "AKIEC": 4, "OTHER": 2}, subjects: 3},
			asPublished: {done: 12, labels: map[string]int{"MEL": 2, "NV": 2, "BCC": 2, "AKIEC": 4, "OTHER": 2}, subjects: 3, count: "11/0/1", flaws: 2}, // 2 + 2 + 2 + 3 + 2
		}},
	}
}

func ham10000(t *testing.T) plugintest.Files {
	codes := []string{"MEL", "MEL", "NV", "NV", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"}
	truth, groups, names := []string{}, []string{}, []string{}
	for i := range 20 {
		row := fmt.Sprintf("ISIC_%07d", i)
		for _, c := range []string{"MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"} {
			cell := ",0.0"
			if c == codes[i/2] {
				cell = ",1.0"
			}
			row += cell
		}
		truth = append(truth, row)
		groups = append(groups, fmt.Sprintf("ISIC_%07d,HAM_%07d,histopathology", i, i/2))
		names = append(names, fmt.Sprintf("2018/ISIC2018_Task3_Training_Input/ISIC_%07d.jpg", i))
	}
	return pictures(t, plugintest.Files{
		"2018/ISIC2018_Task3_Training_GroundTruth/ISIC2018_Task3_Training_GroundTruth.csv": lines("image,MEL,NV,BCC,AKIEC,BKL,DF,VASC", append(truth, "ISIC_0000099,0.0,1.0,0.0,0.0,0.0,0.0,0.0")...),
		"2018/ISIC2018_Task3_Training_LesionGroupings.csv":                                 lines("image,lesion_id,diagnosis_confirm_type", groups...),
		"2018/ISIC2018_Task3_Training_Input/ATTRIBUTION.txt":                               []byte("text"),
	}, append(names, "2018/ISIC2018_Task3_Training_Input/ISIC_0000099.jpg")...) // whose lesion nobody names
}

func isic2020(t *testing.T) plugintest.Files {
	var rows, names []string
	for i := range 12 {
		diagnosis, target := "benign", 0
		if i%6 == 5 {
			diagnosis, target = "malignant", 1
		}
		rows = append(rows, fmt.Sprintf("ISIC_%07d,IP_%07d,male,45.0,torso,unknown,%s,%d", i, i/3, diagnosis, target))
		names = append(names, fmt.Sprintf("2020/train/ISIC_%07d.jpg", i))
	}
	return pictures(t, plugintest.Files{"2020/ISIC_2020_Training_GroundTruth.csv": lines("image_name,patient_id,sex,age_approx,anatom_site_general_challenge,diagnosis,benign_malignant,target", rows...)},
		append(names, "2020/train/ISIC_0000099.jpg")...)
}

func padUFES(t *testing.T) plugintest.Files {
	var rows, names []string
	for i, diagnosis := range []string{"ACK", "ACK", "BCC", "BCC", "MEL", "MEL", "NEV", "NEV", "SCC", "SCC", "SEK", "SEK"} {
		name := fmt.Sprintf("PAT_%d_%d_%d.png", i/4, i/2, i)
		rows = append(rows, fmt.Sprintf("PAT_%d,%d,False,,,FOREARM,%s,%s,True", i/4, i/2, diagnosis, name))
		names = append(names, fmt.Sprintf("images/imgs_part_%d/%s", i%3+1, name))
	}
	return pictures(t, plugintest.Files{"metadata.csv": lines("patient_id,lesion_id,smoke,drink,age,region,diagnostic,img_id,biopsed", rows...)}, names...)
}

func fundus() []recipe {
	grades := map[string]int{"No DR": 10, "Mild DR": 5, "Moderate DR": 5, "Severe DR": 2, "Proliferative DR": 2}
	return []recipe{
		{id: "aptos-2019", raw: aptos, want: map[string]want{
			sound: {done: 24, labels: grades, subjects: 24},
			// int(.8 * n) of each grade: 8 + 4 + 4 + 1 + 1. Which: pandas 3.1.1, sample(n, random_state=0) of the ten rows of grade 0 leaves 0 and 5.
			asPublished: {done: 24, labels: grades, subjects: 24, count: "18/0/6", flaws: 1, sides: map[string]string{"id00.png": "test", "id05.png": "test", "id01.png": "train", "id09.png": "train"}},
		}},
		{id: "messidor-2", raw: messidor, want: map[string]want{
			sound:       {done: 11, labels: map[string]int{"No DR": 5, "Mild DR": 5, "Severe DR": 1}, subjects: 6, left: map[string]int{"row-left-out": 1, "no-label": 1}, more: eyesTogether},
			asPublished: {done: 11, labels: map[string]int{"No DR": 5, "Mild DR": 5, "Severe DR": 1}, subjects: 11, count: "8/0/3", flaws: 1, left: map[string]int{"row-left-out": 1, "no-label": 1}}, // 4 + 4 + 0
		}},
		{id: "jichi", raw: jichi, want: map[string]want{
			sound:       {done: 20, labels: map[string]int{"No DR": 10, "Mild DR": 5, "Severe DR": 3, "Proliferative DR": 2}, subjects: 5},
			asPublished: {done: 20, labels: map[string]int{"No DR": 10, "Mild DR": 5, "Severe DR": 3, "Proliferative DR": 2}, subjects: 5, count: "15/0/5", flaws: 1}, // 8 + 4 + 2 + 1
		}},
	}
}

func aptos(t *testing.T) plugintest.Files {
	var rows, names []string
	for i, grade := range []int{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 4, 4} {
		rows = append(rows, fmt.Sprintf("id%02d,%d", i, grade))
		names = append(names, fmt.Sprintf("train_images/id%02d.png", i))
	}
	return pictures(t, plugintest.Files{"train.csv": lines("id_code,diagnosis", rows...)}, names...)
}

func messidor(t *testing.T) plugintest.Files {
	var rows, pairs, names []string
	for i, grade := range []string{"0", "0", "0", "0", "0", "1", "1", "1", "1", "1", "3"} {
		rows = append(rows, fmt.Sprintf("IM%06d.jpg,%s,0,1", i, grade))
	}
	for i := 0; i < 12; i += 2 {
		pairs = append(pairs, fmt.Sprintf("IM%06d.JPG;IM%06d.JPG", i, i+1))
		names = append(names, fmt.Sprintf("IMAGES/IM%06d.JPG", i), fmt.Sprintf("IMAGES/IM%06d.JPG", i+1))
	}
	return pictures(t, plugintest.Files{
		"messidor-2-grades/messidor_data.csv": lines("image_id,adjudicated_dr_grade,adjudicated_dme,adjudicated_gradable", append(rows, "IM000011.jpg,,,0")...),
		"messidor-2.csv":                      lines("left;right", append(pairs, "IM000098.JPG;IM000099.JPG")...),
	}, append(names, "IMAGES/IM000099.JPG")...) // which nobody has graded
}

func eyesTogether(t *testing.T, samples map[string]document.Sample) {
	left, right, other := samples["IMAGES/IM000004.JPG"], samples["IMAGES/IM000005.JPG"], samples["IMAGES/IM000006.JPG"]
	if left.Subject == "" || left.Subject != right.Subject || left.Subject == other.Subject {
		t.Errorf("subjects %q, %q and %q", left.Subject, right.Subject, other.Subject)
	}
}

func jichi(t *testing.T) plugintest.Files {
	var rows, names []string
	for i, grade := range []string{"ndr", "ndr", "ndr", "ndr", "ndr", "ndr", "ndr", "ndr", "ndr", "ndr", "sdr", "sdr", "sdr", "sdr", "sdr", "ppdr", "ppdr", "ppdr", "pdr", "pdr"} {
		name := fmt.Sprintf("%d_%d_%s.jpg", i/4+1, i%4+1, []string{"R", "L"}[i%2])
		rows = append(rows, fmt.Sprintf("%s,sdr,%s", name, grade))
		names = append(names, "dmr/"+name)
	}
	return pictures(t, plugintest.Files{"dmr/list.csv": lines("Image,Davis_grading_of_concatenated_figures,Davis_grading_of_one_figure", rows...)}, names...)
}

func tissue() []recipe {
	labels := map[string]int{"Colon adenocarcinomas": 4, "Benign colon": 4, "Lung adenocarcinomas": 4, "Lung squamous cell carcinomas": 4, "Benign lung": 4}
	return []recipe{{id: "lc25000", raw: lc25000, want: map[string]want{
		sound:       {done: 20, labels: labels, subjects: 10, left: map[string]int{"no-label": 1}},
		asPublished: {done: 21, labels: map[string]int{"Colon adenocarcinomas": 4, "Benign colon": 5, "Lung adenocarcinomas": 4, "Lung squamous cell carcinomas": 4, "Benign lung": 4}, subjects: 21, count: "15/0/6", flaws: 2},
	}}}
}

func lc25000(t *testing.T) plugintest.Files {
	var rows, names []string
	for i, class := range []string{"colon_aca", "colon_n", "lung_aca", "lung_n", "lung_scc"} {
		stem := []string{"colonca", "colonn", "lungaca", "lungn", "lungscc"}[i]
		organ := []string{"colon", "colon", "lung", "lung", "lung"}[i]
		for n := range 4 {
			name := fmt.Sprintf("%s%d.jpeg", stem, n+1)
			rows = append(rows, fmt.Sprintf("%s%d,%s,%s,%s,%d,%d", stem, n+1, name, class, organ, n/2, 2*i+n/2))
			names = append(names, path.Join("lung_colon_image_set", organ+"_image_sets", class, name))
		}
	}
	return pictures(t, plugintest.Files{"lc25000_image_groups.csv": lines("stem,filename,label,tissue,local_cluster_label,group_id", rows...)},
		append(names, "lung_colon_image_set/colon_image_sets/colon_n/colonn99.jpeg")...)
}

func ultrasound() []recipe {
	labels := map[string]int{"Benign": 8, "Malignant": 5, "Normal": 4}
	return []recipe{{id: "busi", raw: busi, want: map[string]want{
		sound: {done: 17, labels: labels, subjects: 17},
		// By name, "benign (10)" comes before "benign (2)".
		asPublished: {done: 17, labels: labels, subjects: 17, count: "12/0/5", flaws: 2, sides: map[string]string{"benign (7).png": "test", "benign (8).png": "test", "benign (10).png": "train", "malignant (4).png": "test", "normal (4).png": "test"}},
	}}}
}

func films() []film {
	us, blues := plugintest.Files{}, plugintest.Files{}
	for i, label := range []string{"covid", "covid", "pneumonia", "normal", "normal", "pneumonia", "other", "covid"} {
		us[fmt.Sprintf("videos/%d_butterfly_%s_prc_convex.mp4", i+3, label)] = nil
	}
	us["videos/10_butterfly_covid_part2.mp4"] = nil
	var rows []string
	for who := 1; who <= 12; who++ {
		rows = append(rows, fmt.Sprintf("%d,%d,2", who, who%2))
		blues[fmt.Sprintf("lus_videos/patient_%d_L1.mp4", who)], blues[fmt.Sprintf("lus_videos/patient_%d_R1_2.mp4", who)] = nil, nil
	}
	blues["lus_videos/patient_13_L1.mp4"], blues["clinical_variables.csv"] = nil, lines("patient_id,cov_test,number_video_files", rows...)
	return []film{
		{"covid-us", us,
			plugins.Sides{Samples: map[string]int{"train": 8}, Subjects: map[string]int{"train": 7}, LeftOut: map[string]int{"dropped-class": 1}},
			plugins.Sides{Samples: map[string]int{"train": 6, "test": 2}, Subjects: map[string]int{"train": 6, "test": 2}, LeftOut: map[string]int{"dropped-class": 1}}},
		{"covid-blues", blues, // patient 9 is in training and 10 is not: they are ordered by number
			plugins.Sides{Samples: map[string]int{"train": 24}, Subjects: map[string]int{"train": 12}, LeftOut: map[string]int{"no-label": 1}},
			plugins.Sides{Samples: map[string]int{"train": 18, "test": 6}, Subjects: map[string]int{"train": 9, "test": 3}, LeftOut: map[string]int{"no-label": 1}}},
	}
}

func busi(t *testing.T) plugintest.Files {
	var names []string
	for class, ids := range map[string][]int{"benign": {1, 10, 2, 3, 5, 6, 7, 8}, "malignant": {1, 2, 30, 31, 4}, "normal": {1, 2, 3, 4}} {
		for _, i := range ids {
			names = append(names, fmt.Sprintf("Dataset_BUSI_with_GT/%s/%s (%d).png", class, class, i), fmt.Sprintf("Dataset_BUSI_with_GT/%s/%s (%d)_mask.png", class, class, i))
		}
	}
	return pictures(t, plugintest.Files{}, names...)
}

func brain() []recipe {
	return []recipe{
		{id: "brain-tumor", raw: brainTumour, want: map[string]want{
			sound:       {done: 11, labels: map[string]int{"Glioma Tumor": 3, "Meningioma Tumor": 3, "No Tumor": 2, "Pituitary Tumor": 3}, subjects: 11, sides: map[string]string{"Testing/glioma_tumor/image(1).jpg": "test"}, left: map[string]int{"duplicate-of-train": 1}},
			asPublished: {done: 12, labels: map[string]int{"Glioma Tumor": 3, "Meningioma Tumor": 3, "No Tumor": 3, "Pituitary Tumor": 3}, subjects: 12, count: "8/0/4", flaws: 1},
		}},
		{id: "brain-mri", raw: brainMRI, want: map[string]want{
			sound: {done: 10, labels: map[string]int{"No": 4, "Yes": 6}, subjects: 10, left: map[string]int{"no-label": 2}},
			// np.random.seed(42); np.random.shuffle(np.arange(10)) is 8 1 5 0 7 2 9 4 3 6
			asPublished: {done: 10, labels: map[string]int{"No": 4, "Yes": 6}, subjects: 10, count: "8/0/2", flaws: 1, left: map[string]int{"no-label": 2}, sides: map[string]string{"no/4 no.jpg": "test", "yes/Y3.jpg": "test"}},
		}},
		{id: "hemorrhage", raw: hemorrhage, want: map[string]want{
			sound: {done: 15, labels: map[string]int{"No Hemorrhage": 10, "Has Hemorrhage": 5}, subjects: 5, left: map[string]int{"no-label": 1}, more: sameSlice},
			// train_test_split of patients 1 to 5 with test_size=.2, random_state=42: patient 2
			asPublished: {done: 15, labels: map[string]int{"No Hemorrhage": 10, "Has Hemorrhage": 5}, subjects: 5, count: "12/0/3", flaws: 1, left: map[string]int{"no-label": 1}, sides: map[string]string{"002/brain/1.jpg": "test", "001/brain/1.jpg": "train"}},
		}},
	}
}

func brainTumour(t *testing.T) plugintest.Files {
	var names []string
	for _, class := range []string{"glioma_tumor", "meningioma_tumor", "no_tumor", "pituitary_tumor"} {
		names = append(names, "Training/"+class+"/gg (1).jpg", "Training/"+class+"/gg (2).jpg", "Testing/"+class+"/image(1).jpg")
	}
	files := pictures(t, plugintest.Files{}, names...)
	files["Testing/no_tumor/image(1).jpg"] = files["Training/no_tumor/gg (1).jpg"]
	return files
}

func brainMRI(t *testing.T) plugintest.Files {
	names := append(each(4, func(i int) string { return fmt.Sprintf("no/%d no.jpg", i+1) }), each(6, func(i int) string { return fmt.Sprintf("yes/Y%d.jpg", i+1) })...)
	return pictures(t, plugintest.Files{}, append(names, "brain_tumor_dataset/yes/Y1.jpg", "brain_tumor_dataset/no/1 no.jpg")...)
}

func hemorrhage(t *testing.T) plugintest.Files {
	var rows, names []string
	for who := 1; who <= 5; who++ {
		for slice := 1; slice <= 3; slice++ {
			none := 1
			if slice == 2 {
				none = 0
			}
			rows = append(rows, fmt.Sprintf("%d,%d,0,0,0,%d,0,%d,0\r", who, slice, 1-none, none))
			for _, window := range []string{"brain", "bone"} {
				names = append(names, fmt.Sprintf("Patients_CT/%03d/%s/%d.jpg", who, window, slice))
			}
		}
	}
	return pictures(t, plugintest.Files{"hemorrhage_diagnosis.csv": lines("PatientNumber,SliceNumber,Intraventricular,Intraparenchymal,Subarachnoid,Epidural,Subdural,No_Hemorrhage,Fracture_Yes_No\r", rows...)},
		append(names, "Patients_CT/003/brain/2_HGE_Seg.jpg")...)
}

// Slice 2 of patient 3 is 003/brain/2.jpg and no other file of that name.
func sameSlice(t *testing.T, samples map[string]document.Sample) {
	for who := 1; who <= 5; who++ {
		s := samples[fmt.Sprintf("Patients_CT/%03d/brain/2.jpg", who)]
		if len(s.Labels) != 1 || s.Labels[0] != "Has Hemorrhage" || s.Subject != fmt.Sprint(who) {
			t.Errorf("slice 2 of patient %d: labels %v, subject %q", who, s.Labels, s.Subject)
		}
	}
}
