package kaggle

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/archive"
	"github.com/cairn-bench/cairn/plugins/fetch/web"
)

const (
	origin     = "https://www.kaggle.com"
	api        = origin + "/api/v1"
	tokensPage = origin + "/settings/api"
	pageSize   = 200 // files; Kaggle may give fewer
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

// Missing names the credentials of a competition. A dataset may be open to all.
func (s *source) Missing(context.Context) ([]plugins.Missing, error) {
	if s.Competition == "" {
		return nil, nil
	}
	return plugins.Secrets(s.env, tokensPage, []string{tokenVar}, []string{userVar, keyVar}), nil
}

// sign shows the token, or else the legacy key. A dataset is also asked for without.
func (s *source) sign(r *http.Request) error {
	token, err := s.env.Secret(tokenVar)
	if err == nil {
		r.Header.Set("Authorization", "Bearer "+token)
		return nil
	}
	user, noUser := s.env.Secret(userVar)
	key, noKey := s.env.Secret(keyVar)
	if noUser == nil && noKey == nil {
		r.SetBasicAuth(user, key)
		return nil
	}
	if s.Competition != "" {
		return fmt.Errorf("%w, or %s and %s; %s", err, userVar, keyVar, s.hint())
	}
	return nil
}

// signed says whether there are credentials to show.
func (s *source) signed() bool {
	return len(plugins.Secrets(s.env, "", []string{tokenVar}, []string{userVar, keyVar})) == 0
}

func (s *source) hint() string {
	if s.signed() {
		return fmt.Sprintf("check that %s, or %s and %s, are right and have not expired", tokenVar, userVar, keyVar)
	}
	return fmt.Sprintf("make a token at %s and set %s", tokensPage, tokenVar)
}

// page is where a person sees the dataset or the competition.
func (s *source) page() string {
	if s.Competition != "" {
		return origin + "/competitions/" + s.Competition
	}
	return fmt.Sprintf("%s/datasets/%s/versions/%d", origin, s.Dataset, s.Version)
}

// Describe names the dataset or the competition.
func (s *source) Describe() map[string]string { return map[string]string{"page": s.page()} }

// refused says what a person does about a refusal.
func (s *source) refused(resp *http.Response, _ []byte, fault *plugins.Fault) {
	was := fmt.Errorf("get %s: %d %s", plugins.PublicRef(resp.Request.URL.String()), resp.StatusCode, http.StatusText(resp.StatusCode))
	switch {
	case web.Origin(resp.Request.URL) != origin:
		if fault.Code == plugins.FaultForbidden || fault.Code == plugins.FaultUnauthorized {
			fault.Err = fmt.Errorf("%w; Kaggle's storage denies access to the address that Kaggle gave; run again", was)
		}
	case fault.Code == plugins.FaultForbidden && s.Competition != "" && s.signed():
		fault.Err = fmt.Errorf("%w; accept the rules at %s/rules with the account of %s or %s, and run again", was, s.page(), tokenVar, userVar)
	case fault.Code == plugins.FaultForbidden:
		fault.Err = fmt.Errorf("%w; look at %s whether there are terms to accept, and %s", was, s.page(), s.hint())
	case fault.Code == plugins.FaultAbsent:
		fault.Err = fmt.Errorf("%w; look at %s whether it is there", was, s.page())
	}
}

// List names the files, or the zip of all of them.
func (s *source) List(ctx context.Context) ([]plugins.SourceFile, error) {
	if s.Archive {
		ref := s.address("download", "")
		if s.Competition != "" {
			ref = s.address("download-all", "")
		}
		return []plugins.SourceFile{{Path: "archive.zip", Size: -1, Ref: ref, Expand: archive.Expand(ref, archive.Options{Keep: s.Keep})}}, nil
	}
	listed, err := s.listed(ctx)
	if err != nil {
		return nil, fmt.Errorf("list of files: %w", err)
	}
	out := s.Files(listed)
	for i, f := range out {
		out[i] = unwrapped(f)
	}
	return out, nil
}

// address is that of a list, or of a file.
func (s *source) address(verb, file string) string {
	at, query := fmt.Sprintf("%s/competitions/data/%s/%s", api, verb, s.Competition), ""
	if s.Dataset != "" {
		at, query = fmt.Sprintf("%s/datasets/%s/%s", api, verb, s.Dataset), "?datasetVersionNumber="+strconv.Itoa(s.Version)
	}
	if file != "" {
		at += "/" + url.PathEscape(file)
	}
	return at + query
}

// answer is a page of the list: a dataset's files or those of a competition.
type answer struct {
	DatasetFiles  []listedFile `json:"datasetFiles"`
	Files         []listedFile `json:"files"`
	ErrorMessage  string       `json:"errorMessage"`
	NextPageToken string       `json:"nextPageToken"`
}

type listedFile struct {
	Name       string `json:"name"`
	TotalBytes int64  `json:"totalBytes"`
}

// listed reads all pages.
func (s *source) listed(ctx context.Context) ([]plugins.SourceFile, error) {
	var out []plugins.SourceFile
	at, err := url.Parse(s.address("list", ""))
	if err != nil {
		return nil, err
	}
	query := at.Query()
	query.Set("pageSize", strconv.Itoa(pageSize))
	for seen := map[string]bool{}; ; {
		at.RawQuery = query.Encode()
		var a answer
		if _, err := s.JSON(ctx, s.env.Retry, web.Ask{URL: at.String()}, &a); err != nil {
			return nil, err
		}
		if a.ErrorMessage != "" { // not quoted: it may hold anything
			return nil, &plugins.Fault{Code: plugins.FaultRefused, Err: fmt.Errorf("the publisher answers with an error; look at %s", s.page())}
		}
		for _, f := range append(a.DatasetFiles, a.Files...) {
			out = append(out, plugins.SourceFile{Path: f.Name, Size: f.TotalBytes, Ref: s.address("download", f.Name)})
		}
		if a.NextPageToken == "" {
			return out, nil
		}
		if seen[a.NextPageToken] {
			return nil, &plugins.Fault{Code: plugins.FaultRefused, Err: fmt.Errorf("the list has no end: Kaggle gives the same page twice after %d files", len(out))}
		}
		seen[a.NextPageToken] = true
		query.Set("pageToken", a.NextPageToken)
	}
}

// Open asks for a file from the offset on.
func (s *source) Open(ctx context.Context, f plugins.SourceFile, offset int64) (io.ReadCloser, error) {
	return s.Client.Open(ctx, f, offset)
}
