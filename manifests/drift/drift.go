// Package drift says who has changed his mind when a fetch does not give what the lock has.
//
// Three speak of every file: the lock, the publisher's own checksum list, and the bytes that were received. Where
// all three differ from one another nobody can be named; where two agree, the third is the one that moved. A mirror
// is a fourth: bytes that come from another host than the list. What the manifest itself says is no witness but a
// request: where it was edited since the lock was written, other bytes are what it asks for.
//
// A code is for programs, its text for people. The codes:
//
//	publisher-changed           list and bytes agree, the lock has something else
//	list-changed                lock and bytes agree, the list has something else
//	mirror-differs              bytes of a mirror are not those of the publisher's list
//	list-differs                list and bytes contradict each other, and the lock helps neither
//	damaged                     lock and list agree, or each transfer gives other bytes
//	no-list                     nothing but the lock and the manifest says what the bytes should be
//	url-changed-digest-kept     the manifest has a new address, and beside it the checksum of the old one
//	version-bumped-digest-kept  the manifest has a new version or address, and the files are the lock's
//	manifest-changed            the manifest asks for something else than when the lock was written
//	repacked                    the same files, packed differently
package drift

import (
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/plan"
)

// Code is the stable name of a verdict.
type Code string

// The codes.
const (
	PublisherChanged Code = "publisher-changed"
	ListChanged      Code = "list-changed"
	MirrorDiffers    Code = "mirror-differs"
	ListDiffers      Code = "list-differs"
	Damaged          Code = "damaged"
	NoList           Code = "no-list"
	URLKeptSum       Code = "url-changed-digest-kept"
	VersionKeptSum   Code = "version-bumped-digest-kept"
	ManifestChanged  Code = "manifest-changed"
	Repacked         Code = "repacked"
)

// Verdict names who disagrees. The zero value is that nobody does.
type Verdict struct {
	Code Code   `json:"verdict"`
	Text string `json:"text"` // one sentence, for people
}

// Report is what is known of the difference between what the lock has for a dataset and what a fetch gave.
type Report struct {
	Dataset string `json:"dataset"`
	State   string `json:"state"` // one of the States
	Verdict
	Path     string        `json:"path,omitempty"` // the file that was refused, if it was one
	Lock     digest.Digest `json:"lock"`           // artifact
	Received digest.Digest `json:"received,omitempty"`
	Unknown  bool          `json:"unknown,omitempty"` // the lock's artifact is not in the store, so that only what was received is counted
	Added    int           `json:"added"`
	Removed  int           `json:"removed"`
	Changed  int           `json:"changed"`
	List     string        `json:"list,omitempty"` // path of a file that names every file that differs
}

// States of a report.
const (
	Refused  = "refused"  // the step has no result
	Accepted = "accepted" // with --update
	Noted    = "noted"    // the manifest was edited, so nothing was refused
)

// Fetch is a fetch that gave another artifact than the lock's.
type Fetch struct {
	Known   bool // whether the files of the lock's artifact are
	Was, Is []artifact.File
	List    string       // address of the publisher's list, "" if there is none. Every file agrees with it
	Edited  bool         // whether its action is another one than the lock's
	Edits   []plan.Cause // what of it, as far as that is known
}

// File is a file that was refused.
type File struct {
	Path   string
	Ref    string        // its address
	Lock   digest.Digest // "" if that is not known
	List   string        // address of the publisher's list, "" if the checksum stands in the manifest alone
	Want   digest.Digest // what the list says, or else the manifest
	Sum    string        // what it says where it has no digest but a weaker checksum, such as "md5:..."
	Said   digest.Digest // what the manifest says where the list contradicts it
	Got    digest.Digest // "" if the file was not received as a whole
	Varies bool          // each transfer gave other bytes
	Edits  []plan.Cause  // as in Fetch
	OldSum bool          // the lock's action holds the checksum of the manifest, too
}
