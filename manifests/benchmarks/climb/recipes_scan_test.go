package climb_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/plugins/plugintest"
)

func chestCT() []recipe {
	kinds := map[string]int{"No PE": 1, "Acute PE": 1, "Acute Subsegmental-only PE": 1, "Subsegmental-only PE": 1, "Chronic PE": 1}
	emboli := map[string]int{"No PE": 5, "Acute PE": 2, "Chronic PE": 1}
	return []recipe{
		{id: "rspect", raw: rspect, want: map[string]want{
			sound: {done: 8, labels: emboli, subjects: 4, left: map[string]int{"no-label": 1}},
			// RandomState(0).permutation(8) is 6 2 1 7 3 0 5 4
			asPublished: {done: 8, labels: emboli, subjects: 4, count: "6/0/2", flaws: 3, left: map[string]int{"no-label": 1}, sides: map[string]string{"1.2.3.5.dcm": "test", "1.2.3.4.dcm": "test", "1.2.3.6.dcm": "train"}},
		}},
		{id: "kits23", raw: kits23, want: map[string]want{
			sound: {done: 7, labels: map[string]int{"Benign": 2, "Malignant": 5}, subjects: 7, left: map[string]int{"no-label": 1}},
			// Six of the eight rows are training, one of which nobody has called either.
			asPublished: {done: 7, labels: map[string]int{"Benign": 2, "Malignant": 5}, subjects: 7, count: "5/0/2", flaws: 2, left: map[string]int{"no-label": 1}},
		}},
		{id: "lndb", raw: lndb, want: map[string]want{
			// Windows begin at slices 0, 12 and 24. The nodule of scan 2 is slices 23 to 27, of which one is in the first window; that of scan 3 is 37 to 43.
			sound: {done: 12, labels: map[string]int{"nodule >=3mm": 2, "nodule <3mm": 2, "non-nodule": 2}, subjects: 4, left: map[string]int{"no-voxels": 1, "no-label": 3, "few-slices": 1, "unreadable": 1}},
			// Three of four scans train.
			asPublished: {done: 12, labels: map[string]int{"nodule": 2, "no nodule": 10}, subjects: 4, count: "9/0/3", flaws: 3, sides: map[string]string{"LNDb-0004.raw": "test"}, left: map[string]int{"no-voxels": 1, "no-label": 3, "few-slices": 1, "unreadable": 1}},
		}},
		{id: "inspect", raw: inspect, want: map[string]want{
			sound:       {done: 5, labels: kinds, subjects: 4, count: "2/1/2", left: map[string]int{"no-label": 1}, sides: map[string]string{"CTPA/PE5.nii.gz": "test", "CTPA/PE3.nii.gz": "validation"}},
			asPublished: {done: 5, labels: kinds, subjects: 4, count: "3/0/2", flaws: 3, left: map[string]int{"no-label": 1}, sides: map[string]string{"CTPA/PE5.nii.gz": "train"}}, // the first row
		}},
	}
}

