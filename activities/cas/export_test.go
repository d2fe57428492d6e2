package cas

import "github.com/opencontainers/go-digest"

// Rot puts b in the place of the bytes of d.
func (m *Memory) Rot(d digest.Digest, b []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.blobs[d] = b
}

// Kill drops an upload as the death of its process does.
func (u *Upload) Kill() {
	_ = u.wait() // it would go on in this process
	switch at := u.kept.(type) {
	case diskUpload:
		_ = at.Close()
	case *memoryUpload:
		_ = at.close()
	}
}

// Seal makes the file of a saved upload; hash is in the encoding of crypto/sha256.
func Seal(schema, name string, offset int64, hash []byte) []byte {
	sealed, err := uploadState{Schema: schema, Name: name, Offset: offset, Hash: hash}.seal()
	if err != nil {
		panic(err)
	}
	return sealed
}

// Unseal reads the file of a saved upload.
func Unseal(name string, size int64, sealed []byte) (int64, bool) {
	s, h, ok := unseal(name, size, sealed)
	return s.Offset, ok && h != nil
}

// UploadSchema is that of the file of a saved upload.
const UploadSchema = uploadSchema
