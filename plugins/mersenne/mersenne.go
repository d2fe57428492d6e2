// Package mersenne draws what numpy.random.RandomState draws, so that a split or a label that a published program has drawn with a seed
// can be drawn again. Nothing of ours is drawn with it.
//
// It is the generator MT19937 (Matsumoto and Nishimura 1998), seeded with one number of 32 bits as np.random.seed does. Numbers
// below a bound are taken from the lowest bits that can hold them, and those that are too high are thrown away. NumPy
// keeps this stream as it is for all time (NEP 19).
package mersenne

import "math/bits"

const (
	size   = 624
	offset = 397
)

// RandomState is the state of a generator. It is not safe for use by several goroutines.
type RandomState struct {
	words [size]uint32
	next  int
}

// New is np.random.RandomState(seed).
func New(seed uint32) *RandomState {
	r := &RandomState{next: size}
	for i := range r.words {
		r.words[i] = seed
		seed = 1812433253*(seed^seed>>30) + uint32(i) + 1
	}
	return r
}

// Uint32 is the next word of the generator.
func (r *RandomState) Uint32() uint32 {
	if r.next == size {
		r.twist()
	}
	y := r.words[r.next]
	r.next++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

func (r *RandomState) twist() {
	for i := range r.words {
		y := r.words[i]&0x80000000 | r.words[(i+1)%size]&0x7fffffff
		r.words[i] = r.words[(i+offset)%size] ^ y>>1 ^ -(y&1)&0x9908b0df
	}
	r.next = 0
}

// Intn is randint(n) and choice(n): a number from 0 to n-1, where n is from 1 to 2^32.
func (r *RandomState) Intn(n int) int {
	last := uint32(n - 1)
	if last == 0 {
		return 0
	}
	mask := ^uint32(0) >> bits.LeadingZeros32(last)
	for {
		if v := r.Uint32() & mask; v <= last {
			return int(v)
		}
	}
}

// Shuffle is shuffle of n elements that swap exchanges, and, begun with 0 to n-1, permutation(n).
func (r *RandomState) Shuffle(n int, swap func(i, j int)) {
	for i := n - 1; i > 0; i-- {
		swap(i, r.Intn(i+1))
	}
}
