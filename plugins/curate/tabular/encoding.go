package tabular

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// Encodings are those that a Format may name. An encoding is never guessed from the text: bytes that are not UTF-8 are
// words of some other one, and all of one byte a character fit.
func Encodings() []string {
	return []string{UTF8, UTF16LE, UTF16BE, Windows1252, Latin1}
}

// The encodings.
const (
	UTF8        = "utf-8"
	UTF16LE     = "utf-16le"
	UTF16BE     = "utf-16be"
	Windows1252 = "windows-1252"
	Latin1      = "latin-1"
)

// marks are byte order marks and what they say.
var marks = []struct{ bytes, encoding string }{{"\xef\xbb\xbf", UTF8}, {"\xff\xfe", UTF16LE}, {"\xfe\xff", UTF16BE}}

// CheckEncoding says whether a Format may name an encoding.
func CheckEncoding(name string) error {
	if name != "" && !slices.Contains(Encodings(), name) {
		return fmt.Errorf("encoding %q: want one of %s", name, strings.Join(Encodings(), ", "))
	}
	return nil
}

// decode gives text as UTF-8 without its byte order mark, and says whether it was of two bytes a character. A mark that says
// something else than the Format is an error.
func decode(r io.Reader, name string) (text io.Reader, wide bool, err error) {
	if err := CheckEncoding(name); err != nil {
		return nil, false, err
	}
	buffered := bufio.NewReaderSize(r, 1<<16)
	head, _ := buffered.Peek(3) // an error comes again with the text
	for _, m := range marks {
		if !strings.HasPrefix(string(head), m.bytes) {
			continue
		}
		if name != "" && name != m.encoding {
			return nil, false, fmt.Errorf("encoding: %s is asked for, and the file's byte order mark says %s", name, m.encoding)
		}
		name = m.encoding
		_, _ = buffered.Discard(len(m.bytes)) // they were peeked at
		break
	}
	var from encoding.Encoding
	switch name {
	case Windows1252:
		from = charmap.Windows1252
	case Latin1:
		from = charmap.ISO8859_1
	case UTF16LE:
		from = unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	case UTF16BE:
		from = unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	default:
		return buffered, false, nil
	}
	return from.NewDecoder().Reader(buffered), strings.HasPrefix(name, "utf-16"), nil
}
