package publisher

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Fault is something that goes wrong with an answer. A position is one in the answer's body, from 0.
type Fault func(http.Handler) http.Handler

// Faulty is a handler all of whose answers meet the faults; the first is the one nearest to the client. For, First and
// Script say which answers do.
func Faulty(h http.Handler, faults ...Fault) http.Handler {
	for _, f := range slices.Backward(faults) {
		h = f(h)
	}
	return h
}

// Script decides for each request, numbered from 1, what it meets; nil is nothing. The fault is made anew for the
// request, so that one that counts requests itself sees no other.
func Script(fault func(n int, r *http.Request) Fault) Fault {
	return func(h http.Handler) http.Handler {
		return numbered(func(n int, r *http.Request) http.Handler {
			if f := fault(n, r); f != nil {
				return f(h)
			}
			return h
		})
	}
}

// numbered is a handler that numbers requests from 1 and lets another one serve them.
func numbered(who func(n int, r *http.Request) http.Handler) http.Handler {
	var mu sync.Mutex
	n := 0
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		n++
		h := who(n, r)
		mu.Unlock()
		h.ServeHTTP(w, r)
	})
}

// None is no fault.
func None(h http.Handler) http.Handler { return h }

// For is a fault of the requests that match.
func For(match func(*http.Request) bool, f Fault) Fault {
	return func(h http.Handler) http.Handler {
		faulty := f(h)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if match(r) {
				faulty.ServeHTTP(w, r)
			} else {
				h.ServeHTTP(w, r)
			}
		})
	}
}

// Parts matches the requests for a part of a file.
func Parts(r *http.Request) bool { return r.Header.Get("Range") != "" }

// First is a fault of the first n requests only.
func First(n int, f Fault) Fault {
	return func(h http.Handler) http.Handler { return firstOf(n, f(h), h) }
}

// After is a fault of all but the first n requests.
func After(n int, f Fault) Fault {
	return func(h http.Handler) http.Handler { return firstOf(n, h, f(h)) }
}

func firstOf(n int, first, rest http.Handler) http.Handler {
	return numbered(func(i int, _ *http.Request) http.Handler {
		if i <= n {
			return first
		}
		return rest
	})
}

// Then is one fault for each of the first requests; nil is none.
func Then(faults ...Fault) Fault {
	return Script(func(n int, _ *http.Request) Fault {
		if n <= len(faults) {
			return faults[n-1]
		}
		return nil
	})
}

// Both is a fault upon another one; the first is the one nearest to the client.
func Both(faults ...Fault) Fault {
	return func(h http.Handler) http.Handler { return Faulty(h, faults...) }
}

// CutAt hangs up after n bytes.
func CutAt(n int) Fault {
	return answering(func(a *answer, _ *http.Request) {
		left := n
		a.body = func(w io.Writer, b []byte) (int, error) {
			done, _ := w.Write(b[:min(len(b), left)])
			if left -= done; left == 0 {
				panic(http.ErrAbortHandler)
			}
			return done, nil
		}
	})
}

// Hangup hangs up without a word.
func Hangup(http.Handler) http.Handler {
	return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
}

// StallAt gives n bytes and then nothing, until the client goes.
func StallAt(n int) Fault {
	return answering(func(a *answer, r *http.Request) {
		left := n
		a.body = func(w io.Writer, b []byte) (int, error) {
			done, err := w.Write(b[:min(len(b), left)])
			if left -= done; left == 0 {
				<-r.Context().Done()
				return done, r.Context().Err()
			}
			return done, err
		}
	})
}

// Tap tells of every few bytes that the client has taken.
func Tap(taken func(n int)) Fault {
	return answering(func(a *answer, _ *http.Request) {
		a.body = func(w io.Writer, b []byte) (int, error) {
			done := 0
			for part := range slices.Chunk(b, 512) {
				n, err := w.Write(part)
				taken(n)
				if done += n; err != nil {
					return done, err
				}
			}
			return done, nil
		}
	})
}

// Silent gives not even an answer's head, until the client goes.
func Silent(http.Handler) http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
}

// Slow gives an answer in pieces of so many bytes, with a pause before each: under synctest it takes none of our time.
func Slow(piece int, pause time.Duration) Fault {
	return answering(func(a *answer, _ *http.Request) {
		a.body = func(w io.Writer, b []byte) (int, error) {
			done := 0
			for part := range slices.Chunk(b, piece) {
				time.Sleep(pause)
				n, err := w.Write(part)
				if done += n; err != nil {
					return done, err
				}
			}
			return done, nil
		}
	})
}

// Status refuses with a status and some headers, given as names and values.
func Status(code int, header ...string) Fault {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for h := range slices.Chunk(header, 2) {
				w.Header().Set(h[0], h[1])
			}
			w.WriteHeader(code)
		})
	}
}

// Busy asks to come again later, in so many seconds.
func Busy(seconds int) Fault {
	return Status(http.StatusTooManyRequests, "Retry-After", strconv.Itoa(seconds))
}

