package web

import "testing"

func FuzzRange(f *testing.F) {
	f.Add("bytes 100-199/200")
	f.Add("bytes 0-0/1")
	f.Add("bytes */200")
	f.Add("bytes 5-9/*")
	f.Add("bytes 9-5/10")
	f.Add("bytes 0-9223372036854775807/9223372036854775807")
	f.Fuzz(func(t *testing.T, v string) {
		r, ok := parseRange(v)
		if ok && (r.from < 0 || r.from >= r.to || r.to > r.size) {
			t.Errorf("%q is %+v", v, r)
		}
	})
}
