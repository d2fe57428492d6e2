package dicom

import (
	"bytes"
	"os"
	"testing"
)

// BenchmarkCompressed reads one slice of 512 x 512 in each of the syntaxes that pydicom has such a file for.
func BenchmarkCompressed(b *testing.B) {
	for _, name := range []string{"J2K_pixelrep_mismatch.dcm", "image_dfl.dcm"} {
		text, err := os.ReadFile("../../../../shared/data/malformed/dicom_pydicom/" + name)
		if err != nil {
			b.Skip("real data are not here")
		}
		b.Run(name, func(b *testing.B) {
			frame := make([]float64, 512*512)
			b.SetBytes(512 * 512 * 2)
			for b.Loop() {
				f, err := Open(bytes.NewReader(text))
				if err == nil {
					err = f.Read(frame)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
