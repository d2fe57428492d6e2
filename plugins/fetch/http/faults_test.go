package httpfetch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// The sizes of the tests: a block stands for 8 MiB, so that a large file is one of more than 8 blocks.
const (
	block = 4096
	small = 5*block + 100
	large = 20*block + 100
	half  = 2*block + 1000
)

// offer is what a publisher has.
type offer struct {
	data []byte
	etag string
}

func (o offer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	publisher.Content(w, r, o.etag, o.data)
}

// instead has something else on offer.
func instead(other func(offer) offer) publisher.Fault {
	return func(h http.Handler) http.Handler { return other(h.(offer)) }
}

func once(faults ...publisher.Fault) publisher.Fault {
	return publisher.First(1, publisher.Both(faults...))
}

func thenAlways(first, rest publisher.Fault) publisher.Fault {
	return publisher.Script(func(n int, _ *http.Request) publisher.Fault {
		if n == 1 {
			return first
		}
		return rest
	})
}

// retagged gives each answer another ETag.
var retagged = publisher.Script(func(n int, _ *http.Request) publisher.Fault { return publisher.Retag(fmt.Sprintf(`"%d"`, n)) })

// at puts a handler where the manifests of these tests look for it.
func at(t *testing.T, h http.Handler) *publisher.Box {
	t.Helper()
	return publisher.Hosts{"http://publisher.test": h}.Open(t)
}

const (
	spill = 8 << 10 // what is read of an answer that is then refused
	page  = len(publisher.LoginPage)
)

