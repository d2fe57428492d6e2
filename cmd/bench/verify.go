package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"
)

var verifyBytes = workload{
	name: "verify", title: "verify all bytes of %d MiB", unit: "MiB",
	sizes: map[string]int{"tiny": 4, "small": 512, "full": 4096},

	prepare: buildHome,
	sides: []side{
		{name: cairn, version: cairnVersion, work: scripts("", `CAIRN_HOME="$INPUT/home" cairn verify --level bytes "$INPUT/benchmark.lock"`)},
		{name: "cairn-files", version: `cairn verify --help | grep -q 'bytes, files' && cairn version`,
			work: scripts("", `CAIRN_HOME="$INPUT/home" cairn verify --level files "$INPUT/benchmark.lock"`)},
		{name: "raw", version: ownVersion, work: scripts("", `"$BENCH" -side hash "$INPUT/home/store/blobs/sha256"`)},
		{name: "openssl", version: "openssl version | cut -d ' ' -f 1-2", work: scripts("",
			`find "$INPUT/home/store/blobs/sha256" -type f -print0 | xargs -0 -n 8 -P "$(nproc)" openssl dgst -sha256`)},
	},
	goals: []goal{
		{text: "at most 1.10 times the raw SHA-256 of all cores", limit: 1.10, have: ratio(slowest, "raw")},
	},
	notes: `The data are files of 1 MiB in shards. At level bytes Cairn hashes every blob, each byte once; at level files (cairn-files)
also every file inside a shard. raw hashes each blob once, with Go's crypto/sha256 on all cores, and compares nothing.`,
}

// verifyRecords needs no data: records and signatures prove the chain.
var verifyRecords = workload{
	name: "records", title: "verify the signed records of %d small steps", unit: "steps",
	sizes: map[string]int{"tiny": 10, "small": 1_000, "full": 10_000},

	sides: []side{
		{name: cairn, version: cairnVersion, once: ran(runMany), work: scripts("", `cd "$KEPT" && CAIRN_HOME="$KEPT/home" cairn verify benchmark.lock`)},
		{name: "openssl", version: "openssl version | cut -d ' ' -f 1-2", once: signedBlobs, most: 1,
			work: scripts("", `cd "$KEPT" && seq 1 "$N" | xargs -I{} openssl pkeyutl -verify -pubin -inkey public.pem -rawin -in data -sigfile sig >/dev/null`)},
	},
	goals: []goal{
		{text: "at most 3 s", limit: 3, unit: " s", have: elapsed},
	},
	notes: `Each record is opened, hashed, its signature checked and compared with lock, plan and action, its artifact's manifest read, and its place
in the ledger proven. openssl checks as many signatures of one file, a process each, and nothing else: what an auditor without Cairn does.`,
}

// signedBlobs makes a key, a file and its signature.
func signedBlobs(t *turn) error {
	_, err := t.shell(`openssl genpkey -algorithm ed25519 -out key.pem && openssl pkey -in key.pem -pubout -out public.pem &&
		head -c 2000 /dev/urandom >data && openssl pkeyutl -sign -inkey key.pem -rawin -in data -out sig`)
	return err
}

// buildHome takes in a folder and curates a small table of it, so that there is a lock to verify.
func buildHome(t *turn) error {
	if err := writeFiles(filepath.Join(t.dir, "files"), t.n, mebi); err != nil {
		return err
	}
	if err := t.write("files/table.csv", smallTable()); err != nil {
		return err
	}
	if err := t.write("benchmark.yaml", folder("files")); err != nil {
		return err
	}
	_, err := t.shell("cairn run --progress none benchmark.yaml && rm -r files")
	return err
}

func smallTable() []byte {
	out := []byte("id,a,label\n")
	for i := range 60 {
		out = append(out, 'r', byte('0'+i/10), byte('0'+i%10), ',', byte('0'+i%7), ',', byte('a'+i%2), '\n')
	}
	return out
}

// hashAll hashes every file of a folder, on all cores, the largest first.
func hashAll(_ context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("hash: want a folder")
	}
	entries, err := os.ReadDir(args[0])
	if err != nil {
		return err
	}
	var all []fs.FileInfo
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return err
		}
		all = append(all, info)
	}
	slices.SortFunc(all, func(a, b fs.FileInfo) int { return int(b.Size() - a.Size()) })
	var g errgroup.Group
	g.SetLimit(runtime.NumCPU())
	for _, f := range all {
		g.Go(func() error { return hashFile(filepath.Join(args[0], f.Name())) })
	}
	return g.Wait()
}

func hashFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.CopyBuffer(sha256.New(), struct{ io.Reader }{f}, make([]byte, 128<<10))
	return err
}
