package execute

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/plugins"
)

// Bounds of a log, in bytes. What lies between the first and the last lines is left out.
const (
	logHead  = 4 << 10
	logTail  = 64 << 10
	logError = 64 << 10 // of an error, and of all that it left behind
	logLine  = 1 << 10
)

// stepLog is what a step said in one try, for the case that it fails.
type stepLog struct {
	now   func() time.Time
	began time.Time

	mu      sync.Mutex
	facts   strings.Builder // what the log is of
	head    strings.Builder
	tail    []string
	bytes   int // of tail
	dropped int // lines between head and tail
	note    string
	last    plugins.Progress
	secrets secrets
}

func newLog(now func() time.Time) *stepLog {
	return &stepLog{now: now, began: now()}
}

// fact writes a line of the heading.
func (l *stepLog) fact(key string, value any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(&l.facts, "%-8s  %v\n", key, value)
}

// progress keeps notes. Numbers come too often; the last ones are enough.
func (l *stepLog) progress(p plugins.Progress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = p
	if p.Note != "" && p.Note != l.note {
		l.note = p.Note
		l.add(p.Note)
	}
}

func (l *stepLog) add(text string) {
	text = strings.ReplaceAll(l.secrets.hide(text), "\n", "\n"+strings.Repeat(" ", 13))
	line := fmt.Sprintf("%9.3f s  %s\n", l.seconds(), strings.ToValidUTF8(text[:min(len(text), logLine)], ""))
	if len(l.tail) == 0 && l.head.Len()+len(line) <= logHead {
		l.head.WriteString(line)
		return
	}
	l.tail, l.bytes = append(l.tail, line), l.bytes+len(line)
	for l.bytes > logTail {
		l.bytes -= len(l.tail[0])
		l.tail, l.dropped = l.tail[1:], l.dropped+1
	}
}

func (l *stepLog) seconds() float64 { return l.now().Sub(l.began).Seconds() }

// text is the whole log of a step that failed.
func (l *stepLog) text(err error) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%sbegan     %s\n\n%s", l.facts.String(), l.began.UTC().Format(time.RFC3339), l.head.String())
	if l.dropped > 0 {
		fmt.Fprintf(&b, "             ... %d lines are left out ...\n", l.dropped)
	}
	b.WriteString(strings.Join(l.tail, ""))
	class := activities.ClassOf(activities.Kind(err))
	fmt.Fprintf(&b, "%9.3f s  %s: %s", l.seconds(), class.Type, class.Is)
	if l.last.Done > 0 {
		fmt.Fprintf(&b, "; it was at %d of %d %s", l.last.Done, max(l.last.Total, l.last.Done), l.last.Unit)
	}
	fmt.Fprintf(&b, "\n\n%s\n", l.bounded(err.Error()))
	for _, e := range chain(err) {
		if left, ok := e.(interface{ Log() []byte }); ok {
			fmt.Fprintf(&b, "\n--- %T\n%s", e, l.bounded(string(left.Log())))
		} else {
			fmt.Fprintf(&b, "--- %T\n", e)
		}
	}
	return b.String()
}

// bounded hides the secrets of a text and keeps the end of one that is too long: there stands what came last.
func (l *stepLog) bounded(text string) string {
	text = l.secrets.hide(text)
	if len(text) > logError {
		text = "... " + text[len(text)-logError:]
	}
	return strings.ToValidUTF8(text, "?")
}

// chain lists an error and all that it wraps, without what only adds words.
func chain(err error) []error {
	var all []error
	switch e := err.(type) { //nolint:errorlint // this walks the chain
	case nil:
		return nil
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			all = append(all, chain(inner)...)
		}
		return all
	case interface{ Unwrap() error }:
		all = chain(e.Unwrap())
	}
	if _, isLog := err.(interface{ Log() []byte }); !isLog && slices.Contains(wordless, fmt.Sprintf("%T", err)) {
		return all
	}
	return append([]error{err}, all...)
}

// wordless are types of errors that say nothing by themselves.
var wordless = []string{"*fmt.wrapError", "*fmt.wrapErrors", "*errors.errorString", "*errors.joinError", "*activities.fault"}

// Execute does a step of a plan. What a try said that failed lies in the store, and its error names it.
func (e *Executor) Execute(ctx context.Context, req activities.ExecuteRequest, try Attempt) (activities.Result, error) {
	l := newLog(e.Now)
	try.log = l
	l.fact("step", req.Step)
	l.fact("plan", req.Plan)
	l.fact("run", fmt.Sprintf("%s, try %d", try.Invocation, max(try.Number, 1)))
	for _, name := range slices.Sorted(maps.Keys(e.Builder.Version)) {
		l.fact(name, e.Builder.Version[name])
	}
	out, err := e.safely(ctx, req, try)
	if err == nil || ctx.Err() != nil {
		return out, err
	}
	err = Mark(err)
	// The run keeps the log, as it keeps all that it has done, until it ends well. Where the store cannot take it, the
	// error itself has to do.
	id, _ := cas.PutBytes(ctx, e.Store, []byte(l.text(err)))
	return out, activities.WithLog(l.secrets.safe(err), id)
}

// safely makes an error of a panic of our own. A plugin's is one already.
func (e *Executor) safely(ctx context.Context, req activities.ExecuteRequest, try Attempt) (out activities.Result, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = plugins.Recovered(req.Step+":", v)
		}
	}()
	return e.execute(ctx, req, try)
}
