package host

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/cairn-bench/cairn/plugins"
)

// FuzzParseEvent: what is accepted is an event that can be written, and is read again as the same.
func FuzzParseEvent(f *testing.F) {
	for _, seed := range []string{
		`{"event":"progress","done":3,"total":10,"unit":"steps","note":"loss 0.41"}`, `{"event":"log","message":"x"}`, `{"event":"checkpoint","step":3,"path":"a"}`,
		`{"event":"resumed","step":3}`, `{"event":"file","path":"a/b","size":0,"digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}`,
		`{"event":"result","source":{"url":"https://x"},"task":{"type":"multiclass","classes":["a"]},"features":["f"]}`,
		`{"event":"error","code":"transient","message":"m","retryAfter":1.5,"fault":"busy"}`, `{"event":"checkpoint","step":1,"path":"../x"}`, `{"event":"progress","done":1e3}`, `{"event":"result","source":{}}`, `[1]`, `{}`, "\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := ParseEvent(line)
		if err != nil {
			if len(err.Error()) > 1000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		var once bytes.Buffer
		if err := WriteEvent(&once, e); err != nil {
			t.Fatalf("%q is accepted as %+v, which cannot be written: %v", line, e, err)
		}
		if strings.Count(once.String(), "\n") != 1 {
			t.Fatalf("%q has several lines", once.String())
		}
		again, err := ParseEvent(bytes.TrimSuffix(once.Bytes(), []byte("\n")))
		if err == nil && cmp.Equal(e, again, cmpopts.EquateEmpty()) {
			return
		}
		if once.Len() <= MaxLine { // escaping can make a line longer
			t.Errorf("%q is read as %+v, written as %q and read again as %+v, %v", line, e, once.String(), again, err)
		}
	})
}

func TestEventPaths(t *testing.T) {
	for _, path := range []string{"", ".", "..", "../a", "/a", "a/../b", "a//b", "a/", `a\b`, "a\x00"} {
		if (&File{Path: path}).check() == nil {
			t.Errorf("%q is taken for a path", path)
		}
	}
	if (&Checkpoint{Step: 1, Path: "a/b"}).check() == nil {
		t.Error("a checkpoint in another folder is taken")
	}
}

// TestSay: an error of a plugin of this program arrives as what it was.
func TestSay(t *testing.T) {
	fault := &plugins.Fault{Code: plugins.FaultCut, Err: strange{}, Again: true, After: 5e9}
	got := told(say(fault), "")
	if got.Error() != fault.Error() || !plugins.IsTransient(got) || plugins.FaultCode(got) != plugins.FaultCut {
		t.Errorf("%v became %v", fault, got)
	}
	long := told(say(strange{strings.Repeat("ä", 10000)}), "")
	if n := len(long.Error()); n > maxText+10 {
		t.Errorf("an error of %d bytes", n)
	}
}

type strange struct{ text string }

func (s strange) Error() string { return "strange " + s.text }
