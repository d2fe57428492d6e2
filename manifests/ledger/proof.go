package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/trust"
)

// ProofSchema is the schema of a Proof.
const ProofSchema = "cairn/ledger-proof/v1"

// MediaType is that of a Proof.
const MediaType = "application/vnd.cairn.ledger-proof.v1+json"

// Proof proves of any number of records that they are in a ledger, and may prove that the ledger goes on from what it was
// before. It holds the checkpoint and those tiles that are needed, so that whoever has it needs no ledger. It is one
// JSON object in its canonical bytes: about 11 kB for each 256 records that follow each other, 430 kB for 10,000.
// There is no list of records or places in it that could lie: the leaf of a record is found in the tiles.
type Proof struct {
	Schema     string            `json:"schema"`
	Checkpoint string            `json:"checkpoint"` // its text, signed
	Tiles      map[string][]byte `json:"tiles"`      // by their path, in base64
}

// NewProof proves the records at some places of a ledger, and that it goes on from each of some sizes that it had. All
// that it reads is checked.
func NewProof(s Signed, from Reader, places []int64, since ...int64) (Proof, error) {
	want := map[tlog.Tile]bool{}
	for _, i := range places {
		if i < 0 || i >= s.Size {
			return Proof{}, fmt.Errorf("ledger: there is no entry %d in a ledger of %d", i, s.Size)
		}
		t, _ := TileAt(s.Size, 0, i>>Height)
		want[t] = true
	}
	for _, size := range since {
		if size < 0 || size > s.Size {
			return Proof{}, fmt.Errorf("ledger: there was no size of %d in a ledger of %d", size, s.Size)
		}
		for _, t := range before(s.Size, size) {
			want[t] = true
		}
	}
	tiles, err := Load(s.Checkpoint, from, slices.Collect(maps.Keys(want))...)
	if err != nil {
		return Proof{}, err
	}
	p := Proof{ProofSchema, string(s.Text), map[string][]byte{}}
	for t, b := range tiles {
		p.Tiles[TilePath(t)] = b
	}
	return p, nil
}

// before lists the tiles of a tree from which its root at an older size is computed.
func before(size, older int64) []tlog.Tile {
	edge := Edge(older)
	for i, t := range edge {
		edge[i], _ = TileAt(size, t.L, t.N) // by now it is wider
	}
	return edge
}

// Follows says whether a ledger goes on from an older checkpoint of it, as View.Consistent does, from its own tiles.
func Follows(s Signed, from Reader, older Checkpoint) error {
	v := View{s, nil}
	if older.Size <= s.Size {
		var err error
		if v.tiles, err = Load(s.Checkpoint, from, before(s.Size, older.Size)...); err != nil {
			return err
		}
	}
	return v.Consistent(older)
}

// Marshal returns the canonical bytes.
func (p Proof) Marshal() ([]byte, error) { return canonical.Marshal(p) }

// IsProof says whether a text is meant to be a proof, of any version.
func IsProof(text []byte) bool {
	var head struct {
		Schema string `json:"schema"`
	}
	return json.Unmarshal(text, &head) == nil && strings.HasPrefix(head.Schema, "cairn/ledger-proof/")
}

// ParseProof reads a proof, and takes only what Marshal writes. What it says is to be checked by Open.
func ParseProof(text []byte) (Proof, error) {
	var p Proof
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		return Proof{}, fmt.Errorf("ledger proof: %w", err)
	}
	if p.Schema != ProofSchema {
		return Proof{}, fmt.Errorf("ledger proof: schema is %q, want %q", p.Schema, ProofSchema)
	}
	if again, err := p.Marshal(); err != nil || !bytes.Equal(again, text) {
		return Proof{}, errors.Join(errors.New("ledger proof: want the canonical bytes of the members schema, checkpoint and tiles, and no others"), err)
	}
	_, err := p.tiles()
	return p, err
}

func (p Proof) tiles() (Tiles, error) {
	out := Tiles{}
	for path, b := range p.Tiles {
		t, entries, err := ParsePath(path)
		if err != nil || entries {
			return nil, fmt.Errorf("ledger proof: %q is not the path of a tile", path)
		}
		out[t] = b
	}
	return out, nil
}

