package jpeg

// Stain leaves in a decoder's planes what no file wrote there.
func (k *Decoder) Stain() {
	for _, p := range k.planes {
		for i := range p[:cap(p)] {
			p[:cap(p)][i] = 0xa5
		}
	}
}
