package plugins_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

const thirty = "012345678901234567890123456789"

// sums are checksums that others give for a text: md5sum, sha1sum, git hash-object, RFC 3720 for the CRC, and for the
// parts Python's hashlib as S3's documents describe it.
var sums = []struct {
	sum  plugins.Checksum
	text string
}{
	{"md5:d41d8cd98f00b204e9800998ecf8427e", ""},
	{"md5:900150983cd24fb0d6963f7d28e17f72", "abc"},
	{"sha1:a9993e364706816aba3e25717850c26c9cd0d89d", "abc"},
	{"crc32c:e3069283", "123456789"},
	{"git-sha1:ce013625030ba8dba906f756967f9e9ca394464a", "hello\n"},
	{"git-sha1:e69de29bb2d1d6434b8b29ae775ad8c2e48c5391", ""},
	{"md5-parts-16:76b0387229d756f44d5473598019117b-2", thirty},
	{"md5-parts-16:5a65e00a32346ccd4b77ead4374d0f9f-1", thirty[:16]},
	{"md5-parts-16:59adb24ef3cdbe0297f05b395827453f-1", ""},
}

// sources are a source over the network and one on this machine.
var sources = map[string]func(plugins.Source) plugins.Plugin{
	"network": fetcher,
	"local": func(src plugins.Source) plugins.Plugin {
		spec := catalog.Spec{Name: "shelf", Version: "1", Summary: "A test.", Determinism: catalog.Exact, Queue: catalog.QueueIO}
		return plugins.Fetch(spec, struct{}{}, func(struct{}, plugins.Env, uint64) (plugins.Source, error) { return src, nil })
	},
}

// TestSums: a file is held against the publisher's weaker checksum, too.
func TestSums(t *testing.T) {
	for where, plugin := range sources {
		for _, c := range sums {
			src := &shelf{data: map[string]string{"x": c.text}, list: []plugins.SourceFile{{Path: "x", Size: int64(len(c.text)), Sum: c.sum}}}
			run := plugintest.Case{Plugin: plugin(src), Env: plugins.Env{Retry: now}}
			if files, err := run.Run(t.Context(), 1, t.TempDir()); err != nil || string(files["x"]) != c.text {
				t.Errorf("%s: %s: %v", where, c.sum, err)
			}
			src.data["x"] = strings.Repeat("z", len(c.text))
			if c.text == "" {
				src.data["x"], src.list[0].Size = "z", 1
			}
			_, err := run.Run(t.Context(), 1, t.TempDir())
			bad, ok := errors.AsType[*plugins.MismatchError](err)
			if !ok || bad.What != c.sum.Algorithm() || bad.Want != c.sum.String() || plugins.FaultCode(err) != plugins.FaultDiffers {
				t.Errorf("%s: %s: other bytes: %v", where, c.sum, err)
			}
		}
	}
}

// TestSumNamesTheDispute: who reads the error knows what the list has, what came, and that the list has no digest.
func TestSumNamesTheDispute(t *testing.T) {
	src := &shelf{data: map[string]string{"x": "abd"}, list: []plugins.SourceFile{{Path: "x", Size: 3, Sum: sums[1].sum, List: "https://h/list"}}}
	_, err := fetchAll(t, src)
	d, ok := errors.AsType[*plugins.Dispute](err)
	if !ok || d.Want != "" || d.Sum != sums[1].sum || d.Got != digest.FromString("abd") || d.List != "https://h/list" {
		t.Errorf("%+v, %v", d, err)
	}
}

// TestSumBesideDigest: neither is taken for the other.
func TestSumBesideDigest(t *testing.T) {
	for where, plugin := range sources {
		for what, f := range map[string]plugins.SourceFile{
			"":       {Digest: digest.FromString("abc"), Sum: sums[1].sum},
			"md5":    {Digest: digest.FromString("abc"), Sum: sums[0].sum},
			"digest": {Digest: digest.FromString("abd"), Sum: sums[1].sum},
		} {
			f.Path, f.Size = "x", -1
			src := &shelf{data: map[string]string{"x": "abc"}, list: []plugins.SourceFile{f}}
			_, err := plugintest.Case{Plugin: plugin(src), Env: plugins.Env{Retry: now}}.Run(t.Context(), 1, t.TempDir())
			bad, ok := errors.AsType[*plugins.MismatchError](err)
			if ok != (what != "") || ok && bad.What != what {
				t.Errorf("%s: want a mismatch of %q, got %v", where, what, err)
			}
		}
	}
}

