package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// auditWords explain every word of the page.
var auditWords = [][2]string{
	{"Digest", "The SHA-256 of some bytes, their fingerprint. Whoever changes one bit gets another digest; nobody knows two contents with the same one."},
	{"Step", "One piece of work: fetch data, curate samples of it, train a model, evaluate it."},
	{"Action", "The complete description of a step's work: which plugin in which version, all parameters, the seed, the digests of its inputs. Its name is the digest of that description."},
	{"Artifact", "What a step gave: a dataset, a model, the numbers of an evaluation. Its name is its digest."},
	{"Record", "A statement that this action gave this artifact, when, and by which tool, signed by whoever ran it."},
	{"Lock", "A text file that lists the action and the artifact of every step, and every number."},
	{"Plan", "The list of all steps and what each needs. The lock names it by its digest."},
	{"Signature, key", "Who has the private half of a key can sign; whoever has the public half can check it. A signature says who has said something, not that it is so."},
	{"Trust policy", "The list of keys that the person who ran this verification believes."},
	{"Ledger", "A list that only grows, of the records of whoever made them. Its owner signs its state, so that a record cannot be exchanged later without being noticed."},
	{"Raw, curated", "Raw data are the publisher's bytes as they were fetched. Curated data are the samples made of them, with labels, parted into sides for training and for the test."},
	{"Level none", "Something is wrong: nothing is claimed."},
	{"Level records", "The chain holds: every action is the one that the plan and its inputs give, each has a record, and every number is the one in its evaluation. The data were not read."},
	{"Level unchanged", "As records; and all data looked, by size and times, as they did when they were read and found right before."},
	{"Level bytes", "As records; and every byte of every artifact was read and has its digest."},
	{"Level files", "As bytes; and every dataset agrees file by file with its own lists."},
	{"Level rerun", "As bytes; and steps were done again and gave the same, or, where their plugins promise no more, came as close as the lock wants."},
}

// classText says how close a second computation comes.
func classText(d catalog.Determinism) string {
	switch d {
	case catalog.Exact:
		return "exact: gives the same bytes everywhere"
	case catalog.Platform:
		return "platform: gives the same bytes on the same kind of machine"
	case catalog.Tolerance:
		return "tolerance: gives numbers within a stated distance"
	case catalog.None:
		return "none: another run gives other bytes"
	}
	return "not known here"
}

// levelText says in a few words what a level of the whole means.
func levelText(level string) string {
	for _, w := range auditWords {
		if w[0] == "Level "+level {
			return w[1]
		}
	}
	return ""
}

// proven are sentences about what this verification has shown.
func (m *auditor) proven() []string {
	v := m.Verdict
	var out []string
	if v.Level == verify.None {
		return nil
	}
	out = append(out, fmt.Sprintf("Every one of the %s in the lock has a record, and the record is about the action and the artifact that the lock names.", plural(len(m.Lock.Steps), "step")),
		"Every action is the one that the plan and its inputs give: nothing came in from the side.",
		fmt.Sprintf("Every one of %s is, with its interval, the one in the record or the artifact of its evaluation, and none was left out.", plural(len(m.Lock.Results), "number")))
	c := v.Checked
	if v.Level != verify.Records && v.Level != verify.Unchanged {
		out = append(out, fmt.Sprintf("Every byte of what the lock names was read: %s of %s, all with the digest they should have.", plural(c.Blobs, "blob"), size(c.Bytes)))
	}
	if s := c.Skipped; s != nil {
		out = append(out, fmt.Sprintf("%s of %s looked as they did when they were read before, and were not read again.", plural(s.Blobs, "blob"), size(s.Bytes)))
	}
	if c.Files > 0 {
		out = append(out, fmt.Sprintf("%s of datasets agree, one by one, with the datasets' own lists.", plural(c.Files, "file")))
	}
	if v.Sample != nil {
		out = append(out, "Drawn at random: "+v.Sample.Text()+".")
	}
	if c.Reruns > 0 {
		out = append(out, fmt.Sprintf("%s done again here and gave the same%s.", wasOrWere(c.Reruns, "step"), closeEnough(c.Within)))
	}
	if s := v.Signed; s != nil && s.Steps > 0 {
		out = append(out, fmt.Sprintf("The records of %d of %s are signed by keys of the trust policy (%s): %s.", s.Steps, plural(s.Of, "step"), s.Policy, counts(s.By)))
	}
	if l := v.Ledger; l != nil && l.Why == "" {
		out = append(out, fmt.Sprintf("%d of %s are in the ledger %s, whose state at %s is signed by %s.", l.Records, plural(l.Of, "record"), l.Origin, entries(l.Size), strings.Join(l.Signed, ", ")))
	}
	return out
}

