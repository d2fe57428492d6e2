package sourcetest

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
)

// faultRow is a fault that requests for the bytes of one file meet, and what has to come of it.
type faultRow struct {
	fault    func() publisher.Fault
	sums     bool         // it is only noticed where the publisher's list has checksums
	resumes  bool         // it is only survived where a transfer can be taken up
	survived plugins.Code // that a note tells of, "" if none has to
	end      plugins.Code // "" if the file arrives
	or       plugins.Code // is as good an end: a source cannot always tell
	// How many bytes may come again, if the transfer can be taken up and if it cannot; whole is all of the file.
	twice, anew int64
	waits       time.Duration
	says        []string // one of them is in the error
	rest        bool     // what arrived before the error does not come again
}

const (
	spill = 2 * Block // what is read of an answer that is then refused
	whole = -1
)

var access = []string{"accept", "credential", "access", "log in", "token"}

func always(f publisher.Fault) func() publisher.Fault {
	return func() publisher.Fault { return f }
}

func once(f publisher.Fault) func() publisher.Fault {
	return func() publisher.Fault { return publisher.First(1, f) }
}

// faultRows are what a publisher can do to a transfer.
var faultRows = map[string]faultRow{
	"cut":            {fault: once(publisher.CutAt(half)), survived: plugins.FaultCut, anew: half},
	"cut everywhere": {fault: always(publisher.CutAt(5000)), survived: plugins.FaultCut, resumes: true},
	"hang up":        {fault: always(publisher.Hangup), end: plugins.FaultUnreachable},
	"stall":          {fault: once(publisher.StallAt(half)), survived: plugins.FaultStalled, anew: half, waits: time.Minute},
	"silence":        {fault: always(publisher.Silent), end: plugins.FaultStalled, waits: 3 * time.Minute},
	"slow":           {fault: always(publisher.Slow(Block, 50*time.Second)), waits: 5 * time.Minute},
	"429":            {fault: once(publisher.Busy(90)), survived: plugins.FaultBusy, waits: 90 * time.Second},
	"503":            {fault: once(publisher.Unavailable), survived: plugins.FaultUnavailable},
	"503 for good":   {fault: always(publisher.Unavailable), end: plugins.FaultUnavailable},

	"ignores ranges": {fault: always(publisher.IgnoreRange), twice: spill, anew: spill},
	"cut, then ignores ranges": {fault: func() publisher.Fault {
		return publisher.Both(publisher.First(1, publisher.CutAt(half)), publisher.IgnoreRange)
	}, survived: plugins.FaultCut, twice: half + spill, anew: half + spill},
	"416":                  {fault: always(publisher.NoParts)},
	"wrong range":          {fault: always(publisher.For(publisher.Parts, publisher.WrongRange)), twice: spill, anew: spill},
	"wrong range for good": {fault: always(publisher.WrongRange), end: plugins.FaultWrongRange},

	"changed":          {fault: once(publisher.Both(publisher.CutAt(half), publisher.Changed)), twice: half + spill, anew: half},
	"changed for good": {fault: always(publisher.Changed), sums: true, end: plugins.FaultDiffers, twice: whole, anew: whole},
	"flipped":          {fault: once(publisher.FlipAt(half)), sums: true, survived: plugins.FaultDamaged, twice: whole, anew: whole},
	"flipped elsewhere each time": {fault: func() publisher.Fault {
		return publisher.Script(func(n int, _ *http.Request) publisher.Fault { return publisher.FlipAt(n) })
	}, sums: true, survived: plugins.FaultDamaged, end: plugins.FaultDamaged, twice: 2 * whole, anew: 2 * whole},
	"compressed": {fault: always(publisher.Compressed), end: plugins.FaultEncoded},

	"login page":    {fault: always(publisher.ToLogin), end: plugins.FaultLogin, says: access},
	"page":          {fault: always(publisher.Page), end: plugins.FaultNotData, or: plugins.FaultLogin}, // behind a redirect it is one
	"403":           {fault: always(publisher.Forbidden), end: plugins.FaultForbidden, says: access},
	"401":           {fault: always(publisher.Expired), end: plugins.FaultUnauthorized, says: access},
	"token expires": {fault: always(publisher.After(1, publisher.Expired)), end: plugins.FaultUnauthorized, says: access, rest: true},
	"404":           {fault: always(publisher.Absent), end: plugins.FaultAbsent},
}

func faults() map[string]func(*visit) {
	out := map[string]func(*visit){"another host": func(v *visit) { v.redirected() }}
	for name, row := range faultRows {
		out[name] = func(v *visit) { v.struck(row) }
	}
	return out
}

