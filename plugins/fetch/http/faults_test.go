package httpfetch

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/plugins"
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

func (o offer) serve(w http.ResponseWriter, r *http.Request) { serveContent(w, r, o.etag, o.data) }

// other is another version of the file.
func (o offer) other() offer {
	data := bytes.Clone(o.data)
	slices.Reverse(data)
	return offer{data, `"other"`}
}

// request is one that meets a fault.
type request struct {
	http.ResponseWriter
	r     *http.Request
	n     int // from 1
	offer offer
}

// cut serves what is right up to the byte n of the answer, and hangs up.
func (q request) cut(n int) {
	q.offer.serve(&shears{q.ResponseWriter, n}, q.r)
}

type shears struct {
	http.ResponseWriter
	left int
}

func (s *shears) Write(b []byte) (int, error) {
	n, _ := s.ResponseWriter.Write(b[:min(len(b), s.left)])
	if s.left -= n; s.left == 0 {
		panic(http.ErrAbortHandler)
	}
	return n, nil
}

func (q request) status(code int, header ...string) {
	for i := 0; i < len(header); i += 2 {
		q.Header().Set(header[i], header[i+1])
	}
	q.WriteHeader(code)
}

func (q request) login() {
	q.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprint(q, "<!DOCTYPE html><html><head><title>Log in to PhysioNet</title></head></html>")
}

// without serves as a server does that never heard of a request's header.
func (q request) without(header string) {
	q.r.Header.Del(header)
	q.offer.serve(q.ResponseWriter, q.r)
}

const (
	always = 1 << 30
	spill  = 8 << 10 // what is read of an answer that is then refused
)

// untold answers without a length, up to the byte n, and hangs up: as servers did before HTTP/1.1.
func (q request) untold(n int) {
	q.status(http.StatusOK, "Transfer-Encoding", "identity", "ETag", q.offer.etag)
	_, _ = q.Write(q.offer.data[:n])
}

