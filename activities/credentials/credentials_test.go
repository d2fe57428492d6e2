package credentials

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// home is a home folder with files in it.
type home struct {
	t   *testing.T
	dir string
	env map[string]string
}

func newHome(t *testing.T, env map[string]string, files map[string]string) *home {
	h := &home{t, t.TempDir(), map[string]string{}}
	for name, text := range files {
		h.write(name, text)
	}
	for name, value := range env {
		h.env[name] = strings.ReplaceAll(value, "~", h.dir)
	}
	if _, ok := env["HOME"]; !ok {
		h.env["HOME"] = h.dir
	}
	return h
}

func (h *home) write(name, text string) {
	h.t.Helper()
	path := filepath.Join(h.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func (h *home) finder() *Finder {
	return New(func(name string) (string, bool) { v, ok := h.env[name]; return v, ok })
}

// all is what a finder has of names, each with where it is from or what is wrong, with ~ for the home folder.
func (h *home) all(names ...string) string {
	h.t.Helper()
	f := h.finder()
	var out []string
	for _, name := range names {
		value, ok := f.Lookup(name)
		found, wrong := f.Find(name)
		if ok != (value != "") || ok != (found.Where != "") || !ok && fmt.Sprint(f.Trouble(name)) != fmt.Sprint(wrong) {
			h.t.Errorf("%s: %q, %t, %+v, %v, but trouble is %v", name, value, ok, found, wrong, f.Trouble(name))
		}
		says := value + " from " + found.Where
		if !ok {
			says = fmt.Sprint(wrong)
		}
		out = append(out, strings.ReplaceAll(says, h.dir, "~"))
	}
	return strings.Join(out, "\n")
}

type vars = map[string]string

const (
	netrcText = "machine physionet.org login alice password s3cret-1\nmachine data.example.org\n  login bob\n  password \"s3cret 2\"\n"
	awsText   = "[default]\naws_access_key_id = AKIA1\naws_secret_access_key = s3cret-1 # mine\n[work]\naws_access_key_id=AKIA2\naws_secret_access_key=s3cret/2+=\naws_session_token = s3cret-3\n"
)

func TestPlaces(t *testing.T) {
	physionet, kaggle, hosts := []string{"PHYSIONET_USERNAME", "PHYSIONET_PASSWORD"}, []string{"KAGGLE_USERNAME", "KAGGLE_KEY"}, []string{"CAIRN_USERNAME_DATA_EXAMPLE_ORG", "CAIRN_PASSWORD_DATA_EXAMPLE_ORG"}
	for _, c := range []struct {
		name       string
		env, files map[string]string
		ask        []string
		want       string
	}{
		{"nothing", nil, nil, physionet, "<nil>\n<nil>"},
		{"environment", vars{"PHYSIONET_USERNAME": "a", "PHYSIONET_PASSWORD": "b"}, vars{".netrc": netrcText}, physionet, "a from the environment\nb from the environment"},
		{"empty in the environment", vars{"PHYSIONET_USERNAME": "", "PHYSIONET_PASSWORD": ""}, vars{".netrc": netrcText}, physionet, "alice from ~/.netrc (machine physionet.org)\ns3cret-1 from ~/.netrc (machine physionet.org)"},
		{"one in the environment", vars{"PHYSIONET_USERNAME": "a"}, vars{".netrc": netrcText}, physionet, "a from the environment\nPHYSIONET_USERNAME is in the environment, so PHYSIONET_PASSWORD is not taken from ~/.netrc (machine physionet.org); put both in one place"},
		{"one in the environment, none elsewhere", vars{"PHYSIONET_USERNAME": "a"}, nil, physionet, "a from the environment\n<nil>"},
		{"another netrc", vars{"NETRC": "~/x/rc"}, vars{".netrc": netrcText, "x/rc": "machine physionet.org\nlogin c password d"}, physionet, "c from ~/x/rc (machine physionet.org)\nd from ~/x/rc (machine physionet.org)"},
		{"other machines", nil, vars{".netrc": "machine physionet.org.evil.org login a password b\ndefault login c password s3cret-d"}, physionet, "<nil>\n<nil>"},
		{"a host", nil, vars{".netrc": netrcText}, hosts, "bob from ~/.netrc (machine data.example.org)\ns3cret 2 from ~/.netrc (machine data.example.org)"},
		{"another host", nil, vars{".netrc": netrcText}, []string{"CAIRN_PASSWORD_DATA__EXAMPLE_ORG", "CAIRN_PASSWORD_EXAMPLE_ORG"}, "<nil>\n<nil>"},
		{"no password", nil, vars{".netrc": "machine physionet.org login s3cret"}, physionet, "~/.netrc, line 1: want login and password for machine physionet.org\n~/.netrc, line 1: want login and password for machine physionet.org"},
		{"a broken netrc", nil, vars{".netrc": "machine physionet.org login a\npassword"}, physionet[:1], "~/.netrc, line 2: want a value after password"},
		{"kaggle.json", nil, vars{".kaggle/kaggle.json": `{"username": "u", "key": "k", "proxy": "p"}`, ".config/kaggle/kaggle.json": `{`}, kaggle, "u from ~/.kaggle/kaggle.json\nk from ~/.kaggle/kaggle.json"},
		{"kaggle.json, elsewhere", nil, vars{".config/kaggle/kaggle.json": `{"username": "u", "key": "k"}`, ".kaggle/kaggle.json": `{"competition": "c"}`}, kaggle[1:], "k from ~/.config/kaggle/kaggle.json"},
		{"kaggle.json, as said", vars{"KAGGLE_CONFIG_DIR": "~/c"}, vars{"c/kaggle.json": `{"username": "u", "key": "k"}`, ".kaggle/kaggle.json": `{`}, kaggle[1:], "k from ~/c/kaggle.json"},
		{"kaggle.json, XDG", vars{"XDG_CONFIG_HOME": "~/x"}, vars{"x/kaggle/kaggle.json": `{"username": "u", "key": "k"}`}, kaggle[1:], "k from ~/x/kaggle/kaggle.json"},
		{"kaggle.json is not JSON", nil, vars{".kaggle/kaggle.json": "{\n\"username\": \"s3cret\",\n\"key\": s3cret}"}, kaggle[1:], "~/.kaggle/kaggle.json, line 3: want JSON"},
		{"kaggle.json ends early", nil, vars{".kaggle/kaggle.json": "{\n\"username\": \"s3cret\","}, kaggle[1:], "~/.kaggle/kaggle.json, line 2: want JSON"},
		{"kaggle.json of another type", nil, vars{".kaggle/kaggle.json": "{\"username\": \"u\",\n\"key\": 31415926}"}, kaggle[1:], `~/.kaggle/kaggle.json, line 2: want an object with "username" and "key", which are texts`},
		{"kaggle.json without a key", nil, vars{".kaggle/kaggle.json": `{"username": "u"}`}, kaggle[1:], `~/.kaggle/kaggle.json: want both "username" and "key"`},
		{"kaggle's token", nil, vars{".kaggle/access_token": "KGAT_1\n"}, []string{"KAGGLE_API_TOKEN"}, "KGAT_1 from ~/.kaggle/access_token"},
		{"kaggle's token of Windows", nil, vars{".kaggle/access_token.txt": "KGAT_1\r\n"}, []string{"KAGGLE_API_TOKEN"}, "KGAT_1 from ~/.kaggle/access_token.txt"},
		{"a token of two lines", nil, vars{".kaggle/access_token": "s3cret\ns3cret"}, []string{"KAGGLE_API_TOKEN"}, "~/.kaggle/access_token: want one line with a token"},
		{"hugging face", nil, vars{".cache/huggingface/token": "hf_1"}, []string{"HF_TOKEN"}, "hf_1 from ~/.cache/huggingface/token"},
		{"hugging face, XDG", vars{"XDG_CACHE_HOME": "~/x"}, vars{"x/huggingface/token": "hf_1", ".cache/huggingface/token": "hf_2"}, []string{"HF_TOKEN"}, "hf_1 from ~/x/huggingface/token"},
		{"hugging face, its home", vars{"HF_HOME": "~/h"}, vars{"h/token": "hf_1", ".cache/huggingface/token": "hf_2"}, []string{"HF_TOKEN"}, "hf_1 from ~/h/token"},
		{"hugging face, its path", vars{"HF_HOME": "~/h", "HF_TOKEN_PATH": "~/t"}, vars{"h/token": "hf_1", "t": "hf_2"}, []string{"HF_TOKEN"}, "hf_2 from ~/t"},
		{"an empty token", nil, vars{".cache/huggingface/token": "\n"}, []string{"HF_TOKEN"}, "~/.cache/huggingface/token: want one line with a token"},
		{"a folder", vars{"HF_TOKEN_PATH": "~"}, nil, []string{"HF_TOKEN"}, "~: want a file"},
		{"AWS", nil, vars{".aws/credentials": awsText}, awsNames, "AKIA1 from ~/.aws/credentials (profile default)\ns3cret-1 from ~/.aws/credentials (profile default)\n<nil>"},
		{"AWS, a profile", vars{"AWS_PROFILE": "work"}, vars{".aws/credentials": awsText}, awsNames[1:], "s3cret/2+= from ~/.aws/credentials (profile work)\ns3cret-3 from ~/.aws/credentials (profile work)"},
		{"AWS, no such profile", vars{"AWS_PROFILE": "wrok"}, vars{".aws/credentials": awsText}, awsNames[:1], "~/.aws/credentials (profile wrok): there is no such profile, but AWS_PROFILE names it"},
		{"AWS, no profile", nil, vars{".aws/credentials": "[work]\naws_access_key_id=AKIA2\n"}, awsNames[:1], "<nil>"},
		{"AWS, another file", vars{"AWS_SHARED_CREDENTIALS_FILE": "~/c"}, vars{"c": awsText}, awsNames[:1], "AKIA1 from ~/c (profile default)"},
		{"AWS, keys of the environment and a token of the file", vars{"AWS_PROFILE": "work", "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "B"}, vars{".aws/credentials": awsText}, awsNames[2:],
			"AWS_ACCESS_KEY_ID is in the environment, so AWS_SESSION_TOKEN is not taken from ~/.aws/credentials (profile work); put both in one place"},
		{"AWS, a role", nil, vars{".aws/credentials": "[default]\nrole_arn = s3cret\nsource_profile = work\n"}, awsNames[:1], "~/.aws/credentials (profile default): want aws_access_key_id and aws_secret_access_key; `aws configure export-credentials` gives those of a role or of SSO"},
		{"AWS, half", nil, vars{".aws/credentials": "[default]\naws_access_key_id = s3cret\n"}, awsNames[:1], "~/.aws/credentials (profile default): want aws_access_key_id and aws_secret_access_key; `aws configure export-credentials` gives those of a role or of SSO"},
		{"AWS, malformed", nil, vars{".aws/credentials": "[default]\n# x\n\naws_secret_access_key s3cret\n"}, awsNames[:1], "~/.aws/credentials, line 4: want [profile], name = value, or a comment"},
		{"others", vars{"ZENODO_TOKEN": "z"}, nil, []string{"ZENODO_TOKEN", "GITHUB_TOKEN"}, "z from the environment\n<nil>"},
		{"no home", vars{"HOME": ""}, nil, []string{"HF_TOKEN", "KAGGLE_KEY", "PHYSIONET_PASSWORD", "AWS_ACCESS_KEY_ID"}, "<nil>\n<nil>\n<nil>\n<nil>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, newHome(t, c.env, c.files).all(c.ask...)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestArrival: a file that comes later is found, through a link, too, and one that others can read is used but told of.
func TestArrival(t *testing.T) {
	h := newHome(t, nil, nil)
	f := h.finder()
	if _, ok := f.Lookup("HF_TOKEN"); ok {
		t.Fatal("found in an empty home")
	}
	h.write("elsewhere", "hf_1")
	token := filepath.Join(h.dir, ".cache", "huggingface", "token")
	if err := os.MkdirAll(filepath.Dir(token), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(h.dir, "elsewhere"), token); err != nil {
		t.Fatal(err)
	}
	if v, _ := f.Lookup("HF_TOKEN"); v != "hf_1" {
		t.Errorf("found %q", v)
	}
	if found, err := f.Find("HF_TOKEN"); found.Where != token || found.Public != "" || err != nil {
		t.Errorf("%+v, %v", found, err)
	}
	if err := os.Chmod(token, 0o640); err != nil {
		t.Fatal(err)
	}
	if found, _ := f.Find("HF_TOKEN"); found.Public != token {
		t.Errorf("that others can read it is not told: %+v", found)
	}
	if err := os.Remove(token); err != nil {
		t.Fatal(err)
	}
	if _, ok := f.Lookup("HF_TOKEN"); ok {
		t.Error("found after it was removed")
	}
}

// TestUnreadable: a file that is there and cannot be read is an error.
func TestUnreadable(t *testing.T) {
	h := newHome(t, nil, map[string]string{".netrc": netrcText})
	path := filepath.Join(h.dir, ".netrc")
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadFile(path); err == nil {
		t.Skip("this user can read everything")
	}
	if got := h.all("PHYSIONET_PASSWORD"); !strings.Contains(got, "~/.netrc: permission denied") {
		t.Error(got)
	}
}

func TestWhere(t *testing.T) {
	h := newHome(t, map[string]string{"AWS_PROFILE": "work"}, nil)
	f := h.finder()
	f.keychain = &keychain{ask: func(string) (string, error) { return "", nil }}
	for name, want := range map[string]string{
		"PHYSIONET_PASSWORD":        "the environment, ~/.netrc (machine physionet.org), the keychain (service cairn)",
		"CAIRN_PASSWORD_DATA__X_EU": "the environment, ~/.netrc (machine data-x.eu), the keychain (service cairn)",
		"KAGGLE_KEY":                "the environment, ~/.kaggle/kaggle.json, ~/.config/kaggle/kaggle.json, the keychain (service cairn)",
		"AWS_SESSION_TOKEN":         "the environment, ~/.aws/credentials (profile work), the keychain (service cairn)",
		"ZENODO_TOKEN":              "the environment, the keychain (service cairn)",
	} {
		if got := strings.ReplaceAll(strings.Join(f.Places(name), ", "), h.dir, "~"); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
