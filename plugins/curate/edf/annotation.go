package edf

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bytes that end the parts of a list (section 2.2.2 of the specification of EDF+).
const (
	endOfList     = 0
	endOfText     = 20
	beginDuration = 21
)

// tals parses the time-stamped annotation lists of one signal in one record:
//
//	+<onset>[\x15<duration>]\x14<text>\x14<text>\x14\x00
//
// The first list of a record begins with an empty text and its onset is when the record begins.
type tals struct {
	raw    []byte
	base   int64 // offset of raw in the file
	signal int
	start  float64 // of the record
	found  []Annotation
}

func (t *tals) fail(at int, value, want string) error {
	return &FormatError{Field: annotations, Signal: t.signal, Offset: t.base + int64(at), Value: value, Want: want}
}

// parse reads all lists. timed asks for the list that says when the record begins.
func (t *tals) parse(timed bool) error {
	for at := 0; at < len(t.raw); {
		if t.raw[at] == endOfList { // unused bytes
			at++
			continue
		}
		size := bytes.IndexByte(t.raw[at:], endOfList)
		if size < 0 {
			return t.fail(at, string(t.raw[at:]), "a list that ends with a zero byte")
		}
		if err := t.list(at, string(t.raw[at:at+size]), timed); err != nil {
			return err
		}
		timed = false
		at += size + 1
	}
	if timed {
		return t.fail(0, "", "a list that says when the record begins")
	}
	return nil
}

func (t *tals) list(at int, list string, timed bool) error {
	head, texts, ok := strings.Cut(list, string(rune(endOfText)))
	if !ok || texts != "" && !strings.HasSuffix(texts, string(rune(endOfText))) {
		return t.fail(at, list, "texts that each end with byte 20")
	}
	onset, duration, has := strings.Cut(head, string(rune(beginDuration)))
	a := Annotation{}
	var good bool
	if a.Onset, good = seconds(onset); !good || onset[0] != '+' && onset[0] != '-' {
		return t.fail(at, onset, "an onset such as +12.5")
	}
	if has {
		if a.Duration, good = seconds(duration); !good || duration[0] < '0' || duration[0] > '9' {
			return t.fail(at+len(onset)+1, duration, "a duration such as 0.5")
		}
	}
	if timed {
		if !strings.HasPrefix(texts, string(rune(endOfText))) {
			return t.fail(at, list, "an onset and an empty text, which say when the record begins")
		}
		t.start = a.Onset
	}
	return t.keep(at, a, texts)
}

// keep adds the texts of a list but for empty ones, which only keep time.
func (t *tals) keep(at int, a Annotation, texts string) error {
	if !utf8.ValidString(texts) {
		return t.fail(at, texts, "text in UTF-8")
	}
	for text := range strings.SplitSeq(texts, string(rune(endOfText))) {
		if a.Text = text; text != "" {
			t.found = append(t.found, a)
		}
	}
	return nil
}

func seconds(text string) (float64, bool) {
	v, err := strconv.ParseFloat(text, 64)
	good := err == nil && !math.IsInf(v, 0) && !math.IsNaN(v) && !strings.ContainsAny(text, "xX_pPeEnN")
	return v, good
}
