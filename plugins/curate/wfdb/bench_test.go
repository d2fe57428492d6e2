package wfdb

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkRead decodes a record as the large databases have them: 12 leads, 10 s at 500 Hz.
func BenchmarkRead(b *testing.B) {
	for format, size := range map[string]int{"16": 120_000, "212": 90_000} {
		b.Run(format, func(b *testing.B) {
			head := "r 12 500 5000\n" + strings.Repeat(fmt.Sprintf("r.dat %s 1000/mV 16 0\n", format), 12)
			open := memory(map[string]string{"r.dat": strings.Repeat("\x10\x01\x20", size/3)})
			b.SetBytes(int64(size))
			for b.Loop() {
				h, err := ParseHeader(strings.NewReader(head))
				if err != nil {
					b.Fatal(err)
				}
				if _, err := h.Read(open, limit); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