// lndb is scans of 48 slices of 1 mm from -100 mm on, so of three windows, in folders as the archives unpack to, what two radiologists marked, and masks, which are no scans.
// Scan 5 has no voxels, nobody says anything of scan 6, scan 7 has too few slices, and scan 8 is none.
func lndb(*testing.T) plugintest.Files {
	const nodules = "LNDbID,RadID,FindingID,x,y,z,Nodule,Volume,Text"
	files := plugintest.Files{"trainset_csv/trainNodules.csv": lines(nodules,
		"1,1,1,0,0,-95,1,904.8,5", "1,2,1,0,0,-95,1,800,5", "1,1,2,0,0,-55.2,0,0,0", // slices 0 to 11, and 43 to 47
		"2,1,1,0,0,-75,1,14.137,1", "3,1,1,0,0,-60,1,113.1,5", "4,2,1,0,0,-99,0,,0", "5,1,1,0,0,-99,0,0,0", "7,1,1,0,0,-99,0,0,0", "8,1,1,0,0,-99,0,0,0"),
		"trainset_csv/trainNodules_gt.csv": lines(nodules, "1,1,1,0,0,0,1,1,1")}
	for i := 1; i <= 8; i++ {
		name, depth := fmt.Sprintf("LNDb-%04d", i), 48
		if i == 7 {
			depth = 20
		}
		header := fmt.Sprintf("ObjectType = Image\nNDims = 3\nTransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 0 0 -100\nElementSpacing = 0.7 0.7 1\nDimSize = 4 3 %d\nElementType = MET_SHORT\nElementDataFile = %s.raw\n", depth, name)
		folder := fmt.Sprintf("data%d/", i/5)
		files[folder+name+".mhd"], files[folder+name+".raw"] = []byte(header), nil
		for range 4 * 3 * depth {
			files[folder+name+".raw"] = append(files[folder+name+".raw"], byte(len(files[folder+name+".raw"])*i), byte(0xfc+i%4))
		}
		files["masks/"+name+"_rad1.mhd"] = []byte(header)
	}
	delete(files, "data1/LNDb-0005.raw")
	files["data1/LNDb-0008.mhd"] = []byte("<html>Sorry</html>")
	return files
}

func rspect(*testing.T) plugintest.Files {
	var rows []string
	files := plugintest.Files{"test/s/r/1.2.3.77.dcm": dicomImage(77, "0"), "train/s0/r/1.2.3.88.dcm": dicomImage(88, "0")}
	for i, pe := range []string{"0,0", "0,0", "1,0", "0,0", "1,1", "0,1", "1,0", "0,0"} {
		rows = append(rows, fmt.Sprintf("s%d,r%d,1.2.3.%d,%s", i/2, i/2, i, pe))
		files[fmt.Sprintf("train/s%d/r%d/1.2.3.%d.dcm", i/2, i/2, i)] = dicomImage(i, "0")
	}
	files["train.csv"] = lines("StudyInstanceUID,SeriesInstanceUID,SOPInstanceUID,pe_present_on_image,chronic_pe", rows...)
	return files
}

func kits23(*testing.T) plugintest.Files {
	text := ""
	files := plugintest.Files{}
	for i, malignant := range []string{"true", "false", "null", "true", "true", "false", "true", "true"} {
		text += fmt.Sprintf(`,{"case_id": "case_%05d", "malignant": %s, "comorbidities": {"copd": false}}`, i, malignant)
		files[fmt.Sprintf("dataset/case_%05d/segmentation.nii.gz", i)] = niftiVolume(50 + i)
		files[fmt.Sprintf("dataset/case_%05d/instances/kidney_instance-1_annotation-1.nii.gz", i)] = niftiVolume(70 + i)
		files[fmt.Sprintf("kits23-images/images/master_%05d.nii.gz", i)] = niftiVolume(i)
	}
	files["dataset/kits23.json"] = []byte("[" + text[1:] + "]")
	return files
}

func inspect(*testing.T) plugintest.Files {
	files := plugintest.Files{
		"full/labels_20250611.tsv":        lines("impression_id\tpe_positive_nlp\tpe_acute\tpe_subsegmentalonly", "15\tTrue\t0.0\t0.0", "11\tFalse\t0\t0", "12\tTrue\t1\t0", "13\tTrue\t1\t1", "14\tTrue\t0\t1"),
		"full/study_mapping_20250611.tsv": lines("impression_id\timage_id\tperson_id", "11\tPE1\t1", "12\tPE2\t1", "13\tPE3\t3", "14\tPE4\t4", "15\tPE5.nii.gz\t5"),
		"full/splits_20250611.tsv":        lines("impression_id\tsplit", "11\ttrain", "12\ttrain", "13\tvalid", "14\ttest", "15\ttest"),
	}
	for i := 1; i <= 6; i++ { // the sixth is in no table
		files[fmt.Sprintf("full/CTPA/PE%d.nii.gz", i)] = niftiVolume(i)
	}
	return files
}