// The refusals.
var (
	Unavailable = Status(http.StatusServiceUnavailable)                       // the publisher's server is broken
	Forbidden   = Status(http.StatusForbidden)                                // terms are to be accepted first, or a signed address has expired
	Expired     = Status(http.StatusUnauthorized)                             // the token was good until now
	Absent      = Status(http.StatusNotFound)                                 // no longer there
	NoParts     = For(Parts, Status(http.StatusRequestedRangeNotSatisfiable)) // refuses parts
)

// IgnoreRange answers as a server does that never heard of parts.
func IgnoreRange(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		r.Header.Del("Range")
		h.ServeHTTP(w, r)
	})
}

// WrongRange gives another part than the one that was asked for.
var WrongRange = Ranged(5, 10)

// Ranged gives the part from one byte to another, whatever was asked for.
func Ranged(from, to int) Fault {
	return func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r = r.Clone(r.Context())
			r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", from, to-1))
			r.Header.Del("If-Range")
			h.ServeHTTP(w, r)
		})
	}
}

// Changed gives another version of the file, with another ETag if it has one.
var Changed = Both(Retag(`"changed"`), answering(func(a *answer, _ *http.Request) {
	a.body = func(w io.Writer, b []byte) (int, error) {
		other := make([]byte, len(b))
		for i := range b {
			other[i] = ^b[i]
		}
		return w.Write(other)
	}
}))

// Retag gives an answer that has an ETag another one, none if that is "".
func Retag(etag string) Fault {
	return answering(func(a *answer, _ *http.Request) {
		a.head = func(h http.Header) {
			if h.Get("ETag") != "" && etag != "" {
				h.Set("ETag", etag)
			} else {
				h.Del("ETag")
			}
		}
	})
}

// FlipAt changes one bit on the way.
func FlipAt(n int) Fault {
	return answering(func(a *answer, _ *http.Request) {
		at := n
		a.body = func(w io.Writer, b []byte) (int, error) {
			if at >= 0 && at < len(b) {
				b = slices.Clone(b)
				b[at] ^= 1
			}
			at -= len(b)
			return w.Write(b)
		}
	})
}

// Compressed gives a whole file that was compressed on the way, although nobody asked for it.
var Compressed = Both(answering(func(a *answer, _ *http.Request) {
	a.head = func(h http.Header) {
		h.Set("Content-Encoding", "gzip")
		h.Del("Content-Length")
		h.Del("ETag")
	}
	var z *gzip.Writer
	a.body = func(w io.Writer, b []byte) (int, error) {
		if z == nil {
			z = gzip.NewWriter(w)
			a.end = func() { _ = z.Close() }
		}
		return z.Write(b)
	}
}), IgnoreRange)

// Unending gives a whole file without its length and hangs up where it ends, as servers did before HTTP/1.1.
var Unending = Both(answering(func(a *answer, _ *http.Request) {
	a.head = func(h http.Header) {
		h.Del("Content-Length")
		h.Set("Transfer-Encoding", "identity")
	}
}), IgnoreRange)

// Promise gives a whole file and says that it is n bytes long.
func Promise(n int) Fault {
	return Both(answering(func(a *answer, _ *http.Request) {
		a.head = func(h http.Header) { h.Set("Content-Length", strconv.Itoa(n)) }
	}), IgnoreRange)
}

// Chunked gives an answer without its length, in chunks whose end is marked.
var Chunked = answering(func(a *answer, _ *http.Request) {
	a.head = func(h http.Header) { h.Del("Content-Length") }
})

// Page gives a web page in place of what was asked for, and says that all is well.
func Page(http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, LoginPage)
	})
}

// LoginPage is the page of Page and ToLogin.
const LoginPage = "<!DOCTYPE html><html><head><title>Log in to Publisher</title></head></html>"

// ToLogin redirects to a login page on the same host, with a secret in its query.
func ToLogin(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/login" {
			Page(h).ServeHTTP(w, r)
			return
		}
		http.Redirect(w, r, "/login?next=s3cret", http.StatusFound)
	})
}

// ToItself redirects for ever.
func ToItself(http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/again", http.StatusFound)
	})
}

// answering is a fault that changes an answer as it goes out.
func answering(change func(a *answer, r *http.Request)) Fault {
	return func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			a := &answer{ResponseWriter: w}
			change(a, r)
			h.ServeHTTP(a, r)
			if a.end != nil {
				a.end()
			}
		})
	}
}

// answer is one that is changed as it goes out.
type answer struct {
	http.ResponseWriter
	head  func(http.Header)
	body  func(w io.Writer, b []byte) (int, error)
	end   func()
	begun bool
}

func (a *answer) WriteHeader(code int) {
	if !a.begun && a.head != nil {
		a.head(a.Header())
	}
	a.begun = true
	a.ResponseWriter.WriteHeader(code)
}

func (a *answer) Write(b []byte) (int, error) {
	if !a.begun {
		a.WriteHeader(http.StatusOK)
	}
	if a.body == nil {
		return a.ResponseWriter.Write(b)
	}
	return a.body(a.ResponseWriter, b)
}