// open are sentences about what it has not shown.
func (m *auditor) open() []string {
	v := m.Verdict
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if !v.OK {
		say("The verification did not succeed: %s. See below.", plural(len(v.Problems), "problem"))
	}
	if v.Level == verify.Records {
		say("The data were not read, so whether every byte is still there and right was not looked at.")
	}
	if n := v.Unseen(); n > 0 {
		say("Of %d of %s, something is not here and could not be looked at. The table of steps says what.", n, plural(len(v.Steps), "step"))
	}
	m.openSigners(say)
	switch l := v.Ledger; {
	case l == nil:
		say("No proof says that the records are in a ledger: whoever has the key could exchange them, and nobody would notice.")
	case l.Why != "":
		say("There is a proof that the records are in a ledger, but it counts for nothing here: %s.", l.Why)
	}
	m.openReruns(say)
	say("When something was done is what the clock of whoever signed it said.")
	say("That a number is good science, or that a model may be used on patients, is not what is checked here.")
	return out
}

func (m *auditor) openSigners(say func(string, ...any)) {
	s := m.Verdict.Signed
	if s == nil {
		return
	}
	if n := s.Of - s.Steps; n > 0 {
		say("Nobody of the trust policy (%s) vouches for %d of %s.", s.Policy, n, plural(s.Of, "step"))
	}
	for _, id := range slices.Sorted(maps.Keys(s.Unknown)) {
		say("%s signed by the key %s, whose owner is not known here.", wasOrWere(s.Unknown[id], "record"), id)
	}
	if s.Unsigned > 0 {
		say("%s signed by nobody.", wasOrWere(s.Unsigned, "record"))
	}
}

func (m *auditor) openReruns(say func(string, ...any)) {
	n := m.Verdict.Checked.Reruns
	if n == 0 {
		say("No step was done again. That this code gives these results is what the signers say; it was not tried out.")
	} else if n < len(m.Lock.Steps) {
		say("%d of %s were not done again.", len(m.Lock.Steps)-n, plural(len(m.Lock.Steps), "step"))
	}
	var loose []string
	for _, s := range m.steps {
		if d := m.planned[s.Name].Determinism; d == catalog.None {
			loose = append(loose, s.Name)
		}
	}
	if len(loose) > 0 {
		say("Done again, these steps give other bytes, so that doing them again can neither confirm nor refute them: %s.", strings.Join(loose, ", "))
	}
}

func wasOrWere(n int, noun string) string {
	if n == 1 {
		return "1 " + noun + " was"
	}
	return plural(n, noun) + " were"
}

func entries(n int64) string {
	if n == 1 {
		return "1 entry"
	}
	return count(n) + " entries"
}

// counts lists names with how often each occurs.
func counts(by map[string]int) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(by)) {
		out = append(out, fmt.Sprintf("%s (%d)", name, by[name]))
	}
	return strings.Join(out, ", ")
}

// closeEnough says how many steps gave other bytes, within the bounds of the lock.
func closeEnough(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", %d of them not in bytes but within the bounds that stand in the lock", n)
}
