package host

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
)

// MaxLine is how many bytes a line of a plugin may have.
const MaxLine = 64 << 10

// excess is a complaint of too much of something.
type excess string

func (e excess) Error() string { return string(e) }

var errLongLine = excess(fmt.Sprintf("the line has more than %d bytes; what is large belongs into a file of the output", MaxLine))

// maxText is how much of a text of a plugin is passed on, in bytes. An error has to fit into a history.
const maxText = 4000

// Codes of an error.
const (
	CodePermanent   = "permanent"   // the plugin would fail again
	CodeTransient   = "transient"   // another try can help
	CodeMemory      = "memory"      // there was not enough memory
	CodePanic       = "panic"       // a bug of the plugin
	CodeInterrupted = "interrupted" // it was asked to end, and did
)

// Event is one line of a plugin's answer. Each kind of line has its own fields; others are refused in it.
type Event interface{ check() error }

// Event types.
type (
	// Progress says how far the plugin is.
	Progress struct {
		Done  int64  `json:"done"`
		Total int64  `json:"total,omitempty"`
		Unit  string `json:"unit,omitempty"`
		Note  string `json:"note,omitempty"`
	}
	// Log says something once, to whoever watches.
	Log struct {
		Message string `json:"message"`
		Done    int64  `json:"done,omitempty"`
		Total   int64  `json:"total,omitempty"`
		Unit    string `json:"unit,omitempty"`
	}
	// Checkpoint says that the state after so many steps lies in a file of the folder of checkpoints. From then on
	// the file is the host's, which removes it when the state is kept.
	Checkpoint struct {
		Step int64  `json:"step"`
		Path string `json:"path"`
	}
	// Resumed says that the state of the request was loaded.
	Resumed struct {
		Step int64 `json:"step"`
	}
	// File says what a publisher says of a fetched file.
	File struct {
		Path   string        `json:"path"`
		Size   *int64        `json:"size,omitempty"`
		Digest digest.Digest `json:"digest,omitempty"`
	}
	// Result says that all is done.
	Result struct {
		Source   map[string]string `json:"source,omitempty"`   // fetch: where the bytes come from, for dataset.json
		Task     *document.Task    `json:"task,omitempty"`     // curate: what is predicted
		Features []string          `json:"features,omitempty"` // curate: names of channels, columns or node features
	}
	// Failure says why there is no result.
	Failure struct {
		Code       string       `json:"code"`
		Message    string       `json:"message"`
		RetryAfter float64      `json:"retryAfter,omitempty"` // seconds
		Fault      plugins.Code `json:"fault,omitempty"`
	}
)

func (e *Progress) check() error { return counts(e.Done, e.Total) }
func (e *Log) check() error {
	return cmp.Or(needText("message", e.Message), counts(e.Done, e.Total))
}
func (e *Resumed) check() error { return needStep(e.Step) }

func (e *Checkpoint) check() error {
	if strings.Contains(e.Path, "/") {
		return fmt.Errorf("path %.80q: want the name of a file in the folder of checkpoints", e.Path)
	}
	return cmp.Or(needStep(e.Step), needPath(e.Path))
}

func (e *File) check() error {
	if e.Size != nil && *e.Size < 0 {
		return fmt.Errorf("size is %d", *e.Size)
	}
	if e.Digest != "" && e.Digest.Validate() != nil {
		return fmt.Errorf("digest %.80q: want an algorithm and hexadecimal digits after a colon, as in sha256:0123abcd", e.Digest)
	}
	return needPath(e.Path)
}

func (e *Result) check() error { return nil }

