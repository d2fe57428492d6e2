package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/keys"
	"github.com/cairn-bench/cairn/activities/ledger"
)

// enter puts records into the ledger of a machine's home.
func (m *machine) enter(from, to int) {
	m.t.Helper()
	home := filepath.Join(m.home, "cairn")
	key, _, err := keys.LoadOrMake(keys.File(home))
	if err != nil {
		m.t.Fatal(err)
	}
	var records []digest.Digest
	for i := from; i < to; i++ {
		records = append(records, digest.FromString(fmt.Sprint(i)))
	}
	if err := ledger.Open(filepath.Join(home, "ledger"), key).Append(m.t.Context(), records...); err != nil {
		m.t.Fatal(err)
	}
}

func TestLedger(t *testing.T) {
	m := newMachine(t, "")
	m.want(0, words("ledger --check"), "no records yet")
	if _, err := os.Stat(keys.File(filepath.Join(m.home, "cairn"))); !os.IsNotExist(err) {
		t.Errorf("looking at it has made a key: %v", err)
	}
	m.enter(0, 300)
	file := filepath.Join(m.home, "cairn", "ledger", "checkpoint")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m.write("older", m.want(0, words("ledger --text")).stdout)
	if m.read("older") != string(text) {
		t.Errorf("--text writes\n%s", m.read("older"))
	}
	m.enter(300, 400)
	doc := object[ledgerDocument](m, 0, "ledger", "older", "--check")
	if doc.Schema != "cairn/ledger/v1" || !doc.OK || doc.Size != 400 || doc.Older.Size != 300 || len(doc.Signers) != 1 || !strings.HasPrefix(doc.Checkpoint, doc.Origin+"\n400\n"+doc.Root+"\n") {
		t.Errorf("%+v", doc)
	}
	m.want(0, words("ledger older"), doc.Origin, doc.Root, "goes on from older, of 300 records")
	m.want(2, words("ledger older older"), "usage")
	m.want(2, words("ledger absent"), "absent")
	m.write("nonsense", "nonsense\n")
	m.want(2, words("ledger nonsense"), "nonsense", "origin, size and root")
	m.write("forged", strings.Replace(string(text), "\n300\n", "\n299\n", 1))
	m.want(3, words("ledger forged"), "forged", "tampered")

	other := newMachine(t, "")
	other.enter(1, 500)
	theirs, err := os.ReadFile(filepath.Join(other.home, "cairn", "ledger", "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	m.write("theirs", string(theirs))
	m.want(4, words("ledger theirs"), "theirs", "not signed with a known key")

	tile := filepath.Join(m.home, "cairn", "ledger", "tile", "entries", "000")
	b, err := os.ReadFile(tile)
	if err != nil {
		t.Fatal(err)
	}
	b[100] ^= 1
	if err := os.WriteFile(tile, b, 0o600); err != nil {
		t.Fatal(err)
	}
	m.want(0, words("ledger")) // which has not read it
	m.want(3, words("ledger --check"), "tile/entries/000", "entry 1")
	if doc := object[ledgerDocument](m, 3, "ledger", "--check"); doc.OK || !strings.Contains(doc.Problem, "tile/entries/000") {
		t.Errorf("%+v", doc)
	}
}

// TestLedgerRewritten writes another history with the right key.
func TestLedgerRewritten(t *testing.T) {
	m := newMachine(t, "")
	m.enter(0, 300)
	home := filepath.Join(m.home, "cairn")
	text, err := os.ReadFile(filepath.Join(home, "ledger", "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	m.write("older", string(text))
	for _, dir := range []string{"ledger", "ledger.state"} {
		if err := os.RemoveAll(filepath.Join(home, dir)); err != nil {
			t.Fatal(err)
		}
	}
	m.want(3, words("ledger older"), "rewritten", "size 300")
	m.enter(1, 400)
	m.want(0, words("ledger --check"), "all 399 records")
	m.want(3, words("ledger older --check"), "history was rewritten", "size 300", "size 399")
}
