package canonical

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/gowebpki/jcs"
)

var plainTexts = []struct {
	text string
	ok   bool
}{
	{`{"b":1,"a":{"d":[1,-2,true,null],"c":"x"}}`, true},
	{`{"b":"é","a!":1,"a":2,"a b":3,"A":[]}`, true},
	{`[]`, true}, {`{}`, true}, {`"x"`, true}, {`[{},[[]]]`, true}, {`0`, true},
	{`{"é":1}`, false}, {`"\u003c"`, false}, {`{"a":1,"a":2}`, false}, {`1.5`, false}, {`1e2`, false}, {`-0`, false},
	{`1234567890123456`, false}, {`{"a": 1}`, false}, {`[1,]`, false}, {`{"a":1,}`, false}, {`[1`, false}, {`01`, false}, {`nul`, false}, {``, false}, {`{} `, false}, {"\"\xff\"", false},
}

func TestPlain(t *testing.T) {
	for _, c := range plainTexts {
		got, ok := plain([]byte(c.text))
		if ok != c.ok {
			t.Errorf("%s: %v, want %v", c.text, ok, c.ok)
		}
		if want, err := jcs.Transform([]byte(c.text)); ok && (err != nil || !bytes.Equal(got, want)) {
			t.Errorf("%s: %s, want %s, %v", c.text, got, want, err)
		}
	}
}

// FuzzPlain: what it gives of a valid text is what jcs gives.
func FuzzPlain(f *testing.F) {
	for _, c := range plainTexts {
		f.Add([]byte(c.text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, ok := plain(text)
		if !ok || !json.Valid(text) {
			return
		}
		if want, err := jcs.Transform(text); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %s, want %s, %v", text, got, want, err)
		}
	})
}
