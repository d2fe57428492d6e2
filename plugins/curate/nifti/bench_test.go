package nifti

import (
	"bytes"
	"testing"
)

// BenchmarkRead reads a volume as CT has them, 512 x 512 voxels a plane, of 16 bits and scaled.
func BenchmarkRead(b *testing.B) {
	head := edit(b, 40, "\x03\x00\x00\x02\x00\x02\x10\x00") // 512 x 512 x 16
	copy(head[112:], "\x00\x00\x80\x3f\x00\x00\x80\xc4")    // 1 and -1024
	text := append(head[:352], make([]byte, 512*512*16*2)...)
	plane := make([]float64, 512*512)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		v, err := Open(bytes.NewReader(text))
		if err != nil {
			b.Fatal(err)
		}
		for range v.Dims[2] {
			if err := v.Read(plane); err != nil {
				b.Fatal(err)
			}
		}
	}
}
