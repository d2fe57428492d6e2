package execute

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/plugins"
)

// TestLogIsBounded: of what a step said the beginning and the end are kept, in little memory.
func TestLogIsBounded(t *testing.T) {
	l := newLog(func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) })
	l.fact("step", "fetch/x")
	for i := range 100_000 {
		l.progress(plugins.Progress{Done: int64(i), Total: 100_000, Unit: "files", Note: fmt.Sprintf("note %d ", i) + strings.Repeat("ä", i%1000)})
		l.progress(plugins.Progress{Done: int64(i), Total: 100_000, Unit: "files"}) // numbers alone are no line
	}
	text := l.text(activities.Permanent(activities.Failed, errors.New("first"+strings.Repeat("ö", logError)+"last")))
	if most := logHead + logTail + logError + 1000; len(text) > most || cap(l.tail) > 1<<12 {
		t.Errorf("%d bytes, want at most %d; room for %d lines", len(text), most, cap(l.tail))
	}
	for _, want := range []string{"step      fetch/x\n", "note 0 ", "note 1 ", "lines are left out", "note 99999 ", "it was at 99999 of 100000 files", "last\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in the log", want)
		}
	}
	if strings.Contains(text, "note 50000 ") || !utf8.ValidString(text) {
		t.Error("the middle is in the log, or it is no text")
	}
}
