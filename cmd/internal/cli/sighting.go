package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
)

// sighting is what a blob looked like that was read and found right.
type sighting struct {
	cas.Stamp
	Read time.Time `json:"read"` // when the reading began, by the clock of the file system
}

// settled says whether every later change must have changed the stamp.
func (s sighting) settled() bool { return s.Stamp.Settled(s.Read) }

// sightings is a table that can be lost at any time: what is not in it is read again.
type sightings map[digest.Digest]sighting

const sightingsSchema = "cairn/verified/v1"

type sightingsFile struct {
	Schema string    `json:"schema"`
	Blobs  sightings `json:"blobs"`
}

// readSightings takes a table that cannot be read for an empty one.
func readSightings(path string) sightings {
	var f sightingsFile
	text, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(text, &f) != nil || f.Schema != sightingsSchema || f.Blobs == nil {
		return sightings{}
	}
	return f.Blobs
}

func (s sightings) write(path string) error {
	text, err := json.Marshal(sightingsFile{sightingsSchema, s})
	if err != nil {
		return err
	}
	return cas.ReplaceFile(filepath.Dir(path), path, text)
}
