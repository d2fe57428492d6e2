package cli

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// stand is the address in the manifest that stands for all publishers.
const stand = "http://127.0.0.1:8642"

// publishers is a server that stands for the publishers of real-small: the path of a file is its publisher's
// host and its path there.
type publishers struct {
	*httptest.Server
	files map[string][]byte
	first map[string]fault // what becomes of the first request for a file

	mu       sync.Mutex
	requests map[string][]string // the Range header of each request
}

// fault answers in place of the file.
type fault func(w http.ResponseWriter, file []byte)

// newPublishers serves files until the test ends.
func newPublishers(t *testing.T, files map[string][]byte) *publishers {
	p := &publishers{files: files, first: map[string]fault{}, requests: map[string][]string{}}
	p.Server = httptest.NewServer(http.HandlerFunc(p.answer))
	t.Cleanup(p.Close)
	return p
}

// published is when every file was changed last: it lets an answer that was cut short be taken up again.
var published = time.Date(2020, 5, 12, 12, 33, 59, 0, time.UTC)

func (p *publishers) answer(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	file, ok := p.files[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	p.mu.Lock()
	fails, first := p.first[name], len(p.requests[name]) == 0
	p.requests[name] = append(p.requests[name], r.Header.Get("Range"))
	p.mu.Unlock()
	if first && fails != nil {
		fails(w, file)
		return
	}
	http.ServeContent(w, r, "", published, bytes.NewReader(file))
}

// asked is how often each file was asked for, and forgets it.
func (p *publishers) asked() map[string][]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := p.requests
	p.requests = map[string][]string{}
	return out
}

// busy turns the first request away.
func busy(w http.ResponseWriter, _ []byte) {
	w.WriteHeader(http.StatusServiceUnavailable)
}

// cutShort hangs up in the middle of the first answer.
func cutShort(w http.ResponseWriter, file []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(file)))
	w.Header().Set("Last-Modified", published.Format(http.TimeFormat))
	w.Write(file[:len(file)/2])
	w.(http.Flusher).Flush() // else nothing of it leaves
	panic(http.ErrAbortHandler)
}

// cutLate sends the head and all but the last byte.
func cutLate(w http.ResponseWriter, file []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(file)))
	w.Write(file[:len(file)-1])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

// The files of the publishers of real-small.
const (
	physionet = "physionet.org/files/challenge-2021/1.0.2/"
	kaggle    = "www.kaggle.com/api/v1/datasets/download/sartajbhuvaji/brain-tumor-classification-mri"
	mendeley  = "data.mendeley.com/public-files/datasets/rscbjbr9sj/2/ChestXRay2017.zip"
	cairo     = "scholar.cu.edu.eg/Dataset_BUSI.zip"
	dortmund  = "www.chrsmrrs.com/graphkerneldatasets/PROTEINS_full.zip"
	irvine    = "archive.ics.uci.edu/static/public/45/heart+disease.zip"
)

// realPublishers packs the real data as its publishers do: PhysioNet a tree of files with SHA256SUMS.txt, the
// others one zip each, with or without a top folder.
func realPublishers(t *testing.T, data string) *publishers {
	files := map[string][]byte{
		kaggle:   zipOf(t, data, "brain_tumor_mri", ""),
		mendeley: zipOf(t, data, "chest_xray_kermany", "chest_xray"),
		cairo:    zipOf(t, data, "busi_256/Dataset_BUSI_with_GT", "Dataset_BUSI_with_GT"),
		dortmund: zipOf(t, data, "PROTEINS_full", "PROTEINS_full"),
		irvine:   zipOf(t, data, "uci_heart_disease", ""),
	}
	var sums strings.Builder
	list := func(name string, text []byte) {
		files[physionet+name] = text
		fmt.Fprintf(&sums, "%x %s\n", sha256.Sum256(text), name) // one blank, as PhysioNet writes it
	}
	list("LICENSE.txt", []byte("Creative Commons Attribution 4.0 International Public License\n"))
	for name, text := range filesIn(t, data, "cinc2021_ecg") {
		list(path.Join("training", challengeFolder(t, name), name), text)
	}
	files[physionet+"SHA256SUMS.txt"] = []byte(sums.String())
	return newPublishers(t, files)
}

// challengeFolder is where the Challenge keeps a record: by hospital, and there in groups of a thousand.
// Here every hospital has one group. Chapman's numbers end at 10646 and Ningbo's follow.
func challengeFolder(t *testing.T, file string) string {
	name := strings.TrimSuffix(file, path.Ext(file))
	for prefix, folder := range map[string]string{"HR": "ptb-xl/g1", "E": "georgia/g1", "A": "cpsc_2018/g1"} {
		if strings.HasPrefix(name, prefix) {
			return folder
		}
	}
	number, err := strconv.Atoi(strings.TrimPrefix(name, "JS"))
	if err != nil {
		t.Fatalf("%s is of no hospital", file)
	}
	if number <= 10646 {
		return "chapman_shaoxing/g1"
	}
	return "ningbo/g1"
}

// filesIn reads the files under a folder of the data, by their paths there.
func filesIn(t *testing.T, data, folder string) map[string][]byte {
	root := os.DirFS(filepath.Join(data, folder))
	out := map[string][]byte{}
	err := fs.WalkDir(root, ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out[p], err = fs.ReadFile(root, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// zipOf packs a folder of the data under a top folder, which has an entry of its own as zip programs write it.
func zipOf(t *testing.T, data, folder, top string) []byte {
	files := filesIn(t, data, folder)
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	if top != "" {
		if _, err := z.Create(top + "/"); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range names {
		w, err := z.Create(path.Join(top, name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(files[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
