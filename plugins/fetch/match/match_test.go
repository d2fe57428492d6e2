package match

import "testing"

func TestKeep(t *testing.T) {
	for _, c := range []struct {
		include, exclude []string
		path             string
		want             bool
	}{
		{nil, nil, "a/b", true},
		{[]string{"*.hea"}, nil, "a.hea", true},
		{[]string{"*.hea"}, nil, "x/a.hea", false},
		{[]string{"**/*.hea"}, nil, "a.hea", true},
		{[]string{"**/*.hea"}, nil, "x/y/a.hea", true},
		{[]string{"train/**"}, nil, "train/NORMAL/a.jpeg", true},
		{[]string{"train/**"}, nil, "test/a.jpeg", false},
		{[]string{"a/**/b/**/c"}, nil, "a/x/b/b/y/c", true},
		{[]string{"a/**/b/**/c"}, nil, "a/x/c", false},
		{nil, []string{"**/.DS_Store"}, "x/.DS_Store", false},
		{[]string{"**"}, []string{"x/*"}, "x/y/z", true},
		{[]string{"image([0-9]).jpg"}, nil, "image(2).jpg", true},
	} {
		if got := (Filter{c.include, c.exclude}).Keep(c.path); got != c.want {
			t.Errorf("include %q exclude %q: %s is %v, want %v", c.include, c.exclude, c.path, got, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	for pattern, want := range map[string]bool{"**/*.hea": true, "a[": false, "a//b": false, "": false, "/a": false} {
		if got := (Filter{Include: []string{pattern}}).Check() == nil; got != want {
			t.Errorf("%q: valid is %v, want %v", pattern, got, want)
		}
	}
}

func FuzzKeep(f *testing.F) {
	f.Add("**/a*/**/b", "x/ab/y/b")
	f.Add("[", "x")
	f.Fuzz(func(t *testing.T, pattern, path string) {
		if !(Filter{Include: []string{"**", pattern}}).Keep(path) {
			t.Errorf("** does not keep %q", path)
		}
	})
}
