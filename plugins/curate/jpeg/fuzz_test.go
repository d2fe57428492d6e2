package jpeg_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	stdjpeg "image/jpeg"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/plugins/curate/jpeg"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// Every way to code that is not read is named.
func TestRefused(t *testing.T) {
	files, err := filepath.Glob("testdata/refused-*.jpg")
	if err != nil || len(files) != 5 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		reason := strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "refused-"), ".jpg"), "-", " ")
		reason = strings.ReplaceAll(reason, "JPEG LS", "JPEG-LS")
		if _, err := jpeg.Decode(read(t, file), jpeg.Options{Channels: 1}); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: %v, want %q", file, err, reason)
		}
	}
}

// A file that was cut off anywhere is never taken for a picture.
func TestCut(t *testing.T) {
	for _, name := range []string{"size-17x15", "size-17x15-grey", "restart-s2", "progressive-restart-s2", "cmyk", "planes-mixed"} {
		b := read(t, "testdata/"+name+".jpg")
		for n := 0; n < len(b); n += 1 + len(b)/1000 {
			if p, err := jpeg.Decode(b[:n], jpeg.Options{Channels: 3}); err == nil {
				t.Fatalf("%s: the first %d of %d bytes are a picture of %d x %d", name, n, len(b), p.W, p.H)
			}
		}
	}
}

// edit replaces the only occurrence of a text.
func edit(t *testing.T, b []byte, was, is string) []byte {
	if bytes.Count(b, []byte(was)) != 1 {
		t.Fatalf("%q occurs %d times", was, bytes.Count(b, []byte(was)))
	}
	return bytes.Replace(b, []byte(was), []byte(is), 1)
}

