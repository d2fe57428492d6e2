package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/cairn-bench/cairn/activities/cas"
)

// oneFile compares the store alone, because no verb takes in one file and nothing else: bench is the side itself.
var oneFile = workload{
	name: "one-file", title: "take in one file of %d MiB", unit: "MiB",
	sizes: map[string]int{"tiny": 4, "small": 512, "full": 4096},
	most:  3,

	prepare: func(t *turn) error { return writeNoise(filepath.Join(t.dir, "large"), t.n, 0) },
	sides: []side{
		{name: cairn, version: ownVersion, work: scripts("", `"$BENCH" -side put store "$INPUT/large"`)},
		{name: "openssl", version: "openssl version | cut -d ' ' -f 1-2", work: scripts("", `openssl dgst -sha256 "$INPUT/large"`)},
		{name: "sha256sum", version: "sha256sum --version", work: scripts("", `sha256sum "$INPUT/large"`)},
		{name: "cp", version: "cp --version", work: scripts("", `cp "$INPUT/large" copy`)},
		{name: "cp+sync", version: "cp --version", work: scripts("", `cp "$INPUT/large" copy && sync copy .`)},
	},
	goals: []goal{
		{text: "at most 1.15 times the slower of openssl and cp", limit: 1.15, have: ratio(slowest, "openssl", "cp")},
	},
	notes: `Cairn hashes the file, writes it, and makes file and folder durable before the name appears. openssl only reads
and hashes. cp computes no digest and leaves writing to the kernel, which is why its time can be a fraction of what the
disk needs: cp+sync says what a durable copy costs here. cp may share blocks on other file systems.`,
}

// put keeps a file in a new store.
func put(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("put: want a store and a file")
	}
	store, err := cas.OpenLayout(args[0])
	if err != nil {
		return err
	}
	in, err := os.Open(args[1])
	if err != nil {
		return err
	}
	defer in.Close()
	_, _, err = store.Put(ctx, "", in)
	return err
}