// TestSumFindsDamage: what was damaged on the way is fetched again.
func TestSumFindsDamage(t *testing.T) {
	src := &shelf{data: map[string]string{}, list: []plugins.SourceFile{{Path: "x", Size: 3, Sum: sums[1].sum}}}
	opened := 0
	src.open = func(context.Context, plugins.SourceFile, int64) (io.ReadCloser, error) {
		opened++
		return io.NopCloser(strings.NewReader([]string{"", "abd", "abc"}[opened])), nil
	}
	if files, err := fetchAll(t, src); err != nil || string(files["x"]) != "abc" || opened != 2 {
		t.Errorf("%q after %d transfers, %v", files["x"], opened, err)
	}
}

func TestChecksumOf(t *testing.T) {
	for _, c := range []struct{ algorithm, text, want, bad string }{
		{"md5", "900150983CD24FB0D6963F7D28E17F72", "md5:900150983cd24fb0d6963f7d28e17f72", ""},
		{"md5", "kAFQmDzST7DWlj99KOF/cg==", "md5:900150983cd24fb0d6963f7d28e17f72", ""},
		{"crc32c", "4waSgw==", "crc32c:e3069283", ""},
		{"md5", "abc", "", "want 32 lower-case hexadecimal digits"},
		{"md6", "abc", "", "unknown algorithm"},
		{"", "", "", "unknown algorithm"},
		{"md5-parts-8388608", "900150983cd24fb0d6963f7d28e17f72-3", "md5-parts-8388608:900150983cd24fb0d6963f7d28e17f72-3", ""},
		{"md5-parts-0", "900150983cd24fb0d6963f7d28e17f72-3", "", "want md5-parts-<bytes>"},
		{"md5-parts-8", "900150983cd24fb0d6963f7d28e17f72", "", "want md5-parts-<bytes>"},
	} {
		got, err := plugins.ChecksumOf(c.algorithm, c.text)
		if c.bad == "" && (err != nil || got.String() != c.want) || c.bad != "" && (err == nil || !strings.Contains(err.Error(), c.bad)) {
			t.Errorf("%s %q: %s, %v", c.algorithm, c.text, got, err)
		}
	}
}

// TestBadSum: a checksum that cannot be computed is an error, not one that is never compared.
func TestBadSum(t *testing.T) {
	for where, plugin := range sources {
		src := &shelf{data: map[string]string{"x": "abc"}, list: []plugins.SourceFile{{Path: "x", Size: 3, Sum: "etag:abc"}}}
		if _, err := (plugintest.Case{Plugin: plugin(src)}).Run(t.Context(), 1, t.TempDir()); err == nil || !strings.Contains(err.Error(), `checksum "etag:abc": unknown algorithm`) {
			t.Errorf("%s: %v", where, err)
		}
	}
}

// TestSumNeedsSize: on this machine a file is read once, so that its size has to be known before.
func TestSumNeedsSize(t *testing.T) {
	src := &shelf{data: map[string]string{"x": "hello\n"}, list: []plugins.SourceFile{{Path: "x", Size: -1, Sum: "git-sha1:ce013625030ba8dba906f756967f9e9ca394464a"}}}
	for where, want := range map[string]string{"network": "", "local": "the size, too, which the source does not list"} {
		_, err := plugintest.Case{Plugin: sources[where](src), Env: plugins.Env{Retry: now}}.Run(t.Context(), 1, t.TempDir())
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", where, err)
		}
	}
}

func FuzzChecksum(f *testing.F) {
	for _, c := range sums {
		f.Add(c.sum.Algorithm(), c.sum.Encoded())
	}
	f.Add("md5", "kAFQmDzST7DWlj99KOF/cg==")
	f.Fuzz(func(t *testing.T, algorithm, text string) {
		c, err := plugins.ChecksumOf(algorithm, text)
		if err != nil {
			return
		}
		if again, err := plugins.ChecksumOf(c.Algorithm(), c.Encoded()); err != nil || again != c {
			t.Errorf("%q becomes %q, %v", c, again, err)
		}
	})
}
