package plugins

import (
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/withdrawal"
)

// codeWithdrawn is counted, and stands nowhere beside a name.
const codeWithdrawn = "withdrawn"

// withdraw leaves out those whose consent was withdrawn, whatever else is known of their samples, and other samples of the same
// bytes, before anything is decoded. They were there when sides were drawn, so that nobody else goes to another side.
func (k *curator) withdraw() error {
	if len(k.frame.Withdrawn) == 0 {
		return nil
	}
	list := withdrawal.NewList(k.frame.Withdrawn)
	k.withdrawn = &document.Withdrawn{Entries: len(k.frame.Withdrawn)}
	files := map[digest.Digest]bool{}
	for _, j := range k.jobs {
		if list.Names(j.Subject, j.ID) {
			k.leaveOut(j)
			files[k.firstFile(j)] = true
		}
	}
	for _, j := range k.jobs {
		if file := k.firstFile(j); file != "" && files[file] && j.state != withdrawn {
			k.leaveOut(j)
		}
	}
	return k.unmet(list.Unmet())
}

// leaveOut makes sure that nothing of a sample is said: not why it would have been left out, nor how many labels it has.
func (k *curator) leaveOut(j *job) {
	j.state, j.warnings, j.counted, j.rule = withdrawn, nil, false, ""
	j.outcome = document.Outcome{Sample: "one that is not named", Code: codeWithdrawn, Reason: "consent was withdrawn"}
	k.withdrawn.Samples++
}

// unmet tells entries that the publisher has followed, too, from those that leave nobody out by mistake: in the files in which somebody was
// found there must be somebody of that name.
func (k *curator) unmet(entries []withdrawal.Entry) error {
	k.withdrawn.Gone = len(entries)
	for _, e := range entries {
		if e.From == k.raw() {
			return fmt.Errorf("withdrawn: %s names nobody in %s, in which it was found: if the recipe calls people or samples otherwise now, take the entry out of the manifest "+
				"and use `cairn withdraw` with the new name, or somebody would come back", e.Digest(), e.From)
		}
		k.gone = append(k.gone, document.Outcome{Code: "withdrawn-gone", Reason: e.Digest().String() + " names nobody in the files that the publisher gives now"})
	}
	return nil
}

// raw is the artifact of the dataset's own fetched files.
func (k *curator) raw() digest.Digest {
	for _, in := range k.call.Inputs {
		if in.Name == rawInput || len(k.call.Inputs) == 1 {
			return in.Artifact
		}
	}
	return ""
}
