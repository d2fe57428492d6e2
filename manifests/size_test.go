package manifests_test

import (
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/manifests"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]manifests.Size{
		"1 B": 1, "162827155 B": 162827155, "1.5 kB": 1500, "0.001 MB": 1000, "163.6 GB": 163_600_000_000, "19.01 TB": 19_010_000_000_000,
		"1.0 GB": 1_000_000_000, "9007199254740991 B": 1<<53 - 1,
		"": 0, "5": 0, "5GB": 0, "5  GB": 0, " 5 GB": 0, "5 GB ": 0, "05 GB": 0, "5. GB": 0, ".5 GB": 0, "5.1234 GB": 0, "5 gb": 0, "5 GiB": 0, "-5 GB": 0,
		"1e3 GB": 0, "5,3 GB": 0, "0 B": 0, "0.000 TB": 0, "1.5 B": 0, "9007199254740992 B": 0, "9999999999999999 TB": 0, "5 GB\n": 0,
	} {
		got, err := manifests.ParseSize(text)
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
}

// FuzzParseSize: what is read is more than nothing, and exactly what is written.
func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"163.6 GB", "162827155 B", "0.001 kB", "1.0005 kB", "9007199254740991 B"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := manifests.ParseSize(text)
		if err != nil {
			return
		}
		if n < 1 || n > 1<<53-1 {
			t.Errorf("%q is %d", text, n)
		}
		if number, whole := strings.CutSuffix(text, " B"); whole && strings.Contains(number, ".") && !strings.HasSuffix(number, "0") {
			t.Errorf("%q has a part of a byte", text)
		}
	})
}
