package jpeg

import "github.com/cairn-bench/cairn/plugins/curate/raster"

// colours are what the components of a file mean.
type colours int

const (
	grey colours = iota
	yCbCr
	rgb
	cmyk
	ycck
)

// luma says that the first component is the grey of the picture.
func (c colours) luma() bool { return c == grey || c == yCbCr }

// model finds the colours as libjpeg does: by JFIF's and Adobe's markers, else by the names of the components.
func (d *decoder) model() colours {
	named := func(names string) bool {
		for i, c := range d.comps {
			if c.id != names[i] {
				return false
			}
		}
		return true
	}
	switch {
	case len(d.comps) == 1:
		return grey
	case len(d.comps) == 4 && d.adobe && d.transfer != 0:
		return ycck
	case len(d.comps) == 4:
		return cmyk
	case d.jfif:
		return yCbCr
	case d.adobe && d.transfer == 0, !d.adobe && named("RGB"):
		return rgb
	}
	return yCbCr
}

// picture brings the planes to one size and the colours to grey or RGB.
func (d *decoder) picture(channels int) raster.Raster {
	if c := &d.comps[0]; channels == 1 && d.colours.luma() && c.size*c.h == d.size*d.hmax && c.size*c.v == d.size*d.vmax {
		return c.grey()
	}
	out := raster.Blank(ceil(d.w*d.size, 8), ceil(d.h*d.size, 8), channels)
	rows := make([][]byte, len(d.comps))
	buffers := make([][]byte, len(d.comps))
	for y := range out.H {
		for i := range d.comps {
			if c := &d.comps[i]; c.needed {
				rows[i] = d.upsample(c, y, &buffers[i])[:out.W]
			}
		}
		d.convert(out.Row(y), rows, channels)
	}
	return out
}

// grey is the plane of a component, without what fills its last blocks.
func (c *component) grey() raster.Raster {
	for y := range c.rows {
		if c.w < c.stride {
			copy(c.plane[y*c.w:], c.row(y))
		}
	}
	return raster.Raster{W: c.w, H: c.rows, Channels: 1, Pix: c.plane[: c.w*c.rows : c.w*c.rows]}
}

// upsample is row y of a component in the size of the picture. The filters are libjpeg's.
func (d *decoder) upsample(c *component, y int, buffer *[]byte) []byte {
	across, down := d.hmax*d.size/(c.h*c.size), d.vmax*d.size/(c.v*c.size)
	row := c.row(y / down)
	if across == 1 && down == 1 {
		return row
	}
	if *buffer == nil {
		*buffer = make([]byte, c.w*across)
	}
	out := *buffer
	smooth := d.size > 1
	switch other := c.row(y/down + y%down*2 - 1); { // of two rows the next nearest
	case across == 1 && down == 2 && smooth:
		smoothColumns(out, row, other, y%down)
	case across == 2 && down == 1 && smooth && c.w > 2:
		smoothRow(out, row)
	case across == 2 && down == 2 && smooth && c.w > 2:
		smoothBoth(out, row, other)
	default:
		for x, v := range row {
			for i := range across {
				out[x*across+i] = v
			}
		}
	}
	return out
}

// row is a row of pixels; beyond the first and the last those come again.
func (c *component) row(y int) []byte {
	y = min(max(y, 0), c.rows-1)
	return c.plane[y*c.stride:][:c.w]
}

// smoothColumns lies a quarter of a row from row towards other. Halves are rounded down in even rows and up in odd ones.
func smoothColumns(out, row, other []byte, odd int) {
	for x, v := range row {
		out[x] = byte((3*int(v) + int(other[x]) + 1 + odd) >> 2)
	}
}

// smoothRow doubles a row: a pixel is 3/4 of the nearer and 1/4 of the next nearest.
func smoothRow(out, row []byte) {
	before := int(row[0])
	for x, v := range row {
		this, after := int(v), int(row[min(x+1, len(row)-1)])
		out[2*x], out[2*x+1] = byte((3*this+before+1)>>2), byte((3*this+after+2)>>2)
		before = this
	}
}

// smoothBoth doubles a row that lies a quarter from row towards other.
func smoothBoth(out, row, other []byte) {
	last := len(row) - 1
	other = other[:len(row)]
	this := 3*int(row[0]) + int(other[0])
	before := this
	for x, v := range row[1:] {
		after := 3*int(v) + int(other[x+1])
		to := (*[2]byte)(out[2*x:])
		to[0], to[1] = byte((3*this+before+8)>>4), byte((3*this+after+7)>>4)
		before, this = this, after
	}
	out[2*last], out[2*last+1] = byte((3*this+before+8)>>4), byte((4*this+7)>>4)
}

// convert makes a row of the picture.
func (d *decoder) convert(out []byte, rows [][]byte, channels int) {
	switch {
	case d.colours.luma() && channels == 1:
		copy(out, rows[0])
		return
	case d.colours == grey:
		for x, v := range rows[0] {
			out[3*x], out[3*x+1], out[3*x+2] = v, v, v
		}
		return
	case d.colours == yCbCr:
		toRGB(out, rows[0], rows[1], rows[2])
		return
	}
	for x := range rows[0] {
		c := [4]byte{rows[0][x], rows[1][x], rows[2][x]}
		if len(rows) == 4 {
			c[3] = rows[3][x]
		}
		r, g, b := d.colours.rgb(c)
		if channels == 3 {
			out[3*x], out[3*x+1], out[3*x+2] = r, g, b
		} else {
			out[x] = byte((19595*uint32(r) + 38470*uint32(g) + 7471*uint32(b) + 1<<15) >> 16)
		}
	}
}

// rgb converts one pixel of RGB, CMYK or YCCK.
func (c colours) rgb(p [4]byte) (r, g, b byte) {
	switch c {
	case rgb:
		return p[0], p[1], p[2]
	case cmyk:
		return inked(p[0], p[3]), inked(p[1], p[3]), inked(p[2], p[3])
	}
	toRGB(p[:3], p[:1], p[1:2], p[2:3])
	return inked(255-p[0], p[3]), inked(255-p[1], p[3]), inked(255-p[2], p[3])
}

// inked is what is left of the white k, less the share of it that an ink takes. Both are stored inverted.
func inked(ink, k byte) byte {
	v := (255-int(ink))*int(k) + 128
	return byte(max(0, int(k)-(v>>8+v)>>8))
}

// toRGB converts YCbCr of the full range to RGB as JFIF says, in fractions of 16 bits with the roundings of libjpeg.
// A single pixel may be converted in place.
func toRGB(out, luma, cb, cr []byte) {
	const half = 1 << 15
	cb, cr = cb[:len(luma)], cr[:len(luma)]
	for x, y := range luma {
		l, u, v := int32(y)-128, int32(cb[x])-128, int32(cr[x])-128
		to := (*[3]byte)(out[3*x:])
		to[0] = clamp(l + (91881*v+half)>>16)
		to[1] = clamp(l + (half-22554*u-46802*v)>>16)
		to[2] = clamp(l + (116130*u+half)>>16)
	}
}