// Open checks the signature of the checkpoint, as Parse does, and each tile against its root. What it returns is true of
// the ledger whose checkpoint it is.
func (p Proof) Open(keys ...trust.PublicKey) (*View, error) {
	s, err := Parse([]byte(p.Checkpoint), keys...)
	if err != nil {
		return nil, err
	}
	tiles, err := p.tiles()
	if err != nil {
		return nil, err
	}
	all := slices.Collect(maps.Keys(tiles))
	if tiles, err = Load(s.Checkpoint, tiles, all...); err != nil {
		return nil, err
	}
	return &View{s, tiles}, nil
}

// Has says whether records are in the tiles of a proof, whoever has signed its checkpoint and whether or not the tiles
// fit it: it tells which proof a proof was meant to be. The error is an AbsentError.
func (p Proof) Has(records ...digest.Digest) error {
	_, err := p.Places(records...)
	return err
}

// Places says where records are in the tiles of a proof, as Has does, for who has just made it.
func (p Proof) Places(records ...digest.Digest) (map[digest.Digest]int64, error) {
	tiles, err := p.tiles()
	if err != nil {
		return nil, err
	}
	v := View{tiles: tiles}
	return v.Included(records...)
}

// View is a part of a ledger at one checkpoint, all of it checked.
type View struct {
	Signed
	tiles Tiles
}

// AbsentError says which records are not in a View. That does not say that they are not in the ledger.
type AbsentError struct {
	Records []digest.Digest // at least one
	Size    int64           // of the ledger
}

func (e *AbsentError) Error() string {
	more := ""
	if n := len(e.Records) - 1; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("record %s%s: not proven to be in the ledger of %d entries", e.Records[0], more, e.Size)
}

// Is says that it is ErrAbsent.
func (e *AbsentError) Is(target error) bool { return target == ErrAbsent }

// Included says where each of the records is in the ledger. The error is an AbsentError that names those that are not
// proven.
func (v *View) Included(records ...digest.Digest) (map[digest.Digest]int64, error) {
	want := make(map[tlog.Hash]digest.Digest, len(records))
	for _, d := range records {
		want[Leaf(d)] = d
	}
	got := make(map[digest.Digest]int64, len(want))
	for t, b := range v.tiles {
		if t.L != 0 {
			continue
		}
		for i := range t.W {
			d, ok := want[hashAt(b, i)]
			if !ok {
				continue
			}
			place := t.N<<Height + int64(i)
			if first, again := got[d]; !again || place < first {
				got[d] = place
			}
		}
	}
	if len(got) == len(want) {
		return got, nil
	}
	absent := &AbsentError{Size: v.Size}
	for _, d := range records {
		if _, ok := got[d]; !ok {
			absent.Records = append(absent.Records, d)
		}
	}
	return got, absent
}

// RewrittenError says that of two checkpoints of one ledger the newer does not go on from the older: entries were changed
// or taken out.
type RewrittenError struct {
	Older, Newer Checkpoint
	// Root is what the newer ledger was at the older's size. It is zero if it is shorter.
	Root tlog.Hash
}

func (e *RewrittenError) Error() string {
	why := fmt.Sprintf("its first %d entries have the root %s", e.Older.Size, e.Root)
	switch {
	case e.Older.Origin != e.Newer.Origin:
		why = fmt.Sprintf("it is another ledger, %s and not %s", e.Newer.Origin, e.Older.Origin)
	case e.Newer.Size < e.Older.Size:
		why = "it is shorter"
	}
	return fmt.Sprintf("the ledger's history was rewritten: it was signed with %s, and now with %s: %s", e.Older, e.Newer, why)
}

// Is says that it is ErrTampered.
func (e *RewrittenError) Is(target error) bool { return target == ErrTampered }

// Consistent says whether the ledger goes on from an older checkpoint of it. The error is a RewrittenError if it does
// not, and ErrMissing if there are not the tiles to say so.
func (v *View) Consistent(older Checkpoint) error {
	wrong := &RewrittenError{Older: older, Newer: v.Checkpoint}
	if older.Origin != v.Origin || older.Size > v.Size {
		return wrong
	}
	var err error
	switch older.Size {
	case 0:
		wrong.Root = Empty("").Root
	case v.Size:
		wrong.Root = v.Root
	default:
		wrong.Root, err = tlog.TreeHash(older.Size, tlog.HashReaderFunc(v.hashes))
	}
	if err != nil {
		return fmt.Errorf("is %s consistent with %s: %w", v.Checkpoint, older, err)
	}
	if wrong.Root != older.Root {
		return wrong
	}
	return nil
}

func (v *View) hashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		var err error
		if out[i], err = hashOf(v.Size, v.tiles, x); err != nil {
			return nil, err
		}
	}
	return out, nil
}
