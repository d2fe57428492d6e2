package plugins

import (
	"fmt"
	"strings"
)

// maxKey keeps <split>/<key>.<ext> far below the 255 bytes that file systems allow a name.
const maxKey = 200

// Key turns any name, such as a path with blanks and brackets, into a sample's ID: letters, digits, "-"
// and "_" stay, every other byte becomes "~" and two hexadecimal digits. Different names have different
// keys. A key has no dot, because WebDataset readers end the key at the first one.
func Key(name string) string {
	var b strings.Builder
	for i := range len(name) {
		if c := name[i]; keyByte(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "~%02x", c)
		}
	}
	return b.String()
}

func keyByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// CheckKey says what keeps an ID from being a file name in every store, shell and loader.
func CheckKey(id string) error {
	if id == "" || len(id) > maxKey {
		return fmt.Errorf("sample id %q: want 1 to %d bytes, have %d", id, maxKey, len(id))
	}
	for i := range len(id) {
		if c := id[i]; !keyByte(c) && c != '~' {
			return fmt.Errorf("sample id %q: byte %q is not safe in a file name; make ids with plugins.Key", id, c)
		}
	}
	return nil
}
