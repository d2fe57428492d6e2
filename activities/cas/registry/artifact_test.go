package registry_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/cas/castest"
	"github.com/cairn-bench/cairn/activities/cas/registry"
	"github.com/cairn-bench/cairn/activities/cas/registry/registrytest"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/provenance"
)

func layout(t *testing.T) *cas.Layout {
	t.Helper()
	l, err := cas.OpenLayout(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// pack puts an evaluation of some files into a store, and returns its manifest.
func pack(t *testing.T, s cas.Store, texts map[string]string) ocispec.Descriptor {
	t.Helper()
	var files []artifact.File
	for name, text := range texts {
		files = append(files, artifact.File{Path: name, Size: int64(len(text)), Digest: digest.FromString(text)})
	}
	d, err := artifact.Pack(t.Context(), s, artifact.Evaluation, files, func(name string) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(texts[name])), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// record puts a record of an artifact into a store.
func record(t *testing.T, s cas.Store, of ocispec.Descriptor, statement string) digest.Digest {
	t.Helper()
	var parts []ocispec.Descriptor
	for _, text := range []string{statement, "{}"} {
		d, err := cas.PutBytes(t.Context(), s, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, ocispec.Descriptor{MediaType: ocispec.MediaTypeEmptyJSON, Digest: d, Size: int64(len(text))})
	}
	parts[0].MediaType = provenance.MediaType
	text, err := provenance.Manifest(of, parts[0], parts[1])
	if err != nil {
		t.Fatal(err)
	}
	d, err := cas.PutBytes(t.Context(), s, text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestArtifact: an artifact goes there and back with its records, what is there is not sent, and what another
// repository has is mounted.
func TestArtifact(t *testing.T) {
	eachKind(t, func(t *testing.T, kind registrytest.Kind) {
		server, here, dir := registrytest.Start(t, kind), layout(t), t.TempDir()
		made := pack(t, here, map[string]string{"a.json": "one", "b.json": "two"})
		records := []digest.Digest{record(t, here, made, "it was made"), record(t, here, made, "and made again")}
		repo := open(t, "oci://"+server.Addr+"/one", registry.Options{Dir: dir})
		first, err := repo.Push(t.Context(), here, made.Digest, "v1", records...)
		if err != nil || first.Sent != 5 || first.Skipped != 0 || first.Manifests != 3 || first.Bytes != int64(len("{}onetwoit was madeand made again")) {
			t.Fatalf("push: %+v, %v", first, err)
		}
		if again, err := repo.Push(t.Context(), here, made.Digest, "v1", records...); err != nil || again.Sent != 0 || again.Skipped != 5 || again.Bytes != 0 {
			t.Errorf("push again: %+v, %v", again, err)
		}
		wantReferrers(t, repo, made.Digest, records)
		mounted, err := open(t, "oci://"+server.Addr+"/two", registry.Options{Dir: dir}).Push(t.Context(), here, made.Digest, "v1")
		if err != nil || mounted.Sent != 0 || mounted.Mounted != 3 {
			t.Errorf("push to another repository: %+v, %v", mounted, err)
		}

		for _, ref := range []string{"v1", "@" + made.Digest.String()} {
			there := layout(t)
			got, err := repo.Pull(t.Context(), ref, there, registry.Paths{})
			if err != nil || got.Digest != made.Digest || got.Fetched != 5 || got.Manifests != 3 {
				t.Fatalf("pull %s: %+v, %v", ref, got, err)
			}
			for _, d := range append(records, made.Digest, digest.FromString("one"), digest.FromString("it was made")) {
				if _, err := cas.ReadAll(t.Context(), there, d, 1<<20); err != nil {
					t.Error(err)
				}
			}
		}
		there := layout(t)
		part, err := repo.Pull(t.Context(), "v1", there, registry.Paths{Match: func(path string) bool { return path == "a.json" }})
		if err != nil || part.LeftOut != 1 {
			t.Errorf("pull of a part: %+v, %v", part, err)
		}
		if _, err := there.Stat(t.Context(), digest.FromString("two")); !errors.Is(err, cas.ErrNotFound) {
			t.Errorf("what was not wanted: %v", err)
		}
	})
}

func wantReferrers(t *testing.T, repo *registry.Repository, of digest.Digest, want []digest.Digest) {
	t.Helper()
	found, err := repo.Referrers(t.Context(), of, provenance.MediaType)
	if err != nil {
		t.Fatal(err)
	}
	var got []digest.Digest
	for _, d := range found {
		got = append(got, d.Digest)
	}
	slices.Sort(got)
	want = slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		t.Errorf("referrers are %q, want %q", got, want)
	}
}

// TestPullOfRot: what a registry serves and is not what it says never comes into the store.
func TestPullOfRot(t *testing.T) {
	eachKind(t, func(t *testing.T, kind registrytest.Kind) {
		server, here := registrytest.Start(t, kind), layout(t)
		made := pack(t, here, map[string]string{"a.json": "one", "b.json": "two"})
		repo := open(t, "oci://"+server.Addr+"/x", registry.Options{Pause: noPause})
		if _, err := repo.Push(t.Context(), here, made.Digest, "v1"); err != nil {
			t.Fatal(err)
		}
		text, err := cas.ReadAll(t.Context(), here, made.Digest, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			d   digest.Digest
			bad []byte
		}{{digest.FromString("two"), []byte("TWO")}, {made.Digest, bytes.Replace(text, []byte("a.json"), []byte("b.json"), 1)}} {
			good, err := os.ReadFile(server.Blob(c.d))
			if err != nil {
				t.Fatal(err)
			}
			rot(t, server, c.d, c.bad)
			there := layout(t)
			var wrong *cas.MismatchError
			if _, err := repo.Pull(t.Context(), "v1", there, registry.Paths{}); err == nil || !errors.As(err, &wrong) || wrong.Want != c.d {
				t.Errorf("pull with a rotten %s: %v", c.d, err)
			}
			for _, d := range []digest.Digest{c.d, made.Digest} {
				if _, err := there.Stat(t.Context(), d); !errors.Is(err, cas.ErrNotFound) {
					t.Errorf("%s is in the store: %v", d, err)
				}
			}
			rot(t, server, c.d, good)
		}
	})
}

func TestCached(t *testing.T) {
	server := registrytest.Start(t, registrytest.Distribution)
	castest.Run(t, func(t *testing.T) castest.Subject {
		ref := "oci://" + server.Addr + "/" + strings.ToLower(strings.NewReplacer("/", "_", " ", "-").Replace(t.Name()))
		local := layout(t)
		return castest.Subject{
			Store:   registry.Through(local, open(t, ref, registry.Options{})),
			Again:   func(t *testing.T) cas.Indexed { return registry.Through(local, open(t, ref, registry.Options{})) },
			Foreign: true,
			Rot: func(t *testing.T, d digest.Digest, b []byte) {
				if err := errors.Join(os.Chmod(local.Path(d), 0o600), os.WriteFile(local.Path(d), b, 0o600)); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

// TestCachedReadsThrough: what one machine put, another one reads, whole once and in parts without all of it.
func TestCachedReadsThrough(t *testing.T) {
	eachKind(t, func(t *testing.T, kind registrytest.Kind) {
		server := registrytest.Start(t, kind)
		blob := noise(3, 8<<20)
		one, two := layout(t), layout(t)
		d, err := cas.PutBytes(t.Context(), registry.Through(one, open(t, "oci://"+server.Addr+"/x", registry.Options{})), blob)
		if err != nil {
			t.Fatal(err)
		}
		line := registrytest.Cut(t, server.Addr, 0)
		shared := registry.Through(two, open(t, "oci://"+line.Addr+"/x", registry.Options{}))
		part, err := shared.OpenAt(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		defer part.Close()
		for _, at := range []int{7 << 20, 100, 200, 256<<10 - 10, 5 << 20} {
			got := make([]byte, 300)
			if n, err := part.ReadAt(got, int64(at)); n != 300 || err != nil || !bytes.Equal(got, blob[at:at+300]) {
				t.Fatalf("ReadAt(%d) = %d, %v", at, n, err)
			}
		}
		if total, _ := line.Total(); total > 2<<20 {
			t.Errorf("%d bytes went over the line for five small reads", total)
		}
		if _, err := two.Stat(t.Context(), d); !errors.Is(err, cas.ErrNotFound) {
			t.Errorf("random access brought the blob here: %v", err)
		}
		if got, err := cas.ReadAll(t.Context(), shared, d, 1<<30); err != nil || !bytes.Equal(got, blob) {
			t.Fatalf("ReadAll = %d bytes, %v", len(got), err)
		}
		if size, err := two.Stat(t.Context(), d); err != nil || size != int64(len(blob)) {
			t.Errorf("what was read is not here: %v", err)
		}
	})
}

// TestActions: what one home did another one finds.
func TestActions(t *testing.T) {
	server := registrytest.Start(t, registrytest.Distribution)
	store := func() (*cas.Layout, *registry.Cached) {
		l := layout(t)
		return l, registry.Through(l, open(t, "oci://"+server.Addr+"/x", registry.Options{}))
	}
	own, one := store()
	_, two := store()
	made := pack(t, own, map[string]string{"a.json": "one"}) // before the home was shared
	rec := record(t, own, made, "it was made")
	action, err := cas.PutBytes(t.Context(), own, []byte("the action"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := two.Actions().Entry(t.Context(), action); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("before it was done: %v", err)
	}
	if err := one.Actions().Publish(t.Context(), action, []byte(`{"entry":1}`), made.Digest, rec); err != nil {
		t.Fatal(err)
	}
	if text, err := two.Actions().Entry(t.Context(), action); err != nil || string(text) != `{"entry":1}` {
		t.Errorf("entry is %q, %v", text, err)
	}
	for _, d := range []digest.Digest{action, made.Digest, rec, digest.FromString("one"), digest.FromString("it was made")} {
		if _, err := cas.ReadAll(t.Context(), two, d, 1<<20); err != nil {
			t.Error(err)
		}
	}
	if ix, err := one.Index(t.Context()); err != nil || len(ix.Manifests) != 0 {
		t.Errorf("names are %v, %v; an action is none", ix.Manifests, err)
	}
}

// TestPushGoesOnAfterKill: a process that is killed while it sends leaves an upload that the next one goes on with.
func TestPushGoesOnAfterKill(t *testing.T) {
	eachKind(t, func(t *testing.T, kind registrytest.Kind) {
		server, dir := registrytest.Start(t, kind), t.TempDir()
		here := layout(t)
		blobs := [][]byte{noise(1, 8<<20), noise(2, 16<<20)}
		line := registrytest.Cut(t, server.Addr, 0)
		line.Stop(18 << 20)
		c := exec.Command(os.Args[0], "-test.run=^TestHelperPush$")
		c.Env = append(os.Environ(), "REGISTRY_HELPER="+strings.Join([]string{"oci://" + line.Addr + "/x", here.Dir(), dir}, " "))
		for _, b := range blobs {
			if _, err := cas.PutBytes(t.Context(), here, b); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		<-line.Stopped()
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = c.Wait() // reports the kill
		line.Stop(0)
		line.Drain()
		before, _ := line.Total()
		push(t, open(t, "oci://"+line.Addr+"/x", registry.Options{Dir: dir}), here)
		total, _ := line.Total()
		again := total - before
		limit := int64(11 << 20) // what had not arrived
		if kind == registrytest.Docker {
			limit = 17 << 20 // the one blob from its beginning, but not the other
		}
		t.Logf("%d bytes had gone, %d went after the kill", before, again)
		if again > limit {
			t.Errorf("%d bytes went over the line after the kill, want at most %d", again, limit)
		}
		entries, err := os.ReadDir(dir + "/uploads")
		if err != nil || len(entries) != 0 {
			t.Errorf("%d uploads are remembered, %v", len(entries), err)
		}
	})
}

// push sends all blobs of a store, one after the other.
func push(t *testing.T, repo *registry.Repository, from *cas.Layout) {
	t.Helper()
	for _, d := range []digest.Digest{digest.FromBytes(noise(1, 8<<20)), digest.FromBytes(noise(2, 16<<20))} {
		size, err := from.Stat(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		f, err := from.OpenAt(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := repo.Send(t.Context(), d, size, f); err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
	}
}

// TestHelperPush is the process that is killed; alone it does nothing.
func TestHelperPush(t *testing.T) {
	said := strings.Fields(os.Getenv("REGISTRY_HELPER"))
	if len(said) != 3 {
		t.Skip("runs only as a helper process")
	}
	l, err := cas.OpenLayout(said[1])
	if err != nil {
		t.Fatal(err)
	}
	push(t, open(t, said[0], registry.Options{Dir: said[2]}), l)
}
