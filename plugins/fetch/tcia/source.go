package tcia

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/pin"
	"github.com/cairn-bench/cairn/plugins/fetch/web"
)

type source struct {
	Params
	*web.Client
	env  plugins.Env
	list pin.Digest // of the series
}

// Describe says which series, by the digest of their list.
func (s *source) Describe() map[string]string {
	from := map[string]string{"api": api, "collection": s.Collection, "list": string(s.list)}
	if s.Modality != "" {
		from["modality"] = s.Modality
	}
	if s.BodyPart != "" {
		from["body_part"] = s.BodyPart
	}
	return from
}

// series is what is read of an entry of GET /getSeries.
type series struct {
	UID        string      `json:"SeriesInstanceUID"`
	Collection string      `json:"Collection"`
	Images     json.Number `json:"ImageCount"`
	Bytes      json.Number `json:"FileSize"`
	Authorized *int        `json:"Authorized"` // 0 if we may not have it

	images, bytes int64
}

// List names a zip for each series.
func (s *source) List(ctx context.Context) ([]plugins.SourceFile, error) {
	q := url.Values{"Collection": {s.Collection}, "format": {"json"}}
	if s.Modality != "" {
		q.Set("Modality", s.Modality)
	}
	if s.BodyPart != "" {
		q.Set("BodyPartExamined", s.BodyPart)
	}
	text, _, err := s.Get(ctx, s.env.Retry, web.Ask{URL: api + "/getSeries?" + q.Encode(), Accept: "application/json", Most: 1 << 30})
	if err != nil {
		return nil, err
	}
	all, err := parseSeries(text, s.Collection)
	if err != nil {
		return nil, fmt.Errorf("list of collection %s: %w", s.Collection, err)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("the archive has no series of collection %q, modality %q and body part %q; names are written as it writes them", s.Collection, s.Modality, s.BodyPart)
	}
	var lines []string
	var out []plugins.SourceFile
	for _, one := range all {
		lines = append(lines, fmt.Sprintf("%s %d %d", one.UID, one.images, one.bytes))
		out = append(out, one.file())
	}
	s.list, err = s.Params.List.Hold(lines)
	return out, err
}

var uidForm = regexp.MustCompile(`^[0-9]+(\.[0-9]+)+$`)

// isUID says whether a text is a DICOM unique identifier (PS3.5, 9.1), which is a safe name of a file, too.
func isUID(text string) bool { return len(text) <= 64 && uidForm.MatchString(text) }

// parseSeries reads a list of series and sorts it. An empty answer is an empty list.
func parseSeries(text []byte, collection string) ([]series, error) {
	var all []series
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, &plugins.Fault{Code: plugins.FaultNotData, Err: fmt.Errorf("want JSON: %w", err)}
	}
	for i := range all {
		if err := all[i].check(collection); err != nil {
			return nil, fmt.Errorf("series %d: %w", i, err)
		}
	}
	slices.SortFunc(all, func(a, b series) int { return cmp.Compare(a.UID, b.UID) })
	for i := 1; i < len(all); i++ {
		if all[i].UID == all[i-1].UID {
			return nil, fmt.Errorf("series %s is there twice", all[i].UID)
		}
	}
	return all, nil
}

func (s *series) check(collection string) (err error) {
	if !isUID(s.UID) {
		return fmt.Errorf("SeriesInstanceUID is %.80q, want numbers with dots", s.UID)
	}
	if s.images, err = s.Images.Int64(); err != nil || s.images < 1 {
		return fmt.Errorf("%s: ImageCount is %.20q, want 1 or more", s.UID, s.Images)
	}
	if s.bytes, err = s.Bytes.Int64(); err != nil || s.bytes < 0 {
		return fmt.Errorf("%s: FileSize is %.20q, want a number of bytes", s.UID, s.Bytes)
	}
	switch {
	case s.Collection != collection:
		return fmt.Errorf("%s is of collection %.80q", s.UID, s.Collection)
	case s.Authorized != nil && *s.Authorized == 0:
		return &plugins.Fault{Code: plugins.FaultForbidden, Err: fmt.Errorf("%s is not open to all: ask for access at the collection's page", s.UID)}
	}
	return nil
}

func (s series) file() plugins.SourceFile {
	ref := api + "/getImageWithMD5Hash?SeriesInstanceUID=" + s.UID
	return plugins.SourceFile{Path: s.UID + ".zip", Size: -1, Ref: ref, Expand: s.expand}
}
