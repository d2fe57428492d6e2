package publisher

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"regexp"
	"sync/atomic"
)

// signature stands for what a publisher's storage wants in the query of a signed address.
func signature(at string) string {
	mac := hmac.New(sha256.New, []byte("a publisher in a box"))
	mac.Write([]byte(at))
	return hex.EncodeToString(mac.Sum(nil))
}

// storageError is an error of Google's and Amazon's storage.
func storageError(w http.ResponseWriter, code int, name string) {
	w.Header().Set("Content-Type", "application/xml; charset=UTF-8")
	w.WriteHeader(code)
	fmt.Fprintf(w, "<?xml version='1.0' encoding='UTF-8'?><Error><Code>%s</Code><Message>%s</Message></Error>", name, name)
}

var commitName = regexp.MustCompile(`^[0-9a-f]{40}$`)

func isCommit(s string) bool { return commitName.MatchString(s) }

// counter numbers requests from 1.
type counter struct{ n atomic.Int64 }

func (c *counter) next() int { return int(c.n.Add(1)) }
