// Package withdrawal says who is to be left out of a dataset because consent was withdrawn, without writing the name down.
//
// A manifest is public and its data may not be, so an Entry has a digest in place of the name:
//
//	sha256("cairn/withdrawn/v1\n" + salt + "\n" + ("subject" or "sample") + "\n" + name)
//
// The salt stands beside it, so that anybody who has the data finds out who is meant, as a rebuild must: that is no secret, and
// names of which there are few, such as 1 to 500, can be guessed without the data. It keeps names out of search engines,
// and the entries of two datasets from being compared.
package withdrawal

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/opencontainers/go-digest"
)

// Entry is one person or one sample to leave out. Of Subject and Sample one is given.
type Entry struct {
	Subject digest.Digest `json:"subject,omitempty" jsonschema:"salted digest of a person, whose samples are all left out"`
	Sample  digest.Digest `json:"sample,omitempty" jsonschema:"salted digest of the id of one sample"`
	Salt    string        `json:"salt" jsonschema:"32 to 64 hexadecimal digits, random"`
	From    digest.Digest `json:"from" jsonschema:"the fetched files in which it was found; of these it must be a subject or a sample, in newer ones the publisher may have removed it"`
}

// What an Entry names.
const (
	kindSubject = "subject"
	kindSample  = "sample"
)

// Subject is the entry of a person. salt is hexadecimal digits, from the artifact of the fetched files.
func Subject(name, salt string, from digest.Digest) Entry {
	return Entry{Subject: salted(salt, kindSubject, name), Salt: salt, From: from}
}

// Sample is the entry of the sample with an id.
func Sample(id, salt string, from digest.Digest) Entry {
	return Entry{Sample: salted(salt, kindSample, id), Salt: salt, From: from}
}

func salted(salt, kind, name string) digest.Digest {
	sum := sha256.Sum256(fmt.Appendf(nil, "cairn/withdrawn/v1\n%s\n%s\n%s", salt, kind, name))
	return digest.NewDigestFromBytes(digest.SHA256, sum[:])
}

// Digest is that of the subject or the sample.
func (e Entry) Digest() digest.Digest { return cmp.Or(e.Subject, e.Sample) }

var saltForm = regexp.MustCompile(`^[0-9a-f]{32,64}$`)

// Validate says what is wrong with an entry, if anything is.
func (e Entry) Validate() error {
	if (e.Subject == "") == (e.Sample == "") {
		return errors.New("want either subject or sample")
	}
	for what, d := range map[string]digest.Digest{"its digest": e.Digest(), "from": e.From} {
		if err := d.Validate(); err != nil || d.Algorithm() != digest.SHA256 {
			return fmt.Errorf("%s is %q: want sha256: and 64 hexadecimal digits; `cairn withdraw` writes entries", what, d)
		}
	}
	if !saltForm.MatchString(e.Salt) {
		return fmt.Errorf("salt %q: want 32 to 64 lower-case hexadecimal digits", e.Salt)
	}
	return nil
}

// Validate says what is wrong with all entries of a dataset, if anything is.
func Validate(all []Entry) error {
	seen := map[digest.Digest]bool{}
	for i, e := range all {
		if err := e.Validate(); err != nil {
			return fmt.Errorf("withdrawn[%d]: %w", i, err)
		}
		if seen[e.Digest()] {
			return fmt.Errorf("withdrawn[%d]: %s is there twice", i, e.Digest())
		}
		seen[e.Digest()] = true
	}
	return nil
}

// Sort puts entries into the order of their digests, in which their dataset has its identity.
func Sort(all []Entry) {
	slices.SortFunc(all, func(a, b Entry) int { return cmp.Compare(a.Digest(), b.Digest()) })
}

// List finds the entries that name somebody.
type List struct {
	salts   []string
	entries map[digest.Digest]Entry
	met     map[digest.Digest]bool
}

// NewList makes a list of valid entries.
func NewList(all []Entry) *List {
	l := &List{entries: map[digest.Digest]Entry{}, met: map[digest.Digest]bool{}}
	for _, e := range all {
		l.entries[e.Digest()] = e
		if !slices.Contains(l.salts, e.Salt) {
			l.salts = append(l.salts, e.Salt)
		}
	}
	return l
}

// Names says whether an entry names the person or the sample, and remembers it. A name that is empty is nobody's.
func (l *List) Names(subject, sample string) bool {
	found := false
	for _, salt := range l.salts {
		for kind, name := range map[string]string{kindSubject: subject, kindSample: sample} {
			d := salted(salt, kind, name)
			e, ok := l.entries[d]
			if !ok || name == "" || e.Salt != salt || (e.Subject != "") != (kind == kindSubject) {
				continue
			}
			l.met[d], found = true, true
		}
	}
	return found
}

// Unmet are the entries that have named nobody so far, in the order of their digests.
func (l *List) Unmet() []Entry {
	var out []Entry
	for d, e := range l.entries {
		if !l.met[d] {
			out = append(out, e)
		}
	}
	Sort(out)
	return out
}
