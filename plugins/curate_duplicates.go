package plugins

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/fingerprint"
)

// named is how many groups or numbers an error names.
const named = 10

// look is what tells a made sample's media.
func (k *curator) look(m Made) (digest.Digest, *fingerprint.Print) {
	h := sha256.New()
	var maker fingerprint.Maker
	for _, a := range m.Media {
		fmt.Fprintf(h, "%s %s %v %s %v %d\n", a.Ext, a.Type, a.Shape, a.DType, a.SamplingRate, len(a.Data))
		h.Write(a.Data)
		if k.rule.Near != DuplicatesOff {
			maker.Add(a.Type, a.Shape, a.DType, a.Data)
		}
	}
	h.Write([]byte(m.Text))
	d := digest.NewDigest(digest.SHA256, h)
	if p, ok := maker.Print(); ok {
		return d, &p
	}
	return d, nil
}

// trained is what the training side holds, for the test side to be compared with.
type trained struct {
	files, media map[digest.Digest]*job
	near         *fingerprint.Index
	jobs         []*job // of near
}

// remember collects the training side once it is made, if the test side is to be rid of its copies.
func (k *curator) remember() {
	k.trained = &trained{files: map[digest.Digest]*job{}, media: map[digest.Digest]*job{}}
	for _, j := range k.in(done) {
		if j.side != train {
			continue
		}
		if k.rule.Duplicates == DuplicatesDrop {
			k.trained.add(k, j)
		}
		if k.rule.Near == DuplicatesDrop && j.print != nil {
			k.trained.jobs = append(k.trained.jobs, j)
		}
	}
	k.trained.near = fingerprint.NewIndex(printsOf(k.trained.jobs))
}

func (t *trained) add(k *curator, j *job) {
	for d, known := range map[digest.Digest]map[digest.Digest]*job{k.firstFile(j): t.files, j.media: t.media} {
		if _, again := known[d]; d != "" && !again {
			known[d] = j
		}
	}
}

func printsOf(jobs []*job) []*fingerprint.Print {
	out := make([]*fingerprint.Print, len(jobs))
	for i, j := range jobs {
		out[i] = j.print
	}
	return out
}

// dropFile leaves out a sample of the test side before it is decoded if the training side has its bytes.
func (k *curator) dropFile(j *job) bool {
	if j.side == test {
		if twin := k.trained.files[k.firstFile(j)]; twin != nil {
			j.drop("duplicate-of-train", "holds the same bytes as "+twin.place())
		}
	}
	return j.dropped
}

// dropMade leaves out a sample of the test side that is made but not written, if the training side has the same or nearly so.
func (k *curator) dropMade(j *job) bool {
	if j.side != test {
		return false
	}
	if twin := k.trained.media[j.media]; twin != nil {
		j.drop("duplicate-of-train", "gives the same arrays and text as "+twin.place())
		return true
	}
	if j.print == nil {
		return false
	}
	if at, distance := k.trained.near.Nearest(j.print); at >= 0 {
		j.drop("near-duplicate-of-train", fmt.Sprintf("is %s from %s", fingerprint.Apart(distance), k.trained.jobs[at].place()))
	}
	return j.dropped
}

func (j *job) place() string { return j.side + "/" + j.ID }

// drop leaves out a copy; it is still a member of its group.
func (j *job) drop(code, reason string) {
	j.exclude(code, reason)
	j.dropped = true
}

// firstFile is the digest of a sample's first file; "" if it has none, or if others are rows of it: it says nothing about them then.
func (k *curator) firstFile(j *job) digest.Digest {
	if len(j.Files) == 0 || k.firsts[j.Files[0]] != 1 {
		return ""
	}
	return k.tree.known[j.Files[0]]
}

// users counts the samples that a file is the first file of.
func (k *curator) users() map[string]int {
	out := map[string]int{}
	for _, j := range k.jobs {
		if len(j.Files) > 0 {
			out[j.Files[0]]++
		}
	}
	return out
}

// duplicates groups the samples that are made, and those left out as copies: by the bytes of their files, by their arrays and text, and by
// their fingerprints. A group that says no more than one before it is left out.
func (k *curator) duplicates() []document.DuplicateGroup {
	var jobs []*job
	for _, j := range k.jobs {
		if j.state == done || j.dropped {
			jobs = append(jobs, j)
		}
	}
	seen := map[*job][]int{} // the groups so far that a sample is in
	var out []document.DuplicateGroup
	add := func(g document.DuplicateGroup, members []*job) {
		if inOne(members, seen) {
			return
		}
		for _, j := range members {
			seen[j] = append(seen[j], len(out))
		}
		out = append(out, describeGroup(g, members))
	}
	for _, same := range groupBy(jobs, k.firstFile) {
		add(document.DuplicateGroup{Kind: document.SameBytes, Digest: k.firstFile(same[0])}, same)
	}
	for _, same := range groupBy(jobs, func(j *job) digest.Digest { return j.media }) {
		add(document.DuplicateGroup{Kind: document.SameMedia, Digest: same[0].media}, same)
	}
	jobs = slices.DeleteFunc(jobs, func(j *job) bool { return j.print == nil })
	for _, g := range fingerprint.NewIndex(printsOf(jobs)).Groups() {
		var members []*job
		for _, at := range g.Members {
			members = append(members, jobs[at])
		}
		add(document.DuplicateGroup{Kind: document.NearMedia, Distance: g.Distance}, members)
	}
	return out
}

