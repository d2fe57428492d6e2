package synthetic

// The measured leads.
const measured = 8 // I, II, V1 to V6

// The waves of a beat.
const (
	waveP = iota
	waveQ
	waveR
	waveS
	waveST
	waveT
	waves
)

// beatWave is where a wave lies after the R peak and how wide it is, in seconds.
type beatWave struct{ centre, width float64 }

// heart is one person's beat and rhythm: what a lead sees of each wave, and when the beats come.
type heart struct {
	wave     [waves]beatWave
	height   [measured][waves]float64 // mV
	interval float64                  // seconds from beat to beat
	jitter   float64                  // relative deviation of the interval
	flutter  float64                  // mV of fibrillatory waves
	noise    float64
	drift    float64
	mains    float64
}

// normalHeights is what each measured lead sees of P, Q, R, S, ST and T in health, in mV.
var normalHeights = [measured][waves]float64{
	{0.08, -0.05, 0.70, -0.12, 0, 0.22}, // I
	{0.12, -0.06, 1.00, -0.15, 0, 0.30}, // II
	{0.05, 0, 0.25, -0.90, 0, -0.05},    // V1
	{0.06, 0, 0.45, -1.20, 0, 0.30},     // V2
	{0.06, -0.02, 0.80, -0.80, 0, 0.35}, // V3
	{0.06, -0.05, 1.30, -0.45, 0, 0.35}, // V4
	{0.06, -0.08, 1.20, -0.20, 0, 0.30}, // V5
	{0.06, -0.08, 0.95, -0.08, 0, 0.25}, // V6
}

// blockedHeights replaces them in a left bundle branch block: broad R to the left, deep S to the right, and T
// against the QRS.
var blockedHeights = [measured][waves]float64{
	{0.08, 0, 0.80, 0.30, -0.04, -0.22},
	{0.12, 0, 0.70, 0.10, 0, -0.10},
	{0.05, 0, 0.10, -1.40, 0.12, 0.40},
	{0.06, 0, 0.15, -1.70, 0.15, 0.50},
	{0.06, 0, 0.25, -1.40, 0.12, 0.45},
	{0.06, 0, 0.60, -0.50, 0.02, 0.15},
	{0.06, 0, 1.00, 0.30, -0.05, -0.20},
	{0.06, 0, 1.00, 0.40, -0.06, -0.28},
}

// territories are the leads in which an infarction raises ST: anterior and inferior. The inferior one is seen
// in II and, since it is made from I and II, in III and aVF.
var territories = [2][measured]float64{
	{0.1, 0, 0.6, 1, 1, 0.8, 0.3, 0.1},
	{-0.5, 1, -0.3, -0.3, -0.1, 0, 0.1, 0.2},
}

func newHeart(g generator, s site, rhythm int, d draw) heart {
	h := heart{
		wave:     [waves]beatWave{{-0.16, 0.022}, {-0.028, 0.009}, {0, 0.012}, {0.030, 0.011}, {0.120, 0.038}, {0.26, 0.045}},
		height:   normalHeights,
		interval: d.uniform(0.65, 1.05),
		jitter:   0.03,
		noise:    float64(s.noise * (1 + float64(3*g.Difficulty))),
		drift:    d.uniform(0.02, 0.10+float64(0.3*g.Difficulty)),
		mains:    s.mains,
	}
	// How strongly the disease shows: weaker, and more unlike from person to person, where it is difficult.
	h.sicken(rhythm, d, d.uniform(1-float64(0.9*g.Difficulty), 1.2-float64(0.5*g.Difficulty)))
	h.vary(s, d)
	return h
}

// sicken changes a healthy heart by a disease of that strength.
func (h *heart) sicken(rhythm int, d draw, strength float64) {
	territory := territories[d.intn(len(territories))]
	switch rhythm {
	case fibrillation:
		h.jitter += float64(0.18 * strength)
		h.flutter = float64(0.07 * strength)
		h.interval = float64(h.interval * 0.85)
		h.each(waveP, func(_ int, v float64) float64 { return float64(v * max(0, 1-strength)) })
	case bundleBlock:
		for _, w := range []int{waveQ, waveR, waveS} {
			h.wave[w].width = float64(h.wave[w].width * (1 + strength))
			h.wave[w].centre = float64(h.wave[w].centre * (1 + float64(0.8*strength)))
		}
		for lead := range h.height {
			for w := range h.height[lead] {
				healthy := h.height[lead][w]
				h.height[lead][w] = healthy + float64(strength*(blockedHeights[lead][w]-healthy))
			}
		}
	case infarction:
		h.each(waveST, func(lead int, v float64) float64 { return v + float64(0.35*float64(strength*territory[lead])) })
		h.each(waveQ, func(lead int, v float64) float64 { return v - float64(0.25*float64(strength*max(0, territory[lead]))) })
	}
}

// each changes the height of one wave in every lead.
func (h *heart) each(w int, change func(lead int, v float64) float64) {
	for lead := range h.height {
		h.height[lead][w] = change(lead, h.height[lead][w])
	}
}

// vary makes a person out of the textbook.
func (h *heart) vary(s site, d draw) {
	body := float64(s.amplitude * d.uniform(0.7, 1.3))
	for lead := range h.height {
		place := d.uniform(0.8, 1.2)
		for w := range h.height[lead] {
			h.height[lead][w] = float64(float64(h.height[lead][w]*body) * float64(place*d.uniform(0.85, 1.15)))
		}
	}
	for w := range h.wave {
		h.wave[w].width = float64(h.wave[w].width * d.uniform(0.9, 1.1))
	}
}

// record draws the eight measured leads, in mV.
func (h heart) record(samples int, d draw) [measured][]float64 {
	var out [measured][]float64
	for lead := range out {
		out[lead] = make([]float64, samples)
	}
	h.beats(out, d)
	for lead := range out {
		h.disturb(out[lead], d)
	}
	return out
}

// beats adds every beat.
func (h heart) beats(out [measured][]float64, d draw) {
	end := float64(len(out[0]))/ecgRate + 0.5
	for at := d.uniform(-0.5, 0.3); at < end; {
		for w, shape := range h.wave {
			h.addWave(out, w, at+shape.centre, shape.width)
		}
		step := 1 + float64(h.jitter*d.normal(0, 1))
		at += float64(h.interval * min(max(step, 0.45), 1.9))
	}
}

// addWave adds one wave, seen by every lead at the same time.
func (h heart) addWave(out [measured][]float64, w int, centre, width float64) {
	first := max(0, round(float64((centre-float64(4*width))*ecgRate)))
	last := min(len(out[0])-1, round(float64((centre+float64(4*width))*ecgRate)))
	for t := first; t <= last; t++ {
		v := bump(float64(t)/ecgRate, centre, width)
		for lead := range out {
			out[lead][t] += float64(v * h.height[lead][w])
		}
	}
}

// disturb adds what does not come from the beats: breath, fibrillation, mains and noise.
func (h heart) disturb(row []float64, d draw) {
	breath, phase := d.uniform(0.15, 0.4), d.uniform(0, 1)
	rate, start := d.uniform(4.5, 7), d.uniform(0, 1)
	for t := range row {
		at := float64(t) / ecgRate
		v := float64(h.drift * wave(float64(at*breath)+phase))
		if h.flutter > 0 {
			v += float64(h.flutter * wave(float64(at*rate)+start))
		}
		if h.mains > 0 {
			v += float64(h.mains * wave(float64(at*50)))
		}
		row[t] += v + d.normal(0, h.noise)
	}
}
