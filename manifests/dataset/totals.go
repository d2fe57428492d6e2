package dataset

import "math"

// Totals compares the sums of the entries with what the paper claims of them.
type Totals struct {
	Entries  int64        `json:"entries"`
	Claims   []Compared   `json:"claims"`
	Groups   []GroupTotal `json:"groups"`
	Rounding Rounding     `json:"rounding"`
}

// Compared is one number of the paper beside ours. Ours is null where the entries do not tell.
type Compared struct {
	Name       string   `json:"name"`
	Paper      float64  `json:"paper"`
	Ours       *float64 `json:"ours"`
	Difference *float64 `json:"difference"` // ours less the paper's
	Note       string   `json:"note,omitempty"`
}

// GroupTotal is the sum over one group. Shares are percent with two decimals, as the paper prints them.
type GroupTotal struct {
	ID         string  `json:"id"`
	Title      string  `json:"title"`
	Datasets   int64   `json:"datasets"`
	Samples    int64   `json:"samples"`
	Share      float64 `json:"share"`
	Paper      float64 `json:"paper"`
	Difference float64 `json:"difference"`
}

// Rounding says how much of the difference in samples the rounding of the paper's number explains.
type Rounding struct {
	Text      string `json:"text"`      // the number as the paper prints it
	Explains  int64  `json:"explains"`  // at most
	Remaining int64  `json:"remaining"` // with the sign of the difference
}

// Totals sums over the entries that the paper counts.
func (c *Catalog) Totals() Totals {
	t := Totals{Entries: int64(len(c.Entries))}
	var datasets, samples int64
	modalities := map[string]bool{}
	for _, g := range c.Selection.Groups {
		one := GroupTotal{ID: g.ID, Title: g.Title, Paper: g.Share}
		for _, e := range c.Entries {
			if e.Group == nil || *e.Group != g.ID {
				continue
			}
			one.Datasets++
			one.Samples += e.Samples()
			modalities[e.Modality] = true
		}
		datasets, samples = datasets+one.Datasets, samples+one.Samples
		t.Groups = append(t.Groups, one)
	}
	for i := range t.Groups {
		g := &t.Groups[i]
		g.Share = percent(g.Samples, samples)
		g.Difference = hundredths(g.Share - g.Paper)
	}
	claims := c.Selection.Totals
	t.Rounding = rounding(claims.Samples, samples)
	t.Claims = []Compared{
		compare("datasets", claims.Datasets.Value, datasets, ""),
		compare("samples", claims.Samples.Value, samples, ""),
		compare("modalities", claims.Modalities.Value, int64(len(modalities)), "counted in Cairn's words; the paper's list is not known"),
		unknown("terabytes", claims.Terabytes.Value, "two datasets state their bytes"),
		unknown("domains", float64(claims.Domains.Value), "the paper's list is not known"),
		unknown("institutions", float64(claims.Institutions.Value), "no source lists them"),
		unknown("conditions", float64(claims.Conditions.Value), "no source lists them"),
		unknown("countries", float64(claims.Countries.Value), "many datasets state no region"),
	}
	return t
}

// Claim returns one of the numbers that the paper states.
func (t Totals) Claim(name string) Compared {
	c, _ := find(t.Claims, name, func(c Compared) string { return c.Name })
	return c
}

// Samples is the total of an entry, 0 if nobody states it.
func (e Entry) Samples() int64 {
	if e.Counts.Total == nil {
		return 0
	}
	return e.Counts.Total.Value
}

func compare(name string, paper, ours int64, note string) Compared {
	a, d := float64(ours), float64(ours-paper)
	return Compared{name, float64(paper), &a, &d, note}
}

func unknown(name string, paper float64, note string) Compared {
	return Compared{Name: name, Paper: paper, Note: note}
}

func rounding(paper Rounded, samples int64) Rounding {
	r := Rounding{Text: paper.Text, Explains: paper.To / 2}
	switch d := samples - paper.Value; {
	case d > r.Explains:
		r.Remaining = d - r.Explains
	case d < -r.Explains:
		r.Remaining = d + r.Explains
	}
	return r
}

func percent(part, all int64) float64 {
	if all == 0 {
		return 0
	}
	return hundredths(100 * float64(part) / float64(all))
}

func hundredths(x float64) float64 { return math.Round(100*x) / 100 }
