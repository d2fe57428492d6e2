package raster

// Put writes the x-th pixel of a row, of colours from 0 to 255; grey weighs the colours as ITU-R BT.601 says, in 16-bit fractions.
func Put(row []byte, x, channels int, r, g, b uint32) {
	if channels == 1 {
		row[x] = byte((19595*r + 38470*g + 7471*b + 1<<15) >> 16)
		return
	}
	row[3*x], row[3*x+1], row[3*x+2] = byte(r), byte(g), byte(b)
}
