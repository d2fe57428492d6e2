package github

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/web"
)

const (
	api        = "https://api.github.com"
	site       = "https://github.com"
	rawFiles   = "https://raw.githubusercontent.com"
	tokensPage = site + "/settings/tokens"
	media      = "application/vnd.github+json"
)

type source struct {
	Params
	env plugins.Env
	web *web.Client
	lfs *objects
}

func newSource(p Params, env plugins.Env, client *http.Client) *source {
	s := &source{Params: p, env: env}
	s.web = web.New(client, web.Options{Origin: api, Sign: s.sign, Hint: s.hint(), Refused: s.refused})
	s.lfs = &objects{web: s.web, at: s.page() + ".git/info/lfs/objects/", known: map[string]string{}}
	return s
}

func (s *source) sign(r *http.Request) error {
	if token, err := s.env.Secret(tokenVar); err == nil {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return nil
}

// hint says what to do about a limit, and about credentials.
func (s *source) hint() string {
	if _, err := s.env.Secret(tokenVar); err == nil {
		return fmt.Sprintf("check that %s is right and has not expired", tokenVar)
	}
	return fmt.Sprintf("a token from %s as %s gets in more often", tokensPage, tokenVar)
}

// Describe names the repository and what of it is fetched.
func (s *source) Describe() map[string]string { return map[string]string{"page": s.list()} }

// list is where a person sees what is fetched.
func (s *source) list() string {
	if s.Tag != "" {
		return s.page() + "/releases/tag/" + url.PathEscape(s.Tag)
	}
	return s.page() + "/tree/" + s.Commit
}

// refused tells a limit on requests from a refusal, and says what a person does about it.
func (s *source) refused(resp *http.Response, body []byte, fault *plugins.Fault) {
	say := func(format string, args ...any) {
		fault.Err = fmt.Errorf("get %s: %d %s; %s", plugins.PublicRef(resp.Request.URL.String()), resp.StatusCode, http.StatusText(resp.StatusCode), fmt.Sprintf(format, args...))
	}
	limited := resp.StatusCode == http.StatusForbidden || resp.StatusCode == http.StatusTooManyRequests
	wait, ok := untilReset(resp.Header, body)
	switch {
	case limited && ok:
		fault.Code, fault.Again, fault.After = plugins.FaultBusy, true, max(fault.After, wait)
		say("GitHub's limit on requests is used up for %s; %s", fault.After, s.hint())
	case fault.Code == plugins.FaultAbsent:
		say("look at %s whether it is there; private repositories are not fetched", s.list())
	}
}

// secondaryWait is how long to wait at least if a secondary limit does not say.
const secondaryWait = time.Minute

// untilReset is how long a limit on requests lasts, if an answer tells of one: "If the retry-after response header is
// present, you should not retry your request until after that many seconds has elapsed. If the x-ratelimit-remaining
// header is 0, you should not retry your request until after the time, in UTC epoch seconds, specified by the
// x-ratelimit-reset header. Otherwise, wait for at least one minute" (docs.github.com, rate limits for the REST API).
func untilReset(h http.Header, body []byte) (time.Duration, bool) {
	if seconds, err := strconv.ParseUint(h.Get("Retry-After"), 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, true
	}
	if h.Get("X-RateLimit-Remaining") == "0" {
		reset, bad := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 40)
		now, err := http.ParseTime(h.Get("Date"))
		if bad != nil || err != nil {
			return secondaryWait, true
		}
		return max(0, time.Unix(reset, 0).Sub(now)), true
	}
	return secondaryWait, bytes.Contains(bytes.ToLower(body), []byte("secondary rate limit"))
}

// List names the assets of the release or the files of the commit.
func (s *source) List(ctx context.Context) ([]plugins.SourceFile, error) {
	if s.Tag != "" {
		return s.assets(ctx)
	}
	return s.files(ctx)
}

// asset is a file of a release.
type asset struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	State  string `json:"state"`  // uploaded or open
	Digest string `json:"digest"` // sha256:..., null of older ones
}

func (s *source) assets(ctx context.Context) ([]plugins.SourceFile, error) {
	var release struct {
		ID int64 `json:"id"`
	}
	if err := s.ask(ctx, s.repo()+"/releases/tags/"+url.PathEscape(s.Tag), &release); err != nil {
		return nil, fmt.Errorf("release %s: %w", s.Tag, err)
	}
	at := fmt.Sprintf("%s/releases/%d/assets?per_page=100", s.repo(), release.ID)
	all, err := web.List[asset](ctx, s.web, s.env.Retry, web.Ask{URL: at, Accept: media})
	if err != nil {
		return nil, fmt.Errorf("assets of %s: %w", s.Tag, err)
	}
	var out []plugins.SourceFile
	for _, a := range all {
		if a.State != "uploaded" {
			return nil, &plugins.Fault{Code: plugins.FaultAbsent, Err: fmt.Errorf("asset %s of %s was not uploaded to its end; look at %s", a.Name, s.Tag, s.list())}
		}
		out = append(out, plugins.SourceFile{
			Path: a.Name, Size: a.Size, Digest: digest.Digest(a.Digest), List: s.list(),
			Ref: s.page() + "/releases/download/" + url.PathEscape(s.Tag) + "/" + url.PathEscape(a.Name),
		})
	}
	return s.Files(out), nil
}

// repo is the repository's address in the API.
func (s *source) repo() string { return api + "/repos/" + s.Repo }

func (s *source) ask(ctx context.Context, at string, v any) error {
	_, err := s.web.JSON(ctx, s.env.Retry, web.Ask{URL: at, Accept: media}, v)
	return err
}
