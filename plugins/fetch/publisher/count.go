package publisher

import (
	"crypto/md5"
	"encoding/hex"
	"net/http"
	"strconv"
	"sync"
	"time"
)

func md5Hex(data []byte) string {
	sum := md5.Sum(data)
	return hex.EncodeToString(sum[:])
}

// window counts requests in windows of a minute.
type window struct {
	mu    sync.Mutex
	begin time.Time
	n     int
}

// enter counts a request and says how many came in this minute, it included, and when the next one begins.
func (c *window) enter() (n int, reset time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.begin) >= time.Minute {
		c.begin, c.n = now, 0
	}
	c.n++
	return c.n, c.begin.Add(time.Minute)
}

// number is a parameter of a query.
func number(r *http.Request, name string, without, least, most int) (int, bool) {
	v := r.URL.Query().Get(name)
	if v == "" {
		return without, true
	}
	n, err := strconv.Atoi(v)
	return n, err == nil && n >= least && n <= most
}
