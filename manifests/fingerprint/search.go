package fingerprint

import (
	"cmp"
	"math/bits"
	"slices"
)

// Within is the greatest distance at which two samples count as nearly the same. Both were measured on real data: an image that was
// saved anew (JPEG quality 30), halved, or given another brightness, contrast or gamma (0.7 to 1.4) is within 25 in at least nine of ten cases,
// and of 51,040 pairs of different chest X-rays, which are the images most alike, the nearest is at 125. A recording with another gain,
// with noise of 0.03 mV or moved by 2 ms is within 50; the nearest of 1,770 pairs of different ECGs is at 716.
func (k Kind) Within() int {
	if k == Image {
		return 25
	}
	return 50
}

// The search is for vectors at a small angle by locality-sensitive hashing (Charikar 2002): the signs of 256 random projections
// differ in a share of angle/pi of the places. Two fingerprints are compared if they have one of 16 bands of 16 signs in common: always
// when at most 15 signs differ, in 997 of 1,000 cases at a distance of 25 and in 96 of 100 at 50. Of those, most are told apart by counting
// signs, and only the rest by Distance.
const (
	bands    = 16
	bandBits = 16
	// maxSigns is more signs than differ at a distance of 50 but for one case in a million: 26 are expected, with a deviation of 5.
	maxSigns = 52
	// window is how far apart in one bucket two fingerprints may be, so that a flood of them that are alike costs no square.
	window = 2048
)

// signs are those of 256 random projections.
type signs [size / 64]uint64

// signsOf projects by the fast Hadamard transform after random signs, twice (Ailon and Chazelle 2009), in whole numbers.
func signsOf(p *Print) signs {
	var v [size]int64
	for i, c := range p.Cells {
		v[i] = int64(c)
	}
	for round := range uint64(2) {
		for i := range v {
			if mix(round<<32|uint64(i))>>63 == 1 {
				v[i] = -v[i]
			}
		}
		hadamard(&v)
	}
	var s signs
	for i, x := range v {
		if x > 0 {
			s[i/64] |= 1 << (i % 64)
		}
	}
	return s
}

func hadamard(v *[size]int64) {
	for half := 1; half < size; half *= 2 {
		for i := 0; i < size; i += 2 * half {
			for j := i; j < i+half; j++ {
				v[j], v[j+half] = v[j]+v[j+half], v[j]-v[j+half]
			}
		}
	}
}

func (s *signs) band(b int) uint16 { return uint16(s[b/4] >> (b % 4 * bandBits)) }

func (s *signs) differ(t *signs) int {
	n := 0
	for i := range s {
		n += bits.OnesCount64(s[i] ^ t[i])
	}
	return n
}

// Index finds what is near among fingerprints. It takes about 100 bytes for each beside itself, and does not change once it is made.
type Index struct {
	prints []*Print
	signs  []signs
	bands  [bands][]int32 // places in prints, sorted by the band's signs and then by place
}

// NewIndex indexes fingerprints, which must not change as long as it is used.
func NewIndex(prints []*Print) *Index {
	ix := &Index{prints: prints, signs: make([]signs, len(prints))}
	for i, p := range prints {
		ix.signs[i] = signsOf(p)
	}
	counts := make([]int32, 1<<bandBits+1)
	for b := range ix.bands {
		ix.bands[b] = ix.sorted(b, counts)
	}
	return ix
}

// sorted counts how often each key occurs, and so knows where each belongs. next is room to count in.
func (ix *Index) sorted(b int, next []int32) []int32 {
	clear(next)
	for i := range ix.signs {
		next[int(ix.signs[i].band(b))+1]++
	}
	for key := range 1 << bandBits {
		next[key+1] += next[key]
	}
	out := make([]int32, len(ix.signs))
	for i := range ix.signs {
		key := ix.signs[i].band(b)
		out[next[key]] = int32(i)
		next[key]++
	}
	return out
}

