package credentials

import (
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/zalando/go-keyring"
)

// service is under which name credentials of Cairn are kept in a keychain.
const service = "cairn"

const (
	memory   = 5 * time.Second // for which an answer holds: a run that waits asks every second, and one that fetches for each request
	patience = 2 * time.Second // with a keychain that wants to be unlocked first
)

// keychain asks a keychain for one credential at a time. One that does not answer, such as while it asks its owner for a
// password, is not asked again before it has.
type keychain struct {
	ask func(name string) (string, error)

	mu     sync.Mutex
	known  map[string]answer
	asking chan struct{} // is closed when the keychain has answered; nil if it has not been asked
	late   bool          // it was not waited for any longer
}

type answer struct {
	value string // "" if there is none
	at    time.Time
}

var errSilent = errors.New("the keychain does not answer; it may ask on another screen to be unlocked")

// systemKeychain is that of the system: the one of macOS, elsewhere the Secret Service of the session, and nil where there
// is no session. To look for one would start one.
func systemKeychain(lookup func(string) (string, bool)) *keychain {
	if bus, _ := lookup("DBUS_SESSION_BUS_ADDRESS"); runtime.GOOS != "darwin" && (bus == "" || bus == "autolaunch:") {
		return nil
	}
	return &keychain{ask: func(name string) (string, error) { return keyring.Get(service, name) }}
}

// get returns a credential, "" if it is not there.
func (k *keychain) get(name string) (string, error) {
	for {
		value, asking, err := k.begin(name)
		if asking == nil {
			return value, err
		}
		select {
		case <-asking:
		case <-time.After(patience):
			k.mu.Lock()
			k.late = k.asking == asking
			k.mu.Unlock()
		}
	}
}

// begin returns what is known, or else what to wait for.
func (k *keychain) begin(name string) (string, chan struct{}, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if a, ok := k.known[name]; ok && time.Since(a.at) < memory {
		return a.value, nil, nil
	}
	if k.late {
		return "", nil, errSilent
	}
	if k.asking == nil {
		k.asking = make(chan struct{})
		go k.fetch(name)
	}
	return "", k.asking, nil
}

// fetch asks the keychain. Whatever goes wrong, the credential is not there: most machines have no keychain, and say so by
// an error.
func (k *keychain) fetch(name string) {
	var value string
	defer func() {
		if recover() != nil { // over an answer of another type than it should have
			value = ""
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.known == nil {
			k.known = map[string]answer{}
		}
		k.known[name] = answer{value, time.Now()}
		close(k.asking)
		k.asking, k.late = nil, false
	}()
	if v, err := k.ask(name); err == nil {
		value = v
	}
}
