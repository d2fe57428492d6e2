package registry

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A tag has fewer characters than a name of a store: a step's is bench/fetch/x. So a byte that a tag cannot have, and
// the underscore itself, is written as an underscore and two hexadecimal digits. Names that look like one of our
// own tags, or like those of the specification for referrers, have their first byte written so.

// maxTag is how long a tag may be.
const maxTag = 128

// actionTag begins the tags of the shared action cache.
const actionTag = "action-"

// ours are tags that are not names.
var ours = regexp.MustCompile(`^(` + actionTag + `|sha256-)[0-9a-f]{64}$`)

// tagOf writes a name as a tag.
func tagOf(name string) (string, error) {
	if name == "" {
		return "", errors.New("a name is empty")
	}
	var b strings.Builder
	for i := range len(name) {
		if c := name[i]; plainByte(c, i) && !(i == 0 && ours.MatchString(name)) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "_%02x", c)
		}
	}
	if b.Len() > maxTag {
		return "", fmt.Errorf("the name %q makes a tag of %d bytes, a registry takes %d: give it a shorter one", name, b.Len(), maxTag)
	}
	return b.String(), nil
}

func plainByte(c byte, at int) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return at > 0 && (c == '.' || c == '-')
}

// nameOf reads a tag that tagOf has written. Of another one it says so.
func nameOf(tag string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(tag); i++ {
		if tag[i] != '_' {
			b.WriteByte(tag[i])
			continue
		}
		if i+2 >= len(tag) {
			return "", false
		}
		c, err := strconv.ParseUint(tag[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(c))
		i += 2
	}
	again, err := tagOf(b.String())
	return b.String(), err == nil && again == tag
}
