package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-bench/cairn/manifests/document"
)

// Sizes of one small training curve.
const (
	curveWidth  = 220.0
	curveHeight = 120.0
	curveLeft   = 34.0
	curveRight  = 212.0
	curveTop    = 10.0
	curveBottom = 100.0
)

// curve is the loss of one model on one dataset, epoch by epoch.
type curve struct {
	ID, Title, Desc string
	Name, Dataset   string
	Width, Height   float64
	Left, Right     float64
	Top, Bottom     float64
	Max             string // label at the top; the bottom is 0
	First, Last     int    // epochs
	Train, Valid    string // points of a polyline
	TrainEnd        point  // the last point, so that a single epoch is seen too
	ValidEnd        *point
}

type point struct{ X, Y float64 }

// curves draws every model on every dataset it learned from.
func curves(models []Model) []curve {
	var out []curve
	for _, m := range models {
		for _, d := range datasetsOf(m.Curve) {
			if c, ok := newCurve(len(out), m.ID, d, m.Curve.Points); ok {
				out = append(out, c)
			}
		}
	}
	return out
}

func datasetsOf(c document.Curve) []string {
	var out []string
	for _, p := range c.Points {
		if !slices.Contains(out, p.Dataset) {
			out = append(out, p.Dataset)
		}
	}
	return out
}

func newCurve(i int, model, dataset string, all []document.CurvePoint) (curve, bool) {
	points := drawable(dataset, all)
	if len(points) == 0 {
		return curve{}, false
	}
	first, last := points[0], points[len(points)-1]
	c := curve{ID: fmt.Sprintf("curve-%d", i), Name: model, Dataset: dataset, First: first.Epoch, Last: last.Epoch,
		Width: curveWidth, Height: curveHeight, Left: curveLeft, Right: curveRight, Top: curveTop, Bottom: curveBottom}
	c.Title = fmt.Sprintf("Loss of %s on %s", model, dataset)
	c.Desc = fmt.Sprintf("Training loss goes from %s to %s over epochs %d to %d.", decimals(first.TrainLoss, 3), decimals(last.TrainLoss, 3), c.First, c.Last)
	if last.Validation != nil {
		c.Desc += " Validation loss ends at " + number(last.Validation) + "."
	}
	c.draw(points)
	return c, true
}

// drawable are the finite points of one dataset, by epoch.
func drawable(dataset string, all []document.CurvePoint) []document.CurvePoint {
	var out []document.CurvePoint
	for _, p := range all {
		if p.Dataset != dataset || !finite(p.TrainLoss) {
			continue
		}
		if p.Validation != nil && !finite(*p.Validation) {
			p.Validation = nil
		}
		out = append(out, p)
	}
	slices.SortStableFunc(out, func(a, b document.CurvePoint) int { return a.Epoch - b.Epoch })
	return out
}

func (c *curve) draw(points []document.CurvePoint) {
	top := ceiling(points)
	c.Max = strconv.FormatFloat(top, 'g', 3, 64)
	across := scale{from: float64(c.First), to: float64(max(c.Last, c.First+1)), left: c.Left, right: c.Right}
	up := scale{from: 0, to: top, left: c.Bottom, right: c.Top}
	var train, valid []string
	for _, p := range points {
		c.TrainEnd = point{across.at(float64(p.Epoch)), up.at(p.TrainLoss)}
		train = append(train, c.TrainEnd.String())
		if p.Validation != nil {
			c.ValidEnd = &point{across.at(float64(p.Epoch)), up.at(*p.Validation)}
			valid = append(valid, c.ValidEnd.String())
		}
	}
	c.Train, c.Valid = strings.Join(train, " "), strings.Join(valid, " ")
}

func (p point) String() string {
	return strconv.FormatFloat(p.X, 'f', -1, 64) + "," + strconv.FormatFloat(p.Y, 'f', -1, 64)
}

// ceiling is the highest loss, rounded up to two digits.
func ceiling(points []document.CurvePoint) float64 {
	top := 0.0
	for _, p := range points {
		top = max(top, p.TrainLoss)
		if p.Validation != nil {
			top = max(top, *p.Validation)
		}
	}
	if top < 1e-9 {
		return 1
	}
	unit := 1.0
	for ; top/unit >= 100; unit *= 10 {
	}
	for ; top/unit < 10; unit /= 10 {
	}
	return math.Ceil(top/unit) * unit
}
