package huggingface

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/web"
)

const (
	origin     = "https://huggingface.co"
	tokensPage = origin + "/settings/tokens"
)

type source struct {
	*web.Client
	Params
	env plugins.Env
}

func newSource(p Params, env plugins.Env, client *http.Client) *source {
	s := &source{Params: p, env: env}
	s.Client = web.New(client, web.Options{Origin: origin, Sign: s.sign, Hint: s.hint(), Refused: s.refused})
	return s
}

// Missing names the token of a gated repository.
func (s *source) Missing(context.Context) ([]plugins.Missing, error) {
	if !s.Gated {
		return nil, nil
	}
	return plugins.Secrets(s.env, tokensPage, []string{tokenVar}), nil
}

func (s *source) sign(r *http.Request) error {
	token, err := s.env.Secret(tokenVar)
	if err == nil {
		r.Header.Set("Authorization", "Bearer "+token)
	} else if s.Gated {
		return fmt.Errorf("%w; %s", err, s.hint())
	}
	return nil
}

func (s *source) hint() string {
	if _, err := s.env.Secret(tokenVar); err == nil {
		return fmt.Sprintf("check that %s is right, has not expired and may read %s", tokenVar, s.page())
	}
	return fmt.Sprintf("make a token at %s and set %s", tokensPage, tokenVar)
}

// Describe names the repository and the commit.
func (s *source) Describe() map[string]string {
	return map[string]string{"page": s.page() + "/tree/" + s.Commit}
}

// refused says what the Hub means by a refusal, and what a person does about it.
func (s *source) refused(resp *http.Response, _ []byte, fault *plugins.Fault) {
	if web.Origin(resp.Request.URL) != origin {
		return
	}
	say := func(code plugins.Code, format string, args ...any) {
		fault.Code = code
		fault.Err = fmt.Errorf("get %s: %d %s; %s", plugins.PublicRef(resp.Request.URL.String()), resp.StatusCode, http.StatusText(resp.StatusCode), fmt.Sprintf(format, args...))
	}
	switch resp.Header.Get("X-Error-Code") {
	case "GatedRepo":
		say(plugins.FaultForbidden, "the repository is gated: ask for access at %s, wait for its owner's approval if it takes one, and %s", s.page(), s.hint())
		return
	case "RepoNotFound":
		say(plugins.FaultAbsent, "there is no repository %s, or it is private; %s", s.page(), s.hint())
		return
	case "RevisionNotFound":
		say(plugins.FaultAbsent, "the repository has no commit %s; %s/commits/main lists them", s.Commit, s.page())
		return
	case "EntryNotFound":
		say(plugins.FaultAbsent, "the commit has no such file")
		return
	}
	if resp.Header.Get("X-Error-Message") == "Access to this resource is disabled." {
		say(plugins.FaultForbidden, "access to the repository was disabled by its owner or by the Hub; look at %s", s.page())
	}
	if resp.StatusCode == http.StatusTooManyRequests {
		fault.After = max(fault.After, untilReset(resp.Header.Get("RateLimit")))
	}
}

var rateLimit = regexp.MustCompile(`"[^"]*"\s*;\s*r\s*=\s*(\d{1,9})\s*;\s*t\s*=\s*(\d{1,9})`)

// untilReset is how long it takes until a limit that is used up ends. A RateLimit header is
//
//	"api";r=0;t=55
//
// where r is how many requests are left and t the seconds until there are more (draft-ietf-httpapi-ratelimit-headers-09).
func untilReset(v string) time.Duration {
	var longest time.Duration
	for _, m := range rateLimit.FindAllStringSubmatch(v, -1) {
		left, _ := strconv.Atoi(m[1])    // digits
		seconds, _ := strconv.Atoi(m[2]) // digits
		if left == 0 {
			longest = max(longest, time.Duration(seconds)*time.Second)
		}
	}
	return longest
}

// entry is one of a tree, as the Hub lists it.
type entry struct {
	Type string `json:"type"` // file or directory
	Path string `json:"path"`
	Size int64  `json:"size"`
	OID  string `json:"oid"` // git SHA-1 of what lies in git
	LFS  *struct {
		OID  string `json:"oid"` // SHA-256
		Size int64  `json:"size"`
	} `json:"lfs"`
}

// List names the files of the commit.
func (s *source) List(ctx context.Context) ([]plugins.SourceFile, error) {
	at := fmt.Sprintf("%s/api/%s/%s/tree/%s?recursive=true", origin, folders[s.Type], s.Repo, s.Commit)
	tree, err := web.List[entry](ctx, s.Client, s.env.Retry, web.Ask{URL: at})
	if err != nil {
		return nil, fmt.Errorf("list of files: %w", err)
	}
	var out []plugins.SourceFile
	for _, e := range tree {
		if e.Type != "file" {
			continue
		}
		f, err := s.file(e)
		if err != nil {
			return nil, fmt.Errorf("list of files: %s: %w", e.Path, err)
		}
		out = append(out, f)
	}
	return s.Files(out), nil
}

// file is a listed file.
func (s *source) file(e entry) (f plugins.SourceFile, err error) {
	tree := s.page() + "/tree/" + s.Commit
	f = plugins.SourceFile{Path: e.Path, Size: e.Size, List: tree, Ref: s.page() + "/resolve/" + s.Commit + "/" + web.EscapePath(e.Path)}
	if e.LFS == nil {
		f.Sum, err = plugins.ChecksumOf("git-sha1", e.OID)
		return f, err
	}
	f.Size, f.Digest = e.LFS.Size, digest.NewDigestFromEncoded(digest.SHA256, e.LFS.OID)
	return f, f.Digest.Validate()
}

// Open asks for a file from the offset on.
func (s *source) Open(ctx context.Context, f plugins.SourceFile, offset int64) (io.ReadCloser, error) {
	return s.Client.Open(ctx, f, offset)
}
