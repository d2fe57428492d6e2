package plugins_test

import (
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/plugins"
)

func TestHostNames(t *testing.T) {
	for host, want := range map[string]string{
		"data.example.org":  "CAIRN_PASSWORD_DATA_EXAMPLE_ORG",
		"data-example.org":  "CAIRN_PASSWORD_DATA__EXAMPLE_ORG",
		"Data--Example.org": "CAIRN_PASSWORD_DATA____EXAMPLE_ORG",
		"127.0.0.1":         "CAIRN_PASSWORD_127_0_0_1",
		"localhost":         "CAIRN_PASSWORD_LOCALHOST",
	} {
		username, password, err := plugins.HostNames(host)
		if err != nil || password != want || username != strings.Replace(want, "PASSWORD", "USERNAME", 1) {
			t.Errorf("%s: %s and %s, %v; want %s", host, username, password, err, want)
		}
	}
	for _, host := range []string{"", ".", "a.", ".a", "a..b", "-a", "a-.b", "a.-b", "a_b", "::1", "a b", "é.org", "a=b", "a\x00"} {
		if username, _, err := plugins.HostNames(host); err == nil {
			t.Errorf("%q is taken as %s", host, username)
		}
	}
}

// FuzzHostNames: a name leads back to its host, so that no two hosts share one.
func FuzzHostNames(f *testing.F) {
	f.Add("data.example.org", "CAIRN_USERNAME_A")
	f.Add("xn--a-b.1.c--d", "CAIRN_PASSWORD_A___B")
	f.Add("a-.b", "CAIRN_PASSWORD_")
	f.Fuzz(func(t *testing.T, host, name string) {
		if username, password, err := plugins.HostNames(host); err == nil {
			for _, n := range []string{username, password} {
				back, isPassword, err := plugins.HostOfName(n)
				if err != nil || back != strings.ToLower(host) || isPassword != (n == password) {
					t.Errorf("%q gives %s, which gives %q, %t, %v", host, n, back, isPassword, err)
				}
			}
		}
		if host, _, err := plugins.HostOfName(name); err == nil {
			username, password, err := plugins.HostNames(host)
			if err != nil || name != username && name != password {
				t.Errorf("%q gives %q, which gives %s", name, host, username)
			}
		}
	})
}
