package s3

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const listed = `<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix>x%2F</Prefix><KeyCount>3</KeyCount><MaxKeys>1000</MaxKeys>
<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextContinuationToken>1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=</NextContinuationToken>
<Contents><Key>x/</Key><ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><Size>0</Size><StorageClass>STANDARD</StorageClass></Contents>
<Contents><Key>x/a+b%2Bc.txt</Key><ETag>&quot;b1946ac92492d2347c6235b4d2611184&quot;</ETag><ChecksumAlgorithm>SHA256</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType><Size>6</Size></Contents>
<Contents><Key>x/p</Key><ETag>&quot;b1946ac92492d2347c6235b4d2611184-2&quot;</ETag><ChecksumAlgorithm>SHA256</ChecksumAlgorithm><ChecksumType>COMPOSITE</ChecksumType><Size>9</Size></Contents>
</ListBucketResult>`

func TestPage(t *testing.T) {
	p, err := parsePage([]byte(listed))
	if err != nil {
		t.Fatal(err)
	}
	var files, sums []string
	for _, o := range p.Contents {
		if !o.folder() {
			files = append(files, o.Key+" "+o.ETag)
		}
		if o.hasSHA256() {
			sums = append(sums, o.Key)
		}
	}
	if diff := cmp.Diff([]string{"x/a b+c.txt b1946ac92492d2347c6235b4d2611184", "x/p b1946ac92492d2347c6235b4d2611184-2"}, files); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"x/a b+c.txt"}, sums); diff != "" {
		t.Error(diff)
	}
	for _, c := range []struct{ prefix, token, want string }{
		{"x/", "", ""},
		{"x/", p.NextContinuationToken, "does not say how it goes on"},
		{"y/", "", `"x/" does not lie under "y/"`},
	} {
		if err := p.check(c.prefix, c.token); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func FuzzPage(f *testing.F) {
	f.Add([]byte(listed))
	f.Add([]byte(strings.ReplaceAll(listed, "url", "")))
	f.Add([]byte(strings.ReplaceAll(listed, "%2B", "%")))
	f.Add([]byte(`<Error><Code>AccessDenied</Code></Error>`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := parsePage(text)
		for _, o := range p.Contents {
			if err == nil && (o.Key == "" || o.ETag == "" || o.Size < 0) {
				t.Errorf("%+v", o)
			}
		}
	})
}
