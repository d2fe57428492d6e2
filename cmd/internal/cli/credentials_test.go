package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDoctorCredentials: doctor says of each credential where it is or is looked for, and what is wrong with a file, and
// never a value.
func TestDoctorCredentials(t *testing.T) {
	m := newMachine(t, "")
	m.env = []string{"HF_TOKEN=s3cret-1", "CAIRN_PASSWORD_DATA_EXAMPLE_ORG=s3cret-2"}
	home := &machine{t: t, dir: m.home}
	home.write(".netrc", "machine physionet.org login s3cret-3 password s3cret-4\n")
	home.write(".kaggle/access_token", "s3cret-5\n")
	if err := os.Chmod(filepath.Join(m.home, ".netrc"), 0o644); err != nil {
		t.Fatal(err)
	}
	says := func(out output, parts ...string) {
		t.Helper()
		lineWith(t, out.stdout, parts...)
		if strings.Contains(out.stdout+out.stderr, "s3cret") {
			t.Errorf("it tells a secret:\n%s", out.stdout)
		}
	}
	out := m.want(0, words("doctor"))
	says(out, "ok ", "credential HF_TOKEN", "for fetch/huggingface: found in the environment")
	says(out, "warn", "credential PHYSIONET_PASSWORD", "found in ~/.netrc (machine physionet.org), which others can read: chmod 600 ~/.netrc")
	says(out, "ok ", "credential KAGGLE_API_TOKEN", "found in ~/.kaggle/access_token")
	says(out, "ok ", "credential KAGGLE_KEY", "not found, looked for in: the environment, ~/.kaggle/kaggle.json, ~/.config/kaggle/kaggle.json")
	says(out, "ok ", "credential CAIRN_PASSWORD_*", "for fetch/http: CAIRN_PASSWORD_DATA_EXAMPLE_ORG for the host data.example.org, looked for in: the environment, ~/.netrc (machine data.example.org)")

	home.write(".netrc", "machine physionet.org\nlogin s3cret-3\npasswrod s3cret-4\n")
	says(m.want(1, words("doctor"), "3 of"), "BAD", "credential PHYSIONET_PASSWORD", "~/.netrc, line 3: want machine, default, login, account, password or macdef; not found, looked for in:")
	doc := object[struct{ Checks []finding }](m, 1, "doctor")
	for _, f := range doc.Checks {
		if f.Check == "credential PHYSIONET_USERNAME" && (f.OK || !strings.Contains(f.Says, "line 3")) {
			t.Errorf("%+v", f)
		}
	}
}

// TestBrokenFileIsSaid: what is wrong with a file of credentials is said where they are missed, before anything is fetched.
func TestBrokenFileIsSaid(t *testing.T) {
	m := newMachine(t, strings.Replace(small, "{plugin: dir, params: {path: data}}", "{plugin: http, params: {base: 'https://data.example.org', files: [{url: heart.csv}], auth: basic}}", 1))
	home := &machine{t: t, dir: m.home}
	home.write(".netrc", "machine data.example.org\nlogin s3cret\npassword\n")
	out := m.want(exitRefused, words("run benchmark.yaml"), "blocked", "credentials CAIRN_USERNAME_DATA_EXAMPLE_ORG and CAIRN_PASSWORD_DATA_EXAMPLE_ORG", "See to this: "+filepath.Join(m.home, ".netrc")+", line 3: want a value after password.")
	if strings.Contains(out.stdout+out.stderr, "s3cret") {
		t.Errorf("it tells a secret:\n%s", out.stdout)
	}
}

// TestOwner: a plugin of a folder is given neither what is a plugin's of this program nor what is the program's.
func TestOwner(t *testing.T) {
	a := &app{}
	for name, want := range map[string]string{
		"KAGGLE_KEY": "fetch/kaggle", "AWS_SECRET_ACCESS_KEY": "fetch/s3", "CAIRN_PASSWORD_DATA_EXAMPLE_ORG": "cairn itself", "TEMPORAL_API_KEY": "cairn itself",
		"LONI_PASSWORD": "", "KAGGLE": "",
	} {
		if got := a.owner(name); got != want {
			t.Errorf("%s is of %q, want %q", name, got, want)
		}
	}
}
