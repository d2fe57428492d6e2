package dossier_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests/exchange/dossier"
	"github.com/cairn-bench/cairn/manifests/exchange/dossier/dossiertest"
)

// TestSteps: every step comes after what it reads, with the digests of the lock.
func TestSteps(t *testing.T) {
	d := dossiertest.New(t)
	steps, err := d.Steps()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	var subjects []string
	for _, s := range steps {
		for _, in := range s.Inputs {
			if seen[in.Step] != in.Artifact.String() {
				t.Errorf("%s reads %s of %s, which gave %q", s.Name, in.Artifact, in.Step, seen[in.Step])
			}
		}
		seen[s.Name] = s.Artifact.String()
		subjects = append(subjects, s.Name+"="+s.Subject)
	}
	want := []string{"fetch/heart=heart", "curate/heart=heart", "fetch/xray=xray", "curate/xray=xray", "pretrain/both=", "evaluate/results/both/heart="}
	if diff := cmp.Diff(want, subjects); diff != "" {
		t.Error(diff)
	}
	d.Lock.Steps = d.Lock.Steps[1:]
	if _, err := d.Steps(); err == nil || !strings.Contains(err.Error(), `no step "fetch/heart"`) {
		t.Errorf("a lock without a step: %v", err)
	}
}

// TestHostPaths: what is below the manifest's folder or on the network is of no machine.
func TestHostPaths(t *testing.T) {
	for path, want := range map[string]bool{
		"data": false, "a/b": false, "../up": false, "/": false, "/srv/heart": true, "~/heart": true, `'C:\heart'`: true, "C:/heart": true, `'\\nas\heart'`: true,
	} {
		d := dossiertest.Of(t, strings.Replace(dossiertest.Manifest, "path: data", "path: "+path, 1))
		got := d.HostPaths()
		if has := slices.Equal(got, []string{"datasets.heart.fetch.params.path"}); has != want || !want && len(got) > 0 {
			t.Errorf("%s: %q", path, got)
		}
	}
	d := dossiertest.Of(t, strings.Replace(dossiertest.Manifest, `"https://x.test/x.zip"`, `/x.zip`, 1))
	if got := d.HostPaths(); len(got) > 0 {
		t.Errorf("a path on a server: %q", got)
	}
}

func TestTools(t *testing.T) {
	d := dossiertest.New(t)
	var got []string
	for _, tool := range d.Tools() {
		got = append(got, strings.TrimPrefix(tool.ID, dossier.Home+"plugin/"))
	}
	if diff := cmp.Diff([]string{"curate/table@2", "evaluate/score@3", "fetch/files@1", "fetch/web@2", "pretrain/net@1"}, got); diff != "" {
		t.Error(diff)
	}
	p := d.Plan.Steps[0].Plugin
	p.Digest = "sha256:1"
	if id := dossier.ToolOf(p).ID; id != dossier.Home+"plugin/fetch/files@1#sha256:1" {
		t.Error(id)
	}
	if diff := cmp.Diff([]string{"xray"}, d.Restricted()); diff != "" {
		t.Error(diff)
	}
}
