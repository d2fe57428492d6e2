package tcia

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/md5"
	"encoding/binary"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/archive"
)

const (
	sumsFile    = "md5hashes.csv"
	licenceFile = "LICENSE"
	mostSums    = 64 << 20 // bytes of a sumsFile: a million images
	room        = 64 << 20 // for what a zip holds beside its images
	ratio       = 1100     // deflate packs a blank mask 1,032 to 1
	headBytes   = 4 << 10  // of a file, in which its SOPInstanceUID stands
)

// expand unpacks the zip of a series, whose sums it reads first: a file that is not what they say never counts.
func (s series) expand(ctx context.Context, file io.ReaderAt, size int64, out plugins.Output) error {
	sums, err := readSums(file, size)
	if err != nil {
		return s.broken(err)
	}
	if int64(len(sums)) != s.images {
		return s.broken(fmt.Errorf("the list says %d images, the zip has %d", s.images, len(sums)))
	}
	to := &checked{Output: out, dir: s.UID, sums: sums, seen: map[string]bool{}}
	err = archive.Unpack(ctx, file, size, archive.Options{
		Prefix: s.UID, Keep: func(name string) bool { return name != sumsFile }, Limits: archive.Limits{Bytes: 2*s.bytes + room, Ratio: ratio},
	}, to)
	if err == nil && len(to.seen) != len(sums) {
		err = fmt.Errorf("%s has %d files, the zip has %d of them", sumsFile, len(sums), len(to.seen))
	}
	if err != nil {
		return s.broken(err)
	}
	return nil
}

// broken marks an error as worth another attempt, if another zip of the same series may be a whole one.
func (s series) broken(err error) error {
	err = fmt.Errorf("series %s: %w", s.UID, err)
	if refused, ok := errors.AsType[*archive.Error](err); ok && !slices.Contains([]archive.Reason{archive.BadFormat, archive.Truncated, archive.WrongSize}, refused.Reason) {
		return err
	}
	if f, ok := errors.AsType[*plugins.Fault](err); ok && f.Code != "" {
		return err
	}
	return &plugins.Fault{Code: plugins.FaultDamaged, Err: err, Again: true}
}

// readSums reads the sums of a zip, by the names of its files.
func readSums(file io.ReaderAt, size int64) (map[string]string, error) {
	z, err := zip.NewReader(file, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // names are judged when they are unpacked
		return nil, err
	}
	f, err := z.Open(sumsFile)
	if err != nil {
		return nil, fmt.Errorf("no %s in the zip: the archive's server ended it early", sumsFile)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, mostSums+1))
	if err == nil && len(text) > mostSums {
		err = fmt.Errorf("longer than %d bytes", mostSums)
	}
	var sums map[string]string
	if err == nil {
		sums, err = parseSums(text)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", sumsFile, err)
	}
	return sums, nil
}

var md5Form = regexp.MustCompile(`^[0-9a-f]{32}$`)

// parseSums reads a table of two columns, Filename and MD5Hash.
func parseSums(text []byte) (map[string]string, error) {
	r := csv.NewReader(bytes.NewReader(text))
	r.FieldsPerRecord, r.TrimLeadingSpace = 2, true
	head, err := r.Read()
	if err != nil || head[0] != "Filename" || head[1] != "MD5Hash" {
		return nil, fmt.Errorf("line 1: want Filename,MD5Hash")
	}
	sums := map[string]string{}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return sums, nil
		}
		if err != nil {
			return nil, err
		}
		line, _ := r.FieldPos(0)
		name, sum := row[0], strings.ToLower(strings.TrimSpace(row[1]))
		if _, twice := sums[name]; twice || name == "" || !md5Form.MatchString(sum) {
			return nil, fmt.Errorf("line %d: want a name that is there once, and 32 hexadecimal digits", line)
		}
		sums[name] = sum
	}
}

// checked is the output of one series: it checks files against their sums and names them by what they are.
type checked struct {
	plugins.Output
	dir  string
	sums map[string]string
	seen map[string]bool
}

// Create makes the file of a zip's entry.
func (c *checked) Create(at string) (io.WriteCloser, error) {
	name := strings.TrimPrefix(at, c.dir+"/")
	want, ok := c.sums[name]
	if !ok && name == licenceFile {
		return c.Output.Create(at)
	}
	if !ok {
		return nil, fmt.Errorf("%q is not in %s", name, sumsFile)
	}
	c.seen[name] = true
	return &image{to: c.Output, at: at, want: want, sum: md5.New()}, nil
}

// image is a file on its way out. Where it goes is known when its head is here.
type image struct {
	to   plugins.Output
	at   string // the entry's own place
	want string
	sum  hash.Hash
	head []byte
	w    io.WriteCloser
}

func (m *image) Write(b []byte) (int, error) {
	m.sum.Write(b)
	if m.w != nil {
		return m.w.Write(b)
	}
	if m.head = append(m.head, b...); len(m.head) < headBytes {
		return len(b), nil
	}
	return len(b), m.open()
}

func (m *image) open() error {
	if uid := sopInstanceUID(m.head); uid != "" {
		m.at = path.Join(path.Dir(m.at), uid+".dcm")
	}
	var err error
	if m.w, err = m.to.Create(m.at); err != nil {
		return err
	}
	_, err = m.w.Write(m.head)
	m.head = nil
	return err
}

// Close lets a file count that has its sum.
func (m *image) Close() error {
	if got := hex.EncodeToString(m.sum.Sum(nil)); got != m.want {
		return &plugins.Fault{Code: plugins.FaultDamaged, Again: true,
			Err: fmt.Errorf("%s: %w", m.at, &plugins.MismatchError{What: "digest", Want: "md5:" + m.want, Got: "md5:" + got})}
	}
	if m.w == nil {
		if err := m.open(); err != nil {
			return err
		}
	}
	return m.w.Close()
}

// sopInstanceUID reads the Media Storage SOP Instance UID (0002,0003) out of the beginning of a DICOM file: 128 bytes of
// anything, "DICM", and elements of group 2 in Explicit VR Little Endian (PS3.10, 7.1). It is "" if there is none.
func sopInstanceUID(head []byte) string {
	if len(head) < 132 || string(head[128:132]) != "DICM" {
		return ""
	}
	for rest := head[132:]; len(rest) >= 8; {
		group, element, form := binary.LittleEndian.Uint16(rest), binary.LittleEndian.Uint16(rest[2:]), string(rest[4:6])
		length, from := int(binary.LittleEndian.Uint16(rest[6:])), 8
		if long(form) {
			if len(rest) < 12 {
				return ""
			}
			length, from = int(binary.LittleEndian.Uint32(rest[8:])), 12
		}
		if group != 2 || length < 0 || length > len(rest)-from {
			return ""
		}
		if element == 3 {
			if uid := strings.TrimRight(string(rest[from:from+length]), "\x00 "); isUID(uid) {
				return uid
			}
			return ""
		}
		rest = rest[from+length:]
	}
	return ""
}

// long says whether an element of that value representation has a length of 32 bits (PS3.5, table 7.1-1).
func long(vr string) bool {
	switch vr {
	case "OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV":
		return true
	}
	return false
}
