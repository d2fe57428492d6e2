package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
)

// gatedDatasets are one with terms, and one with terms and credentials.
const gatedDatasets = `  forms:
    title: Behind a form
    modality: table
    licence: CC0-1.0
    access: application
    version: "2"
    terms: [{id: Form-2, url: "https://example.org/form", steps: [Sign the form.]}]
    fetch: {plugin: dir, params: {path: forms}}
  private:
    title: Behind a login
    modality: table
    licence: LicenseRef-PhysioNet
    access: credentialed
    terms: [{id: DUA-1, url: "https://physionet.org/content/private/1.0/"}]
    fetch: {plugin: physionet, params: {project: private, version: "1.0", access: credentialed}}
`

// newGatedMachine has the small benchmark, two more datasets that are blocked, and a publisher.
func newGatedMachine(t *testing.T) (*machine, *publisher.Box) {
	m := smallMachine(newMachine(t, ""))
	m.write("benchmark.yaml", strings.Replace(small, "models:", gatedDatasets+"models:", 1))
	m.write("forms/answer.csv", "a,b\n1,2\n")
	box := m.meets(publisher.Hosts{"physionet.org": &publisher.PhysioNet{Users: map[string]string{"ann": "s3cret!"},
		Projects: map[string]publisher.PhysioNetProject{"private/1.0": {Files: map[string][]byte{"records.csv": []byte("x,y\n")}, Readers: []string{"ann"}}}}})
	return m, box
}

// blockedNow is what `run --json` says is blocked, and the state of every step.
func (m *machine) blockedNow(code int, args ...string) (blocked map[string][]string, states map[string]string) {
	m.t.Helper()
	doc := object[runDocument](m, code, args...)
	blocked, states = map[string][]string{}, map[string]string{}
	for _, b := range doc.Blocked {
		blocked[b.Step] = []string{}
		for _, x := range b.Missing {
			blocked[b.Step] = append(blocked[b.Step], x.What)
		}
	}
	for _, s := range doc.Steps {
		states[s.Name] = s.State
	}
	return blocked, states
}

const physioNetCredentials = "credentials PHYSIONET_USERNAME and PHYSIONET_PASSWORD"

// TestBlockedDatasets: a run with two datasets that nobody has let us have does the rest, lists the two with what is
// missing, asks nobody for anything; and it ends whole when the terms are accepted and the credentials are there.
func TestBlockedDatasets(t *testing.T) {
	m, box := newGatedMachine(t)
	m.want(0, words("plan benchmark.yaml"), "2 blocked: a run does the rest", "terms Form-2", "at    https://example.org/form", "do    Sign the form.",
		"approve forms --manifest benchmark.yaml --terms Form-2 --by 'YOUR NAME'", "terms DUA-1", physioNetCredentials)
	want := map[string][]string{"fetch/forms": {"terms Form-2"}, "fetch/private": {"terms DUA-1", physioNetCredentials}}
	blocked, states := m.blockedNow(exitRefused, "run", "benchmark.yaml")
	if diff := cmp.Diff(want, blocked); diff != "" {
		t.Errorf("blocked (-want +got):\n%s", diff)
	}
	if states["evaluate/test/single/heart"] != "ran" || states["fetch/forms"] != "blocked" {
		t.Errorf("states: %v", states)
	}
	out := m.want(exitRefused, words("run benchmark.yaml"), "blocked  fetch/forms", "blocked  fetch/private", "2 of 6 steps are blocked", "what is done stays (4 of 6)")
	if strings.Contains(out.stdout, "failed") {
		t.Errorf("what is blocked has not failed:\n%s", out.stdout)
	}
	m.want(0, []string{"approve", "forms", "--terms", "Form-2", "--by", "Ada Łovelace"}, "approved  Form-2 of forms 2 by Ada Łovelace")
	m.want(0, []string{"approve", "private", "--terms", "DUA-1", "--by", "Ada Łovelace"})
	blocked, states = m.blockedNow(exitRefused, "run", "benchmark.yaml")
	if diff := cmp.Diff(map[string][]string{"fetch/private": {physioNetCredentials}}, blocked); diff != "" || states["fetch/forms"] != "ran" {
		t.Errorf("with the terms accepted, fetch/forms is %s, blocked (-want +got):\n%s", states["fetch/forms"], diff)
	}
	if n, _ := box.Asked(); n > 0 {
		t.Errorf("the publisher was asked %d times by somebody without credentials: %v", n, box.Requests())
	}
	m.env = append(m.env, "PHYSIONET_USERNAME=ann", "PHYSIONET_PASSWORD=s3cret!")
	m.want(0, words("run benchmark.yaml"), "lock       benchmark.lock")
	m.want(0, words("verify benchmark.lock --level bytes"), "verified")
	m.want(0, words("run benchmark.yaml"), "nothing to do")
	m.want(0, words("approve --list"), "forms", "private", "Form-2", "DUA-1", "Ada Łovelace")

	// A rerun asks for what a run asks for, and leaves the publisher alone as well.
	m.want(0, words("verify benchmark.lock --rerun fetch/private"), "1 steps done again")
	n, _ := box.Asked()
	must(t, os.RemoveAll(filepath.Join(m.home, "cairn", "approvals")))
	m.want(exitUnknown, words("verify benchmark.lock --rerun fetch/private"), "could not be done again here: fetch/private", "is blocked: it needs terms DUA-1")
	if now, _ := box.Asked(); now > n {
		t.Errorf("the publisher was asked %d times without an approval: %v", now-n, box.Requests())
	}
}