// Nearest gives the place of the fingerprint that is nearest to p and near enough, the first of several; -1 if there is none.
func (ix *Index) Nearest(p *Print) (place, distance int) {
	s := signsOf(p)
	place, distance = -1, p.Kind.Within()+1
	for b := range ix.bands {
		for _, at := range ix.bucket(b, s.band(b)) {
			if s.differ(&ix.signs[at]) > maxSigns {
				continue
			}
			if d := p.Distance(ix.prints[at]); d < distance || d == distance && d <= p.Kind.Within() && int(at) < place {
				place, distance = int(at), d
			}
		}
	}
	return place, distance
}

func (ix *Index) bucket(b int, key uint16) []int32 {
	order := ix.bands[b]
	from, _ := slices.BinarySearchFunc(order, key, func(at int32, key uint16) int { return cmp.Compare(ix.signs[at].band(b), key) })
	to := from
	for to < len(order) && ix.signs[order[to]].band(b) == key {
		to++
	}
	return order[from:to]
}

// Group is fingerprints of which each is near to another one of the group.
type Group struct {
	Members  []int // places, ascending
	Distance int   // the greatest of those that hold the group together
}

// Groups finds all that are near to each other, in the order of their first members.
func (ix *Index) Groups() []Group {
	j := newJoiner(len(ix.prints))
	again := ix.same(j)
	for b := range ix.bands {
		order := slices.DeleteFunc(slices.Clone(ix.bands[b]), func(at int32) bool { return again[at] })
		for i, x := range order {
			key, root := ix.signs[x].band(b), j.find(x)
			for _, y := range order[i+1 : min(i+1+window, len(order))] {
				if ix.signs[y].band(b) != key {
					break
				}
				if j.find(y) != root && ix.compare(j, x, y) {
					root = j.find(x)
				}
			}
		}
	}
	return j.groups()
}

// same joins those that are equal, which may be many, and says which of them need no look: all but the first.
func (ix *Index) same(j *joiner) (again []bool) {
	again = make([]bool, len(ix.prints))
	first := make(map[Print]int32, len(ix.prints))
	for i, p := range ix.prints {
		if at, seen := first[*p]; seen {
			j.join(at, int32(i), 0)
			again[i] = true
		} else {
			first[*p] = int32(i)
		}
	}
	return again
}

// compare joins two that are near.
func (ix *Index) compare(j *joiner, x, y int32) bool {
	if ix.signs[x].differ(&ix.signs[y]) > maxSigns {
		return false
	}
	d := ix.prints[x].Distance(ix.prints[y])
	if d > ix.prints[x].Kind.Within() {
		return false
	}
	j.join(x, y, int32(d))
	return true
}

// joiner holds groups that grow together.
type joiner struct {
	parent   []int32
	distance []int32 // of the group that a root stands for
}

func newJoiner(n int) *joiner {
	j := &joiner{make([]int32, n), make([]int32, n)}
	for i := range j.parent {
		j.parent[i] = int32(i)
	}
	return j
}

func (j *joiner) find(i int32) int32 {
	for j.parent[i] != i {
		j.parent[i] = j.parent[j.parent[i]]
		i = j.parent[i]
	}
	return i
}

// join makes the smaller place the root.
func (j *joiner) join(x, y, distance int32) {
	x, y = j.find(x), j.find(y)
	if x > y {
		x, y = y, x
	}
	j.distance[x] = max(j.distance[x], j.distance[y], distance)
	j.parent[y] = x
}

// groups lists what was joined, in the order of the first members.
func (j *joiner) groups() []Group {
	members := map[int32][]int{}
	for i := range j.parent {
		root := j.find(int32(i))
		members[root] = append(members[root], i)
	}
	var out []Group
	for root := range j.parent {
		if m := members[int32(root)]; len(m) > 1 {
			out = append(out, Group{m, int(j.distance[root])})
		}
	}
	return out
}
