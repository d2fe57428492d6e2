package archive

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/plugins"
)

// rarFile is a file of a rar archive, and what is odd about it.
type rarFile struct {
	name, body  string
	folder      bool
	link        uint64 // type of redirection: 1 is a symbolic link of Unix, 4 a hard link
	unknown     bool
	size        uint64 // announced, the true one if 0
	attributes  uint64
	wrongSum    bool
	compression uint64
}

// rarOf writes an archive of format 5 without compression, as "RAR 5.0 archive format" of rarlab.com says: numbers of seven bits a byte, blocks of a CRC, a
// length, a type and flags.
func rarOf(files ...rarFile) []byte {
	out := []byte("Rar!\x1a\x07\x01\x00")
	out = append(out, rarBlock(nil, nil, 1, 0, 0)...)
	for _, f := range files {
		flags, size := uint64(4), f.size
		if f.folder {
			flags |= 1
		}
		if f.unknown {
			flags |= 8
		}
		if size == 0 {
			size = uint64(len(f.body))
		}
		sum := crc32.ChecksumIEEE([]byte(f.body))
		if f.wrongSum {
			sum++
		}
		head := vints(flags, size, f.attributes)
		head = binary.LittleEndian.AppendUint32(head, sum)
		head = append(head, vints(f.compression, 1, uint64(len(f.name)))...)
		var extra []byte
		if f.link > 0 {
			record := append(vints(5, f.link, 0, 4), "/etc"...)
			extra = append(vints(uint64(len(record))), record...)
		}
		out = append(out, rarBlock(append(head, f.name...), extra, 2, 2, uint64(len(f.body)))...)
		out = append(out, f.body...)
	}
	return append(out, rarBlock(nil, nil, 5, 0, 0)...)
}

func rarBlock(fields, extra []byte, kind, flags, data uint64) []byte {
	if kind == 1 || kind == 5 {
		fields = vints(0)
	}
	if len(extra) > 0 {
		flags |= 1
	}
	head := vints(kind, flags)
	if len(extra) > 0 {
		head = append(head, vints(uint64(len(extra)))...)
	}
	if flags&2 != 0 {
		head = append(head, vints(data)...)
	}
	head = append(append(head, fields...), extra...)
	head = append(vints(uint64(len(head))), head...)
	return append(binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(head)), head...)
}

func vints(numbers ...uint64) []byte {
	var out []byte
	for _, n := range numbers {
		out = binary.AppendUvarint(out, n)
	}
	return out
}

func TestRar(t *testing.T) {
	data := rarOf(rarFile{name: "top", folder: true}, rarFile{name: "top/LNDb-0001.mhd", body: "NDims = 3"}, rarFile{name: "top/sub/b (1).raw", body: strings.Repeat("B", 5000)})
	got, err := unpack(data, Options{Strip: 1, Prefix: "in"})
	if diff := cmp.Diff(map[string]string{"in/LNDb-0001.mhd": "NDims = 3", "in/sub/b (1).raw": strings.Repeat("B", 5000)}, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func TestRarAttacks(t *testing.T) {
	whole := rarOf(rarFile{name: "a", body: "12345"}, rarFile{name: "b", body: "678"})
	for _, c := range []struct {
		name string
		data []byte
		opts Options
		want Reason
	}{
		{"climbs out", rarOf(rarFile{name: "../evil", body: "x"}), Options{}, BadName},
		{"folder climbs out", rarOf(rarFile{name: "../evil", folder: true}), Options{}, BadName},
		{"absolute", rarOf(rarFile{name: "/evil", body: "x"}), Options{}, BadName},
		{"link", rarOf(rarFile{name: "a", link: 1}), Options{}, Link},
		{"hard link", rarOf(rarFile{name: "a", link: 4}), Options{}, Link},
		{"link by its mode", rarOf(rarFile{name: "a", body: "/etc", attributes: 0o120777}), Options{}, Link},
		{"device", rarOf(rarFile{name: "a", attributes: 0o020666}), Options{}, Special},
		{"name twice", rarOf(rarFile{name: "a"}, rarFile{name: "A"}), Options{}, Duplicate},
		{"unknown size", rarOf(rarFile{name: "a", body: "x", unknown: true}), Options{}, Unsupported},
		{"too large", rarOf(rarFile{name: "a", body: "12345"}), Options{Limits: Limits{Bytes: 4}}, TooLarge},
		{"announces too much", rarOf(rarFile{name: "a", body: "12345", size: 1 << 40}), Options{}, TooLarge},
		{"too many", whole, Options{Limits: Limits{Entries: 1}}, TooMany},
		{"a sum that lies", rarOf(rarFile{name: "a", body: "x", wrongSum: true}), Options{}, WrongSize},
		{"a size that lies", rarOf(rarFile{name: "a", body: "x", size: 2}), Options{}, WrongSize},
		{"a large dictionary", rarOf(rarFile{name: "a", body: "x", size: 100, compression: 1<<6 | 1<<7 | 15<<10}), Options{}, TooLarge},
		{"no blocks", []byte("Rar!\x1a\x07\x01\x00"), Options{}, Truncated},
		{"cut in a file", whole[:len(whole)-20], Options{}, Truncated},
		{"cut before its end", whole[:len(whole)-8], Options{}, Truncated},
		{"another format of that name", []byte("Rar! is a sound that lions make."), Options{}, BadFormat},
		{"a block with a wrong sum", flip(bytes.Clone(whole), 12-len(whole)), Options{}, BadFormat},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := unpack(c.data, c.opts)
			if e := (&Error{}); !asError(err, &e) || e.Reason != c.want {
				t.Errorf("error %v, want reason %s", err, c.want)
			}
		})
	}
}

func asError(err error, to **Error) bool {
	e, ok := err.(*Error) //nolint:errorlint // refusals are not wrapped
	if ok {
		*to = e
	}
	return ok
}

func FuzzRar(f *testing.F) {
	f.Add(rarOf(rarFile{name: "a/b", body: "text"}, rarFile{name: "c", folder: true}))
	f.Add(bytes.Replace(rarOf(rarFile{name: "a", body: "text", compression: 1 << 7}), []byte("x"), []byte("y"), 1))
	f.Add([]byte("Rar!\x1a\x07\x00\xcf\x90\x73\x00\x00\x0d\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		files, err := unpack(data, Options{Limits: Limits{Entries: 100, Bytes: 1 << 20}})
		total := 0
		for name, body := range files {
			if total += len(body); plugins.CheckPath(name) != nil {
				t.Errorf("unpacked %q", name)
			}
		}
		if total > 1<<20 || len(files) > 100 {
			t.Errorf("%d files, %d bytes (%v)", len(files), total, err)
		}
	})
}
