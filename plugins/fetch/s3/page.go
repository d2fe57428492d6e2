package s3

import (
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// page is an answer of ListObjectsV2.
type page struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	IsTruncated           bool
	NextContinuationToken string
	EncodingType          string
	Contents              []object
}

// object is an object as it is listed. A list that leaves a size out would make it 0.
type object struct {
	Key               string
	ETag              string // without quotes
	Size              int64
	ChecksumAlgorithm []string
	ChecksumType      string
}

// parsePage reads an answer of ListObjectsV2.
func parsePage(text []byte) (page, error) {
	var p page
	if err := xml.Unmarshal(text, &p); err != nil {
		return p, fmt.Errorf("want a ListBucketResult in XML: %w", err)
	}
	for i := range p.Contents {
		o := &p.Contents[i]
		if p.EncodingType == "url" {
			key, err := url.QueryUnescape(o.Key)
			if err != nil {
				return p, fmt.Errorf("object %d: its key is not encoded as the list says", i)
			}
			o.Key = key
		}
		o.ETag = strings.Trim(o.ETag, `"`)
		if o.Key == "" || o.ETag == "" || o.Size < 0 {
			return p, fmt.Errorf("object %d: want a key, an ETag and a size", i)
		}
	}
	return p, nil
}

// check refuses a page that is no answer to what was asked.
func (p page) check(prefix, token string) error {
	if p.IsTruncated && (p.NextContinuationToken == "" || p.NextContinuationToken == token) {
		return errors.New("the list does not say how it goes on")
	}
	for _, o := range p.Contents {
		if !strings.HasPrefix(o.Key, prefix) {
			return fmt.Errorf("%q does not lie under %q", o.Key, prefix)
		}
	}
	return nil
}

// folder says whether an object only stands for a folder, as those that the console of Amazon makes.
func (o object) folder() bool { return o.Size == 0 && strings.HasSuffix(o.Key, "/") }

// hasSHA256 says whether S3 keeps a SHA-256 of the whole object.
func (o object) hasSHA256() bool {
	return slices.Contains(o.ChecksumAlgorithm, "SHA256") && o.ChecksumType != "COMPOSITE"
}
