package climb_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image/jpeg"
	"testing"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

func echocardiograms() []recipe {
	return []recipe{{id: "cholec80", raw: cholec80, want: map[string]want{
		sound: {done: 7, labels: map[string]int{"Preparation": 4, "Calot Triangle Dissection": 3, "Grasper": 7, "Hook": 4, "Specimen Bag": 1}, subjects: 4, flaws: 1,
			sides: map[string]string{"video41.mp4": "test", "video80.mp4": "test"}, left: cholecLeft, more: firstForty},
		// RandomState(0).permutation(4) is 2 3 1 0
		asPublished: {done: 7, count: "5/0/2", sides: map[string]string{"video41.mp4": "test"}, labels: map[string]int{"Preparation": 4, "Calot Triangle Dissection": 3, "Grasper": 7, "Hook": 4, "Specimen Bag": 1}, subjects: 4, flaws: 2, left: cholecLeft},
	}}, {id: "echonet-dynamic", raw: echonet, want: map[string]want{
		sound: {
			done: 7, labels: map[string]int{"Reduced EF": 2, "Mildly reduced EF": 2, "Preserved EF": 3}, subjects: 7, count: "4/1/2", flaws: 1,
			left:  map[string]int{"no-label": 2, "not-a-number": 1, "needs-ffmpeg": 1, "not-a-film": 1},
			sides: map[string]string{"0X10.avi": "train", "0X14.avi": "validation", "0X15.avi": "test"},
			more:  ejection,
		},
	}}}
}

// echonet is the tree of the publisher's zip: a list, outlines that no label comes from, and films without an extension in the list.
func echonet(t *testing.T) plugintest.Files {
	files := plugintest.Files{"EchoNet-Dynamic/VolumeTracings.csv": lines("FileName,X1,Y1,X2,Y2,Frame", "0X10.avi,1,2,3,4,46")}
	var rows []string
	for i, ef := range []string{"40.0", "12.5", "40.01", "49.99", "50.0", "78.498", "61.2", "", "n/a", "55", "55"} {
		name := fmt.Sprintf("0X1%d", i)
		if i == 10 {
			name = "0X1A"
		}
		split := []string{"TRAIN", "TRAIN", "TRAIN", "TRAIN", "VAL", "TEST", "TEST", "TRAIN", "TRAIN", "TRAIN", "TRAIN"}[i]
		rows = append(rows, fmt.Sprintf("%s,%s,24.1,110.2,112,112,50,20,%s", name, ef, split))
		files["EchoNet-Dynamic/Videos/"+name+".avi"] = motionJPEG(t, i, 20)
	}
	rows = append(rows, "0X1B,60,24.1,110.2,112,112,50,20,TRAIN") // of which there is no film
	files["EchoNet-Dynamic/Videos/0X19.avi"] = bytes.ReplaceAll(files["EchoNet-Dynamic/Videos/0X19.avi"], []byte("MJPG"), []byte("XVID"))
	files["EchoNet-Dynamic/Videos/0X1A.avi"] = []byte("<html>Sorry</html>")
	files["EchoNet-Dynamic/Videos/0X1C.avi"] = motionJPEG(t, 12, 20) // which no row names
	files["EchoNet-Dynamic/FileList.csv"] = lines("FileName,EF,ESV,EDV,FrameHeight,FrameWidth,FPS,NumberOfFrames,Split", rows...)
	return files
}

// The number from which a class was made stays with the sample.
func ejection(t *testing.T, samples map[string]document.Sample) {
	s := samples["EchoNet-Dynamic/Videos/0X13.avi"]
	if s.Meta["EF"] != "49.99" || len(s.Media) != 16 || fmt.Sprint(s.Media[0].Shape) != "[112 112 3]" {
		t.Errorf("EF %q, %d frames of %v, want 49.99 and 16 of 112 x 112 x 3", s.Meta["EF"], len(s.Media), s.Media[0].Shape)
	}
}

// motionJPEG is a film of that many pictures that look like no others, as AVI.
func motionJPEG(t *testing.T, n, frames int) []byte {
	t.Helper()
	chunk := func(id string, body []byte) []byte {
		out := binary.LittleEndian.AppendUint32([]byte(id), uint32(len(body)))
		out = append(out, body...)
		return append(out, make([]byte, len(body)%2)...)
	}
	list := func(id, kind string, parts ...[]byte) []byte {
		return chunk(id, append([]byte(kind), bytes.Join(parts, nil)...))
	}
	head := make([]byte, 56)
	copy(head, "vidsMJPG")
	binary.LittleEndian.PutUint32(head[20:], 1)
	binary.LittleEndian.PutUint32(head[24:], 50)
	format := make([]byte, 40)
	binary.LittleEndian.PutUint32(format, 40)
	binary.LittleEndian.PutUint32(format[4:], 24)
	binary.LittleEndian.PutUint32(format[8:], 16)
	binary.LittleEndian.PutUint16(format[12:], 1)
	binary.LittleEndian.PutUint16(format[14:], 24)
	copy(format[16:], "MJPG")
	var pictures [][]byte
	for i := range frames {
		var b bytes.Buffer
		if err := jpeg.Encode(&b, noise(1000*n+i), nil); err != nil {
			t.Fatal(err)
		}
		pictures = append(pictures, chunk("00dc", b.Bytes()))
	}
	header := list("LIST", "hdrl", chunk("avih", make([]byte, 56)), list("LIST", "strl", chunk("strh", head), chunk("strf", format)))
	return list("RIFF", "AVI ", header, list("LIST", "movi", pictures...))
}

// Runs of film 2 have no table of tools, the second run of film 3 has no rows of tools, and film 4 is none.
var cholecLeft = map[string]int{"no-track": 2, "no-label": 1, "not-a-film": 1}

// cholec80 is the three folders that the authors send, with films of 16 seconds and a little, so of two runs.
func cholec80(t *testing.T) plugintest.Files {
	files := plugintest.Files{"videos/video04.mp4": []byte("<html>Sorry</html>"), "videos/video01-timestamp.txt": []byte("Frame\tTime\n0\t00:00:00.00\n")}
	for i, name := range []string{"video02", "video03", "video40", "video41", "video80"} {
		files["videos/"+name+".mp4"] = motionJPEG(t, i, 16*25)
		phases, tools := "Frame\tPhase\n", "Frame\tGrasper\tBipolar\tHook\tScissors\tClipper\tIrrigator\tSpecimenBag\n"
		for f := range 16 * 25 {
			phase := "Preparation"
			if f >= 285 { // 85 of the second run's 176 frames are before, the others Calot's
				phase = "CalotTriangleDissection"
			}
			phases += fmt.Sprintf("%d\t%s\n", f, phase)
			if f%25 == 0 && (name != "video03" || f < 200) {
				hook, bag := 0, 0
				if f == 25 {
					hook = 1
				}
				if name == "video80" && f == 375 {
					bag = 1
				}
				tools += fmt.Sprintf("%d\t1\t0\t%d\t0\t0\t0\t%d\n", f, hook, bag)
			}
		}
		files["phase_annotations/"+name+"-phase.txt"] = []byte(phases)
		if name != "video02" {
			files["tool_annotations/"+name+"-tool.txt"] = []byte(tools)
		}
	}
	return files
}

// The first 40 films are never tested on.
func firstForty(t *testing.T, samples map[string]document.Sample) {
	for name, s := range samples {
		if first := s.Subject == "video03" || s.Subject == "video40"; first == (s.Split == "test") || len(s.Media) != 8 {
			t.Errorf("%s is on side %s with %d frames", name, s.Split, len(s.Media))
		}
	}
}
