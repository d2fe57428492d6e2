package sftpfetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pkg/sftp"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// times meets the first n reads of the file behind an offset.
func times(n int, fault error) func(string, int64) error {
	return func(_ string, offset int64) error {
		if offset < 2*block || n == 0 {
			return nil
		}
		n--
		return fault
	}
}

// reading meets every read of a file.
func reading(fault error) func(string, int64) error {
	return func(_ string, offset int64) error {
		if offset < 0 {
			return nil
		}
		return fault
	}
}

// listing meets the first n lists of the folder edf.
func listing(n int, fault error) func(string, int64) error {
	return func(folder string, offset int64) error {
		if offset >= 0 || !strings.HasSuffix(folder, "/edf") || n == 0 {
			return nil
		}
		n--
		return fault
	}
}

// TestListFaults: part of a list is never taken for all of it.
func TestListFaults(t *testing.T) {
	for _, c := range []struct {
		name  string
		times int
		fault error
		end   plugins.Code
		took  time.Duration
	}{
		{"cut once", 1, publisher.ErrCut, "", 0},
		{"cut for good", 1 << 30, publisher.ErrCut, plugins.FaultCut, 0},
		{"stalls once", 1, publisher.ErrStall, "", time.Minute},
		{"stalls for good", 1 << 30, publisher.ErrStall, plugins.FaultStalled, 3 * time.Minute},
		{"fails once", 1, errors.New("disk"), "", 0},
		{"is not ours to read", 1 << 30, sftp.ErrSSHFxPermissionDenied, plugins.FaultForbidden, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, g *guest) {
				g.server.Put(corpus+"/a.edf", []byte("A"))
				g.server.Put(corpus+"/edf/b.edf", []byte("B"))
				g.server.Meet = listing(c.times, c.fault)
				began := time.Now()
				files, err := g.fetch(params(t, Params{}))
				if plugins.FaultCode(err) != c.end || (err == nil) != (c.end == "") {
					t.Fatalf("ended with %v, want code %q", err, c.end)
				}
				if diff := plugintest.Diff(plugintest.Files{"a.edf": []byte("A"), "edf/b.edf": []byte("B")}, files); err == nil && diff != "" {
					t.Error(diff)
				}
				if took := time.Since(began); took < c.took {
					t.Errorf("took %s, want %s at least", took, c.took)
				}
			})
		})
	}
}

// TestSlowList: a server may take as long as it wants for a list, if it goes on.
func TestSlowList(t *testing.T) {
	bubble(t, func(t *testing.T, g *guest) {
		for i := range 5 {
			g.server.Put(fmt.Sprintf("%s/%d/a.edf", corpus, i), []byte("A"))
		}
		g.server.Meet = func(_ string, offset int64) error {
			if offset < 0 {
				time.Sleep(50 * time.Second)
			}
			return nil
		}
		if files, err := g.fetch(params(t, Params{})); err != nil || len(files) != 5 {
			t.Errorf("%v, %d files", err, len(files))
		}
	})
}

// TestIdleConnectionsDie: those that a server has ended while they were idle cost one attempt, however many they were.
func TestIdleConnectionsDie(t *testing.T) {
	g := newGuest(t)
	g.server.Put(corpus+"/a.edf", []byte("A"))
	src := &source{params: Params{Host: tuh, Port: 22, Path: corpus}}
	src.door = door{params: src.params, env: g.lookups(), options: Options{Home: g.home, Dial: g.dial}}
	defer src.Close()
	open := func() (io.ReadCloser, error) {
		return src.Open(t.Context(), plugins.SourceFile{Path: "a.edf"}, 0)
	}
	var all []io.ReadCloser
	for range 4 {
		body, err := open()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, body)
	}
	for _, body := range all {
		_ = body.Close()
	}
	g.server.Hangup()
	if _, err := open(); plugins.FaultCode(err) != plugins.FaultCut || !plugins.IsTransient(err) {
		t.Errorf("error %v", err)
	}
	body, err := open()
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(body); string(text) != "A" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	_ = body.Close()
}

// TestSilentDoor: a server that takes a connection and says nothing is given up.
func TestSilentDoor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuest(t)
		g.dial = func(context.Context, string, string) (net.Conn, error) {
			here, there := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, there) }()
			return here, nil
		}
		if _, err := g.fetch(params(t, Params{})); plugins.FaultCode(err) != plugins.FaultStalled {
			t.Errorf("error %v", err)
		}
	})
}

