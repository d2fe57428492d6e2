package tcia

import (
	"net/url"
	"testing"

	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher/sourcetest"
)

func TestSource(t *testing.T) {
	sourcetest.Run(t, sourcetest.Case{Plugin: Plugin, Open: world, Except: map[string]string{
		"fault/token expires":        "one request brings a series, so that none comes after it",
		"fault/wrong range for good": "the server gives no parts, whatever is asked for",
	}})
}

func world() sourcetest.World {
	first := publisher.DICOM("1.2.3", sourcetest.Random(sourcetest.Large, 1))
	second := publisher.DICOM("1.2.4", sourcetest.Random(sourcetest.Small, 2))
	a := &publisher.TCIA{Series: []publisher.TCIASeries{
		{UID: "1.1", Collection: "C", Modality: "MG", Images: [][]byte{first, second}}, {UID: "1.2", Collection: "C", Modality: "MG", Images: [][]byte{second}},
	}}
	return sourcetest.World{
		Params: `{"collection":"C"}`, Hosts: publisher.Hosts{"nbia.cancerimagingarchive.net": a},
		Files:   map[string][]byte{"1.1/1.2.3.dcm": first, "1.1/1.2.4.dcm": second, "1.2/1.2.4.dcm": second},
		Data:    func(u *url.URL) string { return u.Query().Get("SeriesInstanceUID") },
		Touch:   func() { a.Series[1].Images[0] = publisher.DICOM("1.2.4", sourcetest.Random(sourcetest.Small, 3)) },
		Replace: func() { a.Series[1].Images[0] = publisher.DICOM("1.2.4", sourcetest.Random(100, 4)) },
		Add:     func() { a.Series[1].Images = append(a.Series[1].Images, publisher.DICOM("1.2.5", nil)) },
		Remove:  func() { a.Series[0].Images = a.Series[0].Images[:1] },
	}
}
