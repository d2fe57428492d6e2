package credentials

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestKeychain: an answer holds for some seconds, and whatever goes wrong there is none.
func TestKeychain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		has, asked := map[string]string{"HF_TOKEN": "hf_1"}, 0
		k := &keychain{ask: func(name string) (string, error) {
			asked++
			switch name {
			case "WRONG":
				panic("an answer of another type")
			case "HF_TOKEN":
				return has[name], nil
			}
			return "", errors.New("org.freedesktop.secrets was not provided by any .service files")
		}}
		f := &Finder{env: func(string) (string, bool) { return "", false }, keychain: k}
		want := func(name, value string, times int) {
			t.Helper()
			if v, ok := f.Lookup(name); v != value || ok != (value != "") || asked != times || f.Trouble(name) != nil {
				t.Errorf("%s: %q, %t, asked %d times, %v; want %q and %d times", name, v, ok, asked, f.Trouble(name), value, times)
			}
		}
		want("HF_TOKEN", "hf_1", 1)
		want("ZENODO_TOKEN", "", 2)
		want("WRONG", "", 3)
		has["HF_TOKEN"] = "hf_2"
		want("HF_TOKEN", "hf_1", 3)
		want("ZENODO_TOKEN", "", 3)
		time.Sleep(memory)
		want("HF_TOKEN", "hf_2", 4)
		if found, err := f.Find("HF_TOKEN"); found.Where != inKeychain || err != nil {
			t.Errorf("%+v, %v", found, err)
		}
	})
}

// TestLockedKeychain: one that asks its owner for a password holds nobody up for long, is not asked a second time meanwhile,
// and is found open when it is.
func TestLockedKeychain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		unlocked := make(chan struct{})
		var mu sync.Mutex
		asked := 0
		k := &keychain{ask: func(name string) (string, error) {
			mu.Lock()
			asked++
			mu.Unlock()
			<-unlocked
			return "secret of " + name, nil
		}}
		began := time.Now()
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				if v, err := k.get("A"); v != "" || !errors.Is(err, errSilent) {
					t.Errorf("%q, %v", v, err)
				}
			})
		}
		all.Wait()
		if _, err := k.get("B"); !errors.Is(err, errSilent) || time.Since(began) != patience || asked != 1 {
			t.Errorf("%v, after %v, asked %d times", err, time.Since(began), asked)
		}
		close(unlocked)
		synctest.Wait()
		for _, name := range []string{"A", "B"} {
			if v, err := k.get(name); v != "secret of "+name || err != nil {
				t.Errorf("%q, %v", v, err)
			}
		}
		if asked != 2 {
			t.Errorf("asked %d times", asked)
		}
	})
}

// TestNoSession: where no session has a keychain, none is looked for.
func TestNoSession(t *testing.T) {
	for _, bus := range []string{"", "autolaunch:"} {
		if k := systemKeychain(func(string) (string, bool) { return bus, true }); k != nil {
			t.Errorf("%q: there is one", bus)
		}
	}
}
