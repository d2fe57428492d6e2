// Package zenodo fetches the files of a record of Zenodo.
//
// A record is one version of an upload: its number never leads to other files. The number of all versions together (the
// concept) leads to the newest one and is refused, as it would be another dataset tomorrow.
//
// Zenodo lists each file with its size and an MD5, which are checked; it has no stronger checksum, so what pins the bytes
// is the lock. Its documentation does not promise parts of files: where it gives none, a broken transfer begins anew.
// A guest may ask 60 times a minute and 2,000 times an hour, so a record of many small files takes its time: a fetch waits
// as long as Zenodo says.
//
// No account is needed for an open record. For a restricted one, ask for access on its page, wait until its owner grants
// it, make a personal access token at https://zenodo.org/account/settings/applications/tokens/new/ and set ZENODO_TOKEN.
// The token is sent to zenodo.org only, and only if the manifest says that the record is restricted.
package zenodo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/pick"
	"github.com/cairn-bench/cairn/plugins/fetch/web"
)

const (
	site  = "https://zenodo.org"
	token = "ZENODO_TOKEN"
)

// Params says what to fetch.
type Params struct {
	Record     int64 `json:"record" jsonschema:"number of the record of one version, as in https://zenodo.org/records/6406114"`
	Restricted bool  `json:"restricted" jsonschema:"the files are only for whom their owner has let in; needs ZENODO_TOKEN"`
	pick.Params
}

// Validate says which parameter is wrong.
func (p Params) Validate() error {
	if p.Record < 1 {
		return fmt.Errorf("record is %d, want the number of a record", p.Record)
	}
	return p.Params.Check()
}

// Plugin returns fetch/zenodo. nil means the client of package web.
func Plugin(client *http.Client) plugins.Plugin {
	return plugins.Fetch(catalog.Spec{
		Name: "zenodo", Version: "1",
		Summary:     "Fetches the files of a Zenodo record, checked against its sizes and MD5 sums.",
		Determinism: catalog.None,
		Reason:      "Zenodo vouches for the bytes with MD5 only; the lock pins what it may give",
		Queue:       catalog.QueueIO,
		Network:     true,
		Secrets:     []string{token},
	}, Params{Params: pick.All()}, func(p Params, env plugins.Env, _ uint64) (plugins.Source, error) {
		s := &source{Params: p, env: env}
		o := web.Options{Refused: limited, Hint: fmt.Sprintf("the files of record %d may be restricted: ask for access at %s, make a token and set restricted", p.Record, s.page())}
		if p.Restricted {
			o.Origin, o.Sign = site, s.sign
			o.Hint = fmt.Sprintf("check at %s that you have access, and that %s has not been deleted", s.page(), token)
		}
		s.Client = web.New(client, o)
		return s, nil
	})
}

// limited reads when Zenodo will listen again, which it says in a header of its own, by its own clock.
func limited(resp *http.Response, _ []byte, fault *plugins.Fault) {
	reset, err := strconv.ParseInt(resp.Header.Get("X-RateLimit-Reset"), 10, 64)
	now, err2 := http.ParseTime(resp.Header.Get("Date"))
	if resp.StatusCode == http.StatusTooManyRequests && fault.After == 0 && err == nil && err2 == nil {
		fault.After = max(0, time.Unix(reset, 0).Sub(now))
	}
}

type source struct {
	Params
	*web.Client
	env plugins.Env
}

func (s *source) page() string { return fmt.Sprintf("%s/records/%d", site, s.Record) }
func (s *source) api() string  { return fmt.Sprintf("%s/api/records/%d", site, s.Record) }

// Describe names the record.
func (s *source) Describe() map[string]string { return map[string]string{"record": s.page()} }

// Missing says whether the token is.
func (s *source) Missing(context.Context) ([]plugins.Missing, error) {
	if !s.Restricted {
		return nil, nil
	}
	return plugins.Secrets(s.env, s.page(), []string{token}), nil
}

func (s *source) sign(r *http.Request) error {
	value, err := s.env.Secret(token)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+value)
	return nil
}

// record is what is read of GET /api/records/{id}.
type record struct {
	ID json.RawMessage `json:"id"` // a number, or one in quotes
}

// list is the answer to GET /api/records/{id}/files.
type list struct {
	Enabled bool    `json:"enabled"`
	Entries []entry `json:"entries"`
}

type entry struct {
	Key      string `json:"key"`
	Checksum string `json:"checksum"` // "md5:" and 32 hexadecimal digits
	Size     *int64 `json:"size"`
	Status   string `json:"status"`
}

// List names the files of the record.
func (s *source) List(ctx context.Context) ([]plugins.SourceFile, error) {
	if err := s.sameRecord(ctx); err != nil {
		return nil, err
	}
	var l list
	if _, err := s.JSON(ctx, s.env.Retry, web.Ask{URL: s.api() + "/files", Accept: "application/json"}, &l); err != nil {
		return nil, err
	}
	files, err := l.files(s.api())
	if err != nil {
		return nil, fmt.Errorf("list of record %d: %w", s.Record, err)
	}
	return s.Files(files), nil
}

// sameRecord refuses the number of a concept, for which Zenodo answers with the record of its newest version.
func (s *source) sameRecord(ctx context.Context) error {
	var r record
	if _, err := s.JSON(ctx, s.env.Retry, web.Ask{URL: s.api(), Accept: "application/json"}, &r); err != nil {
		return err
	}
	if got := strings.Trim(string(r.ID), `"`); got != fmt.Sprint(s.Record) {
		return fmt.Errorf("record %d is not that of one version: Zenodo answers with record %.20s, the newest now; name the version that you mean", s.Record, got)
	}
	return nil
}

// files are those of a list, at the address of their record.
func (l list) files(api string) ([]plugins.SourceFile, error) {
	if !l.Enabled {
		return nil, errors.New("the record has no files")
	}
	var out []plugins.SourceFile
	for i, e := range l.Entries {
		if err := e.check(); err != nil {
			return nil, fmt.Errorf("entries[%d] %q: %w", i, e.Key, err)
		}
		out = append(out, plugins.SourceFile{
			Path: e.Key, Size: *e.Size, Sum: plugins.Checksum(e.Checksum), List: api + "/files",
			Ref: api + "/files/" + url.PathEscape(e.Key) + "/content",
		})
	}
	return out, nil
}

func (e entry) check() error {
	switch {
	case e.Size == nil || *e.Size < 0:
		return errors.New("no size")
	case e.Status != "" && e.Status != "completed":
		return fmt.Errorf("status is %.20q, want completed", e.Status)
	}
	return errors.Join(plugins.Checksum(e.Checksum).Validate(), plugins.CheckPath(e.Key))
}
