package drift

import (
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/plan"
)

func of(path, text string) artifact.File {
	return artifact.File{Path: path, Size: int64(len(text)), Digest: digest.FromString(text)}
}

var (
	older, newer, third = digest.FromString("old"), digest.FromString("new"), digest.FromString("third")
	moved               = []plan.Cause{{Component: "params.exclude", Was: `["x"]`, Is: `[]`}, {Component: "params.files[0].url", Was: `"https://me:pw@a.org/v1?key=s3cret"`, Is: `"https://a.org/v2?key=s3cret"`}}
	edited              = moved[:1]
)

func TestFetches(t *testing.T) {
	was, is := []artifact.File{of("a", "1"), of("b", "2")}, []artifact.File{of("a", "1"), of("b", "3")}
	const list = "https://a.org/SHA256SUMS"
	for _, c := range []struct {
		name  string
		fetch Fetch
		code  Code
		text  string
	}{
		{"list and bytes agree", Fetch{Known: true, Was: was, Is: is, List: list}, PublisherChanged, "list " + list + ": the publisher has changed both"},
		{"and the lock's files are not here", Fetch{Is: is, List: list}, PublisherChanged, list},
		{"no list", Fetch{Known: true, Was: was, Is: is}, NoList, "nothing but the lock"},
		{"the same files", Fetch{Known: true, Was: was, Is: was, List: list}, Repacked, "how they are packed"},
		{"a new version, the same files", Fetch{Known: true, Was: was, Is: was, Edited: true, Edits: moved}, VersionKeptSum, "files[0].url changed from https://a.org/v1 to https://a.org/v2, and the files are still those of the lock"},
		{"another filter, the same files", Fetch{Known: true, Was: was, Is: was, Edited: true, Edits: edited}, "", ""},
		{"another filter, other files", Fetch{Known: true, Was: was, Is: is, Edited: true, Edits: edited}, ManifestChanged, "exclude changed since the lock was written"},
		{"a local source", Fetch{Known: true, Was: was, Is: is, Edited: true, Edits: []plan.Cause{{Component: "source", Was: "sha256:1", Is: "sha256:2"}}}, ManifestChanged, "the local source has other files"},
		{"another version of the plugin", Fetch{Known: true, Was: was, Is: is, Edited: true, Edits: []plan.Cause{{Component: "plugin.version", Was: "1", Is: "2"}}}, ManifestChanged, "the step's plugin.version changed from 1 to 2"},
		{"an unknown edit", Fetch{Is: is, Edited: true}, ManifestChanged, "is not held against the lock"},
		{"no files at all are no proof", Fetch{Edited: true, Edits: moved}, ManifestChanged, ""},
	} {
		v := c.fetch.Judge()
		check(t, c.name, v, c.code, c.text)
	}
}

func check(t *testing.T, name string, v Verdict, code Code, text string) {
	t.Helper()
	if v.Code != code || !strings.Contains(v.Text, text) {
		t.Errorf("%s: %s: %q; want %s with %q", name, v.Code, v.Text, code, text)
	}
	if strings.Contains(v.Text, "s3cret") || strings.Contains(v.Text, "pw@") || len(v.Text) > 600 {
		t.Errorf("%s: the text holds a secret, or is too long for a history: %q", name, v.Text)
	}
}

// TestFiles goes through every way in which lock, list and bytes can stand to one another.
func TestFiles(t *testing.T) {
	file := func(lock, list, got digest.Digest) File {
		return File{Path: "a", Ref: "https://p.org/files/a", List: "https://p.org/SHA256SUMS", Lock: lock, Want: list, Got: got}
	}
	mirror := func(f File) File { f.Ref = "https://mirror.net/a"; return f }
	manifest := func(f File) File { f.List = ""; return f }
	weak := func(f File) File { f.Sum = "md5:0123456789abcdef0123456789abcdef"; return f }
	said := func(f File, sum digest.Digest) File { f.Said, f.Got = sum, ""; return f }
	for _, c := range []struct {
		name string
		file File
		code Code
		text string
	}{
		{"lock and list against the bytes", file(older, older, newer), Damaged, "lock and publisher's checksum list agree"},
		{"lock and bytes against the list", file(older, newer, older), ListChanged, "lock and received bytes agree"},
		{"three opinions", file(older, newer, third), ListDiffers, "the lock has a third"},
		{"list against bytes", file("", newer, third), ListDiffers, "is not known here"},
		{"another size", file("", newer, ""), ListDiffers, "a file of another size"},
		{"a mirror, lock with the list", mirror(file(older, older, newer)), MirrorDiffers, "mirror.net gives sha256:" + newer.Encoded()[:12] + " for a, the list of p.org has sha256:" + older.Encoded()[:12] + "; the lock is with the list"},
		{"a mirror that is behind", mirror(file(older, newer, older)), MirrorDiffers, "the list has changed since"},
		{"a mirror, no lock", mirror(file("", older, newer)), MirrorDiffers, "is not known here"},
		{"each transfer differs", File{Path: "a", Lock: older, Want: older, Got: third, Varies: true}, Damaged, "lock and checksum agree"},
		{"each transfer differs, and the lock, too", File{Path: "a", Lock: older, Want: newer, Got: third, Varies: true}, Damaged, "the lock has other bytes"},
		{"a weak checksum, lock and bytes", weak(file(older, "", older)), ListChanged, "list https://p.org/SHA256SUMS now has md5:0123456789abc"},
		{"a weak checksum, another lock", weak(file(older, "", newer)), ListDiffers, "has md5:0123456789abc"},
		{"a weak checksum, another lock, more", weak(file(older, "", newer)), ListDiffers, "cannot be held against a checksum of another kind"},
		{"a weak checksum, no lock", weak(file("", "", newer)), ListDiffers, "is not known here"},
		{"a weak checksum of a mirror", mirror(weak(file(older, "", older))), MirrorDiffers, "the list of p.org has md5:0123456789abc"},
		{"a weak checksum, each transfer differs", weak(File{Path: "a", Lock: older, Got: third, Varies: true}), Damaged, "cannot be held against"},
		{"no list", manifest(file(older, older, newer)), NoList, "p.org gives"},
		{"a new address, the old checksum", File{Path: "a", Want: older, Got: newer, Edits: moved, OldSum: true}, URLKeptSum, "of the earlier address"},
		{"a new address, and a new checksum that is wrong", File{Path: "a", Ref: "https://p.org/a", Want: third, Got: newer, Edits: moved}, NoList, "the manifest has"},
		{"the list contradicts manifest and lock", said(file(older, newer, ""), older), PublisherChanged, "now has"},
		{"the same, with the lock's action alone", said(File{Path: "a", List: "https://p.org/L", Want: newer, OldSum: true}, older), PublisherChanged, "now has"},
		{"the list contradicts the manifest", said(file("", newer, ""), older), ListDiffers, "the manifest has"},
		{"the list contradicts the old checksum of a new address", said(File{Path: "a", List: "https://p.org/L", Want: newer, Edits: moved, OldSum: true}, older), URLKeptSum, "sha256:" + older.Encoded()[:12]},
	} {
		check(t, c.name, c.file.Judge(), c.code, c.text)
	}
}

func TestLongValues(t *testing.T) {
	long := `"https://a.org/` + strings.Repeat("é/", 400) + `"`
	check(t, "long", Fetch{Edited: true, Edits: []plan.Cause{{Component: "params.base", Was: long, Is: long[:len(long)-1] + `x"`}}}.Judge(), ManifestChanged, "base changed from https://a.org/")
}
