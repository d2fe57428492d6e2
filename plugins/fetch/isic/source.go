package isic

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/pin"
	"github.com/cairn-bench/cairn/plugins/fetch/web"
)

const (
	pageSize     = 100 // the most that the API gives
	metadataFile = "metadata.jsonl"
	metadataRef  = "isic:metadata" // of the file that is made of the list
)

type source struct {
	Params
	client *web.Client
	env    plugins.Env

	list     pin.Digest // of the images
	metadata []byte

	mu sync.Mutex
	at map[string]string // where the bytes of an image lie for now, by its Ref: the address may hold a signature
}

// Describe says which images, by the digest of their list, and where from.
func (s *source) Describe() map[string]string {
	from := map[string]string{}
	if s.list != "" {
		from["images"], from["list"] = api+"/images/search/", string(s.list)
	}
	if len(s.Challenge) > 0 {
		from["challenge"] = challenges
	}
	return from
}

// List names the images, their metadata and the files of challenges.
func (s *source) List(ctx context.Context) ([]plugins.SourceFile, error) {
	var out []plugins.SourceFile
	if len(s.Collections) > 0 || s.Query != "" {
		images, err := s.search(ctx)
		if err != nil {
			return nil, err
		}
		if out, err = s.images(images); err != nil {
			return nil, err
		}
	}
	for _, f := range s.Challenge {
		out = append(out, f.file())
	}
	return s.Files(out), nil
}

// page is an answer of GET /images/search/.
type page struct {
	Results []image `json:"results"`
	Count   *int    `json:"count"` // of all pages, on the first one only
	Next    string  `json:"next"`  // address of the next page, "" on the last one
}

// image is what the API says of one: what is needed to fetch it, and all of it.
type image struct {
	id   string
	size int64
	at   string // address of the whole image
	line string // all but the addresses, as one line of JSON with sorted names
}

var idForm = regexp.MustCompile(`^ISIC_[0-9]{7,12}$`)

// UnmarshalJSON reads an image.
func (m *image) UnmarshalJSON(text []byte) error {
	var known struct {
		ID    string `json:"isic_id"`
		Files struct {
			Full struct {
				URL  string `json:"url"`
				Size *int64 `json:"size"`
			} `json:"full"`
		} `json:"files"`
	}
	var all map[string]any
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := errors.Join(json.Unmarshal(text, &known), dec.Decode(&all)); err != nil {
		return err
	}
	full := known.Files.Full
	at, err := url.Parse(full.URL)
	switch {
	case !idForm.MatchString(known.ID):
		return fmt.Errorf("isic_id is %.40q, want ISIC_ and digits", known.ID)
	case full.Size == nil || *full.Size < 0:
		return fmt.Errorf("image %s has no size", known.ID)
	case err != nil || at.Scheme != "https" || at.Host == "":
		return fmt.Errorf("image %s has no address", known.ID) // the address itself may hold a signature
	}
	delete(all, "files")
	line, err := json.Marshal(all)
	*m = image{id: known.ID, size: *full.Size, at: full.URL, line: string(line)}
	return err
}

// search reads the list page by page. The archive may change meanwhile, so that an image comes twice or not at all: then
// their number is not the one of the first page.
func (s *source) search(ctx context.Context) ([]image, error) {
	var all []image
	count := -1
	asked := map[string]bool{}
	for next := s.first(); next != ""; {
		if err := onward(next, asked); err != nil {
			return nil, err
		}
		var p page
		if _, err := s.client.JSON(ctx, s.env.Retry, web.Ask{URL: next, Accept: "application/json"}, &p); err != nil {
			return nil, err
		}
		if p.Count != nil && count < 0 {
			count = *p.Count
		}
		all = append(all, p.Results...)
		next = p.Next
	}
	slices.SortFunc(all, func(a, b image) int { return cmp.Compare(a.id, b.id) })
	once := slices.CompactFunc(all, func(a, b image) bool { return a.id == b.id })
	if count >= 0 && len(once) != count {
		return nil, &plugins.Fault{Code: plugins.FaultChanged, Again: true,
			Err: fmt.Errorf("the archive announced %d images and listed %d: it changed while it was read", count, len(once))}
	}
	return once, nil
}

