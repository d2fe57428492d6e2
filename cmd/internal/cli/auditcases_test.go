package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities/cas/registry/registrytest"
)

// TestAuditPage runs the commands of docs/audit.md on a fresh result in a registry, and on forged copies of it: each forgery is
// found, and by the section that says so.
func TestAuditPage(t *testing.T) {
	page := auditPage(t)
	auditTools(t)
	if !registrytest.Has(t, registrytest.Distribution) && os.Getenv("CI") != "" {
		t.Fatal("there is no registry: CI has to run docs/audit.md")
	}
	m := smallMachine(newMachine(t, ""))
	m.want(0, words("run benchmark.yaml"))
	server := registrytest.Start(t, registrytest.Distribution)
	m.want(0, []string{"push", "benchmark.lock", "oci://" + server.Addr + "/bench/small:v1"})

	honest := auditor{t, t.TempDir(), page}
	honest.write("benchmark.lock", []byte(m.read("benchmark.lock")))
	honest.write("key.pem", []byte(m.want(0, words("key show --pem")).stdout))
	if at, out := honest.stops(server.Addr + "/bench/small:v1"); at != "" || !strings.Contains(out, "benchmark sha256:") {
		t.Fatalf("an honest result: section %s says\n%s", at, out)
	}
	if at, _ := honest.copied(t).stops("", "1"); at != "" {
		t.Error("an untouched copy is refused")
	}
	for name, forgery := range forgeries {
		t.Run(name, func(t *testing.T) {
			a := honest.copied(t)
			forgery.forge(a)
			if at, out := a.stops("", append(forgery.skip, "1")...); at != forgery.section {
				t.Errorf("section %q stops it, want %s\n%s", at, forgery.section, out)
			}
		})
	}
}

var value = regexp.MustCompile(`value: [0-9.]+`)

// anotherNumber is the lock's first number, and one that it is not.
func (a auditor) anotherNumber() (from, to string) {
	return value.FindString(string(a.read("benchmark.lock"))), "value: 0.0123"
}

// forgeries are what somebody who has all but the key may do, and the section that finds it. Where it is found before the one
// that is tested, the auditor skips what finds it.
var forgeries = map[string]struct {
	forge   func(a auditor)
	skip    []string
	section string
}{
	"a bit of a shard": {section: "2", forge: func(a auditor) {
		a.flipped(a.manifest(listedIn(a.index(), "curate/heart", false).Digest).Layers[0].Digest)
	}},
	"a bit of a model": {section: "2", forge: func(a auditor) {
		a.flipped(a.manifest(listedIn(a.index(), "pretrain/single", false).Digest).Layers[0].Digest)
	}},
	"a shard under its new name": {section: "8", forge: func(a auditor) {
		d := a.manifest(listedIn(a.index(), "curate/heart", false).Digest).Layers[0].Digest
		text := a.read(blobPath(d))
		if err := os.Remove(filepath.Join(a.dir, blobPath(d))); err != nil {
			a.t.Fatal(err)
		}
		a.put(append(text, 0))
	}},
	"a number": {section: "3", forge: func(a auditor) {
		from, to := a.anotherNumber()
		a.write("benchmark.lock", bytes.Replace(a.read("benchmark.lock"), []byte(from), []byte(to), 1))
	}},
	"a number and the last line": {section: "3", forge: func(a auditor) { a.relocked(a.anotherNumber()) }},
	"a number, everywhere but the records": {section: "5", forge: func(a auditor) {
		a.enclosed(a.relocked(a.anotherNumber()))
	}},
	"a number, by the owner of the key": {section: "7", forge: func(a auditor) {
		a.enclosed(a.relocked(a.anotherNumber()))
		a.allResigned(nil)
	}},
	"a number left out, by the owner of the key": {section: "7", forge: func(a auditor) {
		a.enclosed(a.relocked(regexp.MustCompile(`  - \{.*\n`).FindString(string(a.read("benchmark.lock"))), ""))
		a.allResigned(nil)
	}},
	"an action of the lock": {section: "5", forge: func(a auditor) {
		d := listedIn(a.index(), "curate/heart", false).Annotations["io.cairn-bench.action"]
		a.enclosed(a.relocked(d, digest.FromString("another").String()))
	}},
	"a record signed by another": {section: "4", forge: func(a auditor) {
		a.resigned("curate/heart", func(statement []byte) []byte { return statement })
	}},
	"an evaluation that somebody else has signed": {section: "4", forge: func(a auditor) {
		a.resigned("evaluate/test/single/heart", func(statement []byte) []byte {
			return bytes.Replace(statement, []byte(`"seed":"3"`), []byte(`"seed":"4"`), 1)
		})
	}},
	"another action under the same ID, by the owner of the key": {section: "6", forge: func(a auditor) {
		a.allResigned(func(statement []byte) []byte {
			return bytes.Replace(statement, []byte(`"epochs":2`), []byte(`"epochs":9`), 1)
		})
	}},
	"all of it, by the owner of the key, behind the ledger": {section: "10", forge: func(a auditor) { a.allResigned(nil) }},
	"another key": {section: "4", forge: func(a auditor) { a.write("key.pem", otherKey{}.public().PEM()) }},
	"a record left out": {section: "5", forge: func(a auditor) {
		a.reindex(func(ix *ocispec.Index) {
			gone := listedIn(ix, "fetch/heart", true).Digest
			ix.Manifests = slices.DeleteFunc(ix.Manifests, func(d ocispec.Descriptor) bool { return d.Digest == gone })
		})
	}},
	"a record of another step in its place": {section: "5", forge: func(a auditor) {
		a.reindex(func(ix *ocispec.Index) {
			other := listedIn(ix, "curate/heart", true)
			d := listedIn(ix, "fetch/heart", true)
			d.Digest, d.Size = other.Digest, other.Size
		})
	}},
	"an artifact left out": {section: "8", forge: func(a auditor) {
		a.reindex(func(ix *ocispec.Index) {
			gone := listedIn(ix, "fetch/heart", false).Digest
			ix.Manifests = slices.DeleteFunc(ix.Manifests, func(d ocispec.Descriptor) bool { return d.Digest == gone })
		})
	}},
	"a file of a dataset": {section: "9", skip: []string{"2"}, forge: func(a auditor) {
		d := a.manifest(listedIn(a.index(), "fetch/heart", false).Digest)
		shard := d.Layers[len(d.Layers)-1].Digest
		a.write(blobPath(shard), bytes.Replace(a.read(blobPath(shard)), []byte("30,"), []byte("31,"), 1))
	}},
	"an entry of the ledger": {section: "10", skip: []string{"2"}, forge: func(a auditor) {
		a.editProof(`"tile/0/000.p/4":"`, func(rest []byte) { rest[0] ^= 1 })
	}},
	"the size of the ledger": {section: "10", skip: []string{"2"}, forge: func(a auditor) {
		a.editProof(`\n4\n`, func(rest []byte) { rest[0]++ }) // a letter of the root
	}},
	"the signature of the checkpoint": {section: "10", skip: []string{"2"}, forge: func(a auditor) {
		a.editProof(`\n\n— cairn-ledger/`, func(rest []byte) { rest[64+1+20]++ })
	}},
}