// TestBlockedRunStays: with --wait a run stays for what is blocked, says so to who asks, and goes on with each dataset
// as it can be had, without a restart.
func TestBlockedRunStays(t *testing.T) {
	m, _ := newGatedMachine(t)
	run := m.start("run", "benchmark.yaml", "--wait", "--progress", "plain")
	run.at("blocked  fetch/private needs terms DUA-1; " + physioNetCredentials)
	run.at("ok  evaluate/test/single")
	m.want(0, []string{"approve", "forms", "--terms", "Form-2", "--by", "Ada"})
	run.at("ok  fetch/forms")
	m.want(0, []string{"approve", "private", "--terms", "DUA-1", "--by", "Ada"})
	if err := os.WriteFile(filepath.Join(m.home, ".netrc"), []byte("machine physionet.org login ann password s3cret!\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run.at("ok  fetch/private")
	run.done()
	m.want(0, words("verify benchmark.lock --level bytes"), "verified")
}

// TestBlockedRunResumes: a run that waits is one like any other: it can be killed, says where it stands, and goes on.
func TestBlockedRunResumes(t *testing.T) {
	m, _ := newGatedMachine(t)
	m.write("benchmark.yaml", strings.Replace(m.read("benchmark.yaml"), gatedDatasets[strings.Index(gatedDatasets, "  private:"):], "", 1))
	run := m.start("run", "benchmark.yaml", "--wait", "--progress", "plain")
	run.at("ok  evaluate/test/single")
	_ = run.Process.Kill()
	<-run.end
	status := object[struct{ Runs []runInfo }](m, 0, "status")
	m.want(0, []string{"status", status.Runs[0].Run}, "blocked", "fetch/forms", "1 is blocked")
	resumed := m.start("resume", "--progress", "plain")
	resumed.at("1 is blocked")
	m.want(0, []string{"approve", "forms", "--terms", "Form-2", "--by", "Ada"})
	resumed.at("ok  fetch/forms")
	resumed.done()
}

// TestApprovalIsRecorded: who proves where a dataset comes from finds under which terms.
func TestApprovalIsRecorded(t *testing.T) {
	m, _ := newGatedMachine(t)
	m.write("benchmark.yaml", strings.Replace(m.read("benchmark.yaml"), gatedDatasets[strings.Index(gatedDatasets, "  private:"):], "", 1))
	approved := object[struct{ Approved []accepted }](m, 0, "approve", "forms", "--terms", "Form-2", "--by", "Ada").Approved
	m.want(0, words("run benchmark.yaml"))
	m.want(0, []string{"show", approved[0].Record.String()}, provenance.MediaType)
	if err := os.Remove(approved[0].Path); err != nil {
		t.Fatal(err)
	}
	m.want(0, words("verify benchmark.lock --level bytes"), "verified")
}

// TestApproveMistakes: nobody accepts what they have not named, and nothing is half done.
func TestApproveMistakes(t *testing.T) {
	m, _ := newGatedMachine(t)
	for line, want := range map[string]string{
		"approve": "want a dataset, or --list",
		"approve forms --manifest nowhere.yaml --terms x --by y": "there is no nowhere.yaml",
		"approve nobody --terms x --by y":                        "has no dataset \"nobody\"; with terms there are: forms, private",
		"approve heart --terms x --by y":                         "has no terms that somebody must accept",
		"approve forms --by y":                                   "--terms Form-2   https://example.org/form",
		"approve forms --terms Form-1 --by y":                    "has no terms \"Form-1\"",
		"approve forms --terms Form-2":                           "--by is missing",
	} {
		m.want(exitUsage, words(line), want)
	}
	m.want(0, words("approve --list"), "nothing was accepted in this home")
	m.want(exitFailed, words("approve forms --revoke"), "nothing was accepted of forms")
	m.want(0, words("approve forms --terms Form-2 --by y"))
	m.want(0, words("approve forms --revoke"), "revoked  Form-2 of forms 2 by y")
	m.want(0, words("plan benchmark.yaml"), "2 blocked")
}