// faultRows is the whole list of what a publisher can do to a transfer.
var faultRows = []struct {
	name  string
	file  string // size, and whether the manifest knows its checksum and size
	times int    // how many requests meet the fault; after them the publisher serves as it should
	fault func(q request)

	codes  string       // of the faults that were survived, in order
	end    plugins.Code // "" if the file arrived
	bytes  int          // given by the publisher, or
	most   int          // at most, where it takes more than one connection, or an answer is refused when some of it has been read
	waits  time.Duration
	hint   string // in the error
	healed int    // bytes of a second run, when the publisher serves as it should
}{
	{name: "no fault", file: "small listed", fault: func(request) {}, bytes: small},
	{name: "no fault, parallel", file: "large listed", fault: func(request) {}, bytes: large},
	{name: "no fault, parallel and unlisted", file: "large", fault: func(request) {}, bytes: large},

	{name: "cut once", file: "small listed", times: 1, fault: func(q request) { q.cut(half) }, codes: "cut", bytes: small},
	{name: "cut once, unlisted", file: "small", times: 1, fault: func(q request) { q.cut(half) }, codes: "cut", bytes: small},
	{name: "cut at every 5000 bytes", file: "small listed", times: always, fault: func(q request) { q.cut(5000) }, codes: "cut cut cut cut", bytes: small},
	{name: "cut before the first byte", file: "small listed", times: always, fault: func(q request) { panic(http.ErrAbortHandler) },
		codes: "unreachable unreachable unreachable", end: plugins.FaultUnreachable, healed: small},
	{name: "cut, nothing vouches", file: "small", times: 1, fault: func(q request) { q.offer.etag = ""; q.cut(half) }, codes: "cut", bytes: half + small},
	{name: "cut, weak etag", file: "small", times: 1, fault: func(q request) { q.offer.etag = `W/"v1"`; q.cut(half) }, codes: "cut", bytes: half + small},
	{name: "cut in a large file", file: "large", times: 3, fault: func(q request) { q.cut(half) }, codes: "cut cut cut", bytes: large},

	{name: "stall once", file: "small listed", times: 1, fault: func(q request) { q.offer.serve(&stall{q.ResponseWriter, q.r.Context(), half}, q.r) },
		codes: "stalled", bytes: small, waits: time.Minute},
	{name: "stall for good", file: "small listed", times: always, fault: func(q request) { <-q.r.Context().Done() },
		codes: "stalled stalled stalled", end: plugins.FaultStalled, waits: 3 * time.Minute, hint: "no byte for 1m0s", healed: small},
	{name: "throttle", file: "small listed", times: always, fault: func(q request) { q.offer.serve(&throttle{q.ResponseWriter}, q.r) },
		bytes: small, waits: 41 * 50 * time.Second},

	{name: "ignores Range", file: "large listed", times: always, fault: func(q request) { q.without("Range") }, bytes: large},
	{name: "cut, then ignores Range", file: "small listed", times: 2, fault: func(q request) {
		if q.n == 1 {
			q.cut(half)
		}
		q.without("Range")
	}, codes: "cut", bytes: half + small},
	{name: "ignores Range from the second part on", file: "large", times: always, fault: func(q request) {
		if q.n > 1 {
			q.r.Header.Del("Range")
			q.offer.serve(&shears{q.ResponseWriter, large}, q.r)
		}
	}, codes: "no-ranges", most: 8*block + large + 2*spill},
	{name: "gives parts, but nothing vouches for them", file: "large", times: always, fault: func(q request) {
		q.offer.etag = ""
		q.offer.serve(q.ResponseWriter, q.r)
	}, codes: "no-ranges", most: large + spill},
	{name: "gives parts, and the list vouches for them", file: "large listed", times: always, fault: func(q request) {
		q.offer.etag = `W/"v1"`
		q.offer.serve(q.ResponseWriter, q.r)
	}, bytes: large},
	{name: "answers 416 to every part", file: "small listed", times: always, fault: func(q request) {
		if q.r.Header.Get("Range") != "" {
			q.status(http.StatusRequestedRangeNotSatisfiable)
		}
	}, codes: "no-ranges", bytes: small},
	{name: "answers 416 to everything", file: "small", times: always, fault: func(q request) { q.status(http.StatusRequestedRangeNotSatisfiable) },
		codes: "no-ranges", end: plugins.FaultNoRanges, healed: small},
	{name: "cut, then answers 416", file: "small listed", times: 2, fault: func(q request) {
		if q.n == 1 {
			q.cut(half)
		}
		q.status(http.StatusRequestedRangeNotSatisfiable)
	}, codes: "cut no-ranges", bytes: half + small},
	{name: "an empty file, of which no part can be given", file: "empty listed", times: 1, fault: func(q request) {
		q.status(http.StatusRequestedRangeNotSatisfiable, "Content-Range", "bytes */0")
	}, codes: "no-ranges"},

	{name: "cut, then changed", file: "small", times: always, fault: func(q request) {
		if q.n == 1 {
			q.offer.other().serve(&shears{q.ResponseWriter, half}, q.r)
		}
	}, codes: "cut changed", bytes: half + small},
	{name: "changed between the parts", file: "large", times: 1, fault: func(q request) { q.offer.other().serve(q.ResponseWriter, q.r) },
		codes: "changed", most: 8*block + large + 2*spill},
	{name: "changed without a word", file: "small listed", times: 1, fault: func(q request) { q.offer.other().serve(&shears{q.ResponseWriter, half}, q.r) },
		codes: "cut changed", bytes: half + small},
	{name: "changed, and the list is old", file: "small listed", times: always, fault: func(q request) { q.offer.other().serve(q.ResponseWriter, q.r) },
		codes: "damaged", end: plugins.FaultDiffers, bytes: 2 * small, hint: "digest differs: publisher says sha256:", healed: small},
	{name: "another ETag, the same bytes", file: "small listed", times: 1, fault: func(q request) {
		q.offer.etag = `"other"`
		q.cut(half)
	}, codes: "cut changed", bytes: half + small},
	{name: "each server has an ETag of its own", file: "large", times: always, fault: func(q request) {
		q.offer.etag = fmt.Sprintf(`"%d"`, q.n)
		q.offer.serve(q.ResponseWriter, q.r)
	}, codes: "changed changed", most: 2*8*block + large + 4*spill},
	{name: "changes at every request", file: "small", times: always, fault: func(q request) {
		q.offer.etag = fmt.Sprintf(`"%d"`, q.n)
		q.cut(half)
	}, codes: "cut changed cut changed cut", end: plugins.FaultCut, bytes: 3 * half, healed: small + 0},

	{name: "flips a byte once", file: "small listed", times: 1, fault: func(q request) { q.flip(1).serve(q.ResponseWriter, q.r) },
		codes: "damaged", bytes: 2 * small},
	{name: "flips another byte each time", file: "small listed", times: always, fault: func(q request) { q.flip(q.n).serve(q.ResponseWriter, q.r) },
		codes: "damaged damaged damaged", end: plugins.FaultDamaged, bytes: 3 * small, healed: small},
	{name: "compresses on the way", file: "small listed", times: always, fault: func(q request) {
		q.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(q)
		_, _ = z.Write(q.offer.data)
		_ = z.Close()
	}, end: plugins.FaultEncoded, most: spill, hint: `encoded as "gzip"`, healed: small},

	{name: "redirects to a login page", file: "small", times: always, fault: func(q request) {
		if q.r.URL.Path == "/login" {
			q.login()
			return
		}
		http.Redirect(q, q.r, "/login?next=s3cret", http.StatusFound)
	}, end: plugins.FaultLogin, most: spill, hint: `titled "Log in to PhysioNet"; log in there and accept the terms`, healed: small},
	{name: "redirects for ever", file: "small", times: always, fault: func(q request) { http.Redirect(q, q.r, "/again", http.StatusFound) },
		end: plugins.FaultRedirect, most: spill, hint: "more than 10", healed: small},
	{name: "HTML with 200", file: "small", times: always, fault: func(q request) { q.login() }, end: plugins.FaultNotData, bytes: 75, hint: "not data but a web page", healed: small},
	{name: "HTML with 200 for a listed file", file: "small listed", times: always, fault: func(q request) { q.login() }, end: plugins.FaultNotData, bytes: 75, healed: small},
	{name: "cut, then HTML with 200", file: "small listed", times: 2, fault: func(q request) {
		if q.n == 1 {
			q.cut(half)
		}
		q.login()
	}, codes: "cut", end: plugins.FaultNotData, bytes: half + 75, healed: small - half},
	{name: "cut, then redirects to a login page", file: "small listed", times: 3, fault: func(q request) {
		switch {
		case q.n == 1:
			q.cut(half)
		case q.r.URL.Path == "/login":
			q.login()
		default:
			http.Redirect(q, q.r, "/login", http.StatusFound)
		}
	}, codes: "cut", end: plugins.FaultLogin, most: half + spill, healed: small - half},

	{name: "403 until terms are accepted", file: "small listed", times: always, fault: func(q request) { q.status(http.StatusForbidden) },
		end: plugins.FaultForbidden, hint: "accept the terms at the publisher's, wait for its approval if it gives one, and run again", healed: small},
	{name: "401", file: "small listed", times: always, fault: func(q request) { q.status(http.StatusUnauthorized) },
		end: plugins.FaultUnauthorized, hint: "the source may need credentials (auth)", healed: small},
	{name: "the token expires midway", file: "small", times: always, fault: func(q request) {
		if q.n == 1 {
			q.cut(half)
		}
		q.status(http.StatusUnauthorized)
	}, codes: "cut", end: plugins.FaultUnauthorized, bytes: half, healed: small - half},
	{name: "the token expires in a large file", file: "large listed", times: always, fault: func(q request) {
		if q.n > 1 {
			q.status(http.StatusUnauthorized)
		}
	}, end: plugins.FaultUnauthorized, bytes: 8 * block, healed: large - 8*block},
	{name: "403 midway, as an expired signature gives it", file: "small", times: always, fault: func(q request) {
		if q.n == 1 {
			q.cut(half)
		}
		q.status(http.StatusForbidden)
	}, codes: "cut", end: plugins.FaultForbidden, bytes: half, healed: small - half},
	{name: "404", file: "small listed", times: always, fault: func(q request) { q.status(http.StatusNotFound) }, end: plugins.FaultAbsent, hint: "404 Not Found", healed: small},
	{name: "451", file: "small listed", times: always, fault: func(q request) { q.status(http.StatusUnavailableForLegalReasons) }, end: plugins.FaultRefused, healed: small},

	{name: "429 with seconds", file: "small listed", times: 1, fault: func(q request) { q.status(http.StatusTooManyRequests, "Retry-After", "90") },
		codes: "busy", bytes: small, waits: 90 * time.Second},
	{name: "429 with a date", file: "small listed", times: 1, fault: func(q request) {
		q.status(http.StatusTooManyRequests, "Retry-After", time.Now().Add(80*time.Second).UTC().Format(http.TimeFormat))
	}, codes: "busy", bytes: small, waits: 80 * time.Second},
	{name: "429 for an hour is the engine's to wait", file: "small listed", times: always, fault: func(q request) { q.status(http.StatusTooManyRequests, "Retry-After", "3600") },
		codes: "busy", end: plugins.FaultBusy, healed: small},
	{name: "429 for good", file: "small listed", times: always, fault: func(q request) { q.status(http.StatusTooManyRequests, "Retry-After", "30") },
		codes: "busy busy busy", end: plugins.FaultBusy, waits: 60 * time.Second, healed: small},
	{name: "500 once", file: "small listed", times: 1, fault: func(q request) { q.status(http.StatusInternalServerError) }, codes: "unavailable", bytes: small},
	{name: "503 with seconds, midway", file: "small", times: 2, fault: func(q request) {
		if q.n == 1 {
			q.cut(half)
		}
		q.status(http.StatusServiceUnavailable, "Retry-After", "100")
	}, codes: "cut unavailable", bytes: small, waits: 100 * time.Second},
	{name: "503 for good", file: "small listed", times: always, fault: func(q request) { q.status(http.StatusServiceUnavailable) },
		codes: "unavailable unavailable unavailable", end: plugins.FaultUnavailable, hint: "503 Service Unavailable", healed: small},

	{name: "Content-Length too large", file: "small", times: 1, fault: func(q request) {
		q.status(http.StatusOK, "Content-Length", fmt.Sprint(small+100), "ETag", q.offer.etag)
		_, _ = q.Write(q.offer.data)
		panic(http.ErrAbortHandler)
	}, codes: "cut no-ranges", bytes: 2*small + len("invalid range: failed to overlap\n")},
	{name: "no length, in chunks", file: "small", times: always, fault: func(q request) { _, _ = q.Write(q.offer.data) }, bytes: small},
	{name: "no length at all", file: "small", times: always, fault: func(q request) { q.untold(small) }, codes: "no-length", bytes: 2 * small},
	{name: "no length at all, listed", file: "small listed", times: always, fault: func(q request) { q.untold(small) }, bytes: small},
	{name: "no length at all, cut", file: "small", times: 1, fault: func(q request) { q.untold(half) }, codes: "no-length", bytes: half + small},
	{name: "no length at all, cut, listed", file: "small listed", times: 1, fault: func(q request) { q.untold(half) }, codes: "cut", bytes: small},
	{name: "no length at all, cut elsewhere each time", file: "small", times: always, fault: func(q request) { q.untold(half + q.n) },
		codes: "no-length no-length no-length", end: plugins.FaultNoLength, bytes: 3*half + 6, hint: "neither a length nor a checksum", healed: small},
	{name: "Content-Length that is not the listed size", file: "small listed", times: always, fault: func(q request) {
		q.offer.data = q.offer.data[:small-100]
		q.offer.serve(q.ResponseWriter, q.r)
	}, end: plugins.FaultWrongSize, most: spill, hint: "size differs: publisher says 20580, received 20480", healed: small},
	{name: "more than the listed size", file: "small listed", times: always, fault: func(q request) {
		_, _ = q.Write(append(bytes.Clone(q.offer.data), "more"...)) // in chunks, so without a length
	}, end: plugins.FaultWrongSize, bytes: small + len("more"), hint: "received more", healed: small},
	{name: "wrong Content-Range", file: "small listed", times: always, fault: func(q request) {
		if q.r.Header.Get("Range") != "" {
			q.status(http.StatusPartialContent, "Content-Range", "bytes 5-9/20580", "Content-Length", "5")
		}
	}, codes: "wrong-range", bytes: small},
	{name: "wrong Content-Range to everything", file: "small listed", times: always, fault: func(q request) {
		q.status(http.StatusPartialContent, "Content-Range", "bytes 5-9/20580", "Content-Length", "5")
	}, codes: "wrong-range", end: plugins.FaultWrongRange, bytes: 0, healed: small},
	{name: "gives more than the part", file: "large", times: always, fault: func(q request) {
		if q.r.Header.Get("Range") != "" {
			q.status(http.StatusPartialContent, "Content-Range", fmt.Sprintf("bytes 0-%d/%d", large-1, large), "Content-Length", fmt.Sprint(large))
			_, _ = q.Write(q.offer.data)
		}
	}, codes: "wrong-range", most: large + spill},
	{name: "Content-Range of another size", file: "small listed", times: always, fault: func(q request) {
		q.status(http.StatusPartialContent, "Content-Range", "bytes 0-9/10", "Content-Length", "10")
		_, _ = q.Write(q.offer.data[:10])
	}, end: plugins.FaultWrongSize, bytes: 10, healed: small},
}