// TestFaults: what breaks is taken up where it broke, and what changes is never put together from two versions.
func TestFaults(t *testing.T) {
	const small, large, always = 5*block + 100, 40*block + 100, 1 << 30
	for _, c := range []struct {
		name  string
		size  int
		fault func(g *guest)
		codes string // survived, each once
		end   plugins.Code
		most  int // bytes that the server gives of the file at most
	}{
		{"none", small, func(*guest) {}, "", "", small},
		{"none, in parts", large, func(*guest) {}, "", "", large},
		{"cut once", large, func(g *guest) { g.server.Meet = times(1, publisher.ErrCut) }, "cut", "", 2 * large},
		{"cut for good", small, func(g *guest) { g.server.Meet = reading(publisher.ErrCut) }, "cut", plugins.FaultCut, 0},
		{"stalls once", large, func(g *guest) { g.server.Meet = times(1, publisher.ErrStall) }, "stalled", "", 2 * large},
		{"stalls for good", small, func(g *guest) { g.server.Meet = reading(publisher.ErrStall) }, "stalled", plugins.FaultStalled, 0},
		{"fails once", large, func(g *guest) { g.server.Meet = times(1, errors.New("disk")) }, "unavailable", "", 2 * large},
		{"is not ours to read", small, func(g *guest) { g.server.Meet = reading(sftp.ErrSSHFxPermissionDenied) }, "", plugins.FaultForbidden, 0},
		{"is written anew while it is read", small, func(g *guest) { g.server.Meet = g.change(small, 1) }, "changed", "", 2 * small},
		{"is written anew while its parts are read", large, func(g *guest) { g.server.Meet = g.change(large, 2) }, "changed", "", 4 * large},
		{"is written anew each time", small, func(g *guest) { g.server.Meet = g.change(small, always) }, "changed", plugins.FaultChanged, 6 * small},
		{"becomes shorter", small, func(g *guest) { g.server.Meet = g.change(small-1, 1) }, "changed", plugins.FaultWrongSize, 2 * small},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, g *guest) {
				g.server.Put(corpus+"/a.edf", random(c.size))
				c.fault(g)
				files, err := g.fetch(params(t, Params{}))
				if plugins.FaultCode(err) != c.end || (err == nil) != (c.end == "") {
					t.Fatalf("ended with %v, want code %q; survived %q", err, c.end, g.codes)
				}
				if got := strings.Join(slices.Compact(g.codes), " "); got != c.codes {
					t.Errorf("survived %q, want %q", got, c.codes)
				}
				if _, _, sent := g.server.Asked(); sent > int64(c.most) {
					t.Errorf("the server gave %d bytes, want %d at most", sent, c.most)
				}
				if want := random(c.size); err == nil && !bytes.Equal(files["a.edf"], want) && !bytes.Equal(files["a.edf"], other(want)) {
					t.Errorf("a file of two versions, or of none: %d bytes", len(files["a.edf"]))
				}
			})
		})
	}
}

// other is another version of a file.
func other(data []byte) []byte {
	data = bytes.Clone(data)
	slices.Reverse(data)
	return data
}

// change writes the file anew, with that size, before it is read at an offset, so many times.
func (g *guest) change(size, times int) func(string, int64) error {
	data := random(size)
	return func(_ string, offset int64) error {
		if offset == 0 && times > 0 {
			times--
			data = other(data)
			g.server.Put(corpus+"/a.edf", data)
		}
		return nil
	}
}

// TestResume: what a fetch that failed has left is not fetched again, if the file is still the same.
func TestResume(t *testing.T) {
	for _, changed := range []bool{false, true} {
		t.Run(fmt.Sprint("changed ", changed), func(t *testing.T) {
			bubble(t, func(t *testing.T, g *guest) {
				const size = 100*32<<10 + 5 // several reads ahead
				data := random(size)
				g.server.Put(corpus+"/a.edf", data)
				var mended atomic.Bool // reads of the first fetch may still be under way then
				g.server.Meet = func(_ string, offset int64) error {
					if offset > size/2 && !mended.Load() {
						return sftp.ErrSSHFxPermissionDenied
					}
					return nil
				}
				if _, err := g.fetch(params(t, Params{})); plugins.FaultCode(err) != plugins.FaultForbidden {
					t.Fatal(err)
				}
				mended.Store(true)
				_, _, before := g.server.Asked()
				if changed {
					data = other(data)
					g.server.Put(corpus+"/a.edf", data)
				}
				files, err := g.fetch(params(t, Params{}))
				if err != nil || !bytes.Equal(files["a.edf"], data) {
					t.Fatalf("%v, %d bytes", err, len(files["a.edf"]))
				}
				if _, _, sent := g.server.Asked(); (sent-before >= size) != changed {
					t.Errorf("the second fetch took %d of %d bytes", sent-before, size)
				}
			})
		})
	}
}

// TestUnreachable: a server that does not answer is tried again, with pauses.
func TestUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuest(t)
		g.server.Put(corpus+"/a.edf", []byte("A"))
		dial, left := g.dial, 2
		g.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if address != tuh+":22" {
				t.Errorf("dials %s", address)
			}
			if left--; left >= 0 {
				return nil, errors.New("connection refused")
			}
			return dial(ctx, network, address)
		}
		began := time.Now()
		if _, err := g.fetch(params(t, Params{})); err != nil {
			t.Fatal(err)
		}
		if time.Since(began) == 0 {
			t.Error("there was no pause")
		}
		left = 3
		if _, err := g.fetch(params(t, Params{})); plugins.FaultCode(err) != plugins.FaultUnreachable {
			t.Errorf("error %v", err)
		}
	})
}
