package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// writeNoise makes a file of that many MiB. Noise, because what clinical files hold is mostly compressed already.
// Another seed gives other bytes.
func writeNoise(file string, mib int, seed byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, mebi)
	if _, err := io.CopyN(w, rand.NewChaCha8([32]byte{seed}), int64(mib)<<20); err != nil {
		return err
	}
	return errors.Join(w.Flush(), f.Close())
}

// writeFiles makes n files of that many bytes each, a thousand in a folder, each with bytes of its own.
func writeFiles(dir string, n, size int) error {
	for folder := 0; folder*1000 < n; folder++ {
		if err := os.MkdirAll(filepath.Join(dir, fmt.Sprintf("%04d", folder)), 0o700); err != nil {
			return err
		}
	}
	noise := make([]byte, size)
	for i := range n {
		var seed [32]byte
		binary.LittleEndian.PutUint64(seed[:], uint64(i))
		_, _ = rand.NewChaCha8(seed).Read(noise) // never fails
		if err := os.WriteFile(filepath.Join(dir, fileName(i)), noise, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func fileName(i int) string { return fmt.Sprintf("%04d/%07d.bin", i/1000, i) }

// take is the command that takes in what a manifest names, and nothing more.
const take = `cairn run --progress none --json --only fetch/d benchmark.yaml`

// manifest has one dataset, fetched in this way.
func manifest(fetch string) []byte {
	return fmt.Appendf(nil, `apiVersion: cairn/v1
kind: Benchmark
name: bench
datasets:
  d:
    title: Files
    modality: table
    licence: CC0-1.0
    access: open
    fetch: %s
    curate: {plugin: table, params: {drop: [id]}}
`, fetch)
}

// folder is the manifest of a folder.
func folder(path string) []byte {
	return manifest(fmt.Sprintf("{plugin: dir, params: {path: %q}}", path))
}

// fetched reads the artifact of the fetch out of what a run printed.
func fetched(printed string) (string, error) {
	var run struct {
		Steps []struct{ Name, Artifact string }
	}
	if err := json.Unmarshal([]byte(printed), &run); err != nil {
		return "", fmt.Errorf("read what cairn run printed: %w", err)
	}
	for _, s := range run.Steps {
		if s.Name == "fetch/d" && s.Artifact != "" {
			return s.Artifact, nil
		}
	}
	return "", errors.New("cairn run names no artifact of fetch/d")
}