func mammography() []recipe {
	return []recipe{
		{id: "cbis-ddsm", raw: cbis, want: map[string]want{
			sound:       {done: 3, labels: map[string]int{"BI-RADS 2": 1, "BI-RADS 3": 1, "BI-RADS 5": 1}, subjects: 3, left: map[string]int{"no-label": 2, "row-left-out": 1, "subject-of-train": 1}, sides: map[string]string{"1.2.3.5.dcm": "test"}},
			asPublished: {done: 4, labels: map[string]int{"BI-RADS 2": 1, "BI-RADS 3": 1, "BI-RADS 4": 1, "BI-RADS 5": 1}, subjects: 3, count: "2/0/2", flaws: 2, left: map[string]int{"no-label": 2, "row-left-out": 1}},
		}},
		{id: "cmmd", raw: cmmd, want: map[string]want{
			sound: {done: 8, labels: map[string]int{"Benign": 5, "Malignant": 3}, subjects: 3, left: map[string]int{"no-label": 5}},
			// Three of four rows train, which are five of eight images; that of the other breast of D1-0002 is the fourth.
			asPublished: {done: 8, labels: map[string]int{"Benign": 5, "Malignant": 3}, subjects: 3, count: "5/0/3", flaws: 2, left: map[string]int{"no-label": 5},
				sides: map[string]string{"1-5.dcm": "train", "1-6.dcm": "test", "1-7.dcm": "test"}},
		}},
		{id: "vindr-mammo", raw: vindrMammo, want: map[string]want{
			sound: {done: 8, labels: map[string]int{"BI-RADS 1": 3, "BI-RADS 2": 2, "BI-RADS 3": 1, "BI-RADS 4": 1, "BI-RADS 5": 1}, subjects: 4, sides: map[string]string{"s3/i6.dicom": "test", "s3/i7.dicom": "test"}, left: map[string]int{"no-label": 1}},
		}},
	}
}

// cmmd is images as the archive's API gives them, by series, and the workbook of its page. One breast of patient D1-0001 has no row, one row has no image, one no
// label, and a file says no breast.
func cmmd(t *testing.T) plugintest.Files {
	files := plugintest.Files{"cmmd-clinical/CMMD_clinicaldata_revision.xlsx": workbook(t,
		"ID1,LeftRight,Age,number,abnormality,classification,subtype",
		"D2-0001,L,55,2,mass,Malignant,Luminal B", "D1-0001,R,44,2,calcification,Benign,", "D1-0002,L,40,2,both,Malignant,", "D1-0002,R,40,2,mass,Benign,",
		"D1-0003,L,61,2,mass,Benign,", "D1-0004,L,61,2,mass,,")}
	for i, image := range []string{"D2-0001 L", "D2-0001 L", "D1-0001 L", "D1-0001 R", "D1-0001 R", "D1-0002 L", "D1-0002 R", "D1-0002 R", "D1-0002 R", "D1-0004 L", "D9-0001 L"} {
		who, side, _ := strings.Cut(image, " ")
		files[fmt.Sprintf("1.2.3.%s.2/1-%d.dcm", who, i)] = dicomImage(i, who, side)
	}
	files["1.2.3.D1-0001.2/1-97.dcm"] = dicomImage(97, "D1-0001")
	files["1.2.3.D1-0001.2/1-98.dcm"] = []byte("<html>Sorry</html>")
	return files
}

