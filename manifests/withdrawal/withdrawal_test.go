package withdrawal_test

import (
	_ "crypto/sha512" // for a digest that is valid and not ours
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/withdrawal"
)

const (
	salt  = "00112233445566778899aabbccddeeff"
	other = "ffeeddccbbaa99887766554433221100"
)

var from = digest.FromString("raw")

// TestVectors: what sha256sum gives for printf 'cairn/withdrawn/v1\n00112233445566778899aabbccddeeff\nsubject\nperson1', and with sample.
func TestVectors(t *testing.T) {
	if got, want := withdrawal.Subject("person1", salt, from).Subject, digest.Digest("sha256:7a8a1b2ad106bd3554269b2ec4d1dc6fa656a585a9b198737798d6ca8962611a"); got != want {
		t.Errorf("subject is %s, want %s", got, want)
	}
	if got, want := withdrawal.Sample("person1", salt, from).Sample, digest.Digest("sha256:089fed66ac4e4b0be3bd5d8e0d27fd1fded96e4507a5ca15be1228abfe7d320a"); got != want {
		t.Errorf("sample is %s, want %s", got, want)
	}
}

func TestNames(t *testing.T) {
	anna, ben, scan := withdrawal.Subject("anna", salt, from), withdrawal.Subject("ben", other, from), withdrawal.Sample("s7", salt, from)
	l := withdrawal.NewList([]withdrawal.Entry{scan, ben, anna})
	for _, c := range []struct {
		subject, sample string
		want            bool
	}{
		{"anna", "s1", true}, {"ben", "s2", true}, {"carl", "s7", true}, {"carl", "s8", false},
		{"s7", "anna", false}, // a sample called like a person is another one
		{"", "", false},
	} {
		if got := l.Names(c.subject, c.sample); got != c.want {
			t.Errorf("%s of %s: %v", c.sample, c.subject, got)
		}
	}
	if l := withdrawal.NewList([]withdrawal.Entry{withdrawal.Subject("", salt, from), withdrawal.Sample("", salt, from)}); l.Names("", "") {
		t.Error("nobody has a name")
	}
	for what, liar := range map[string]withdrawal.Entry{
		"a sample's with the digest of a person": {Sample: anna.Subject, Salt: salt, From: from},
		"one with another salt than its digest":  {Subject: anna.Subject, Salt: other, From: from},
	} {
		if withdrawal.NewList([]withdrawal.Entry{liar, scan}).Names("anna", "s1") {
			t.Errorf("%s names her", what)
		}
	}
	if left := l.Unmet(); len(left) > 0 {
		t.Errorf("unmet are %v", left)
	}
	l = withdrawal.NewList([]withdrawal.Entry{scan, ben, anna})
	l.Names("ben", "")
	want := []withdrawal.Entry{scan, anna}
	withdrawal.Sort(want)
	if diff := cmp.Diff(want, l.Unmet()); diff != "" {
		t.Error(diff)
	}
}

func TestValidate(t *testing.T) {
	good := withdrawal.Subject("anna", salt, from)
	if err := withdrawal.Validate([]withdrawal.Entry{good, withdrawal.Sample("anna", salt, from)}); err != nil {
		t.Error(err)
	}
	change := func(f func(*withdrawal.Entry)) []withdrawal.Entry {
		e := good
		f(&e)
		return []withdrawal.Entry{e}
	}
	for want, all := range map[string][]withdrawal.Entry{
		"either subject or sample": change(func(e *withdrawal.Entry) { e.Subject = "" }),
		"want either":              change(func(e *withdrawal.Entry) { e.Sample = from }),
		"its digest":               change(func(e *withdrawal.Entry) { e.Subject = "anna" }),
		"its digest is \"sha512":   change(func(e *withdrawal.Entry) { e.Subject = digest.SHA512.FromString("anna") }),
		"from":                     change(func(e *withdrawal.Entry) { e.From = "" }),
		"salt":                     change(func(e *withdrawal.Entry) { e.Salt = "pepper" }),
		"twice":                    {good, good},
	} {
		if err := withdrawal.Validate(all); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}
