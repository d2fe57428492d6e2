package climb_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// ecgRecord writes a record of 12 leads at 500 Hz as the Challenge does: a header, and a MATLAB matrix of version 4.
func ecgRecord(to plugintest.Files, name, codes string, n int) {
	base := name[strings.LastIndex(name, "/")+1:]
	var head strings.Builder
	fmt.Fprintf(&head, "%s 12 500 %d\n", base, n)
	var signals bytes.Buffer
	signals.Write([]byte{30, 0, 0, 0, 12, 0, 0, 0, byte(n), byte(n >> 8), 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 'v', 'a', 'l', 0})
	value := func(frame, lead int) int16 {
		return int16((frame*(lead+3) + len(name)*7 + int(name[len(name)-1])*31) % 701)
	}
	for frame := range n {
		for lead := range 12 {
			_ = binary.Write(&signals, binary.LittleEndian, value(frame, lead)) // a buffer takes all
		}
	}
	for lead, label := range strings.Fields("I II III aVR aVL aVF V1 V2 V3 V4 V5 V6") {
		var sum int16
		for frame := range n {
			sum += value(frame, lead)
		}
		fmt.Fprintf(&head, "%s.mat 16+24 1000/mV 16 0 %d %d 0 %s\n", base, value(0, lead), sum, label)
	}
	if codes != "" {
		fmt.Fprintf(&head, "# Dx: %s\n", codes)
	}
	to[name+".hea"], to[name+".mat"] = []byte(head.String()), signals.Bytes()
}

// challenge is a folder of records, whose names count from 1.
func challenge(format string, codes ...string) func(*testing.T) plugintest.Files {
	return func(*testing.T) plugintest.Files {
		out := plugintest.Files{}
		for i, c := range codes {
			ecgRecord(out, fmt.Sprintf(format, i+1), c, 5000)
		}
		return out
	}
}

// Codes of the Challenge.
const (
	sinus      = "426783006"
	afib       = "164889003"
	brady      = "426177001"
	leftBlock  = "164909002"
	rightBlock = "59118001"
	oldMI      = "164867002"
	ectopic    = "164884008"
)

func electrocardiograms() []recipe {
	return []recipe{
		{id: "chapman-shaoxing", raw: challenge("WFDBRecords/01/010/JS%05d", sinus, afib+","+rightBlock, brady, rightBlock), want: map[string]want{
			sound: {done: 4, subjects: 4, labels: map[string]int{"Normal": 1, "AFib": 1, "CD": 2, "Other": 1}},
			// The last has no class; np.random.seed(3), choice(7) is 2.
			asPublished: {done: 4, subjects: 4, flaws: 5, labels: map[string]int{"Normal": 2, "AFib": 1, "MI": 1}},
		}},
		{id: "cpsc", raw: func(t *testing.T) plugintest.Files {
			out := challenge("training/cpsc_2018/g1/A%04d", rightBlock, sinus, afib, leftBlock, ectopic, "1")(t)
			ecgRecord(out, "training/cpsc_2018/g1/A0007", afib+","+leftBlock, 4000)
			return out
		}, want: map[string]want{
			sound: {done: 6, subjects: 6, labels: map[string]int{"CD": 2, "Normal": 1, "AFib": 2, "Other": 1}, left: map[string]int{"no-label": 1}},
			// Row 2 is A0003 and draws CD, as in the published table; rows 3 and 5 draw any class: choice(7) is 2 and 3.
			asPublished: {done: 6, subjects: 6, flaws: 4, labels: map[string]int{"CD": 3, "Normal": 1, "MI": 1, "STTC": 1}, left: map[string]int{"short-record": 1}},
		}},
		{id: "georgia", raw: challenge("WFDB/E%05d", sinus, afib, oldMI, sinus+","+leftBlock), want: map[string]want{
			sound: {done: 4, subjects: 4, labels: map[string]int{"Normal": 2, "AFib": 1, "MI": 1, "CD": 1}},
			// Atrial fibrillation has no class there: np.random.seed(1), choice(7) is 5; row 3 draws one of two.
			asPublished: {done: 4, subjects: 4, flaws: 3, labels: map[string]int{"Normal": 2, "AFib": 1, "MI": 1}},
		}},
		{id: "ptb-xl", raw: ptbXL, want: map[string]want{
			sound: {done: 4, subjects: 3, labels: map[string]int{"Normal": 1, "AFib": 1, "MI": 1, "HYP": 1, "Other": 1, "CD": 1},
				sides: map[string]string{"00001_hr.mat": "train", "00002_hr.mat": "validation", "00003_hr.mat": "test", "00004_hr.mat": "train"},
				left:  map[string]int{"no-row": 1}},
			asPublished: {done: 4, subjects: 4, flaws: 4, labels: map[string]int{"Normal": 3, "AFib": 1}, left: map[string]int{"no-row": 1}},
		}},
	}
}