func TestErrors(t *testing.T) {
	grey, colour := read(t, "testdata/grey-q75.jpg"), read(t, "testdata/size-16x16.jpg")
	restart, progressive := read(t, "testdata/restart-s2.jpg"), read(t, "testdata/size-16x16-grey.jpg")
	frame := string(grey[bytes.Index(grey, []byte("\xff\xc0")):][:13]) // up to the factors of the only component
	const band = "\xff\xda\x00\x08\x01\x01\x00\x01\x05\x02"            // the header of a scan
	_, scan, _ := bytes.Cut(progressive, []byte(band))
	scan = scan[:bytes.IndexByte(scan, 0xff)]
	for name, c := range map[string]struct {
		text []byte
		want string
	}{
		"empty":          {nil, "not a JPEG file"},
		"PNG":            {[]byte("\x89PNG\r\n\x1a\n"), "not a JPEG file"},
		"no frame":       {[]byte("\xff\xd8\xff\xd9"), "no frame header"},
		"no width":       {edit(t, grey, frame[:9], frame[:7]+"\x00\x00"), "0 x 45 pixels"},
		"large":          {edit(t, grey, frame[:9], frame[:5]+"\xff\xff\xff\xff"), "the limit is"},
		"announced":      {edit(t, grey, frame[:9], frame[:5]+"\x20\x00\x20\x00"), "cut off"},
		"two components": {edit(t, grey, frame[:10], "\xff\xc0\x00\x0e\x08\x00\x2d\x00\x43\x02\x02\x11\x00"), "2 components"},
		"factor":         {edit(t, grey, frame, frame[:11]+"\x51\x00"), "sampled 5 x 1"},
		"quantizer":      {edit(t, grey, frame, frame[:12]+"\x03"), "no quantizer 3"},
		"two frames":     {edit(t, grey, "\xff\xda", frame+"\xff\xda"), "a second frame header"},
		"two pictures":   {edit(t, grey, "\xff\xda", "\xff\xd8\xff\xda"), "a second picture"},
		"marker length":  {edit(t, grey, frame, "\xff\xe1\x00\x01"+frame), "1 bytes, want at least 2"},
		"no Huffman":     {edit(t, grey, "\xff\xda\x00\x08\x01\x01\x00", "\xff\xda\x00\x08\x01\x01\x23"), "no Huffman table"},
		"no component":   {edit(t, grey, "\xff\xda\x00\x08\x01\x01\x00", "\xff\xda\x00\x08\x01\x07\x00"), "no component 7"},
		"scan length":    {edit(t, grey, "\xff\xda\x00\x08\x01\x01\x00", "\xff\xda\x00\x08\x02\x01\x00"), "length of its header"},
		"no scan":        {append(slices.Clone(grey[:bytes.Index(grey, []byte("\xff\xda"))]), "\xff\xd9"...), "no scan has component 1"},
		"restart order":  {edit(t, restart, "\xff\xd1", "\xff\xd2"), "want that of restart 1"},
		"twice":          {edit(t, colour, "\xff\xda\x00\x0c\x03\x01\x00\x02\x11\x03\x11", "\xff\xda\x00\x0c\x03\x01\x00\x02\x11\x02\x11"), "occurs twice"},
		"many scans":     {edit(t, progressive, band, strings.Repeat(band+string(scan), 200)+band), "more than 200 scans"},
		"full block":     {append(slices.Clone(grey[:bytes.Index(grey, []byte("\xff\xda"))+10]), "?\xcf\xf9\xff\x00?\xe7\xff\xd9"...), "more than 64 coefficients"}, // four times 16 zeros
		"bands":          {edit(t, progressive, band, band[:7]+"\x00\x05\x02"), "together with others"},
	} {
		if _, err := jpeg.Decode(c.text, jpeg.Options{Channels: 3}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// What a header announces costs nothing before there are bytes for it.
func TestMemory(t *testing.T) {
	b := read(t, "testdata/size-16x16-grey.jpg")
	at := bytes.Index(b, []byte("\xff\xc2"))
	binary.BigEndian.PutUint32(b[at+5:], 9999<<16|9999)
	n := plugintest.Allocated(func() {
		if _, err := jpeg.Decode(b, jpeg.Options{Channels: 3}); err == nil {
			t.Fatal("a picture")
		}
	})
	if n > 1<<20 {
		t.Errorf("%d bytes", n)
	}
}

// image/jpeg rounds in another way, and is off by little where both read a file.
func TestStandard(t *testing.T) {
	files, err := filepath.Glob("testdata/*grey*.jpg")
	if err != nil {
		t.Fatal(err)
	}
	read0 := 0
	for _, file := range files {
		b := read(t, file)
		img, err := stdjpeg.Decode(bytes.NewReader(b))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		p, err := jpeg.Decode(b, jpeg.Options{Channels: 1})
		if err != nil || img.Bounds().Dx() != p.W || img.Bounds().Dy() != p.H {
			t.Errorf("%s: %d x %d, want %v: %v", file, p.W, p.H, img.Bounds(), err)
			continue
		}
		read0++
		for i, v := range p.Pix {
			r, _, _, _ := img.At(i%p.W, i/p.W).RGBA()
			if d := int(v) - int(r>>8); d < -2 || d > 2 {
				t.Errorf("%s: pixel %d is %d, image/jpeg has %d", file, i, v, r>>8)
				break
			}
		}
	}
	if read0 < 10 {
		t.Errorf("only %d files were compared", read0)
	}
}

// FuzzDecode decodes whatever comes, and never to a picture smaller than was asked for, nor to another one when the decoder
// was used before. What image/jpeg finds cut off is none here either.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/*.jpg")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		if len(b) < 3000 {
			f.Add(b, uint8(1))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, by uint8) {
		h, err := jpeg.ReadHeader(b)
		if err != nil || h.W*h.H > 1<<18 {
			return
		}
		o := jpeg.Options{Channels: 1 + 2*int(by&1), W: max(1, h.W>>(by>>1&3)), H: max(1, h.H>>(by>>1&3))}
		var d jpeg.Decoder
		p, err := d.Decode(b, o)
		if err != nil {
			return
		}
		before := slices.Clone(p.Pix)
		d.Stain()
		if p, err = d.Decode(b, o); err != nil || !bytes.Equal(p.Pix, before) {
			t.Fatal("a used decoder gives another picture", err)
		}
		if p.W < o.W || p.H < o.H || p.W > h.W || p.H > h.H || len(p.Pix) != p.W*p.H*o.Channels {
			t.Fatalf("%d x %d pixels of %d x %d, wanted for %d x %d", p.W, p.H, h.W, h.H, o.W, o.H)
		}
		if _, err := stdjpeg.Decode(bytes.NewReader(b)); errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			t.Fatal("image/jpeg finds it cut off")
		}
	})
}
