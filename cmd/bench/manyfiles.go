package main

import (
	"fmt"
	"path/filepath"
)

var manyFiles = workload{
	name: "many-files", title: "take in %d files of 10 KiB", unit: "files",
	sizes: map[string]int{"tiny": 50, "small": 5_000, "full": 100_000},
	most:  3,

	prepare: func(t *turn) error { return writeFiles(filepath.Join(t.dir, "files"), t.n, 10<<10) },
	sides: []side{
		{name: cairn, version: cairnVersion, work: takeFiles},
		{name: "git-annex", version: "git-annex version --raw", work: scripts(
			`git init -q && git config user.email a@b && git config user.name a && git annex init -q && cp -r "$INPUT/files" data`,
			`git annex add -q -J2 data`), most: 1},
		{name: "restic", version: "restic version | cut -d ' ' -f 1-2", work: scripts("restic init -q -r repo", `restic -q -r repo backup "$INPUT/files"`)},
		{name: "tar+sha256sum", version: "tar --version", work: scripts("",
			`tar -C "$INPUT" -cf all.tar files && find "$INPUT/files" -type f -print0 | xargs -0 sha256sum >SUMS && sync all.tar SUMS .`)},
	},
	goals: []goal{
		{text: "at least 10,000 files/s", limit: 10_000, least: true, unit: " files/s", have: rate},
		{text: "at most 1/20 of git-annex's time", limit: 0.05, have: ratio(slowest, "git-annex")},
	},
	notes: "Cairn's time is that of a whole `cairn run`, with the start of Temporal. Cairn reads the files twice: once to say what the\n" +
		"folder is, once to take them in. restic chunks, compresses and encrypts. git-annex has two jobs and one turn, of\n" +
		"many minutes; the copy into its repository is not counted. tar writes no list of contents, so sha256sum makes one. The files are noise. DVC publishes\n" +
		"400 files/s for `dvc add`; it was not run here.",
}

func takeFiles(t *turn) error {
	_, err := t.take()
	return err
}

// take measures how long Cairn needs for the files of the workload, and returns the artifact.
func (t *turn) take() (string, error) {
	if err := t.write("benchmark.yaml", folder(filepath.Join(t.scene.dir, "input", "files"))); err != nil {
		return "", err
	}
	out, err := t.measure(take)
	if err != nil {
		return "", err
	}
	id, err := fetched(out)
	if err != nil {
		return "", err
	}
	return id, t.holds(id)
}

// holds counts the files of an artifact, so that a side that was fast because it did nothing fails.
func (t *turn) holds(id string) error {
	out, err := t.shell("cairn ls " + id + " | wc -l")
	if err != nil {
		return err
	}
	var have int
	if _, err := fmt.Sscan(out, &have); err != nil || have < t.n {
		return fmt.Errorf("%s holds %d files, want %d", id, have, t.n)
	}
	return nil
}