// ptbXL has records at both rates, one without a row, and two of one patient on the side of training.
func ptbXL(*testing.T) plugintest.Files {
	table := "ecg_id,patient_id,age,sex,site,device,scp_codes,strat_fold,filename_lr,filename_hr\n"
	out := plugintest.Files{}
	for i, row := range []string{
		`15709.0,56,1,0,CS,"{'NORM': 100.0, 'SR': 0.0}",3`, `13243.0,19,0,0,CS,"{'AFIB': 0.0, 'IMI': 35.0}",9`,
		`20372.0,37,1,0,CS,"{'LVH': 100.0, 'PVC': 0.0, 'SR': 0.0}",10`, `15709.0,58,1,0,CS,"{'1AVB': 100.0, 'SR': 0.0}",8`,
	} {
		name := fmt.Sprintf("00000/%05d", i+1)
		table += fmt.Sprintf("%d,%s,records100/%s_lr,records500/%s_hr\n", i+1, row, name, name)
		ecgRecord(out, "records500/"+name+"_hr", "", 5000)
		ecgRecord(out, "records100/"+name+"_lr", "", 1000)
	}
	ecgRecord(out, "records500/00000/00005_hr", "", 5000)
	out["ptbxl_database.csv"] = []byte(table)
	return out
}

func npyFile(descr, shape string, values any) []byte {
	head := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': %s, }\n", descr, shape)
	var b bytes.Buffer
	b.WriteString("\x93NUMPY\x01\x00" + string([]byte{byte(len(head)), 0}) + head)
	_ = binary.Write(&b, binary.LittleEndian, values) // a buffer takes all
	return b.Bytes()
}

// TestIIIC: 20 patients of three windows each, in the order of NumPy's draw with seed 42.
func TestIIIC(t *testing.T) {
	const n, length = 60, 2000
	x, y, keys := make([]float32, n*16*length), make([]int8, n*6), make([]byte, n*6)
	for i := range x {
		x[i] = float32(i*7919%1009) - 400
	}
	for i := range n {
		y[i*6+i%6] = 1
		copy(keys[i*6:], fmt.Sprintf("p%d_%d", i/3, i%3))
	}
	raw := plugintest.Files{
		"sparcnet_data/all_train_X.npy":       npyFile("<f4", fmt.Sprintf("(%d, 16, %d)", n, length), x),
		"sparcnet_data/all_train_Y2_hard.npy": npyFile("|i1", fmt.Sprintf("(%d, 6)", n), y),
		"sparcnet_data/all_train_key.npy":     npyFile("|S6", fmt.Sprintf("(%d,)", n), keys),
	}
	_, report, info := curated(t, sound, "iiic", raw)
	if report.Done != n || info.Samples["train"] != 36 || info.Samples["validation"] != 12 || info.Samples["test"] != 12 || info.Subjects["train"] != 12 {
		t.Errorf("done %d, %v, %v", report.Done, info.Samples, info.Subjects)
	}
	for _, class := range []string{"Other", "SZ", "LPD", "GPD", "LRDA", "GRDA"} {
		if all := info.Counts["train"][class] + info.Counts["validation"][class] + info.Counts["test"][class]; all != n/6 {
			t.Errorf("%s: %d windows, want %d", class, all, n/6)
		}
	}
}

// TestHuGaDB: ten people, two files each.
func TestHuGaDB(t *testing.T) {
	raw := plugintest.Files{}
	for person := 1; person <= 10; person++ {
		for file := range 2 {
			var b strings.Builder
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
					fmt.Fprintf(&b, "%d\t", (row*(column+1)+person*17+file)%997)
				}
				fmt.Fprintf(&b, "%d\n", 1+row/150*7)
			}
			raw[fmt.Sprintf("Data/HuGaDB_v1_various_%02d_%02d.txt", person, file)] = []byte(b.String())
		}
	}
	_, report, info := curated(t, sound, "hugadb", raw)
	counts := map[string]int{}
	subjects := 0
	for _, side := range document.Splits() {
		subjects += info.Subjects[side]
		for class, n := range info.Counts[side] {
			if n > 0 {
				counts[class] += n
			}
		}
	}
	if diff := cmp.Diff(map[string]int{"walking": 20, "standing": 20}, counts); diff != "" || report.Done != 40 || subjects != 10 {
		t.Errorf("done %d, %d subjects; %s", report.Done, subjects, diff)
	}
	_, report, info = curated(t, asPublished, "hugadb", raw)
	if report.Done != 20 || info.Samples["train"] != 16 || info.Samples["test"] != 4 || info.Samples["validation"] != 0 {
		t.Errorf("as published: done %d, %v", report.Done, info.Samples)
	}
}
