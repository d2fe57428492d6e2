package registry_test

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/cas/castest"
	"github.com/cairn-bench/cairn/activities/cas/registry"
	"github.com/cairn-bench/cairn/activities/cas/registry/registrytest"
)

// eachKind runs a test against every real registry.
func eachKind(t *testing.T, run func(t *testing.T, kind registrytest.Kind)) {
	for _, kind := range registrytest.Kinds {
		t.Run(string(kind), func(t *testing.T) { run(t, kind) })
	}
}

func open(t testing.TB, ref string, o registry.Options) *registry.Repository {
	t.Helper()
	name, rest, err := registry.Parse(ref)
	if err != nil || rest != "" {
		t.Fatalf("Parse(%q) = %q, %v", ref, rest, err)
	}
	return registry.Open(name, o)
}

func noise(seed byte, size int) []byte {
	out := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(out)
	return out
}

func TestStore(t *testing.T) {
	eachKind(t, func(t *testing.T, kind registrytest.Kind) {
		server := registrytest.Start(t, kind)
		repos := 0
		castest.Run(t, func(t *testing.T) castest.Subject {
			repos++
			ref := "oci://" + server.Addr + "/suite/" + strconv.Itoa(repos)
			return castest.Subject{
				Store:   open(t, ref, registry.Options{}),
				Again:   func(t *testing.T) cas.Indexed { return open(t, ref, registry.Options{}) },
				Rot:     func(t *testing.T, d digest.Digest, b []byte) { rot(t, server, d, b) },
				Foreign: true,
			}
		})
	})
}

func rot(t *testing.T, server *registrytest.Server, d digest.Digest, b []byte) {
	t.Helper()
	if err := os.WriteFile(server.Blob(d), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestCuts sends and reads a blob over a line that is cut again and again. What is lost with each cut is bounded.
func TestCuts(t *testing.T) {
	blob, every, chunk := noise(1, 12<<20), int64(1<<20), int64(64<<10)
	if os.Getenv("CAIRN_TEST_GIB") != "" {
		blob, every, chunk = noise(1, 1<<30), 100<<20, 0
	}
	eachKind(t, func(t *testing.T, kind registrytest.Kind) {
		server := registrytest.Start(t, kind)
		push := registrytest.Cut(t, server.Addr, every)
		began := time.Now()
		d, n, err := open(t, "oci://"+push.Addr+"/cut", registry.Options{Chunk: chunk}).Put(t.Context(), "", bytes.NewReader(blob))
		if err != nil || n != int64(len(blob)) {
			t.Fatalf("Put = %d, %v", n, err)
		}
		wantTraffic(t, "push", push, len(blob), time.Since(began))
		pull := registrytest.Cut(t, server.Addr, every)
		began = time.Now()
		r, err := open(t, "oci://"+pull.Addr+"/cut", registry.Options{}).Open(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		var got bytes.Buffer
		if _, err := io.Copy(&got, r); err != nil || !bytes.Equal(got.Bytes(), blob) {
			t.Fatalf("read %d bytes, %v", got.Len(), err)
		}
		wantTraffic(t, "pull", pull, len(blob), time.Since(began))
	})
}

// TestCutsOfMany is the same with an artifact of eight blobs, several of which are under way at a time.
func TestCutsOfMany(t *testing.T) {
	size, every, chunk := 12<<20, int64(1<<20), int64(64<<10)
	if os.Getenv("CAIRN_TEST_GIB") != "" {
		size, every, chunk = 1<<30, 100<<20, 0
	}
	eachKind(t, func(t *testing.T, kind registrytest.Kind) {
		server, here, there := registrytest.Start(t, kind), layout(t), layout(t)
		texts := map[string]string{}
		for i := range 8 {
			texts[strconv.Itoa(i)] = string(noise(byte(i), size/8))
		}
		made := pack(t, here, texts)
		line := registrytest.Cut(t, server.Addr, every)
		began := time.Now()
		if _, err := open(t, "oci://"+line.Addr+"/x", registry.Options{Chunk: chunk}).Push(t.Context(), here, made.Digest, "v1"); err != nil {
			t.Fatal(err)
		}
		wantTraffic(t, "push", line, size, time.Since(began))
		line = registrytest.Cut(t, server.Addr, every)
		began = time.Now()
		if _, err := open(t, "oci://"+line.Addr+"/x", registry.Options{}).Pull(t.Context(), "v1", there, registry.Paths{}); err != nil {
			t.Fatal(err)
		}
		wantTraffic(t, "pull", line, size, time.Since(began))
		for name, text := range texts {
			if got, err := cas.ReadAll(t.Context(), there, digest.FromString(text), 1<<30); err != nil || string(got) != text {
				t.Errorf("%s came as %d bytes, %v", name, len(got), err)
			}
		}
	})
}

func wantTraffic(t *testing.T, what string, line *registrytest.Line, size int, took time.Duration) {
	t.Helper()
	total, cuts := line.Total()
	t.Logf("%s of %d bytes: %d bytes on the line (%.3f), %d cuts, %s", what, size, total, float64(total)/float64(size), cuts, took.Round(time.Millisecond))
	if total > int64(size)*11/10 || cuts < 10 {
		t.Errorf("%s of %d bytes: %d bytes on the line, %d cuts; want at most a tenth more, and at least 10 cuts", what, size, total, cuts)
	}
}

func noPause(context.Context, time.Duration) error { return nil }