// flip is the offer with one bit of it wrong.
func (q request) flip(at int) offer {
	q.offer.data = bytes.Clone(q.offer.data)
	q.offer.data[at] ^= 1
	return q.offer
}

// stall gives that many bytes and then nothing.
type stall struct {
	http.ResponseWriter
	ctx  context.Context
	left int
}

func (s *stall) Write(b []byte) (int, error) {
	n, err := s.ResponseWriter.Write(b[:min(len(b), s.left)])
	if s.left -= n; s.left == 0 {
		<-s.ctx.Done()
		return n, s.ctx.Err()
	}
	return n, err
}

// throttle takes its time: under synctest it takes none of ours.
type throttle struct{ http.ResponseWriter }

func (s *throttle) Write(b []byte) (int, error) {
	done := 0
	for done < len(b) {
		time.Sleep(50 * time.Second)
		n, err := s.ResponseWriter.Write(b[done:min(len(b), done+piece)])
		if done += n; err != nil {
			return done, err
		}
	}
	return done, nil
}

func TestEveryFault(t *testing.T) {
	for _, row := range faultRows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := offer{random(map[string]int{"empty": 0, "small": small, "large": large}[strings.Fields(row.file)[0]]), `"v1"`}
				listed := strings.HasSuffix(row.file, "listed")
				times, n := row.times, 0
				var mu sync.Mutex
				p := newPublisher(t, func(w http.ResponseWriter, r *http.Request) {
					mu.Lock()
					n++
					q := request{w, r, n, o}
					meets := n <= times
					mu.Unlock()
					answer := &answered{ResponseWriter: w}
					if q.ResponseWriter = answer; meets {
						row.fault(q)
					}
					if !answer.given {
						o.serve(w, r)
					}
				})
				v := visitor{publisher: p, params: o.params(t, listed), partial: t.TempDir()}
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
				_, bytes := p.asked()
				if row.most == 0 && bytes != int64(row.bytes) || row.most > 0 && bytes > int64(row.most) {
					t.Errorf("the publisher gave %d bytes, want %d, or at most %d; it was asked for %q", bytes, row.bytes, row.most, p.requests)
				}
				if took := time.Since(start); took < row.waits || took > row.waits+10*time.Second {
					t.Errorf("took %v, want %v and a pause", took, row.waits)
				}
				if err == nil {
					return
				}
				times = 0
				v.heals(t, o, int64(row.healed))
			})
		})
	}
}

