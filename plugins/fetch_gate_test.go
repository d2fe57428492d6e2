package plugins_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
)

type gated struct{ env plugins.Env }

func (g gated) List(context.Context) ([]plugins.SourceFile, error) { return nil, nil }
func (g gated) Open(context.Context, plugins.SourceFile, int64) (io.ReadCloser, error) {
	return nil, io.EOF
}
func (g gated) Missing(context.Context) ([]plugins.Missing, error) {
	if _, ok := g.env.Lookup("OTHERS"); ok {
		panic("a plugin sees a secret that is not its own")
	}
	return plugins.Secrets(g.env, "https://x.test/keys", []string{"USER", "KEY"}, []string{"TOKEN"}), nil
}

// TestMissing: any one way in is enough, an empty value is none, and a plugin sees only its own credentials.
func TestMissing(t *testing.T) {
	p := plugins.Fetch(catalog.Spec{Name: "x", Version: "1", Summary: "For tests.", Determinism: catalog.Exact, Queue: catalog.QueueIO,
		Secrets: []string{"USER", "KEY", "TOKEN"}}, struct{}{}, func(_ struct{}, env plugins.Env, _ uint64) (plugins.Source, error) { return gated{env}, nil })
	for _, c := range []struct {
		env  map[string]string
		want string // "" is nothing
	}{
		{nil, "credentials USER and KEY, or TOKEN"},
		{map[string]string{"USER": "u"}, "credentials USER and KEY, or TOKEN"},
		{map[string]string{"USER": "u", "KEY": ""}, "credentials USER and KEY, or TOKEN"},
		{map[string]string{"USER": "u", "KEY": "k"}, ""},
		{map[string]string{"TOKEN": "t", "OTHERS": "s"}, ""},
	} {
		env := plugins.Env{Lookup: func(name string) (string, bool) { v, ok := c.env[name]; return v, ok }}
		missing, err := p.Missing(t.Context(), json.RawMessage(`{}`), env)
		var got []string
		for _, m := range missing {
			got = append(got, m.What)
		}
		if diff := cmp.Diff(c.want, strings.Join(got, "; ")); diff != "" || err != nil {
			t.Errorf("%v: %v\n%s", c.env, err, diff)
		}
	}
}

// TestTrouble: what is wrong with a place where a credential could be is said where it is missed.
func TestTrouble(t *testing.T) {
	env := plugins.Env{Lookup: func(string) (string, bool) { return "", false }, Trouble: func(name string) error {
		if name == "KEY" {
			return errors.New("/home/a/.netrc, line 3: want a value after password")
		}
		return nil
	}}
	missing := plugins.Secrets(env, "", []string{"TOKEN"}, []string{"USER", "KEY"})
	if len(missing) != 1 || !strings.HasPrefix(missing[0].Do, "See to this: /home/a/.netrc, line 3: want a value after password. Set the") {
		t.Errorf("missing %+v", missing)
	}
	if _, err := env.Secret("KEY"); err == nil || plugins.FaultCode(err) != plugins.FaultUnauthorized || !strings.Contains(err.Error(), "KEY is not to be had: /home/a/.netrc, line 3") {
		t.Errorf("error %v", err)
	}
	if _, err := env.Secret("USER"); err == nil || !strings.Contains(err.Error(), "USER is not set") {
		t.Errorf("error %v", err)
	}
}

// TestFor: a fetch sees the credentials of its promise, and other kinds none.
func TestFor(t *testing.T) {
	all := plugins.Env{Dir: "/d", Lookup: func(name string) (string, bool) { return "s", true }, Trouble: func(string) error { return errors.New("wrong") }}
	spec := catalog.Spec{Kind: catalog.Fetch, Secrets: []string{"TOKEN", "CAIRN_PASSWORD_*"}}
	own := all.For(spec)
	for name, want := range map[string]bool{"TOKEN": true, "TOKENS": false, "TOKE": false, "": false, "CAIRN_PASSWORD_A": true, "CAIRN_PASSWORDS": false, "CAIRN_PASSWORD_*": true} {
		if _, ok := own.Lookup(name); ok != want || (own.Trouble(name) != nil) != want {
			t.Errorf("%q is seen: %t, want %t", name, ok, want)
		}
	}
	if none := all.For(catalog.Spec{Kind: catalog.Fetch}); none.Dir != "/d" {
		t.Error("a fetch does not know the folder of its manifest")
	} else if _, ok := none.Lookup("TOKEN"); ok {
		t.Error("a fetch without credentials of its own sees one")
	}
	if spec.Kind = catalog.Curate; all.For(spec).Lookup != nil {
		t.Error("a curate sees credentials")
	}
}
