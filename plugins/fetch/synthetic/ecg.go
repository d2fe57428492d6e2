package synthetic

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
)

const ecgRate = 500

// The rhythms, in the order of the codes.
const (
	sinus = iota
	fibrillation
	bundleBlock
	infarction
)

var snomed = []string{"426783006", "164889003", "164909002", "164865005"}

const pacing = "10370003" // a code that is none of the classes

// The numbers of the records that carry a planted fault.
const (
	shortRecord   = 3
	flatRecord    = 7
	cutRecord     = 11
	unknownRecord = 13
	repeatRecord  = 17
)

// site is what differs between two hospitals.
type site struct {
	prefix     string
	gain       float64 // units of the converter per millivolt
	noise      float64 // mV
	mains      float64 // mV of 50 Hz
	amplitude  float64
	prevalence []float64 // of the rhythms
}

func ecgSite(name string) site {
	if name == "b" {
		return site{"SB", 500, 0.035, 0.02, 0.85, []float64{0.40, 0.20, 0.15, 0.25}}
	}
	return site{"SA", 1000, 0.02, 0, 1, []float64{0.30, 0.25, 0.22, 0.23}}
}

func ecgFiles(g generator) []file {
	var files []file
	for n := 1; n <= g.Samples; n++ {
		name := fmt.Sprintf("%s%05d", ecgSite(g.Site).prefix, n)
		files = append(files,
			file{name + ".hea", func() []byte { return newRecord(g, n).header(name) }},
			file{name + ".mat", func() []byte { return newRecord(g, n).mat() }})
	}
	return files
}

// record is one ECG as the converter gave it.
type record struct {
	site   site
	rows   [12][]int16
	age    string
	female bool
	code   string
	cut    bool
}

var leadNames = [12]string{"I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"}

func newRecord(g generator, n int) record {
	number, seconds := n, g.Seconds
	if g.quirky() && n == shortRecord {
		seconds = 1
	}
	if g.quirky() && n == repeatRecord {
		number = repeatRecord - 1
	}
	d := g.stream("record", number)
	r := record{site: ecgSite(g.Site)}
	rhythm := d.pick(r.site.prevalence...)
	r.code = snomed[rhythm]
	r.female = d.chance(0.47)
	r.age = fmt.Sprint(min(max(round(d.normal(58+float64(4*min(rhythm, 2)), 13)), 18), 89))
	h := newHeart(g, r.site, rhythm, d)
	r.rows = digitise(h.record(seconds*ecgRate, d), r.site.gain)
	if g.quirky() {
		r.plant(n)
	}
	return r
}

// plant puts the fault of its number into a record.
func (r *record) plant(n int) {
	switch n {
	case flatRecord:
		for lead := 6; lead < 12; lead++ {
			clear(r.rows[lead])
		}
	case cutRecord:
		r.cut = true
	case unknownRecord:
		r.age, r.code = "NaN", pacing
	}
}

// header is the .hea file in the dialect of the challenge.
func (r record) header(name string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s 12 %d %d 24-Nov-2021 10:00:00\n", name, ecgRate, len(r.rows[0]))
	for i, row := range r.rows {
		var sum int16
		for _, v := range row {
			sum += v
		}
		fmt.Fprintf(&b, "%s.mat 16+24 %d/mV 16 0 %d %d 0 %s\n", name, round(r.site.gain), row[0], sum, leadNames[i])
	}
	sex := "Male"
	if r.female {
		sex = "Female"
	}
	fmt.Fprintf(&b, "#Age: %s\n#Sex: %s\n#Dx: %s\n#Rx: Unknown\n#Hx: Unknown\n#Sx: Unknown\n", r.age, sex, r.code)
	return b.Bytes()
}

// mat is the .mat file: MATLAB level 4, one int16 matrix "val" of 12 rows, column by column.
func (r record) mat() []byte {
	samples := len(r.rows[0])
	out := make([]byte, 0, 24+24*samples)
	for _, word := range []uint32{30, 12, uint32(samples), 0, 4} { // type, rows, columns, not complex, length of the name
		out = binary.LittleEndian.AppendUint32(out, word)
	}
	out = append(out, "val\x00"...)
	for t := range samples {
		for lead := range r.rows {
			out = binary.LittleEndian.AppendUint16(out, uint16(r.rows[lead][t]))
		}
	}
	if r.cut {
		return slices.Clip(out[:len(out)/3])
	}
	return out
}

// digitise turns the eight measured leads in millivolts into twelve in units of the converter. The limb leads
// are made from the rounded ones, so that III = II - I holds exactly, as it does in real files.
func digitise(mv [8][]float64, gain float64) [12][]int16 {
	var units [8][]int
	for i, row := range mv {
		units[i] = make([]int, len(row))
		for t, v := range row {
			units[i][t] = round(float64(v * gain))
		}
	}
	one, two := units[0], units[1]
	var rows [12][]int16
	for lead := range rows {
		rows[lead] = make([]int16, len(one))
		for t := range one {
			rows[lead][t] = clip(limb(lead, one[t], two[t], units, t))
		}
	}
	return rows
}

// limb gives a lead out of the measured ones: III, aVR, aVL and aVF follow from I and II.
func limb(lead, one, two int, units [8][]int, t int) int {
	switch lead {
	case 0:
		return one
	case 1:
		return two
	case 2:
		return two - one
	case 3:
		return -(one + two) / 2
	case 4:
		return one - two/2
	case 5:
		return two - one/2
	}
	return units[lead-4][t]
}

func clip(v int) int16 { return int16(min(max(v, -32767), 32767)) }
