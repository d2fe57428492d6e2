package tabular

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// ending is a file with that footer.
func ending(footer string) []byte {
	b := append([]byte("PAR1"), footer...)
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(footer))), "PAR1"...)
}

// TestFooter: lists that claim more items than they have, or more than there is room for, take no memory. The first byte of a
// field is the distance to its number and its type, that of a list its length and type, 15 for a length that follows.
func TestFooter(t *testing.T) {
	const (
		aList   = "\x19"
		texts   = "\xf8"
		structs = "\xfc"
		million = "\x80\x80\x40" // 1,048,576
	)
	for name, c := range map[string]struct{ footer, want string }{
		"nothing":                  {"\x00", ""},
		"all types":                {"\x11\x12\x13\x05\x14\x02\x15\x02\x16\x80\x01\x17" + "12345678" + "\x18\x02ab" + "\x1d" + "0123456789abcdef" + "\x1c\x15\x02\x00" + aList + "\x35\x02\x04\x06" + aList + "\x22\x01\x02" + "\x1a\x15\x02\x00", ""},
		"a number of its own":      {"\x05\x80\x02\x02\x00", ""},
		"strings that are not":     {aList + texts + "\xff\xff\xff\x61\x00", "the footer: a list of 205520895 items in 1 bytes"},
		"a set that is not":        {"\x1a" + structs + "\xff\xff\xff\x61\x00", "the footer: a list of 205520895 items in 1 bytes"},
		"less in a short list":     {aList + "\x48\x01a", "the footer: a list of 4 items in 2 bytes"},
		"structs of a byte":        {aList + structs + million + strings.Repeat("\x00", 1<<20) + aList + structs + million + strings.Repeat("\x00", 1<<20) + "\x00", "the footer: its lists take more than 1073741824 bytes"},
		"structs of a byte, fewer": {aList + structs + million + strings.Repeat("\x00", 1<<20) + "\x00", ""},
		"a map":                    {"\x1b\x01\x55\x02\x02\x00", "the footer: a value of type 11"},
		"a value without type":     {aList + "\x1f\x00", "the footer: a value of type 15"},
		"no end":                   {"\x15\x02", "the footer: it is cut off, or contradicts itself"},
		"no number":                {"\x05\x80", "the footer: it is cut off"},
		"no value":                 {"\x15", "the footer: it is cut off"},
		"no length":                {"\x18", "the footer: it is cut off"},
		"a text too long":          {"\x18\x05ab\x00", "the footer: it is cut off"},
		"half a number":            {"\x171234", "the footer: it is cut off"},
		"no list":                  {aList, "the footer: it is cut off"},
		"no length of a list":      {aList + "\xf5", "the footer: it is cut off"},
		"too deep":                 {strings.Repeat("\x1c", 40), "the footer: more than 32 structs and lists in one another"},
		"lists too deep":           {aList + strings.Repeat("\x19", 40) + "\x05", "the footer: more than 32 structs"},
	} {
		t.Run(name, func(t *testing.T) {
			var err error
			data := ending(c.footer)
			took := plugintest.Allocated(func() { err = footer(data) })
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if took > 1<<20 {
				t.Errorf("it took %d bytes", took)
			}
		})
	}
}