// inOne says whether all samples are in one group already.
func inOne(members []*job, seen map[*job][]int) bool {
	return slices.ContainsFunc(seen[members[0]], func(group int) bool {
		return !slices.ContainsFunc(members, func(j *job) bool { return !slices.Contains(seen[j], group) })
	})
}

// groupBy gives the groups of two or more with the same digest, sorted by it.
func groupBy(jobs []*job, of func(*job) digest.Digest) [][]*job {
	by := map[digest.Digest][]*job{}
	for _, j := range jobs {
		if d := of(j); d != "" {
			by[d] = append(by[d], j)
		}
	}
	var out [][]*job
	for _, d := range slices.Sorted(maps.Keys(by)) {
		if len(by[d]) > 1 {
			out = append(out, by[d])
		}
	}
	return out
}

func describeGroup(g document.DuplicateGroup, members []*job) document.DuplicateGroup {
	for _, j := range members {
		g.Samples = append(g.Samples, j.place())
		g.Crosses = g.Crosses || j.side != members[0].side
		g.Conflict = g.Conflict || !slices.Equal(j.Labels, members[0].Labels)
	}
	slices.Sort(g.Samples)
	return g
}

// refuseFiles ends the run before anything is decoded if two sides hold the same files and the rule forbids it.
func (k *curator) refuseFiles() error {
	var groups []document.DuplicateGroup
	for _, same := range groupBy(k.open(), k.firstFile) {
		groups = append(groups, describeGroup(document.DuplicateGroup{Kind: document.SameBytes}, same))
	}
	return k.refuse(groups)
}

// refuse is an error that names the groups across sides that the rule forbids.
func (k *curator) refuse(groups []document.DuplicateGroup) error {
	for _, r := range []struct {
		policy, word, what string
		kinds              []string
	}{
		{k.rule.Duplicates, "duplicates", "the same", []string{document.SameBytes, document.SameMedia}},
		{k.rule.Near, "near", "nearly the same", []string{document.NearMedia}},
	} {
		bad := slices.DeleteFunc(slices.Clone(groups), func(g document.DuplicateGroup) bool { return !g.Crosses || !slices.Contains(r.kinds, g.Kind) })
		if r.policy != DuplicatesFail || len(bad) == 0 {
			continue
		}
		var names []string
		for _, g := range bad[:min(len(bad), named)] {
			names = append(names, strings.Join(oneASide(g.Samples), " = "))
		}
		if n := len(bad) - named; n > 0 {
			names = append(names, fmt.Sprintf("and %d more", n))
		}
		return fmt.Errorf("split.%s is %s, and %d groups of samples are %s on two sides: %s", r.word, DuplicatesFail, len(bad), r.what, strings.Join(names, "; "))
	}
	return nil
}

// oneASide takes the first sample of each side.
func oneASide(samples []string) []string {
	side := func(s string) string { s, _, _ = strings.Cut(s, "/"); return s }
	return slices.CompactFunc(slices.Clone(samples), func(a, b string) bool { return side(a) == side(b) })
}

// prints writes fingerprints.jsonl, and the ids of each side.
func (k *curator) prints() error {
	var out bytes.Buffer
	ids := map[string]*bytes.Buffer{}
	for _, side := range document.Splits() {
		ids[side] = &bytes.Buffer{}
	}
	for _, j := range k.in(done) {
		line, err := canonical.Marshal(document.Print{ID: j.ID, Split: j.side, Media: j.media, Print: j.print})
		if err != nil {
			return fmt.Errorf("fingerprint of %s: %w", j.ID, err)
		}
		out.Write(append(line, '\n'))
		fmt.Fprintln(ids[j.side], j.ID)
	}
	for _, side := range document.Splits() {
		if err := WriteFile(k.call.Output, document.SplitFile(side), ids[side].Bytes()); err != nil {
			return err
		}
	}
	return WriteFile(k.call.Output, document.PrintsFile, out.Bytes())
}

// byCode sorts warnings, of which a sample may have several.
func byCode(a, b document.Outcome) int { return cmp.Compare(a.Code, b.Code) }
