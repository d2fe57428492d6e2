// Package drop fetches what no program can: files that a publisher gives to a person who has filled in a form, signed an
// agreement or been granted access, and that the person then puts into a folder. It is for ABIDE, Cholec80, what the
// NIH's hub and LONI give, and for accounts that may only use rsync.
//
// The manifest says which files have to be there: each by its path, with its size and SHA-256 where they are known, or all of
// them by a list in the format of sha256sum that has a checksum of its own in the manifest. Until all are there, and have the
// sizes that they should, the dataset is blocked, and what is said of it is what to do, where, which files are missing and
// which are wrong. When they come, a run that waits goes on by itself. So put a file there under another name, or into
// another folder, until it is whole, as rsync and browsers do: one whose size nobody knows would be taken too early.
//
// What is checked: the SHA-256 of each file for which the manifest has one, its size, that it does not change
// while it is read, and that it is no web page. A file with another SHA-256 fails the step, and is named. Files that the
// manifest does not name are left alone. Of what the manifest does not know the lock is what remembers: other
// bytes under the same names are a drift, as at any publisher. The folder may lie anywhere; where is no part of the result.
package drop

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/folder"
	"github.com/cairn-bench/cairn/plugins/fetch/pick"
)

// Params says what has to be there, and how a person gets it.
type Params struct {
	Folder string   `json:"folder" jsonschema:"where the files are put, relative to the folder of the manifest"`
	Files  []File   `json:"files" jsonschema:"the files that have to be there"`
	Sums   *Sums    `json:"sums,omitempty" jsonschema:"a list of them in place of files"`
	Page   string   `json:"page,omitempty" jsonschema:"URL of the page where a person asks for them"`
	Steps  []string `json:"steps" jsonschema:"what the person does, in whole sentences"`
	Unpack []string `json:"unpack" jsonschema:"patterns of archives (tar, tar.gz or zip) to unpack into the folder that they lie in"`
}

// File is one file that has to be there.
type File struct {
	Path   string `json:"path" jsonschema:"in the folder, with slashes"`
	Size   *int64 `json:"size,omitempty" jsonschema:"bytes, if known"`
	SHA256 string `json:"sha256,omitempty" jsonschema:"checksum, 64 hexadecimal digits, if known"`
}

// Sums is a list of checksums.
type Sums struct {
	Path   string `json:"path" jsonschema:"a file in the format of sha256sum, relative to the folder of the manifest; its paths are in the folder of the data"`
	SHA256 string `json:"sha256" jsonschema:"its own checksum, so that the list cannot change unnoticed"`
}

// Validate says which parameter is wrong.
func (p Params) Validate() error {
	switch {
	case p.Folder == "":
		return errors.New("folder is required: where the files are put")
	case len(p.Files) == 0 && p.Sums == nil:
		return errors.New("files or sums is required: what has to be there")
	case len(p.Files) > 0 && p.Sums != nil:
		return errors.New("files and sums both say what has to be there; give one of them")
	case p.Page != "" && !isPage(p.Page):
		return errors.New("page: want an absolute http or https URL without credentials")
	}
	var all plugins.PathSet
	for i, f := range p.Files {
		if err := f.check(); err != nil {
			return fmt.Errorf("files[%d]: %w", i, err)
		}
		if err := all.Add(f.Path); err != nil {
			return fmt.Errorf("files[%d]: path %w", i, err)
		}
	}
	if p.Sums != nil {
		if p.Sums.Path == "" {
			return errors.New("sums: path is required")
		}
		if err := checkSHA256(p.Sums.SHA256); err != nil {
			return fmt.Errorf("sums: %w", err)
		}
	}
	return p.pick().Check()
}

func (f File) check() error {
	switch {
	case f.Path == "":
		return errors.New("path is required")
	case f.Size != nil && *f.Size < 0:
		return fmt.Errorf("size is %d, want 0 or more", *f.Size)
	case f.SHA256 != "":
		return checkSHA256(f.SHA256)
	}
	return nil
}

func checkSHA256(hex string) error {
	if digest.NewDigestFromEncoded(digest.SHA256, hex).Validate() != nil {
		return fmt.Errorf("sha256 %q: want 64 lower-case hexadecimal digits", hex)
	}
	return nil
}

func isPage(page string) bool {
	u, err := url.Parse(page)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
}

func (p Params) pick() pick.Params { return pick.Params{Unpack: p.Unpack} }

// how tells a person how to get the files.
func (p Params) how() string {
	put := fmt.Sprintf("Put the files into the folder %s (seen from the manifest's).", p.Folder)
	return strings.Join(append(append([]string{}, p.Steps...), put), " ")
}

// Plugin returns fetch/drop.
func Plugin() plugins.Plugin {
	return plugins.Fetch(catalog.Spec{
		Name: "drop", Version: "1",
		Summary:     "Takes files that a publisher gives to a person only, from the folder where the person puts them.",
		Determinism: catalog.None,
		Reason:      "of a file without a checksum nobody knows what a person will bring; the lock pins it",
		Queue:       catalog.QueueIO,
	}, Params{Files: []File{}, Steps: []string{}, Unpack: []string{}}, func(p Params, env plugins.Env, _ uint64) (plugins.Source, error) {
		return &source{params: p, dir: env.Dir, folder: folder.New(env.Dir, p.Folder)}, nil
	})
}