// faultRows is the whole list of what a publisher can do to a transfer.
var faultRows = []struct {
	name  string
	file  string // size, and whether the manifest knows its checksum and size
	fault publisher.Fault

	codes  string       // of the faults that were survived, in order
	end    plugins.Code // "" if the file arrived
	bytes  int          // given by the publisher, or
	most   int          // at most, where it takes more than one connection, or an answer is refused when some of it has been read
	waits  time.Duration
	hint   string // in the error
	healed int    // bytes of a second run, when the publisher serves as it should
}{
	{name: "no fault", file: "small listed", fault: publisher.None, bytes: small},
	{name: "no fault, parallel", file: "large listed", fault: publisher.None, bytes: large},
	{name: "no fault, parallel and unlisted", file: "large", fault: publisher.None, bytes: large},

	{name: "cut once", file: "small listed", fault: once(publisher.CutAt(half)), codes: "cut", bytes: small},
	{name: "cut once, unlisted", file: "small", fault: once(publisher.CutAt(half)), codes: "cut", bytes: small},
	{name: "cut at every 5000 bytes", file: "small listed", fault: publisher.CutAt(5000), codes: "cut cut cut cut", bytes: small},
	{name: "cut before the first byte", file: "small listed", fault: publisher.Hangup,
		codes: "unreachable unreachable unreachable", end: plugins.FaultUnreachable, healed: small},
	{name: "cut, nothing vouches", file: "small", fault: once(publisher.CutAt(half), publisher.Retag("")), codes: "cut", bytes: half + small},
	{name: "cut, weak etag", file: "small", fault: once(publisher.CutAt(half), publisher.Retag(`W/"v1"`)), codes: "cut", bytes: half + small},
	{name: "cut in a large file", file: "large", fault: publisher.First(3, publisher.CutAt(half)), codes: "cut cut cut", bytes: large},

	{name: "stall once", file: "small listed", fault: once(publisher.StallAt(half)), codes: "stalled", bytes: small, waits: time.Minute},
	{name: "stall for good", file: "small listed", fault: publisher.Silent,
		codes: "stalled stalled stalled", end: plugins.FaultStalled, waits: 3 * time.Minute, hint: "no byte for 1m0s", healed: small},
	{name: "throttle", file: "small listed", fault: publisher.Slow(512, 50*time.Second), bytes: small, waits: 41 * 50 * time.Second},

	{name: "ignores Range", file: "large listed", fault: publisher.IgnoreRange, bytes: large},
	{name: "cut, then ignores Range", file: "small listed", fault: publisher.Then(publisher.CutAt(half), publisher.IgnoreRange), codes: "cut", bytes: half + small},
	{name: "ignores Range from the second part on", file: "large", fault: publisher.After(1, publisher.Both(publisher.IgnoreRange, publisher.CutAt(large))),
		codes: "no-ranges", most: 8*block + large + 2*spill},
	{name: "gives parts, but nothing vouches for them", file: "large", fault: publisher.Retag(""), codes: "no-ranges", most: large + spill},
	{name: "gives parts, and the list vouches for them", file: "large listed", fault: publisher.Retag(`W/"v1"`), bytes: large},
	{name: "answers 416 to every part", file: "small listed", fault: publisher.NoParts, codes: "no-ranges", bytes: small},
	{name: "answers 416 to everything", file: "small", fault: publisher.Status(http.StatusRequestedRangeNotSatisfiable),
		codes: "no-ranges", end: plugins.FaultNoRanges, healed: small},
	{name: "cut, then answers 416", file: "small listed", fault: publisher.Then(publisher.CutAt(half), publisher.NoParts), codes: "cut no-ranges", bytes: half + small},
	{name: "an empty file, of which no part can be given", file: "empty listed",
		fault: once(publisher.Status(http.StatusRequestedRangeNotSatisfiable, "Content-Range", "bytes */0")), codes: "no-ranges"},

	{name: "cut, then changed", file: "small", fault: once(publisher.CutAt(half), publisher.Changed), codes: "cut changed", bytes: half + small},
	{name: "changed between the parts", file: "large", fault: once(publisher.Changed), codes: "changed", most: 8*block + large + 2*spill},
	{name: "changed without a word", file: "small listed", fault: once(publisher.CutAt(half), publisher.Changed), codes: "cut changed", bytes: half + small},
	{name: "changed, and the list is old", file: "small listed", fault: publisher.Changed,
		codes: "damaged", end: plugins.FaultDiffers, bytes: 2 * small, hint: "digest differs: publisher says sha256:", healed: small},
	{name: "another ETag, the same bytes", file: "small listed", fault: once(publisher.CutAt(half), publisher.Retag(`"other"`)), codes: "cut changed", bytes: half + small},
	{name: "each server has an ETag of its own", file: "large", fault: retagged, codes: "changed changed", most: 2*8*block + large + 4*spill},
	{name: "changes at every request", file: "small", fault: publisher.Both(publisher.CutAt(half), retagged),
		codes: "cut changed cut changed cut", end: plugins.FaultCut, bytes: 3 * half, healed: small},

	{name: "flips a byte once", file: "small listed", fault: once(publisher.FlipAt(1)), codes: "damaged", bytes: 2 * small},
	{name: "flips another byte each time", file: "small listed", fault: publisher.Script(func(n int, _ *http.Request) publisher.Fault { return publisher.FlipAt(n) }),
		codes: "damaged damaged damaged", end: plugins.FaultDamaged, bytes: 3 * small, healed: small},
	{name: "compresses on the way", file: "small listed", fault: publisher.Compressed, end: plugins.FaultEncoded, most: spill, hint: `encoded as "gzip"`, healed: small},

	{name: "redirects to a login page", file: "small", fault: publisher.ToLogin,
		end: plugins.FaultLogin, most: spill, hint: `titled "Log in to Publisher"; log in there and accept the terms`, healed: small},
	{name: "redirects for ever", file: "small", fault: publisher.ToItself, end: plugins.FaultRedirect, most: spill, hint: "more than 10", healed: small},
	{name: "HTML with 200", file: "small", fault: publisher.Page, end: plugins.FaultNotData, bytes: page, hint: "not data but a web page", healed: small},
	{name: "HTML with 200 for a listed file", file: "small listed", fault: publisher.Page, end: plugins.FaultNotData, bytes: page, healed: small},
	{name: "cut, then HTML with 200", file: "small listed", fault: publisher.Then(publisher.CutAt(half), publisher.Page),
		codes: "cut", end: plugins.FaultNotData, bytes: half + page, healed: small - half},
	{name: "cut, then redirects to a login page", file: "small listed", fault: publisher.Then(publisher.CutAt(half), publisher.ToLogin, publisher.ToLogin),
		codes: "cut", end: plugins.FaultLogin, most: half + spill, healed: small - half},

	{name: "403 until terms are accepted", file: "small listed", fault: publisher.Forbidden,
		end: plugins.FaultForbidden, hint: "accept the terms at the publisher's, wait for its approval if it gives one, and run again", healed: small},
	{name: "401", file: "small listed", fault: publisher.Expired, end: plugins.FaultUnauthorized, hint: "the source may need credentials (auth)", healed: small},
	{name: "the token expires midway", file: "small", fault: thenAlways(publisher.CutAt(half), publisher.Expired),
		codes: "cut", end: plugins.FaultUnauthorized, bytes: half, healed: small - half},
	{name: "the token expires in a large file", file: "large listed", fault: publisher.After(1, publisher.Expired),
		end: plugins.FaultUnauthorized, bytes: 8 * block, healed: large - 8*block},
	{name: "403 midway, as an expired signature gives it", file: "small", fault: thenAlways(publisher.CutAt(half), publisher.Forbidden),
		codes: "cut", end: plugins.FaultForbidden, bytes: half, healed: small - half},
	{name: "404", file: "small listed", fault: publisher.Absent, end: plugins.FaultAbsent, hint: "404 Not Found", healed: small},
	{name: "451", file: "small listed", fault: publisher.Status(http.StatusUnavailableForLegalReasons), end: plugins.FaultRefused, healed: small},

	{name: "429 with seconds", file: "small listed", fault: once(publisher.Busy(90)), codes: "busy", bytes: small, waits: 90 * time.Second},
	{name: "429 with a date", file: "small listed", fault: once(publisher.Script(func(int, *http.Request) publisher.Fault {
		return publisher.Status(http.StatusTooManyRequests, "Retry-After", time.Now().Add(80*time.Second).UTC().Format(http.TimeFormat))
	})), codes: "busy", bytes: small, waits: 80 * time.Second},
	{name: "429 for an hour is the engine's to wait", file: "small listed", fault: publisher.Busy(3600), codes: "busy", end: plugins.FaultBusy, healed: small},
	{name: "429 for good", file: "small listed", fault: publisher.Busy(30),
		codes: "busy busy busy", end: plugins.FaultBusy, waits: 60 * time.Second, healed: small},
	{name: "500 once", file: "small listed", fault: once(publisher.Status(http.StatusInternalServerError)), codes: "unavailable", bytes: small},
	{name: "503 with seconds, midway", file: "small", fault: publisher.Then(publisher.CutAt(half), publisher.Status(http.StatusServiceUnavailable, "Retry-After", "100")),
		codes: "cut unavailable", bytes: small, waits: 100 * time.Second},
	{name: "503 for good", file: "small listed", fault: publisher.Unavailable,
		codes: "unavailable unavailable unavailable", end: plugins.FaultUnavailable, hint: "503 Service Unavailable", healed: small},

	{name: "Content-Length too large", file: "small", fault: once(publisher.Promise(small + 100)),
		codes: "cut no-ranges", bytes: 2*small + len("invalid range: failed to overlap\n")},
	{name: "no length, in chunks", file: "small", fault: publisher.Both(publisher.Chunked, publisher.IgnoreRange), bytes: small},
	{name: "no length at all", file: "small", fault: publisher.Unending, codes: "no-length", bytes: 2 * small},
	{name: "no length at all, listed", file: "small listed", fault: publisher.Unending, bytes: small},
	{name: "no length at all, cut", file: "small", fault: once(publisher.Unending, publisher.CutAt(half)), codes: "no-length", bytes: half + small},
	{name: "no length at all, cut, listed", file: "small listed", fault: once(publisher.Unending, publisher.CutAt(half)), codes: "cut", bytes: small},
	{name: "no length at all, cut elsewhere each time", file: "small", fault: publisher.Script(func(n int, _ *http.Request) publisher.Fault {
		return publisher.Both(publisher.Unending, publisher.CutAt(half+n))
	}), codes: "no-length no-length no-length", end: plugins.FaultNoLength, bytes: 3*half + 6, hint: "neither a length nor a checksum", healed: small},
	{name: "Content-Length that is not the listed size", file: "small listed", fault: instead(func(o offer) offer { return offer{o.data[:small-100], o.etag} }),
		end: plugins.FaultWrongSize, most: spill, hint: "size differs: publisher says 20580, received 20480", healed: small},
	{name: "more than the listed size", file: "small listed",
		fault: publisher.Both(publisher.Chunked, publisher.IgnoreRange, instead(func(o offer) offer { return offer{append(bytes.Clone(o.data), "more"...), o.etag} })),
		end:   plugins.FaultWrongSize, bytes: small + len("more"), hint: "received more", healed: small},
	{name: "wrong Content-Range", file: "small listed", fault: publisher.For(publisher.Parts, publisher.WrongRange), codes: "wrong-range", most: small + spill},
	{name: "wrong Content-Range to everything", file: "small listed", fault: publisher.WrongRange,
		codes: "wrong-range", end: plugins.FaultWrongRange, most: spill, healed: small},
	{name: "gives more than the part", file: "large", fault: publisher.For(publisher.Parts, publisher.Ranged(0, large)), codes: "wrong-range", most: large + spill},
	{name: "Content-Range of another size", file: "small listed", fault: publisher.Both(publisher.Ranged(0, 10), instead(func(o offer) offer { return offer{o.data[:10], o.etag} })),
		end: plugins.FaultWrongSize, bytes: 10, healed: small},
}

