package publisher

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// gitBlob is the name that git gives to a file's content: the SHA-1 over "blob", its size, a zero byte, and it.
func gitBlob(data []byte) string {
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00", len(data))
	h.Write(data)
	return hex.EncodeToString(h.Sum(nil))
}

func sha256Of(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// lfsPointer is what lies in git in place of a file that lies in Git LFS
// (https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md).
func lfsPointer(data []byte) []byte {
	return fmt.Appendf(nil, "version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n", sha256Of(data), len(data))
}
