package credentials

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func entries(text string) ([]netrcEntry, error) {
	return (&netrc{path: "netrc", text: text, line: 1}).parse()
}

func TestNetrc(t *testing.T) {
	type e = netrcEntry
	for name, c := range map[string]struct {
		text string
		want []e
	}{
		"empty":                {"", nil},
		"one line":             {"machine m login l password p", []e{{1, "m", "l", "p"}}},
		"lines":                {"\n machine\tm\r\n\tlogin l\r\n\tpassword\n p\r\n", []e{{2, "m", "l", "p"}}},
		"several":              {"machine m login l password p\nmachine n password q login k account x", []e{{1, "m", "l", "p"}, {2, "n", "k", "q"}}},
		"default":              {"machine m login l password p default login anonymous password me@x", []e{{1, "m", "l", "p"}, {1, "", "anonymous", "me@x"}}},
		"comments":             {"# machine a\nmachine m # b\n# login c\n login l#1 #d\n\tpassword #p# # e", []e{{2, "m", "l#1", "#p#"}}},
		"a comment at the end": {"machine m login l password p #", []e{{1, "m", "l", "p"}}},
		"quotes":               {`machine "m" login "l l" password "a \"b\" \\ \t\x #"` + "\n", []e{{1, "m", "l l", "a \"b\" \\ \tx #"}}},
		"quote within":         {`machine m login l"l password p"`, []e{{1, "m", `l"l`, `p"`}}},
		"an empty value":       {`machine m login "" password p`, []e{{1, "m", "", "p"}}},
		"odd characters":       {"machine m login ä password ß%20&=/+é\x80", []e{{1, "m", "ä", "ß%20&=/+é\x80"}}},
		"a macro":              {"machine m login l password p\nmacdef init\nmachine evil\nlogin x\n\nmachine n login k password q", []e{{1, "m", "l", "p"}, {6, "n", "k", "q"}}},
		"a macro to the end":   {"machine m login l password p\nmacdef init\nquit", []e{{1, "m", "l", "p"}}},
		"keywords as values":   {"machine machine login login password password", []e{{1, "machine", "login", "password"}}},
	} {
		got, err := entries(c.text)
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(e{})); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
	for text, want := range map[string]string{
		"login l":                            "netrc, line 1: want machine or default before login",
		"machine m\nlogin l\npassword":       "netrc, line 3: want a value after password",
		"machine m login l\npasswrod s3cret": "netrc, line 2: want machine, default, login, account, password or macdef",
		"machine m\n\npassword \"s3cret\nx":  "netrc, line 3: want a closing quote",
		"machine m password \"s3\"cret":      "netrc, line 1: want a blank after a closing quote",
		"machine":                            "netrc, line 1: want a value after machine",
		"machine m password \"s3cret\\":      "netrc, line 1: want a closing quote",
	} {
		if got, err := entries(text); err == nil || err.Error() != want {
			t.Errorf("%q: %+v, %v; want %s", text, got, err, want)
		}
	}
}

// FuzzNetrc: whatever a file holds, nothing of it is in an error, its lines are there, and what is written in quotes is
// read as it was.
func FuzzNetrc(f *testing.F) {
	for _, text := range []string{netrcText, "default login a", "macdef x\n\n", "machine m password \"\\\"", "#", "machine \"", "machine m login #\n#x"} {
		f.Add(text, `a "b" \ c`)
	}
	f.Fuzz(func(t *testing.T, text, secret string) {
		lines := 1 + strings.Count(text, "\n")
		all, err := entries(text)
		for _, e := range all {
			if e.line < 1 || e.line > lines {
				t.Errorf("%+v of %d lines", e, lines)
			}
		}
		if err != nil && strings.ContainsAny(err.Error(), "\"\n") {
			t.Errorf("%q", err)
		}
		quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(secret) + `"`
		all, err = entries("machine m login l password " + quoted)
		if err != nil || len(all) != 1 || all[0].password != secret {
			t.Errorf("%q is %+v, %v", secret, all, err)
		}
	})
}

// FuzzFiles: whatever a file holds, nothing is thrown, and none of it is in an error.
func FuzzFiles(f *testing.F) {
	f.Add(awsText)
	f.Add(netrcText)
	f.Add(`{"username": "u", "key": 3}`)
	f.Add("[default]\naws_access_key_id = s3cret\n\taws_x = [\n]")
	f.Add("[default")
	f.Add("hf_1\n")
	f.Fuzz(func(t *testing.T, text string) {
		text = "canary" + text + "canary"
		h := newHome(t, nil, map[string]string{".aws/credentials": text, ".kaggle/kaggle.json": text, ".kaggle/access_token": text, ".netrc": text})
		for _, p := range publishers {
			for _, name := range p.names {
				found, err := h.finder().Find(name)
				if err != nil && strings.Contains(err.Error(), "canary") || strings.Contains(found.Where, "canary") {
					t.Errorf("%+v, %v", found, err)
				}
			}
		}
	})
}
