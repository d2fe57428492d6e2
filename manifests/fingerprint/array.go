package fingerprint

import (
	"encoding/binary"
	"math"
)

// array reads the elements of a .npy file, whatever its header says: shape and type are known.
type array struct {
	data  []byte
	dtype string
}

// open takes the elements from the end of a file, where they lie behind the header.
func open(shape []int, dtype string, npy []byte) (array, bool) {
	width := map[string]int{"uint8": 1, "int32": 4, "float32": 4}[dtype]
	n := 1
	for _, s := range shape {
		if s < 1 || n > math.MaxInt32/s {
			return array{}, false
		}
		n *= s
	}
	if width == 0 || len(shape) == 0 || n < minute || len(npy) < n*width {
		return array{}, false
	}
	return array{npy[len(npy)-n*width:], dtype}, true
}

func (a array) len() int {
	if a.dtype == "uint8" {
		return len(a.data)
	}
	return len(a.data) / 4
}

// add adds the elements that begin at one and lie step apart; what is no number counts as 0.
func (a array) add(to []float64, at, step int) {
	switch a.dtype {
	case "uint8":
		for i := range to {
			to[i] += float64(a.data[at+i*step])
		}
	case "int32":
		for i := range to {
			to[i] += float64(int32(binary.LittleEndian.Uint32(a.data[4*(at+i*step):])))
		}
	default:
		for i := range to {
			if v := float64(math.Float32frombits(binary.LittleEndian.Uint32(a.data[4*(at+i*step):]))); !math.IsNaN(v) && !math.IsInf(v, 0) {
				to[i] += v
			}
		}
	}
}
