package exchange

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/cairn-bench/cairn/manifests/document"
)

// Annotation is one line of CLIMB's annotation_<split>.jsonl, as the loaders of github.com/DDVD233/CLIMB write it
// (src/datasets/ultrasound/busi.py, chest_xray/vindr_cxr.py): images or videos, an explanation that is always empty, and two turns. CLIMB has
// none for what is no picture; Signals and Files are ours, and so are the last four members, which say what CLIMB's
// record leaves out.
type Annotation struct {
	Images        []string `json:"images,omitempty"`
	Videos        []string `json:"videos,omitempty"`
	Signals       []string `json:"signals,omitempty"`
	Files         []string `json:"files,omitempty"`
	Explanation   string   `json:"explanation"`
	Conversations []Turn   `json:"conversations"`
	ID            string   `json:"id"`
	Dataset       string   `json:"dataset"`
	Subject       string   `json:"subject"`
	Labels        []string `json:"labels"`
}

// Turn is what one side of a conversation says.
type Turn struct {
	From  string `json:"from"` // human or gpt
	Value string `json:"value"`
}

// ClimbSplit is CLIMB's name of a split in the names of annotations.
func ClimbSplit(split string) string {
	if split == "validation" {
		return "valid"
	}
	return split
}

// Annotate fills in the conversation and the facts of a sample; a has its media. The question names the modality and
// lists the classes, one a line; the answer is the labels, joined by ", ", and empty where no class is positive.
func Annotate(d document.Dataset, s document.Sample, a Annotation) Annotation {
	a.ID, a.Dataset, a.Subject, a.Labels = s.ID, s.Dataset, s.Subject, append([]string{}, s.Labels...)
	a.Conversations = []Turn{{"human", question(d, s, a)}, {"gpt", strings.Join(s.Labels, ", ")}}
	return a
}

func question(d document.Dataset, s document.Sample, a Annotation) string {
	var b strings.Builder
	b.WriteString(strings.Repeat("<image>\n", len(a.Images)))
	b.WriteString(strings.Repeat("<video>\n", len(a.Videos)))
	if s.Text != "" {
		b.WriteString(s.Text + "\n")
	}
	answer := "one phrase"
	if d.Task.Type == document.Multilabel {
		answer = "one or multiple phrases"
	}
	fmt.Fprintf(&b, "Above is %s. Which class does it belong to? Answer with %s from the following:\n%s", shown(d.Modality), answer, strings.Join(d.Task.Classes, "\n"))
	return b.String()
}

// shown says in words what a modality shows.
func shown(modality string) string {
	words := map[string]string{
		"ecg": "an ECG recording", "eeg": "an EEG recording", "xray": "an X-ray image", "ct": "a CT scan", "mri": "an MRI scan",
		"ultrasound": "an ultrasound image", "dermoscopy": "a dermoscopic image", "fundus": "a fundus photograph", "mammography": "a mammogram",
		"pathology": "a pathology image", "microscopy": "a microscopy image", "gene-expression": "a gene expression profile",
		"gait": "a recording of a gait", "graph": "a graph", "ehr": "a health record", "table": "a record of measurements",
		"video": "a video", "text": "a clinical text",
	}
	if w, ok := words[modality]; ok {
		return w
	}
	return "a medical image"
}

// Line is the annotation as one line of JSON.
func (a Annotation) Line() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // the markers stay readable
	err := enc.Encode(a)
	return b.Bytes(), err
}

// SplitsHeader is the first row of <dataset>_splits.csv, from which CLIMB's loaders of signals
// (src/datasets/ecg/CPSC.py) know where a record is: its name, a flag a class, the side, and the place of the one label among the classes.
// The last column is there for a task of one label only; CLIMB draws one of several by chance, and nothing here does.
func SplitsHeader(t document.Task) []string {
	out := append([]string{"patient"}, t.Classes...)
	out = append(out, "split")
	if t.Type == document.Multiclass {
		out = append(out, "label")
	}
	return out
}

// SplitsRow is the row of a sample; record is the path of its files without their extensions.
func SplitsRow(t document.Task, s document.Sample, record string) []string {
	out := []string{record}
	label := ""
	for i, yes := range positive(t.Classes, s.Labels) {
		if yes {
			label = fmt.Sprint(i)
		}
		out = append(out, flag(yes))
	}
	side := s.Split
	if side == "validation" {
		side = "val"
	}
	out = append(out, side)
	if t.Type == document.Multiclass {
		out = append(out, label)
	}
	return out
}

// LabelsHeader is the first row of labels.csv, a row of which is a sample: where it is, who it is of, and a flag a class.
func LabelsHeader(t document.Task) []string {
	return append([]string{"id", "files", "subject", "labels"}, t.Classes...)
}

// LabelsRow is the row of a sample. Files and labels are joined by "|".
func LabelsRow(t document.Task, s document.Sample, files []string) []string {
	out := []string{s.ID, strings.Join(files, "|"), s.Subject, strings.Join(s.Labels, "|")}
	for _, yes := range positive(t.Classes, s.Labels) {
		out = append(out, flag(yes))
	}
	return out
}

func flag(yes bool) string {
	if yes {
		return "1"
	}
	return "0"
}
