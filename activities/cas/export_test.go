package cas

import "github.com/opencontainers/go-digest"

// Rot puts b in the place of the bytes of d.
func (m *Memory) Rot(d digest.Digest, b []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.blobs[d] = b
}