func (s *source) first() string {
	q := url.Values{"limit": {strconv.Itoa(pageSize)}}
	if s.Query != "" {
		q.Set("query", s.Query)
	}
	var ids []string
	for _, id := range s.Collections {
		ids = append(ids, strconv.FormatInt(id, 10))
	}
	if len(ids) > 0 {
		q.Set("collections", strings.Join(ids, ","))
	}
	return api + "/images/search/?" + q.Encode()
}

// onward refuses a next page that is somewhere else or was asked for already.
func onward(next string, asked map[string]bool) error {
	if !strings.HasPrefix(next, api+"/") {
		return fmt.Errorf("the archive leads to a next page at %.200q, which is not %s", plugins.PublicRef(next), api)
	}
	if asked[next] {
		return errors.New("the archive leads from one page of its list back to an earlier one")
	}
	asked[next] = true
	return nil
}

// images are the files of a list of images, and their metadata.
func (s *source) images(list []image) ([]plugins.SourceFile, error) {
	s.metadata = nil
	var lines []string
	var out []plugins.SourceFile
	for _, m := range list {
		lines = append(lines, fmt.Sprintf("%s %d %s", m.id, m.size, m.line))
		s.metadata = append(append(s.metadata, m.line...), '\n')
		f := plugins.SourceFile{Path: "images/" + m.id + extension(m.at), Size: m.size, List: api + "/images/search/", Ref: api + "/images/" + m.id + "/"}
		s.at[f.Ref] = m.at
		out = append(out, f)
	}
	if len(out) == 0 {
		return nil, errors.New("no public image is in these collections and fits the query")
	}
	var err error
	s.list, err = s.Params.List.Hold(lines)
	return append(out, plugins.SourceFile{Path: metadataFile, Size: int64(len(s.metadata)), Digest: digest.FromBytes(s.metadata), Ref: metadataRef}), err
}

var extensionForm = regexp.MustCompile(`^\.[a-z0-9]{1,5}$`)

// extension is that of an image's address, in small letters.
func extension(at string) string {
	u, err := url.Parse(at)
	if err == nil {
		if ext := strings.ToLower(path.Ext(u.Path)); extensionForm.MatchString(ext) {
			return ext
		}
	}
	return ".jpg"
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

// OpenPart asks for a part of a file, or for all of it. An address that has expired is asked for anew, once.
func (s *source) OpenPart(ctx context.Context, f plugins.SourceFile, want plugins.Part) (plugins.Opened, error) {
	if f.Ref == metadataRef {
		return s.made(want), nil
	}
	s.mu.Lock()
	at, ok := s.at[f.Ref]
	s.mu.Unlock()
	if !ok {
		return s.client.OpenPart(ctx, f, want)
	}
	image := f
	image.Ref = at
	a, err := s.client.OpenPart(ctx, image, want)
	if plugins.FaultCode(err) != plugins.FaultForbidden {
		return a, err
	}
	if image.Ref, err = s.renew(ctx, f.Ref); err != nil {
		return plugins.Opened{}, err
	}
	return s.client.OpenPart(ctx, image, want)
}

// renew asks where an image lies now.
func (s *source) renew(ctx context.Context, ref string) (string, error) {
	var m image
	if _, err := s.client.JSON(ctx, s.env.Retry, web.Ask{URL: ref, Accept: "application/json"}, &m); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at[ref] = m.at
	return m.at, nil
}

// made gives a part of what was made of the list.
func (s *source) made(want plugins.Part) plugins.Opened {
	size := int64(len(s.metadata))
	from, to := min(want.Offset, size), size
	if want.Length >= 0 {
		to = min(to, from+want.Length)
	}
	return plugins.Opened{Body: io.NopCloser(bytes.NewReader(s.metadata[from:to])), From: from, To: to, Size: size, Version: digest.FromBytes(s.metadata).String()}
}