func (e *Failure) check() error {
	switch e.Code {
	case CodePermanent, CodeTransient, CodeMemory, CodePanic, CodeInterrupted:
	default:
		return fmt.Errorf("code %.40q: want %s, %s, %s, %s or %s", e.Code, CodePermanent, CodeTransient, CodeMemory, CodePanic, CodeInterrupted)
	}
	if len(e.Fault) > 40 || strings.ContainsFunc(string(e.Fault), func(r rune) bool { return (r < 'a' || r > 'z') && r != '-' }) {
		return fmt.Errorf("fault %.60q: want a word such as %s", e.Fault, plugins.FaultBusy)
	}
	if !(e.RetryAfter >= 0 && e.RetryAfter <= (366*24*time.Hour).Seconds()) {
		return fmt.Errorf("retryAfter is %v: want seconds, at most a year", e.RetryAfter)
	}
	return needText("message", e.Message)
}

func counts(done, total int64) error {
	if done < 0 || total < 0 {
		return fmt.Errorf("done is %d and total %d: want 0 or more", done, total)
	}
	return nil
}

func needStep(step int64) error {
	if step < 1 {
		return fmt.Errorf("step is %d: want 1 or more", step)
	}
	return nil
}

func needText(name, text string) error {
	if strings.TrimSpace(text) == "" {
		return fmt.Errorf("%s is empty", name)
	}
	return nil
}

func needPath(path string) error {
	if !fs.ValidPath(path) || path == "." || strings.ContainsAny(path, "\x00\\") {
		return fmt.Errorf("path %.80q: want a clean relative path with slashes", path)
	}
	return nil
}

// newEvent makes the event of a name, nil if there is none.
func newEvent(name string) Event {
	switch name {
	case "progress":
		return &Progress{}
	case "log":
		return &Log{}
	case "checkpoint":
		return &Checkpoint{}
	case "resumed":
		return &Resumed{}
	case "file":
		return &File{}
	case "result":
		return &Result{}
	case "error":
		return &Failure{}
	}
	return nil
}

func nameOf(e Event) string {
	switch e.(type) {
	case *Progress:
		return "progress"
	case *Log:
		return "log"
	case *Checkpoint:
		return "checkpoint"
	case *Resumed:
		return "resumed"
	case *File:
		return "file"
	case *Result:
		return "result"
	}
	return "error"
}

// ParseEvent reads one line.
func ParseEvent(line []byte) (Event, error) {
	if len(line) > MaxLine {
		return nil, errLongLine
	}
	if !utf8.Valid(line) {
		return nil, fmt.Errorf("%s is not UTF-8", quoted(line))
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(line, &all); err != nil || all == nil {
		return nil, fmt.Errorf("want a JSON object, have %s", quoted(line))
	}
	var name string
	_ = json.Unmarshal(all["event"], &name) // what is no text is no name
	e := newEvent(name)
	if e == nil {
		return nil, fmt.Errorf("event is %s: want progress, log, checkpoint, resumed, file, result or error", quoted(all["event"]))
	}
	delete(all, "event")
	rest, err := json.Marshal(all)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(rest))
	dec.DisallowUnknownFields()
	if err := dec.Decode(e); err != nil {
		return nil, fmt.Errorf("%s: %s", name, strings.TrimPrefix(err.Error(), "json: "))
	}
	if err := e.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return e, nil
}

// quoted shows the begin of what a plugin wrote.
func quoted(b []byte) string {
	if len(b) > 60 {
		return fmt.Sprintf("%.60q...", b)
	}
	return fmt.Sprintf("%q", b)
}

// WriteEvent writes one line.
func WriteEvent(w io.Writer, e Event) error {
	if err := e.check(); err != nil {
		return fmt.Errorf("%s: %w", nameOf(e), err)
	}
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	line := fmt.Appendf(nil, `{"event":%q`, nameOf(e))
	if len(text) > len("{}") {
		line = append(append(line, ','), text[1:len(text)-1]...)
	}
	_, err = w.Write(append(line, '}', '\n'))
	return err
}

// plain makes a text of a plugin fit for a terminal, a log and a history: no control characters but the ends of lines,
// bounded.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	return cut(strings.TrimSpace(s), maxText)
}

// line is a plain text of one line.
func line(s string) string { return strings.ReplaceAll(plain(s), "\n", " ") }

// cut shortens a text to about n bytes.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "..."
}
