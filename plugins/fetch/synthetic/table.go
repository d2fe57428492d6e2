package synthetic

import (
	"bytes"
	"fmt"
	"strings"
)

// heartHeader has the columns of UCI heart disease, and a patient number.
const heartHeader = "id,age,sex,cp,trestbps,chol,fbs,restecg,thalach,exang,oldpeak,slope,ca,thal,num"

// The rows that carry a planted fault: the row after a repeated one is the same again.
const (
	repeatedRow  = 5
	repeatedRow2 = 19
	undiagnosed  = 9
)

// Columns that are sometimes missing, and the diagnosis.
const (
	cholesterol  = 5
	vessels      = 12
	thalassaemia = 13
	diagnosis    = 14
)

// clinic is what differs between the tables of two hospitals.
type clinic struct {
	severity float64 // how much sicker its patients are
	missing  float64 // share of missing cells
	zeroChol float64 // share of patients whose unknown cholesterol is written as 0
}

func clinicOf(site string) clinic {
	if site == "b" {
		return clinic{severity: 0.5, missing: 0.2, zeroChol: 0.15}
	}
	return clinic{missing: 0.02}
}

func heartTable(g generator) []byte {
	var b bytes.Buffer
	b.WriteString(heartHeader + "\n")
	for n := 1; n <= g.Samples; n++ {
		number := n
		if g.quirky() && (n == repeatedRow+1 || n == repeatedRow2+1) {
			number--
		}
		row := heartRow(g, number)
		if g.quirky() && n == undiagnosed {
			row[diagnosis] = "?"
		}
		b.WriteString(strings.Join(row, ",") + "\n")
	}
	return b.Bytes()
}

// heartRow draws one patient. A hidden severity moves what is measured; the diagnosis is a threshold on
// it. Age and sex act together, so that a linear model does not find everything.
func heartRow(g generator, n int) []string {
	d := g.stream("patient", n)
	age := min(max(d.normal(54, 9), 29), 77)
	male := d.chance(0.68)
	risk := d.normal(0, 1) + float64(0.05*(age-54))
	if male {
		risk += 0.4
	} else if age > 60 {
		risk += 0.6
	}
	here := clinicOf(g.Site)
	risk += here.severity
	noise := 0.3 + float64(1.7*g.Difficulty)
	seen := func() float64 { return d.normal(risk, noise) } // each measurement sees the severity through noise of its own
	sick := risk > 0.3

	row := []string{
		fmt.Sprintf("%s%05d", strings.ToUpper(g.Site), n),
		fmt.Sprint(round(age)), flag(male),
		fmt.Sprint(level(seen(), -1.2, -0.3, 0.4) + 1),
		fmt.Sprint(round(d.normal(128, 14) + float64(3*risk))),
		fmt.Sprint(round(max(d.normal(240, 45)+float64(6*risk), 110))),
		flag(d.chance(0.15)), fmt.Sprint(level(d.normal(float64(0.3*risk), 1), 0.2, 1.8)),
		fmt.Sprint(round(min(max(165-float64(0.5*(age-54))-float64(11*seen()), 71), 202))),
		flag(seen() > 0.6),
		tenths(max(0, 0.7+float64(0.8*seen()))),
		fmt.Sprint(level(seen(), -0.2, 1.6) + 1),
		fmt.Sprint(level(seen(), 0.4, 1.2, 2)),
		[]string{"3", "6", "7"}[level(seen(), 0.3, 0.5)],
		flag(sick),
	}
	for _, column := range []int{cholesterol, vessels, thalassaemia} {
		if d.chance(here.missing) {
			row[column] = "?"
		}
	}
	if d.chance(here.zeroChol) {
		row[cholesterol] = "0"
	}
	return row
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// level counts the thresholds that v passes.
func level(v float64, thresholds ...float64) int {
	n := 0
	for _, t := range thresholds {
		if v > t {
			n++
		}
	}
	return n
}

// tenths writes a number that is not negative with one decimal, in integers.
func tenths(v float64) string {
	n := round(float64(v * 10))
	return fmt.Sprintf("%d.%d", n/10, n%10)
}
