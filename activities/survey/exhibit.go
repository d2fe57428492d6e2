package survey

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"image/png"
	"math"
	"slices"
	"strconv"

	"github.com/cairn-bench/cairn/activities/curated"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/report"
)

// Bounds of one exhibit.
const (
	maxSide     = 192 // pixels of a picture
	maxPictures = 4
	maxChannels = 20
	maxNodes    = 400
	maxEdges    = 2500
	maxWeighted = 1 << 20 // edges that are read to find the strongest
	strong      = 400
	maxValues   = 12
	maxLetters  = 600
	maxSeconds  = 10 // of a recording; more of it would be a smear
)

// exhibit reads one sample. Media that are not what the sample says get a note.
func exhibit(d *curated.Dataset, s document.Sample) (report.Exhibit, error) {
	e := report.Exhibit{ID: s.ID, Split: s.Split, Labels: s.Labels, Text: shortened(s.Text)}
	if err := media(d, s, &e); err != nil {
		return e, fmt.Errorf("sample %s: %w", s.ID, err)
	}
	return e, nil
}

func media(d *curated.Dataset, s document.Sample, e *report.Exhibit) error {
	if curated.Sequence(s.Media) {
		return scan(d, s.Media, e)
	}
	for _, m := range s.Media {
		var err error
		switch {
		case curated.Pictured(m) && len(e.Pictures) < maxPictures:
			err = pictures(d, m, e)
		case curated.Filmed(m):
			err = pictures(d, m, e)
		case m.Type == curated.Signal && m.DType == "float32" && len(m.Shape) == 2:
			err = signal(d, m, e)
		case m.Type == curated.Nodes && len(m.Shape) > 0:
			err = network(d, s, m, e)
		case m.Type == curated.Edges || m.Type == curated.Weights || curated.Pictured(m):
		case m.Type == curated.Table && m.DType == "float32":
			err = values(d, m, e)
		default:
			e.Note = fmt.Sprintf("%s of shape %v, which is not drawn", m.Type, m.Shape)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// spreadOut picks at most n of total places, evenly.
func spreadOut(total, n int) []int {
	if total <= n {
		n = total
	}
	var out []int
	for i := range n {
		out = append(out, (2*i+1)*total/(2*n))
	}
	return out
}

func scan(d *curated.Dataset, all []document.Media, e *report.Exhibit) error {
	for _, i := range spreadOut(len(all), maxPictures) {
		a, err := d.Array(all[i])
		if err != nil {
			return err
		}
		p, ok := curated.Pictures(a)
		if !ok {
			e.Note = fmt.Sprintf("slice %d is no picture", i+1)
			return nil
		}
		if err := hang(e, p[0], fmt.Sprintf("slice %d of %d", i+1, len(all))); err != nil {
			return err
		}
	}
	return nil
}

// pictures shows one picture, or some of a film.
func pictures(d *curated.Dataset, m document.Media, e *report.Exhibit) error {
	a, err := d.Array(m)
	if err != nil {
		return err
	}
	all, ok := curated.Pictures(a)
	if !ok {
		e.Note = fmt.Sprintf("%s of shape %v is no picture", a.DType, a.Shape)
		return nil
	}
	for _, i := range spreadOut(len(all), maxPictures) {
		about := ""
		if len(all) > 1 {
			about = fmt.Sprintf("frame %d of %d", i+1, len(all))
		}
		if err := hang(e, all[i], about); err != nil {
			return err
		}
	}
	return nil
}

func hang(e *report.Exhibit, p image.Image, about string) error {
	p = shrunk(p)
	var b bytes.Buffer
	enc := png.Encoder{CompressionLevel: png.BestCompression}
	if err := enc.Encode(&b, p); err != nil {
		return err
	}
	e.Pictures = append(e.Pictures, report.Picture{Width: p.Bounds().Dx(), Height: p.Bounds().Dy(), PNG: b.Bytes(), About: about})
	return nil
}

// shrunk scales a picture down to maxSide by the mean of the pixels that fall into one, in whole numbers.
func shrunk(p image.Image) image.Image {
	b := p.Bounds()
	w, h := b.Dx(), b.Dy()
	if max(w, h) <= maxSide {
		return p
	}
	tw, th := max(1, w*maxSide/max(w, h)), max(1, h*maxSide/max(w, h))
	if g, ok := p.(*image.Gray); ok {
		out := image.NewGray(image.Rect(0, 0, tw, th))
		mean(g.Pix, g.Stride, 1, w, h, out.Pix, out.Stride, tw, th)
		return out
	}
	n := p.(*image.NRGBA) // all others that curated.Pictures makes
	out := image.NewNRGBA(image.Rect(0, 0, tw, th))
	mean(n.Pix, n.Stride, 4, w, h, out.Pix, out.Stride, tw, th)
	return out
}

func mean(from []uint8, stride, channels, w, h int, to []uint8, toStride, tw, th int) {
	for y := range th {
		y0, y1 := y*h/th, max((y+1)*h/th, y*h/th+1)
		for x := range tw {
			x0, x1 := x*w/tw, max((x+1)*w/tw, x*w/tw+1)
			n := (y1 - y0) * (x1 - x0)
			for c := range channels {
				sum := n / 2
				for yy := y0; yy < y1; yy++ {
					for xx := x0; xx < x1; xx++ {
						sum += int(from[yy*stride+xx*channels+c])
					}
				}
				to[y*toStride+x*channels+c] = uint8(sum / n)
			}
		}
	}
}

func signal(d *curated.Dataset, m document.Media, e *report.Exhibit) error {
	a, err := d.Array(m)
	if err != nil {
		return err
	}
	if len(a.Shape) != 2 || a.DType != "float32" {
		e.Note = fmt.Sprintf("%s of shape %v is no recording", a.DType, a.Shape)
		return nil
	}
	channels, n := a.Shape[0], a.Shape[1]
	data := a.Float32()
	take := n
	if m.SamplingRate > 0 && float64(n) > maxSeconds*m.SamplingRate {
		take = int(maxSeconds * m.SamplingRate)
		e.Note = fmt.Sprintf("the first %d s of %s s", maxSeconds, strconv.FormatFloat(math.Round(float64(n)/m.SamplingRate*10)/10, 'f', -1, 64))
	}
	if channels > maxChannels {
		e.Note = fmt.Sprintf("the first %d of %d channels", maxChannels, channels)
	}
	if m.SamplingRate > 0 {
		e.Seconds = float64(take) / m.SamplingRate
	}
	for c := range min(channels, maxChannels) {
		name := strconv.Itoa(c + 1)
		if len(d.Info.Features) == channels {
			name = d.Info.Features[c]
		}
		e.Waves = append(e.Waves, report.Wave{Name: name, Values: data[c*n : c*n+take]})
	}
	return nil
}

// network draws a graph, and of one with weighted edges that has many only the strongest.
func network(d *curated.Dataset, s document.Sample, nodes document.Media, e *report.Exhibit) error {
	edges, weights := ofType(s, curated.Edges), ofType(s, curated.Weights)
	switch {
	case edges == nil || len(edges.Shape) != 2 || edges.Shape[1] != 2:
		e.Note = "a graph without a list of edges"
		return nil
	case nodes.Shape[0] > maxNodes || edges.Shape[0] > maxEdges && weights == nil || edges.Shape[0] > maxWeighted:
		e.Note = fmt.Sprintf("a graph of %d nodes and %d edges, which is too large to draw", nodes.Shape[0], edges.Shape[0])
		return nil
	}
	a, err := d.Array(*edges)
	if err != nil {
		return err
	}
	flat := a.Int32()
	n := report.Network{Nodes: max(nodes.Shape[0], 0)}
	for i := 0; i+1 < len(flat); i += 2 {
		n.Edges = append(n.Edges, [2]int{int(flat[i]), int(flat[i+1])})
	}
	if len(n.Edges) > maxEdges {
		if n.Edges, err = strongest(d, n.Edges, *weights); err != nil {
			return err
		}
		e.Note = fmt.Sprintf("the %d strongest of %d edges", len(n.Edges), edges.Shape[0])
	}
	e.Network = &n
	return nil
}

// ofType is the first array of a type.
func ofType(s document.Sample, kind string) *document.Media {
	for i := range s.Media {
		if s.Media[i].Type == kind {
			return &s.Media[i]
		}
	}
	return nil
}

// strongest are the edges of the greatest weights, whatever their sign; of two alike the one that comes first.
func strongest(d *curated.Dataset, edges [][2]int, weights document.Media) ([][2]int, error) {
	a, err := d.Array(weights)
	if err != nil {
		return nil, err
	}
	w := a.Float32()
	if len(w) != len(edges) {
		return nil, fmt.Errorf("%s has %d weights of %d edges", weights.Path, len(w), len(edges))
	}
	order := make([]int, len(edges))
	for i := range order {
		order[i] = i
	}
	size := func(i int) float64 { return math.Abs(float64(w[i])) }
	slices.SortStableFunc(order, func(i, k int) int { return cmp.Compare(size(k), size(i)) })
	var out [][2]int
	for _, i := range order[:strong] {
		out = append(out, edges[i])
	}
	return out, nil
}

func values(d *curated.Dataset, m document.Media, e *report.Exhibit) error {
	a, err := d.Array(m)
	if err != nil {
		return err
	}
	all := a.Float32()
	for i, v := range all[:min(len(all), maxValues)] {
		name := strconv.Itoa(i + 1)
		if len(d.Info.Features) == len(all) {
			name = d.Info.Features[i]
		}
		text := "missing"
		if !math.IsNaN(float64(v)) {
			text = strconv.FormatFloat(float64(v), 'g', 5, 32)
		}
		e.Values = append(e.Values, report.Value{Name: name, Value: text})
	}
	if more := len(all) - maxValues; more == 1 {
		e.Note = "and one value more"
	} else if more > 1 {
		e.Note = fmt.Sprintf("and %d values more", more)
	}
	return nil
}

func shortened(text string) string {
	letters := []rune(text)
	if len(letters) <= maxLetters {
		return text
	}
	return string(letters[:maxLetters]) + "…"
}
