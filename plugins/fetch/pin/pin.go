// Package pin gives a publisher's list a name where the publisher gives it none: no version, nothing that stays when the list
// changes. The name is the list's digest. A manifest may hold it, and then another list is refused before the first file
// is asked for; the record of what was fetched has it in any case.
package pin

import (
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/plugins"
)

// Digest is that of the list that a manifest was made for, "" if any list will do.
type Digest string

// Check says whether it is one.
func (d Digest) Check() error {
	if got := digest.Digest(d); d != "" && (got.Validate() != nil || got.Algorithm() != digest.SHA256) {
		return fmt.Errorf("%q is not the digest of a list: want sha256: and 64 hexadecimal digits", string(d))
	}
	return nil
}

// Of is the digest of a list with one line for each entry, in an order that does not change: sha256 over the lines, each
// with a line feed.
func Of(lines []string) Digest {
	all := digest.SHA256.Digester()
	for _, l := range lines {
		_, _ = io.WriteString(all.Hash(), l+"\n") // a hash never fails
	}
	return Digest(all.Digest())
}

// Hold compares the list that a publisher gives now, and returns its digest.
func (d Digest) Hold(lines []string) (Digest, error) {
	got := Of(lines)
	if d == "" || d == got {
		return got, nil
	}
	return got, &plugins.Fault{Code: plugins.FaultManifest, Err: fmt.Errorf("the publisher's list is not the one that the manifest names: "+
		"it has %d entries now and is %s, the manifest says %s; find out what changed before you take over the new digest", len(lines), got, d)}
}
