package publisher

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// TCIA is The Cancer Imaging Archive's NBIA server, nbia.cancerimagingarchive.net. It rests on
//   - https://cbiit.github.io/NBIA-TCIA/nbia-api.yaml, version 4 (github.com/CBIIT/NBIA-TCIA, docs/nbia-api.yaml, read
//     2026-11-26): getSeries with Collection, Modality, BodyPartExamined and format, and its example; getImageWithMD5Hash
//     with SeriesInstanceUID, its errors;
//   - the code that answers it (software/nbia-api/src/gov/nih/nci/nbia/restAPI/v4/V4_getImageWithMD5Hash.java, read
//     2026-11-26) for what the description leaves out: a zip made for each request, streamed without a length, its
//     files called 00000001.dcm and so on in the order in which the database gives them, md5hashes.csv (Filename,MD5Hash)
//     after them, 400 for a parameter that it does not know, and that a file which cannot be read ends the zip early
//     and without a word.
//
// A LICENSE in the zip is what people report of the neighbouring getImage. It has no other endpoint, no other format and
// no log-in, of which version 4 describes none.
type TCIA struct {
	Series []TCIASeries

	mu    sync.Mutex
	asked int // zips: each is another one
}

// TCIASeries is a series of a collection.
type TCIASeries struct {
	UID, Collection, Modality, BodyPart string
	Images                              [][]byte
	Sums                                map[int]string // what the database says of an image where that is not its MD5
	Licence                             string         // "" for none
	Closed                              bool           // not for guests
	Broken                              bool           // its last image cannot be read
}

// DICOM makes a file of DICOM's format with that SOP Instance UID, of which nothing but its head is DICOM.
func DICOM(uid string, pixels []byte) []byte {
	element := func(b []byte, n uint16, vr, value string) []byte {
		if len(value)%2 == 1 {
			value += "\x00"
		}
		b = binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(b, 2), n)
		b = append(b, vr...)
		if vr == "OB" {
			b = binary.LittleEndian.AppendUint32(append(b, 0, 0), uint32(len(value)))
		} else {
			b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
		}
		return append(b, value...)
	}
	var meta []byte
	meta = element(meta, 1, "OB", "\x00\x01")
	meta = element(meta, 2, "UI", "1.2.840.10008.5.1.4.1.1.1.2")
	meta = element(meta, 3, "UI", uid)
	meta = element(meta, 0x10, "UI", "1.2.840.10008.1.2.1")
	out := append(make([]byte, 128), "DICM"...)
	out = element(out, 0, "UL", string(binary.LittleEndian.AppendUint32(nil, uint32(len(meta)))))
	return append(append(out, meta...), pixels...)
}

func (a *TCIA) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /nbia-api/services/v4/getSeries", a.list)
	mux.HandleFunc("GET /nbia-api/services/v4/getImageWithMD5Hash", a.zip)
	mux.ServeHTTP(w, r)
}

// knows refuses a parameter that an endpoint does not have.
func (a *TCIA) knows(w http.ResponseWriter, r *http.Request, allowed ...string) bool {
	for name := range r.URL.Query() {
		if !slices.Contains(allowed, name) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, "Invalid query parameter: '%s'. Allowed parameters are: %s", name, allowed)
			return false
		}
	}
	return true
}

func (a *TCIA) list(w http.ResponseWriter, r *http.Request) {
	if !a.knows(w, r, "Collection", "Modality", "BodyPartExamined", "PatientID", "StudyInstanceUID", "SeriesInstanceUID", "Manufacturer", "ManufacturerModelName", "format") {
		return
	}
	q := r.URL.Query()
	fits := func(name, value string) bool { return q.Get(name) == "" || q.Get(name) == value }
	out := []any{}
	for _, s := range a.Series {
		if !fits("Collection", s.Collection) || !fits("Modality", s.Modality) || !fits("BodyPartExamined", s.BodyPart) {
			continue
		}
		size, authorized := 0, 1
		for _, image := range s.Images {
			size += len(image)
		}
		if s.Closed {
			authorized = 0
		}
		out = append(out, map[string]any{
			"SeriesInstanceUID": s.UID, "StudyInstanceUID": s.UID + ".1", "Modality": s.Modality, "BodyPartExamined": s.BodyPart, "Collection": s.Collection,
			"PatientID": "P", "ImageCount": len(s.Images), "FileSize": size, "LicenseName": "Creative Commons Attribution 3.0 Unported License",
			"MaxSubmissionTimestamp": "02-25-2019", "ReleasedStatus": "Yes", "DateReleased": "03-08-2019", "Authorized": authorized,
		})
	}
	answerJSON(w, http.StatusOK, out)
}

func (a *TCIA) zip(w http.ResponseWriter, r *http.Request) {
	if !a.knows(w, r, "SeriesInstanceUID") {
		return
	}
	uid := r.URL.Query().Get("SeriesInstanceUID")
	i := slices.IndexFunc(a.Series, func(s TCIASeries) bool { return s.UID == uid && !s.Closed })
	switch {
	case uid == "":
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, "A parameter, SeriesInstanceUID, is required for this API call.")
	case i < 0:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, "Error: No series found for the given SeriesInstanceUID.")
	default:
		a.mu.Lock()
		a.asked++
		n := a.asked
		a.mu.Unlock()
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=\"%s.zip\"", uid))
		_, _ = w.Write(a.Series[i].packed(n)) // without a length; who went away needs no zip
	}
}

// packed makes the zip of the n-th request: its time and the order of its images are its own.
func (s TCIASeries) packed(n int) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	entry := func(name string, data []byte) {
		f, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: time.Date(2026, 11, 26, 0, 0, 2*n, 0, time.UTC)})
		if err == nil {
			_, err = f.Write(data)
		}
		if err != nil {
			panic(err) // into memory
		}
	}
	if s.Licence != "" {
		entry("LICENSE", []byte(s.Licence))
	}
	table := strings.Builder{}
	table.WriteString("Filename,MD5Hash\n")
	for i := range s.Images {
		if s.Broken && i == len(s.Images)-1 {
			break
		}
		from := (i + n) % len(s.Images)
		name := fmt.Sprintf("%08d.dcm", i+1)
		entry(name, s.Images[from])
		sum := s.Sums[from]
		if sum == "" {
			sum = md5Hex(s.Images[from])
		}
		fmt.Fprintf(&table, "%s,%s\n", name, sum)
	}
	if !s.Broken {
		entry("md5hashes.csv", []byte(table.String()))
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}