// heals runs once more, over what the failed run left.
func (v *visitor) heals(t *testing.T, o offer, want int64) {
	t.Helper()
	synctest.Wait()
	_, before := v.publisher.asked()
	got, err := v.fetch(t)
	if err != nil || !bytes.Equal(got, o.data) {
		t.Errorf("once all is well: error %v, %d bytes", err, len(got))
	}
	synctest.Wait()
	if _, after := v.publisher.asked(); after-before != want {
		t.Errorf("once all is well: the publisher gave %d bytes, want %d", after-before, want)
	}
}

// answered knows whether an answer was begun.
type answered struct {
	http.ResponseWriter
	given bool
}

func (a *answered) WriteHeader(code int) {
	a.given = true
	a.ResponseWriter.WriteHeader(code)
}

func (a *answered) Write(b []byte) (int, error) {
	a.given = true
	return a.ResponseWriter.Write(b)
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
	publisher *publisher
	params    string
	partial   string
	retry     plugins.Retry

	mu    sync.Mutex
	codes []string
	done  int64 // the last word on how many bytes are here
	total int64
}

func (v *visitor) fetch(t *testing.T) ([]byte, error) {
	t.Helper()
	retry := v.retry
	retry.Attempts = 3
	files, err := plugintest.Case{Plugin: Plugin(v.publisher.client), Params: v.params, Env: plugins.Env{Retry: retry, Block: block},
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