// struck fetches once while all is well, and then, from nothing, while one file meets a fault.
func (v *visit) struck(row faultRow) {
	if row.sums && !v.Sums {
		v.Skip("nothing shows it: the publisher's list has no checksums")
	}
	if row.resumes && !v.Sums && !v.Versions {
		v.Skip("nothing shows that two transfers are of one file")
	}
	v.right()
	file, size := v.victim()
	v.partial = v.TempDir()
	v.meets(func(f string) bool { return f == file || f == loginPage }, row.fault())
	before, _ := v.given()
	start := time.Now()
	if row.end == "" {
		v.right()
		v.notMore(file, before[file]+size+row.again(size, v.Sums || v.Versions))
	} else {
		_, err := v.fetch(v.Context())
		v.refused(err, row)
	}
	if row.survived != "" && !v.survived(row.survived) {
		v.Errorf("no word of %q: %s", row.survived, v.said())
	}
	if took := time.Since(start); took < row.waits {
		v.Errorf("took %s, want at least %s", took, row.waits)
	}
	if row.end != "" {
		v.mends(file, size, row.rest)
	}
}

// again is how many bytes may come twice.
func (r faultRow) again(size int64, resumes bool) int64 {
	n := r.anew
	if resumes {
		n = r.twice
	}
	if n < 0 {
		n *= -size
	}
	return n
}

// refused judges the error of a fetch.
func (v *visit) refused(err error, row faultRow) {
	v.Helper()
	if code := plugins.FaultCode(err); code != row.end && (row.or == "" || code != row.or) {
		v.Fatalf("ended with %v, want code %q; %s", err, row.end, v.said())
	}
	lower := strings.ToLower(err.Error())
	if row.says != nil && !v.names(err.Error()) && !slices.ContainsFunc(row.says, func(s string) bool { return strings.Contains(lower, s) }) {
		v.Errorf("%v: want what to do about it, such as %q", err, row.says)
	}
	if row.end == plugins.FaultDiffers {
		v.disputed(err)
	}
}

// disputed wants an error to say who disagrees about what.
func (v *visit) disputed(err error) {
	v.Helper()
	d, ok := errors.AsType[*plugins.Dispute](err)
	if !ok {
		v.Fatalf("%v: nobody is named who disagrees", err)
	}
	if d.Path == "" || d.Ref == "" || d.Got == "" || strings.ContainsAny(d.Ref+d.List, "?#") {
		v.Errorf("dispute about %q at %q, list %q: got %q", d.Path, d.Ref, d.List, d.Got)
	}
}

// mends fetches over what a failed run has left, now that all is well.
func (v *visit) mends(file string, size int64, rest bool) {
	v.Helper()
	before, _ := v.given()
	v.heals()
	v.right()
	most := size
	if rest && (v.Sums || v.Versions) {
		most -= 6 * Block
	}
	v.notMore(file, before[file]+most)
}

func (v *visit) notMore(file string, most int64) {
	v.Helper()
	if after, _ := v.given(); after[file] > most {
		v.Errorf("%s: the publisher gave %d bytes, want at most %d: %v", file, after[file], most, v.box.Requests())
	}
}

// redirected: a redirect to a stranger leads there, but not with credentials, which holdsNoSecret finds.
func (v *visit) redirected() {
	v.right()
	file, _ := v.victim()
	v.partial = v.TempDir()
	v.meets(func(f string) bool { return f == file }, func(http.Handler) http.Handler {
		return http.RedirectHandler("https://"+stranger+"/", http.StatusFound)
	})
	if _, err := v.fetch(v.Context()); plugins.FaultCode(err) != plugins.FaultAbsent {
		v.Errorf("ended with %v, want code %q", err, plugins.FaultAbsent)
	}
}

// listFaults are faults of what is asked before any file: lists, tokens, pages of lists.
func listFaults() map[string]func(*visit) {
	out := map[string]func(*visit){}
	for name, row := range map[string]faultRow{
		"cut":          {fault: once(publisher.CutAt(1))},
		"429":          {fault: once(publisher.Busy(90)), waits: 90 * time.Second},
		"503":          {fault: once(publisher.Unavailable)},
		"page":         {fault: always(publisher.Page), end: plugins.FaultNotData, or: plugins.FaultLogin},
		"login page":   {fault: always(publisher.ToLogin), end: plugins.FaultLogin, says: access},
		"403":          {fault: always(publisher.Forbidden), end: plugins.FaultForbidden, says: access},
		"401":          {fault: always(publisher.Expired), end: plugins.FaultUnauthorized, says: access},
		"503 for good": {fault: always(publisher.Unavailable), end: plugins.FaultUnavailable},
	} {
		out[name] = func(v *visit) { v.unlisted(row) }
	}
	return out
}

// unlisted lets one of the requests for a list after the other meet a fault. Part of a list must never do.
func (v *visit) unlisted(row faultRow) {
	v.right()
	_, others := v.given()
	if others == 0 {
		v.Skip("it asks for no list")
	}
	for n := range others {
		v.partial = v.TempDir()
		v.meets(func(f string) bool { return f == "" || f == loginPage }, publisher.After(n, row.fault()))
		start := time.Now()
		if row.end == "" {
			v.right()
		} else {
			_, err := v.fetch(v.Context())
			v.refused(err, row)
		}
		if took := time.Since(start); took < row.waits {
			v.Errorf("took %s, want at least %s", took, row.waits)
		}
		synctest.Wait()
	}
	v.heals()
	v.right()
}
