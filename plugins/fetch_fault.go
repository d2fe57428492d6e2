package plugins

import (
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/opencontainers/go-digest"
)

// Code is the stable name of the reason why a file did not come, for programs to tell apart.
type Code string

// The codes.
const (
	FaultCut          Code = "cut"          // the connection ended before the file did
	FaultStalled      Code = "stalled"      // no byte came for too long
	FaultUnreachable  Code = "unreachable"  // there was no answer
	FaultBusy         Code = "busy"         // the publisher asks to come later
	FaultUnavailable  Code = "unavailable"  // the publisher's server is broken
	FaultAbsent       Code = "absent"       // the publisher has no such file
	FaultUnauthorized Code = "unauthorized" // no credentials, wrong ones, or ones that have expired
	FaultForbidden    Code = "forbidden"    // terms to accept, or access to be granted
	FaultRefused      Code = "refused"      // any other answer that brings no data
	FaultRedirect     Code = "redirect"     // a redirect that is not followed
	FaultLogin        Code = "login-page"   // a redirect that ended at a web page
	FaultNotData      Code = "not-data"     // a web page in place of the data
	FaultEncoded      Code = "encoded"      // compressed on the way, so not the bytes that the publisher lists
	FaultNoRanges     Code = "no-ranges"    // parts are refused
	FaultWrongRange   Code = "wrong-range"  // another part than the one that was asked for
	FaultNoLength     Code = "no-length"    // nothing tells where the file ends but the end of the connection, so it is fetched twice
	FaultChanged      Code = "changed"      // the file was replaced while it was fetched
	FaultWrongSize    Code = "wrong-size"   // the publisher's bytes are more or fewer than its list says
	FaultDiffers      Code = "list-differs" // the publisher gives the same bytes again, and its list says others
	FaultDamaged      Code = "damaged"      // each transfer gave other bytes: something on the way damages them
	FaultManifest     Code = "sum-differs"  // the publisher's list and the checksum in the manifest contradict each other
	FaultDisk         Code = "disk"         // the bytes read from disk are not those that were written
)

// Fault is why a file did not come. A source returns it, or any error, which then is final.
type Fault struct {
	Code  Code
	Err   error
	Again bool          // whether another attempt can help
	After time.Duration // how long the publisher asks to wait before it, 0 if it does not
}

func (f *Fault) Error() string {
	if f.Code == "" {
		return f.Err.Error()
	}
	return fmt.Sprintf("%v [%s]", f.Err, f.Code)
}

// Unwrap returns the error without its code.
func (f *Fault) Unwrap() error { return f.Err }

// FaultCode returns the code of an error, "" if it has none.
func FaultCode(err error) Code {
	for {
		f, ok := errors.AsType[*Fault](err)
		if !ok || f.Code != "" {
			if ok {
				return f.Code
			}
			return ""
		}
		err = f.Err
	}
}

// Transient marks an error as worth another attempt. after is what the publisher asked to wait, 0 if nothing.
func Transient(err error, after time.Duration) error {
	return &Fault{Err: err, Again: true, After: after}
}

// IsTransient says whether an error is worth another attempt.
func IsTransient(err error) bool {
	_, again := transient(err)
	return again
}

// transient says whether to try again, and how long the publisher wants us to wait.
func transient(err error) (time.Duration, bool) {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f.After, f.Again
	}
	return 0, errors.Is(err, io.ErrUnexpectedEOF)
}

// ErrNoResume says that a source cannot go on at an offset with the certainty that it is still the same file.
// The framework then reads the file from its start.
var ErrNoResume = errors.New("source cannot resume")

// ErrNotData says that what arrived is not the data that was asked for: an HTML page, a login form.
var ErrNotData = errors.New("answer is not data")

// MismatchError says that bytes are not what their publisher announced.
type MismatchError struct {
	What string // "size", "digest", or the algorithm of a Checksum
	Want string // what the publisher says
	Got  string // what arrived
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("%s differs: publisher says %s, received %s", e.What, e.Want, e.Got)
}

// Dispute is an error about a file on which its publisher's list, the manifest and the bytes do not agree. Who has a
// lock beside them can say which of them has changed.
type Dispute struct {
	Path     string        // where the file goes in the artifact
	Ref      string        // the source's own name for it, without a secret
	List     string        // address of the publisher's checksum list, "" if there is none
	Want     digest.Digest // what the list says, or the manifest if there is none; "" if that is Sum alone
	Sum      Checksum      // what the list says in a weaker checksum, "" if it has none
	Manifest digest.Digest // what the manifest says where the list says something else
	Got      digest.Digest // what was received, "" if the size alone showed that it is wrong, or nothing was asked for
	Err      error
}

func (d *Dispute) Error() string { return d.Err.Error() }

// Unwrap returns the error that says it in words.
func (d *Dispute) Unwrap() error { return d.Err }

// dispute adds to an error what is known of a file.
func (f SourceFile) dispute(got digest.Digest, err error) error {
	return &Dispute{Path: f.Path, Ref: PublicRef(f.Ref), List: f.List, Want: f.Digest, Sum: f.Sum, Got: got, Err: err}
}

// announced says whether the publisher has a checksum of the file.
func (f SourceFile) announced() bool { return f.Digest != "" || f.Sum != "" }

// received is what was computed over the bytes of a file.
type received struct {
	digest digest.Digest
	sum    Checksum // "" if there is none to compare it with
}

// mismatch compares with what the publisher announces, and says where it differs.
func (f SourceFile) mismatch(got received) *MismatchError {
	switch {
	case f.Digest != "" && f.Digest != got.digest:
		return &MismatchError{What: "digest", Want: f.Digest.String(), Got: got.digest.String()}
	case f.Sum != got.sum:
		return &MismatchError{What: f.Sum.Algorithm(), Want: f.Sum.String(), Got: got.sum.String()}
	}
	return nil
}

// meter computes what a file's announcement can be held against.
type meter struct {
	file   SourceFile
	digest digest.Digester
	sum    hash.Hash // nil if there is none
}

// meter makes one for a file of that size.
func (f SourceFile) meter(size int64) (meter, error) {
	algorithm, err := f.algorithm()
	if err != nil {
		return meter{}, err
	}
	m := meter{file: f, digest: algorithm.Digester()}
	if f.Sum != "" {
		m.sum, err = f.Sum.hash(size)
	}
	return m, err
}

func (m meter) Write(b []byte) (int, error) {
	if m.sum != nil {
		m.sum.Write(b)
	}
	return m.digest.Hash().Write(b)
}

// read is what was computed over all that was written.
func (m meter) read() received {
	r := received{digest: m.digest.Digest()}
	if m.sum != nil {
		r.sum = m.file.Sum.like(m.sum)
	}
	return r
}

func wrongSize(want int64, got any) error {
	return &Fault{Code: FaultWrongSize, Err: &MismatchError{What: "size", Want: fmt.Sprint(want), Got: fmt.Sprint(got)}}
}
