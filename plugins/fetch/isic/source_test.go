package isic

import (
	"net/url"
	"testing"

	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher/sourcetest"
)

// TestImages: the archive's list says what there is, and has no checksums.
func TestImagesSource(t *testing.T) {
	sourcetest.Run(t, sourcetest.Case{Plugin: Plugin, Open: images})
}

// TestChallengeSource: the manifest names files and their checksums.
func TestChallengeSource(t *testing.T) {
	sourcetest.Run(t, sourcetest.Case{Plugin: Plugin, Open: challenge})
}

func images() sourcetest.World {
	large, small := sourcetest.Random(sourcetest.Large, 1), sourcetest.Random(sourcetest.Small, 2)
	put := func(data []byte) publisher.ISICImage {
		return publisher.ISICImage{Data: data, Collections: []int64{70}}
	}
	a := &publisher.ISIC{PageSize: 1, Images: map[string]publisher.ISICImage{"ISIC_0000001": put(large), "ISIC_0000002": put(small)}}
	return sourcetest.World{
		Params: `{"collections":[70],"exclude":["metadata.jsonl"]}`, Hosts: a.Hosts(), Versions: true,
		Files: map[string][]byte{"images/ISIC_0000001.jpg": large, "images/ISIC_0000002.jpg": small},
		Data: func(u *url.URL) string {
			if u.Host == "content.isic-archive.com" {
				return u.Path
			}
			return ""
		},
		Touch:   func() { a.Images["ISIC_0000001"] = put(sourcetest.Random(sourcetest.Large, 3)) },
		Replace: func() { a.Images["ISIC_0000002"] = put(sourcetest.Random(100, 4)) },
		Add:     func() { a.Images["ISIC_0000003"] = put([]byte("new")) },
		Remove:  func() { delete(a.Images, "ISIC_0000002") },
	}
}

func challenge() sourcetest.World {
	large := sourcetest.Random(sourcetest.Large, 1)
	a := &publisher.ISIC{Challenge: map[string][]byte{"2018/Input.zip": large, "2018/GroundTruth.csv": []byte("image,MEL\n")}}
	return sourcetest.World{
		Params: `{"challenge":[{"key":"2018/Input.zip"},{"key":"2018/GroundTruth.csv"}]}`, Hosts: a.Hosts(), Versions: true,
		Files:  map[string][]byte{"2018/Input.zip": large, "2018/GroundTruth.csv": []byte("image,MEL\n")},
		Data:   func(u *url.URL) string { return u.Path },
		Touch:  func() { a.Challenge["2018/Input.zip"] = sourcetest.Random(sourcetest.Large, 3) },
		Remove: func() { delete(a.Challenge, "2018/GroundTruth.csv") },
	}
}
