package manifests

import (
	"regexp"
	"strings"

	"github.com/cairn-bench/cairn/manifests/document"
)

// Metrics lists the metrics that an evaluation can give and a claim can be about. All lie in [0, 1].
func Metrics() []string {
	return []string{"auroc", "auprc", "sensitivity", "specificity", "f1", "accuracy", "balanced_accuracy"}
}

// Accesses lists how a person comes to a dataset, the least restricted first.
func Accesses() []string {
	return []string{"open", "registration", "credentialed", "application", "competition-rules"}
}

// Modalities lists the known modalities.
func Modalities() []string {
	return []string{"ecg", "eeg", "image", "xray", "ct", "mri", "ultrasound", "dermoscopy", "fundus", "mammography", "pathology",
		"microscopy", "gene-expression", "gait", "graph", "ehr", "table", "video", "text", "multimodal"}
}

// identifier is what a name looks like: it becomes part of step names, paths and tags.
var identifier = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)

const identifierRule = "a name has lower-case letters, digits and dashes, starts with a letter or digit, and has at most 64 characters"

// maxIdentifier keeps names of steps and files short enough for every system.
const maxIdentifier = 64

// IsName says whether a text can be the name of something: lower-case letters, digits and dashes.
func IsName(s string) bool { return isIdentifier(s) }

// IsLine says whether a text says something, on one line: what a person is called, or a destination.
func IsLine(s string) bool {
	return strings.TrimSpace(s) != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

func isIdentifier(s string) bool { return len(s) <= maxIdentifier && identifier.MatchString(s) }

// names is a set of known words that remembers their order for messages.
type names struct {
	list []string
	set  map[string]bool
}

func newNames(list []string) names {
	n := names{list: list, set: make(map[string]bool, len(list))}
	for _, w := range list {
		n.set[w] = true
	}
	return n
}

func (n names) has(w string) bool { return n.set[w] }

// choices lists the words for a message, as long as that helps.
func (n names) choices() string {
	switch len(n.list) {
	case 0:
		return "there is none"
	case 1:
		return "there is only " + n.list[0]
	}
	if len(n.list) > 24 {
		return "there are " + strings.Join(n.list[:24], ", ") + ", ..."
	}
	return "there are " + strings.Join(n.list, ", ")
}

func splits() []string { return document.Splits() }
