package execute

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/canonical"
)

// CheckpointSchema names the document of a saved state, and its version.
const CheckpointSchema = "cairn/checkpoint/v1"

// Checkpoint is the document of one saved state of a training. It lies in the store as canonical JSON.
type Checkpoint struct {
	Schema       string        `json:"schema"`
	Action       action.ID     `json:"action"`
	Architecture string        `json:"architecture"` // on another one its numbers may mean other bytes
	Step         int64         `json:"step"`
	State        digest.Digest `json:"state"`
	Previous     digest.Digest `json:"previous,omitempty"` // the Checkpoint before, which may be gone by now
}

// parseCheckpoint takes the canonical bytes of a checkpoint of an action on this architecture, and no others.
func parseCheckpoint(text []byte, id action.ID) (Checkpoint, error) {
	var c Checkpoint
	if err := json.Unmarshal(text, &c); err != nil {
		return c, err
	}
	switch {
	case c.Schema != CheckpointSchema:
		return c, fmt.Errorf("schema is %q, want %q", c.Schema, CheckpointSchema)
	case c.Action != id:
		return c, fmt.Errorf("it is of action %q", c.Action)
	case c.Architecture != runtime.GOARCH:
		return c, fmt.Errorf("it was made on %q, this is %s", c.Architecture, runtime.GOARCH)
	case c.Step < 1:
		return c, fmt.Errorf("step is %d, want 1 or more", c.Step)
	}
	if err := c.State.Validate(); err != nil {
		return c, fmt.Errorf("state %q: %w", c.State, err)
	}
	if again, err := canonical.Marshal(c); err != nil || !bytes.Equal(text, again) {
		return c, errors.New("its bytes are not canonical")
	}
	return c, nil
}

// beginning is how the bytes of every Checkpoint of an action begin.
func beginning(id action.ID) string { return fmt.Sprintf(`{"action":%q,"architecture":`, id) }

// heading is the first line of a state. It makes sure that a state is no other blob of the store, whatever a
// plugin saves, and so may be removed.
func heading(id action.ID) string { return fmt.Sprintf("cairn training state of %s\n", id) }

// trail is the file that leads to the checkpoints of an action.
type trail struct {
	Schema      string    `json:"schema"`
	Action      action.ID `json:"action"`
	Checkpoints []mark    `json:"checkpoints"`     // newest first
	Steps       int64     `json:"steps,omitempty"` // that the training takes, if it has said so; for those who wonder
}

const trailSchema = "cairn/checkpoints/v1"

// mark names the two blobs of a checkpoint.
type mark struct {
	Checkpoint digest.Digest `json:"checkpoint"`
	State      digest.Digest `json:"state,omitempty"`
}

func parseTrail(text []byte, id action.ID) (trail, error) {
	var t trail
	if err := json.Unmarshal(text, &t); err != nil {
		return trail{}, err
	}
	switch {
	case t.Schema != trailSchema:
		return trail{}, fmt.Errorf("schema is %q, want %q", t.Schema, trailSchema)
	case t.Action != id:
		return trail{}, fmt.Errorf("it is of action %q", t.Action)
	}
	return t, nil
}
