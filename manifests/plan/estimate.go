package plan

import (
	"cmp"
	"slices"
)

// Fetch is what is known of a fetch that is still to be done.
type Fetch struct {
	Bytes   int64 // to fetch, 0 if that is not known
	Network bool  // they come over the network
	Unpacks bool  // archives are unpacked
}

// Room is what a fetch takes on the disk of the home.
//
// What comes over the network is downloaded whole, to partial files that outlive a kill, and then laid into the shards of
// the artifact: both are there until the step is done (plugins/fetch_take.go, activities/sandbox/take.go). What archives
// hold is unpacked beside them first, and then laid into the shards (activities/sandbox/spool.go). How much
// that is, only the archives say: it counts as much as they do, which is right for images and other data that does not
// shrink, and too little for text. A folder of this machine is laid straight into the shards.
func (f Fetch) Room() (stays, passes int64) {
	if f.Network {
		passes += f.Bytes
	}
	if f.Unpacks {
		passes += f.Bytes
	}
	return f.Bytes, passes
}

// Estimate is what a plan costs before anything is fetched.
type Estimate struct {
	Fetches int   `json:"fetches"` // over the network, that are to be done
	Unknown int   `json:"unknown"` // of them, those of which nobody says how much there is to fetch
	Bytes   int64 `json:"bytes"`   // to fetch, without these
	Stays   int64 `json:"stays"`   // room on disk that the results take, without these and without what is made of them
	Peak    int64 `json:"peak"`    // room that is taken while it is fetched, at most
}

// NewEstimate adds fetches up, of which so many are done at once.
func NewEstimate(fetches []Fetch, atOnce int) Estimate {
	var e Estimate
	var passing []int64
	for _, f := range fetches {
		stays, passes := f.Room()
		e.Stays += stays
		passing = append(passing, passes)
		if !f.Network {
			continue
		}
		e.Fetches++
		e.Bytes += f.Bytes
		if f.Bytes == 0 {
			e.Unknown++
		}
	}
	slices.SortFunc(passing, func(x, y int64) int { return cmp.Compare(y, x) })
	e.Peak = e.Stays
	for _, n := range passing[:min(len(passing), max(1, atOnce))] {
		e.Peak += n
	}
	return e
}