func TestEveryFault(t *testing.T) {
	for _, row := range faultRows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := offer{random(map[string]int{"empty": 0, "small": small, "large": large}[strings.Fields(row.file)[0]]), `"v1"`}
				listed := strings.HasSuffix(row.file, "listed")
				var now publisher.Switch
				now.Set(row.fault(o))
				box := at(t, &now)
				v := visitor{box: box, params: o.params(t, listed), partial: t.TempDir()}
				start := time.Now()
				got, err := v.fetch(t)
				if plugins.FaultCode(err) != row.end || (err == nil) != (row.end == "") {
					t.Fatalf("ended with %v, want code %q", err, row.end)
				}
				if err == nil && !bytes.Equal(got, o.data) {
					t.Fatalf("a wrong byte got in: %d bytes", len(got))
				}
				if n := int64(len(o.data)); err == nil && (v.done != n || v.total != n) {
					t.Errorf("progress ends at %d of %d bytes, want %d", v.done, v.total, n)
				}
				if err != nil && (!strings.Contains(err.Error(), row.hint) || strings.Contains(err.Error(), "s3cret")) {
					t.Errorf("error is %v, want %q in it and no secret", err, row.hint)
				}
				if codes := strings.Join(v.codes, " "); codes != row.codes {
					t.Errorf("survived %q, want %q", codes, row.codes)
				}
				synctest.Wait() // until the publisher has counted
				_, bytes := box.Asked()
				if row.most == 0 && bytes != int64(row.bytes) || row.most > 0 && bytes > int64(row.most) {
					t.Errorf("the publisher gave %d bytes, want %d, or at most %d; it was asked for %q", bytes, row.bytes, row.most, box.Requests())
				}
				if took := time.Since(start); took < row.waits || took > row.waits+10*time.Second {
					t.Errorf("took %v, want %v and a pause", took, row.waits)
				}
				if err == nil {
					return
				}
				now.Set(o)
				v.heals(t, o, int64(row.healed))
			})
		})
	}
}

