package plugins

import (
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"strconv"
	"strings"
)

// Checksum is a publisher's checksum that is no digest, with its algorithm before it. It shows that a transfer was
// damaged or that a file is another one, but not that nobody wanted to deceive: so it is checked in addition, and no
// record names a file by it.
//
//	md5:<32 hexadecimal digits>
//	sha1:<40 digits>
//	crc32c:<8 digits>               the polynomial of Castagnoli, as Google's storage has it
//	git-sha1:<40 digits>            a blob of git: SHA-1 over "blob <size>\0" and the file
//	md5-parts-<bytes>:<32 digits>-<parts>
//	                                the ETag of an S3 object that was uploaded in parts of so many bytes: MD5 over the
//	                                MD5s of the parts
//
// Digits are lower-case; those of a CRC are of the number with its highest byte first.
type Checksum string

const partsPrefix = "md5-parts-"

// digits is how many each algorithm has.
var digits = map[string]int{"md5": 2 * md5.Size, "sha1": 2 * sha1.Size, "crc32c": 2 * crc32.Size, "git-sha1": 2 * sha1.Size}

// ChecksumOf makes a checksum of what a publisher gives: hexadecimal digits of any case, or base64 as in Content-MD5.
func ChecksumOf(algorithm, text string) (Checksum, error) {
	c := Checksum(algorithm + ":" + strings.ToLower(text))
	if raw, err := base64.StdEncoding.DecodeString(text); err == nil && 2*len(raw) == digits[algorithm] {
		c = Checksum(algorithm + ":" + hex.EncodeToString(raw))
	}
	return c, c.Validate()
}

// Validate says what is wrong with a checksum.
func (c Checksum) Validate() error {
	_, err := c.hash(0)
	return err
}

// String is the checksum as it is written.
func (c Checksum) String() string { return string(c) }

// Algorithm is what stands before the digits.
func (c Checksum) Algorithm() string {
	name, _, _ := strings.Cut(string(c), ":")
	return name
}

// Encoded is what stands behind the algorithm.
func (c Checksum) Encoded() string {
	_, text, _ := strings.Cut(string(c), ":")
	return text
}

// hash computes the checksum of a file of that size; like reads it.
func (c Checksum) hash(size int64) (hash.Hash, error) {
	name, text := c.Algorithm(), c.Encoded()
	if part, ok := strings.CutPrefix(name, partsPrefix); ok {
		return c.parts(part, text)
	}
	n, ok := digits[name]
	if !ok {
		return nil, fmt.Errorf("checksum %q: unknown algorithm, want md5, sha1, crc32c, git-sha1 or md5-parts-<bytes>", c)
	}
	if !isHex(text, n) {
		return nil, fmt.Errorf("checksum %q: want %d lower-case hexadecimal digits", c, n)
	}
	switch name {
	case "md5":
		return md5.New(), nil
	case "crc32c":
		return crc32.New(crc32.MakeTable(crc32.Castagnoli)), nil
	case "git-sha1":
		if size < 0 {
			return nil, fmt.Errorf("checksum %q: it is over the size, too, which the source does not list", c)
		}
		h := sha1.New()
		fmt.Fprintf(h, "blob %d\x00", size)
		return h, nil
	}
	return sha1.New(), nil
}

// parts computes an ETag.
func (c Checksum) parts(part, text string) (hash.Hash, error) {
	bytes, err := strconv.ParseInt(part, 10, 64)
	sum, count, _ := strings.Cut(text, "-")
	n, bad := strconv.ParseUint(count, 10, 31)
	if err != nil || bad != nil || bytes < 1 || n < 1 || !isHex(sum, 2*md5.Size) {
		return nil, fmt.Errorf("checksum %q: want md5-parts-<bytes>:<32 lower-case hexadecimal digits>-<parts>", c)
	}
	return &multipart{size: bytes, part: md5.New(), all: md5.New()}, nil
}

// like is a checksum of the same algorithm, from a hash that has read a file.
func (c Checksum) like(h hash.Hash) Checksum {
	text := hex.EncodeToString(h.Sum(nil))
	if m, ok := h.(*multipart); ok {
		text += fmt.Sprintf("-%d", m.count())
	}
	return Checksum(c.Algorithm() + ":" + text)
}

func isHex(text string, n int) bool {
	return len(text) == n && strings.Trim(text, "0123456789abcdef") == ""
}

// multipart is MD5 over the MD5s of parts.
type multipart struct {
	size   int64
	part   hash.Hash
	filled int64 // of the part
	all    hash.Hash
	whole  int // parts
}

func (m *multipart) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		if m.filled == m.size {
			m.all.Write(m.part.Sum(nil))
			m.part.Reset()
			m.filled = 0
			m.whole++
		}
		n := min(int64(len(rest)), m.size-m.filled)
		m.part.Write(rest[:n])
		m.filled += n
		rest = rest[n:]
	}
	return len(b), nil
}

// count is how many parts there are. An empty file has one.
func (m *multipart) count() int { return m.whole + 1 }

// Sum appends the MD5 of what was written. After it, nothing more can be.
func (m *multipart) Sum(b []byte) []byte {
	m.all.Write(m.part.Sum(nil))
	return m.all.Sum(b)
}

func (m *multipart) Reset()         { *m = multipart{size: m.size, part: md5.New(), all: md5.New()} }
func (m *multipart) Size() int      { return md5.Size }
func (m *multipart) BlockSize() int { return md5.BlockSize }
