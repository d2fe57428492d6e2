package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/sandbox"
	"github.com/cairn-bench/cairn/manifests/artifact"
)

// TestMillion looks into a dataset of as many files of 1 KiB as CAIRN_MILLION says, and logs time and peak memory of
// each command:
//
//	CAIRN_MILLION=1000000 go test -tags release,disable_grpc_modules -run TestMillion -v ./cmd/internal/cli
func TestMillion(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("CAIRN_MILLION"))
	if err != nil {
		t.Skip("CAIRN_MILLION is not set")
	}
	m := newMachine(t, "")
	home := filepath.Join(m.home, "cairn")
	layout, err := cas.OpenLayout(filepath.Join(home, "store"))
	if err != nil {
		t.Fatal(err)
	}
	d := packMany(t, layout, n)
	name := nameOfFile(n / 3)
	inProcess(t, layout, d, name)

	command := func(code int, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		c := m.command(args...)
		c.Stdout, c.Stderr, c.Env = &out, &errs, append(c.Env, peakFile+"="+m.path("peak"))
		start := time.Now()
		_ = c.Run()
		took := time.Since(start)
		if c.ProcessState.ExitCode() != code {
			t.Fatalf("cairn %q: code %d\n%s%s", args, c.ProcessState.ExitCode(), out.String(), errs.String())
		}
		line, _, _ := strings.Cut(out.String(), "\n")
		t.Logf("%8d ms, peak %s: cairn %.60s: %.200s", took.Milliseconds(), peak(t, m.path("peak")), strings.Join(args, " "), line)
		return out.String()
	}
	ref := d.String()
	if got := strings.Count(command(0, "ls", ref), "\n"); got != n {
		t.Errorf("ls has %d lines", got)
	}
	command(0, "ls", ref, "--json")
	for range 3 {
		if got := command(0, "cat", ref, name); got != contentOf(n/3) {
			t.Errorf("cat: %.100q", got)
		}
	}
	m.write("proof", command(0, "prove", ref, name))
	m.write("file", contentOf(n/3))
	command(0, "verify", "proof", "--file", "file")
	command(0, "verify", ref, "--sample", "1000")
	command(0, "verify", ref, "--level", "bytes")
	command(0, "verify", ref, "--level", "files")
	flipOne(t, layout, d, name)
	if got := command(3, "verify", ref, "--level", "bytes"); !strings.Contains(got, name) {
		t.Errorf("the flipped byte is not named: %s", got)
	}
	command(3, "verify", ref, "--level", "files")
	command(1, "cat", ref, name)
}

// peak is the VmHWM in a /proc/self/status.
func peak(t *testing.T, file string) string {
	t.Helper()
	status, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	line, _, _ := strings.Cut(after, "\n")
	return strings.TrimSpace(line)
}

func nameOfFile(i int) string { return fmt.Sprintf("train/%03d/%07d.dat", i/1000, i) }

func contentOf(i int) string { return strings.Repeat(fmt.Sprintf("%015d\n", i), 64) }

func packMany(t *testing.T, layout *cas.Layout, n int) digest.Digest {
	t.Helper()
	start := time.Now()
	files := make([]artifact.File, n)
	for i := range files {
		files[i] = artifact.File{Path: nameOfFile(i), Size: 1024, Digest: digest.FromString(contentOf(i))}
	}
	d, err := artifact.Pack(t.Context(), layout, artifact.Dataset, files, func(path string) (io.ReadCloser, error) {
		i, err := strconv.Atoi(path[len("train/000/") : len(path)-len(".dat")])
		return io.NopCloser(strings.NewReader(contentOf(i))), err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%8d ms: hash and pack %d files", time.Since(start).Milliseconds(), n)
	return d.Digest
}

// inProcess times what the command does, without starting it.
func inProcess(t *testing.T, layout *cas.Layout, d digest.Digest, name string) {
	t.Helper()
	const times = 20
	start := time.Now()
	for range times {
		r, err := sandbox.OpenFile(t.Context(), layout, d, name)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(r); err != nil || len(text) != 1024 {
			t.Fatalf("%d bytes, %v", len(text), err)
		}
		_ = r.Close()
	}
	t.Logf("%8d µs: open one file by path and read it, in this process", time.Since(start).Microseconds()/times)
}

// flipOne flips a byte in the middle of a file of a dataset.
func flipOne(t *testing.T, layout *cas.Layout, d digest.Digest, name string) {
	t.Helper()
	r, err := artifact.Open(t.Context(), layout, d)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p, ok, err := r.Find(name)
	if err != nil || !ok {
		t.Fatalf("%t, %v", ok, err)
	}
	flipByte(t, layout.Path(p.Blob), p.Offset+p.Size/2)
}

func flipByte(t *testing.T, file string, at int64) {
	t.Helper()
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}
