package raster

import (
	"fmt"
	"math"
)

// Window is a range of values that becomes grey, from black to white.
type Window struct {
	Level float64 `json:"level" jsonschema:"value that becomes middle grey"`
	Width float64 `json:"width" jsonschema:"range from black to white, above 0"`
}

// Between is the window from the one value, which is black, to the other.
func Between(black, white float64) Window {
	return Window{Level: float64((black + white) / 2), Width: white - black}
}

// Grey maps a value to a byte, rounded half up. What is no number is black.
func (w Window) Grey(v float64) byte {
	x := (v - (w.Level - float64(w.Width/2))) / w.Width
	switch {
	case !(x > 0):
		return 0
	case x >= 1:
		return 255
	}
	return byte(float64(x*255) + 0.5)
}

// CheckWindows says what is wrong with the windows of a plugin's parameters, if anything is: there are none, one, or three for the colours.
func CheckWindows(windows []Window) error {
	if len(windows) > 1 && len(windows) != 3 {
		return fmt.Errorf("windows: %d, want none, 1 or 3", len(windows))
	}
	const most = 1e9
	for i, w := range windows {
		if !(w.Width > 0 && w.Width <= most && math.Abs(w.Level) <= most) {
			return fmt.Errorf("windows[%d]: level %v, width %v: want a width above 0 and both at most %v", i, w.Level, w.Width, most)
		}
	}
	return nil
}
