package exchange

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
)

// Matlab encodes a matrix of float32, given row after row, as a MAT file of version 4 with the one variable "val", which is where
// CLIMB's loaders of ECGs look (scipy.io.loadmat, src/datasets/ecg/CPSC.py). Nothing is rounded, which the 16 bits of a
// WFDB record would do. The layout is that of "MAT-File Format", level 4: five words, a name, and the columns one after the other.
func Matlab(rows, columns int, data []float32) []byte {
	if rows*columns != len(data) {
		panic(fmt.Sprintf("matlab: %d elements are not %d x %d", len(data), rows, columns))
	}
	const name = "val\x00"
	const single = 10 // little-endian, float32, full
	b := make([]byte, 0, 20+len(name)+4*len(data))
	for _, v := range []uint32{single, uint32(rows), uint32(columns), 0, uint32(len(name))} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	b = append(b, name...)
	for c := range columns {
		for r := range rows {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(data[r*columns+c]))
		}
	}
	return b
}

// Header is the WFDB header beside such a file. CLIMB reads the sampling rate out of it. It names no signal, because
// none is stored as WFDB stores them.
func Header(record string, rate float64, samples int) []byte {
	return fmt.Appendf(nil, "%s 0 %s %d\n", record, strconv.FormatFloat(rate, 'f', -1, 64), samples)
}
