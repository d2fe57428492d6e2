package jpeg_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/plugins/curate/jpeg"
	"github.com/cairn-bench/cairn/plugins/curate/raster"
)

// row is what Pillow makes of a file at one size: width, height and SHA-256 of the pixels.
type row struct {
	Size      [2]int
	Grey, RGB [3]any
}

func read(t testing.TB, file string) []byte {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parse[T any](t testing.TB, file string) T {
	var out T
	if err := json.Unmarshal(read(t, file), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func sum(p raster.Raster) string {
	s := sha256.Sum256(p.Pix)
	return hex.EncodeToString(s[:])
}

// Every vector decodes to Pillow's bytes, at every scale, in grey and in RGB, whatever the decoder has decoded before.
func TestVectors(t *testing.T) {
	all := parse[map[string][]row](t, "testdata/vectors.json")
	if len(all) < 80 {
		t.Fatal(len(all))
	}
	var d jpeg.Decoder
	for name, rows := range all {
		b := read(t, filepath.Join("testdata", name))
		for _, want := range rows {
			for channels, w := range map[int][3]any{1: want.Grey, 3: want.RGB} {
				d.Stain()
				p, err := d.Decode(b, jpeg.Options{Channels: channels, W: want.Size[0], H: want.Size[1]})
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				if got := fmt.Sprint(p.W, p.H, sum(p)); got != fmt.Sprint(w[0], w[1], w[2]) {
					t.Errorf("%s to %v, %d channels: %s, want %v", name, want.Size, channels, got, w)
				}
			}
		}
	}
}

// The real files are those of ../shared/data. real.json has one digest over the pixels at all scales.
func TestRealFiles(t *testing.T) {
	dir := os.Getenv("CAIRN_SHARED_DATA")
	if dir == "" {
		dir = "../../../../shared/data"
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skip("shared/data is absent; set CAIRN_SHARED_DATA to run the tests on real pictures")
	}
	all := parse[map[string]string](t, "testdata/real.json")
	if len(all) < 700 {
		t.Fatal(len(all))
	}
	for name, want := range all {
		if got := digest(t, read(t, filepath.Join(dir, name))); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// digest is that of the digests of the pixels at every scale, grey and RGB.
func digest(t *testing.T, b []byte) string {
	h, err := jpeg.ReadHeader(b)
	if err != nil {
		t.Fatal(err)
	}
	var sums []string
	for _, times := range []int{1, 2, 4, 8} {
		for _, channels := range []int{1, 3} {
			p, err := jpeg.Decode(b, jpeg.Options{Channels: channels, W: max(1, h.W/times), H: max(1, h.H/times)})
			if err != nil {
				t.Fatal(err)
			}
			sums = append(sums, sum(p))
		}
	}
	s := sha256.Sum256([]byte(strings.Join(sums, " ")))
	return hex.EncodeToString(s[:])
}
