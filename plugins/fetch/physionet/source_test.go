package physionet_test

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/plugins/fetch/physionet"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher/sourcetest"
)

// project is a project that changes: its files, at the site and at the mirror, and the sums that its list has of them.
type project struct {
	site   *publisher.PhysioNet
	mirror *publisher.S3
	files  map[string][]byte
	listed map[string][]byte
	users  []string
}

const slug = "mimic/2.2"

func newProject(users ...string) *project {
	p := &project{
		site:   &publisher.PhysioNet{Projects: map[string]publisher.PhysioNetProject{}, Users: map[string]string{"canary-user": "canary password/1"}},
		mirror: bucket(nil), users: users, files: map[string][]byte{
			"large.bin": sourcetest.Random(sourcetest.Large, 1), "sub/small (1+2).bin": sourcetest.Random(sourcetest.Small, 2), "RECORDS": []byte("large\n"),
		},
	}
	p.publish()
	return p
}

// publish makes the list anew.
func (p *project) publish() {
	p.listed = maps.Clone(p.files)
	p.show()
}

// show gives site and mirror what there is, and the list as it stands.
func (p *project) show() {
	var list strings.Builder
	for _, path := range slices.Sorted(maps.Keys(p.listed)) {
		fmt.Fprintf(&list, "%x %s\n", sha256.Sum256(p.listed[path]), path)
	}
	files, objects := maps.Clone(p.files), map[string]publisher.S3Object{}
	for path, data := range files {
		objects[slug+"/"+path] = publisher.S3Object{Data: data}
	}
	files["SHA256SUMS.txt"] = []byte(list.String())
	p.site.Projects[slug] = publisher.PhysioNetProject{Files: files, Readers: p.users}
	p.mirror.Buckets["physionet-open"].Objects = objects
}

func (p *project) world(params string) sourcetest.World {
	return sourcetest.World{
		Params: params, Files: maps.Clone(p.files), Hosts: publisher.Hosts{"physionet.org": p.site, mirror: p.mirror},
		Data: func(u *url.URL) string {
			_, file, _ := strings.Cut(u.Path, slug+"/")
			if _, ok := p.files[file]; !ok {
				return ""
			}
			return file
		},
		Sums: true, Versions: true,
		Touch:   func() { p.files["large.bin"] = sourcetest.Random(sourcetest.Large, 3); p.show() },
		Relist:  func() { p.listed["large.bin"] = []byte("other"); p.show() },
		Replace: func() { p.files["large.bin"] = sourcetest.Random(sourcetest.Large, 4); p.publish() },
		Add:     func() { p.files["new.bin"] = []byte("new"); p.publish() },
		Remove:  func() { delete(p.files, "RECORDS"); p.publish() },
	}
}

func TestSource(t *testing.T) {
	for name, open := range map[string]func() sourcetest.World{
		"open": func() sourcetest.World { return newProject().world(`{"project":"mimic","version":"2.2"}`) },
		"mirror": func() sourcetest.World {
			return newProject().world(`{"project":"mimic","version":"2.2","mirror":"s3"}`)
		},
		"credentialed": func() sourcetest.World {
			p := newProject("canary-user")
			w := p.world(`{"project":"mimic","version":"2.2","access":"credentialed"}`)
			w.Secrets = map[string]string{"PHYSIONET_USERNAME": "canary-user", "PHYSIONET_PASSWORD": "canary password/1"}
			w.Trusted = []string{"physionet.org"}
			w.Terms = func() func() {
				p.users = []string{"somebody else"}
				p.show()
				return func() { p.users = []string{"canary-user"}; p.show() }
			}
			return w
		},
	} {
		t.Run(name, func(t *testing.T) { sourcetest.Run(t, sourcetest.Case{Plugin: physionet.Plugin, Open: open}) })
	}
}
