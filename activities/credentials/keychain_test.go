package credentials

import (
	"errors"
	"sync"
	"sync/atomic"
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
		var asked atomic.Int32
		k := &keychain{ask: func(name string) (string, error) {
			asked.Add(1)
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
		if _, err := k.get("B"); !errors.Is(err, errSilent) || time.Since(began) != patience || asked.Load() != 1 {
			t.Errorf("%v, after %v, asked %d times", err, time.Since(began), asked.Load())
		}
		close(unlocked)
		synctest.Wait()
		for _, name := range []string{"A", "B"} {
			if v, err := k.get(name); v != "secret of "+name || err != nil {
				t.Errorf("%q, %v", v, err)
			}
		}
		if n := asked.Load(); n != 2 {
			t.Errorf("asked %d times", n)
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

// TestNoService: a session that has no keychain is asked in vain, without a word and without a wait.
func TestNoService(t *testing.T) {
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path="+t.TempDir()+"/nobody")
	began := time.Now()
	f := New(func(name string) (string, bool) {
		if name == "DBUS_SESSION_BUS_ADDRESS" {
			return "unix:path=/nobody", true
		}
		return "", false
	})
	if f.keychain == nil {
		t.Fatal("the session is not seen")
	}
	if v, ok := f.Lookup("HF_TOKEN"); ok || f.Trouble("HF_TOKEN") != nil || time.Since(began) > patience/2 {
		t.Errorf("%q, %v, after %v", v, f.Trouble("HF_TOKEN"), time.Since(began))
	}
}