// workbook is one sheet of texts.
func workbook(t *testing.T, rows ...string) []byte {
	t.Helper()
	var sheet strings.Builder
	for _, row := range rows {
		sheet.WriteString("<row>")
		for _, cell := range strings.Split(row, ",") {
			sheet.WriteString(`<c t="inlineStr"><is><t>` + cell + "</t></is></c>")
		}
		sheet.WriteString("</row>")
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, part := range []struct{ name, text string }{
		{"_rels/.rels", `<Relationships><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>`},
		{"xl/workbook.xml", `<workbook xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>`},
		{"xl/_rels/workbook.xml.rels", `<Relationships><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>`},
		{"xl/worksheets/sheet1.xml", "<worksheet><sheetData>" + sheet.String() + "</sheetData></worksheet>"},
	} {
		w, err := z.Create(part.name)
		if err == nil {
			_, err = w.Write([]byte(part.text))
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

func cbis(*testing.T) plugintest.Files {
	const header = "patient_id,breast_density,left or right breast,image view,abnormality id,abnormality type,mass shape,mass margins,assessment,pathology,subtlety,image file path,cropped image file path,ROI mask file path"
	row := func(series, who string, grade int) string {
		return fmt.Sprintf("%s,3,LEFT,CC,1,mass,OVAL,SPICULATED,%d,MALIGNANT,4,%s/1.2/1.3/000000.dcm,%s_1/1.2/1.3/000000.dcm,\"%s_1/1.2/1.3/000001.dcm\n\"", who, grade, series, series, series)
	}
	files := plugintest.Files{
		"cbis-ddsm-cases/mass_case_description_train_set.csv": lines(header, row("Mass-Training_P_00001_LEFT_CC", "P_00001", 2), row("Mass-Training_P_00001_LEFT_CC", "P_00001", 5), row("Mass-Training_P_00002_LEFT_CC", "P_00002", 0)),
		"cbis-ddsm-cases/calc_case_description_train_set.csv": lines(header, row("Calc-Training_P_00003_LEFT_CC", "P_00003", 2)),
		"cbis-ddsm-cases/mass_case_description_test_set.csv":  lines(header, row("Mass-Test_P_00004_LEFT_CC", "P_00004", 3)),
		"cbis-ddsm-cases/calc_case_description_test_set.csv":  lines(header, row("Calc-Test_P_00001_LEFT_CC", "P_00001", 4)),
	}
	for i, name := range []string{"Mass-Training_P_00001_LEFT_CC", "Mass-Training_P_00001_LEFT_CC_1", "Mass-Training_P_00002_LEFT_CC", "Calc-Training_P_00003_LEFT_CC", "Calc-Test_P_00001_LEFT_CC", "Mass-Test_P_00004_LEFT_CC", "Mass-Test_P_00004_LEFT_CC_1"} {
		files[fmt.Sprintf("1.2.3.%d.2/1.2.3.%d.dcm", i, i)] = dicomImage(i, name)
	}
	return files
}

func vindrMammo(*testing.T) plugintest.Files {
	var rows []string
	files := plugintest.Files{"images/s9/i99.dicom": dicomImage(99, "0")}
	for i, grade := range []int{1, 1, 1, 2, 2, 3, 4, 5} {
		split := "training"
		if i >= 6 {
			split = "test"
		}
		rows = append(rows, fmt.Sprintf("s%d,r%d,i%d,L,CC,16,24,BI-RADS %d,DENSITY C,%s", i/2, i, i, grade, split))
		files[fmt.Sprintf("images/s%d/i%d.dicom", i/2, i)] = dicomImage(i, "0")
	}
	files["breast-level_annotations.csv"] = lines("study_id,series_id,image_id,laterality,view_position,height,width,breast_birads,breast_density,split", rows...)
	return files
}

// niftiVolume is 4 x 3 x 30 voxels of noise in Hounsfield units, as NIfTI-1 in one file, axes to the right, front and top.
func niftiVolume(n int) []byte {
	random := rand.New(rand.NewPCG(uint64(n), 2))
	h := make([]byte, 352)
	put := binary.LittleEndian
	put.PutUint32(h, 348)
	for i, d := range []uint16{3, 4, 3, 30, 1, 1, 1, 1} {
		put.PutUint16(h[40+2*i:], d)
	}
	put.PutUint16(h[70:], 4)  // int16
	put.PutUint16(h[72:], 16) // bits
	for i := range 4 {
		put.PutUint32(h[76+4*i:], math.Float32bits(1))
	}
	put.PutUint32(h[108:], math.Float32bits(352))
	put.PutUint16(h[254:], 1) // the sform counts
	for axis := range 3 {
		put.PutUint32(h[280+16*axis+4*axis:], math.Float32bits(1))
	}
	copy(h[344:], "n+1\x00")
	out := bytes.NewBuffer(h)
	for range 4 * 3 * 30 {
		_ = binary.Write(out, put, int16(random.IntN(1400)-700)) // into memory
	}
	return out.Bytes()
}

// dicomImage is a picture of 24 x 16 pixels of 12 bits, with a window of its own, in explicit little endian. Of a breast it says which.
func dicomImage(n int, patient string, side ...string) []byte {
	random := rand.New(rand.NewPCG(uint64(n), 3))
	uid := fmt.Sprintf("1.2.3.%d", n)
	var meta, body bytes.Buffer
	element(&meta, 0x0002, 0x0002, "UI", "1.2.840.10008.5.1.4.1.1.1.1")
	element(&meta, 0x0002, 0x0003, "UI", uid)
	element(&meta, 0x0002, 0x0010, "UI", "1.2.840.10008.1.2.1")
	element(&body, 0x0008, 0x0016, "UI", "1.2.840.10008.5.1.4.1.1.1.1")
	element(&body, 0x0008, 0x0018, "UI", uid)
	element(&body, 0x0010, 0x0020, "LO", patient)
	element(&body, 0x0020, 0x000d, "UI", uid+".1")
	element(&body, 0x0020, 0x000e, "UI", uid+".2")
	for _, s := range side {
		element(&body, 0x0020, 0x0062, "CS", s)
	}
	for _, e := range []struct {
		tag   uint16
		value uint16
	}{{0x0002, 1}, {0x0004, 0}, {0x0010, 16}, {0x0011, 24}, {0x0100, 16}, {0x0101, 12}, {0x0102, 11}, {0x0103, 0}} {
		if e.tag == 0x0004 {
			element(&body, 0x0028, e.tag, "CS", "MONOCHROME2")
			continue
		}
		element(&body, 0x0028, e.tag, "US", string(binary.LittleEndian.AppendUint16(nil, e.value)))
	}
	element(&body, 0x0028, 0x1050, "DS", "2000")
	element(&body, 0x0028, 0x1051, "DS", "4000")
	element(&body, 0x0028, 0x1052, "DS", "0")
	element(&body, 0x0028, 0x1053, "DS", "1")
	var pixels []byte
	for range 24 * 16 {
		pixels = binary.LittleEndian.AppendUint16(pixels, uint16(random.IntN(4096)))
	}
	body.Write([]byte{0xe0, 0x7f, 0x10, 0x00, 'O', 'W', 0, 0})
	_ = binary.Write(&body, binary.LittleEndian, uint32(len(pixels))) // into memory
	body.Write(pixels)
	out := bytes.NewBuffer(make([]byte, 128))
	out.WriteString("DICM")
	element(out, 0x0002, 0x0000, "UL", string(binary.LittleEndian.AppendUint32(nil, uint32(meta.Len()))))
	out.Write(meta.Bytes())
	out.Write(body.Bytes())
	return out.Bytes()
}

// element writes a short one in explicit little endian.
func element(to *bytes.Buffer, group, tag uint16, vr, value string) {
	if len(value)%2 == 1 {
		pad := " "
		if vr == "UI" {
			pad = "\x00"
		}
		value += pad
	}
	var head []byte
	head = binary.LittleEndian.AppendUint16(head, group)
	head = binary.LittleEndian.AppendUint16(head, tag)
	head = append(head, vr...)
	head = binary.LittleEndian.AppendUint16(head, uint16(len(value)))
	to.Write(head)
	to.WriteString(value)
}