// heals runs once more, over what the failed run left.
func (v *visitor) heals(t *testing.T, o offer, want int64) {
	t.Helper()
	synctest.Wait()
	_, before := v.box.Asked()
	got, err := v.fetch(t)
	if err != nil || !bytes.Equal(got, o.data) {
		t.Errorf("once all is well: error %v, %d bytes", err, len(got))
	}
	synctest.Wait()
	if _, after := v.box.Asked(); after-before != want {
		t.Errorf("once all is well: the publisher gave %d bytes, want %d", after-before, want)
	}
}

func random(n int) []byte { return bytes.Repeat(content[:4099], n/4099+1)[:n] }

func (o offer) params(t *testing.T, listed bool) string {
	t.Helper()
	file := File{URL: "http://publisher.test/data.bin?token=s3cret"}
	if n := int64(len(o.data)); listed {
		file.SHA256, file.Size = digest.FromBytes(o.data).Encoded(), &n
	}
	params, err := json.Marshal(Params{Files: []File{file}})
	if err != nil {
		t.Fatal(err)
	}
	return string(params)
}

// visitor fetches one file and notes what it survived.
type visitor struct {
	box     *publisher.Box
	params  string
	partial string
	retry   plugins.Retry

	mu    sync.Mutex
	codes []string
	done  int64 // the last word on how many bytes are here
	total int64
}

func (v *visitor) fetch(t *testing.T) ([]byte, error) {
	t.Helper()
	retry := v.retry
	retry.Attempts = 3
	files, err := plugintest.Case{Plugin: Plugin(v.box.Client), Params: v.params, Env: plugins.Env{Retry: retry, Block: block},
		Partial: v.partial, Progress: v.progress}.Run(t.Context(), 1, t.TempDir())
	return files["data.bin"], err
}

func (v *visitor) progress(p plugins.Progress) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.done, v.total = p.Done, p.Total
	if code, ok := strings.CutPrefix(p.Note, "data.bin: "); ok {
		v.codes = append(v.codes, strings.TrimSuffix(code, ", tries again"))
	}
}
