package github

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/web"
)

// Sizes of pointers (git-lfs, docs/spec.md): that of the shortest possible one, and less than 1,024.
const (
	minPointer = 120
	maxPointer = 1023
)

const lfsMedia = "application/vnd.git-lfs+json"

// pointer is what lies in git in place of a file that lies in LFS.
type pointer struct {
	digest digest.Digest
	size   int64
}

// parsePointer reads a pointer: lines "key value", the first of which is the version, and the others sorted.
//
//	version https://git-lfs.github.com/spec/v1
//	oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
//	size 12345
func parsePointer(text []byte) (pointer, bool) {
	rest, ok := strings.CutPrefix(string(text), "version https://git-lfs.github.com/spec/v1\n")
	if !ok {
		return pointer{}, false
	}
	p := pointer{size: -1}
	for line := range strings.Lines(rest) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch key {
		case "oid":
			p.digest = digest.Digest(value)
		case "size":
			n, err := strconv.ParseUint(value, 10, 62)
			if err != nil {
				return pointer{}, false
			}
			p.size = int64(n)
		}
	}
	return p, p.size >= 0 && p.digest.Validate() == nil && p.digest.Algorithm() == digest.SHA256
}

// usesLFS says whether a .gitattributes lets some file lie in LFS.
func usesLFS(text []byte) bool {
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && !strings.HasPrefix(line, "#") {
			for _, attribute := range fields[1:] {
				if attribute == "filter=lfs" {
					return true
				}
			}
		}
	}
	return false
}

// objects are those of the repository in LFS.
type objects struct {
	web *web.Client
	at  string // before an object's name in its ref

	mu    sync.Mutex
	known map[string]string // where an object lies, until that expires
}

// ref is our name of an object.
func (o *objects) ref(d digest.Digest) string { return o.at + d.Encoded() }

// open asks for a part of an object. The address that LFS gives expires, and is then asked for once more.
func (o *objects) open(ctx context.Context, f plugins.SourceFile, want plugins.Part) (plugins.Opened, error) {
	oid := strings.TrimPrefix(f.Ref, o.at)
	for {
		href, fresh, err := o.find(ctx, oid, f.Size)
		if err != nil {
			return plugins.Opened{}, err
		}
		there := f
		there.Ref = href
		a, err := o.web.OpenPart(ctx, there, want)
		if code := plugins.FaultCode(err); fresh || code != plugins.FaultForbidden && code != plugins.FaultUnauthorized {
			return a, err
		}
		o.forget(oid, href)
	}
}

func (o *objects) forget(oid, href string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.known[oid] == href {
		delete(o.known, oid)
	}
}

// find is where an object lies, and whether that was asked just now.
func (o *objects) find(ctx context.Context, oid string, size int64) (href string, fresh bool, err error) {
	o.mu.Lock()
	href, ok := o.known[oid]
	o.mu.Unlock()
	if ok {
		return href, false, nil
	}
	if href, err = o.batch(ctx, oid, size); err != nil {
		return "", false, fmt.Errorf("object %s of LFS: %w", oid, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.known[oid] = href
	return href, true, nil
}

// answer is one to a batch of the API of Git LFS (docs/api/batch.md).
type answer struct {
	Objects []struct {
		OID   string `json:"oid"`
		Error *struct {
			Code int `json:"code"`
		} `json:"error"`
		Actions struct {
			Download struct {
				Href   string            `json:"href"`
				Header map[string]string `json:"header"`
			} `json:"download"`
		} `json:"actions"`
	} `json:"objects"`
}

// batch asks where one object lies. Trying again is left to who asks for its bytes.
func (o *objects) batch(ctx context.Context, oid string, size int64) (string, error) {
	ask := web.Ask{URL: o.at + "batch", Accept: lfsMedia, Type: lfsMedia, Post: map[string]any{
		"operation": "download", "transfers": []string{"basic"},
		"objects": []map[string]any{{"oid": oid, "size": size}},
	}}
	var a answer
	if _, err := o.web.JSON(ctx, plugins.Retry{Attempts: 1}, ask, &a); err != nil {
		return "", err
	}
	if len(a.Objects) != 1 || a.Objects[0].OID != oid {
		return "", &plugins.Fault{Code: plugins.FaultRefused, Err: errors.New("the answer is about other objects")}
	}
	if e := a.Objects[0].Error; e != nil {
		code := plugins.FaultRefused
		if e.Code == 404 || e.Code == 410 {
			code = plugins.FaultAbsent
		}
		return "", &plugins.Fault{Code: code, Err: fmt.Errorf("LFS has error %d for it; ask the owner of the repository", e.Code)}
	}
	d := a.Objects[0].Actions.Download
	if u, err := url.Parse(d.Href); err != nil || u.Scheme != "https" || u.User != nil {
		return "", &plugins.Fault{Code: plugins.FaultRefused, Err: errors.New("LFS gives no https address")}
	}
	if len(d.Header) > 0 {
		return "", &plugins.Fault{Code: plugins.FaultRefused, Err: errors.New("LFS wants headers with the download, which GitHub's does not of public repositories")}
	}
	return d.Href, nil
}

// OpenPart asks for a part of a file.
func (s *source) OpenPart(ctx context.Context, f plugins.SourceFile, want plugins.Part) (plugins.Opened, error) {
	if strings.HasPrefix(f.Ref, s.lfs.at) {
		return s.lfs.open(ctx, f, want)
	}
	return s.web.OpenPart(ctx, f, want)
}

// Open asks for a file from the offset on.
func (s *source) Open(ctx context.Context, f plugins.SourceFile, offset int64) (io.ReadCloser, error) {
	a, err := s.OpenPart(ctx, f, plugins.Part{Offset: offset, Length: -1})
	if err == nil && a.From != offset {
		_ = a.Body.Close()
		return nil, plugins.ErrNoResume
	}
	return a.Body, err
}
