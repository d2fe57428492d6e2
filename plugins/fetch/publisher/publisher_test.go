package publisher_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
)

var data = []byte(strings.Repeat("0123456789", 1000))

// file serves data at any path.
var file = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { publisher.Content(w, r, `"v1"`, data) })

// reply is an answer whose body was read.
type reply struct {
	StatusCode int
	Header     http.Header
	Request    *http.Request
}

// get returns what comes of an answer, and the error that ended it.
func get(t *testing.T, c *http.Client, url string, header ...string) (reply, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, strings.NewReader("question"))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return answerTo(c, req)
}

// echo says how it was asked.
func echo(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, name, " ", r.Host, " ", r.TLS != nil, " ", r.URL, " ", r.RequestURI)
	})
}

func hosts() publisher.Hosts {
	return publisher.Hosts{
		"a.org": echo("A"), "http://a.org": echo("plain"), "*.b.org": echo("B"), "x.b.org": echo("X"),
		"away.org": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://"+r.URL.Query().Get("to")+"/there", http.StatusFound)
		}),
	}
}

func TestHosts(t *testing.T) {
	box := hosts().Open(t)
	address := box.Serve(t)
	for _, client := range []*http.Client{box.Client, publisher.Through(address)} {
		for url, want := range map[string]string{
			"https://a.org/x%2Fy?q=1&r=%20": "A a.org true /x%2Fy?q=1&r=%20 /x%2Fy?q=1&r=%20",
			"https://A.org:443/":            "A a.org true / /",
			"http://a.org/":                 "plain a.org false / /",
			"https://y.b.org/":              "B y.b.org true / /",
			"https://z.y.b.org/":            "B z.y.b.org true / /",
			"https://x.b.org/":              "X x.b.org true / /",
			"https://away.org/?to=a.org":    "A a.org true /there /there",
		} {
			if resp, got, err := get(t, client, url); err != nil || got != want || resp.Request.URL.Scheme != strings.Split(url, ":")[0] {
				t.Errorf("%s: %q, %v; want %q", url, got, err, want)
			}
		}
		for _, url := range []string{"https://c.org/", "http://x.b.org/", "https://b.org/", "https://away.org/?to=c.org"} {
			if _, got, err := get(t, client, url); !isAbsent(err) {
				t.Errorf("%s: %q, %v; want no such host", url, got, err)
			}
		}
	}
}

func isAbsent(err error) bool {
	var absent *net.DNSError
	return errors.As(err, &absent) && absent.IsNotFound
}

func TestRequestsAreNoted(t *testing.T) {
	box := hosts().Open(t)
	if _, _, err := get(t, box.Client, "https://away.org/?to=a.org", "Authorization", "Basic x"); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range box.Requests() {
		got = append(got, fmt.Sprintf("%s %d %d %s%s", r, r.Status, r.Bytes, r.Header.Get("Authorization"), r.Body))
	}
	want := []string{
		"GET https://away.org/?to=a.org 302 42 Basic xquestion",
		"GET https://a.org/there 200 26 ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestSent: a fault that changes a request does not change what was signed.
func TestSent(t *testing.T) {
	client := publisher.Hosts{"a.org": publisher.Faulty(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header.Get("Range"), "|", publisher.Sent(r).Get("Range"))
	}), publisher.IgnoreRange)}.Client(t)
	if _, got, err := get(t, client, "https://a.org/", "Range", "bytes=1-2"); err != nil || got != "|bytes=1-2" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestCount: what the client left lying is not counted.
func TestCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := publisher.Hosts{"a.org": publisher.Faulty(file, publisher.CutAt(3000))}.Open(t)
		if _, got, err := get(t, box.Client, "https://a.org/"); err == nil || len(got) != 3000 {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		synctest.Wait()
		if n, sent := box.Asked(); n != 1 || sent != 3000 || box.AtOnce() != 1 {
			t.Errorf("%d requests, %d bytes, %d at once", n, sent, box.AtOnce())
		}
	})
}

// TestFaultyHosts: one fault for all hosts counts the requests to all of them.
func TestFaultyHosts(t *testing.T) {
	client := hosts().Faulty(publisher.First(2, publisher.Absent)).Client(t)
	for i, url := range []string{"https://a.org/", "https://y.b.org/", "https://a.org/", "https://y.b.org/"} {
		if resp, _, err := get(t, client, url); err != nil || (resp.StatusCode == http.StatusOK) != (i >= 2) {
			t.Errorf("request %d: %v, %v", i, resp, err)
		}
	}
	if _, _, err := get(t, client, "https://c.org/"); !isAbsent(err) {
		t.Error(err)
	}
}

// TestFaults: each fault is what it says.
func TestFaults(t *testing.T) {
	whole := string(data)
	for name, c := range map[string]struct {
		fault  publisher.Fault
		status int
		body   string        // how it begins
		length int           // of what comes of it
		cut    bool          // whether it ends with an error
		header string        // "Name: value"
		took   time.Duration // at least
	}{
		"none":         {publisher.None, 206, whole[100:110], 9900, false, `ETag: "v1"`, 0},
		"cut":          {publisher.CutAt(10), 206, whole[100:110], 10, true, "Content-Length: 9900", 0},
		"slow":         {publisher.Slow(1000, time.Minute), 206, whole[100:110], 9900, false, "", 10 * time.Minute},
		"busy":         {publisher.Busy(7), 429, "", 0, false, "Retry-After: 7", 0},
		"unavailable":  {publisher.Unavailable, 503, "", 0, false, "", 0},
		"forbidden":    {publisher.Forbidden, 403, "", 0, false, "", 0},
		"expired":      {publisher.Expired, 401, "", 0, false, "", 0},
		"no parts":     {publisher.NoParts, 416, "", 0, false, "", 0},
		"ignore range": {publisher.IgnoreRange, 200, whole[:10], 10000, false, "Content-Length: 10000", 0},
		"wrong range":  {publisher.WrongRange, 206, whole[5:10], 5, false, "Content-Range: bytes 5-9/10000", 0},
		"changed":      {publisher.Changed, 206, string([]byte{^whole[100], ^whole[101]}), 9900, false, `ETag: "changed"`, 0},
		"flipped":      {publisher.FlipAt(1), 206, whole[100:101] + "0" + whole[102:110], 9900, false, `ETag: "v1"`, 0},
		"compressed":   {publisher.Compressed, 200, "\x1f\x8b", -1, false, "Content-Encoding: gzip", 0},
		"unending":     {publisher.Unending, 200, whole[:10], 10000, false, "Content-Length: ", 0},
		"chunked":      {publisher.Chunked, 206, whole[100:110], 9900, false, "Content-Length: ", 0},
		"page":         {publisher.Page, 200, "<!DOCTYPE html>", len(publisher.LoginPage), false, "Content-Type: text/html; charset=utf-8", 0},
		"to login":     {publisher.ToLogin, 200, "<!DOCTYPE html>", len(publisher.LoginPage), false, "", 0},
		"retag":        {publisher.Retag(`"v2"`), 206, whole[100:110], 9900, false, `ETag: "v2"`, 0},
		"untag":        {publisher.Retag(""), 206, whole[100:110], 9900, false, "ETag: ", 0},
		"two":          {publisher.Both(publisher.CutAt(10), publisher.FlipAt(0)), 206, "1" + whole[101:110], 10, true, "", 0},
		"first":        {publisher.First(1, publisher.Page), 200, "<!DOCTYPE html>", -1, false, "", 0},
		"after":        {publisher.After(1, publisher.Page), 206, whole[100:110], 9900, false, "", 0},
		"for":          {publisher.For(func(r *http.Request) bool { return r.URL.Path == "/other" }, publisher.Page), 206, whole[100:110], 9900, false, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				client := publisher.Hosts{"a.org": publisher.Faulty(file, c.fault)}.Client(t)
				resp, body, err := get(t, client, "https://a.org/file", "Range", "bytes=100-", "Accept-Encoding", "identity")
				if name != "first" && name != "after" { // a fault is the same for every answer
					resp, body, err = get(t, client, "https://a.org/file", "Range", "bytes=100-", "Accept-Encoding", "identity")
				}
				if resp.Request == nil || (err != nil) != c.cut {
					t.Fatalf("error %v", err)
				}
				if resp.StatusCode != c.status || !strings.HasPrefix(body, c.body) || c.length >= 0 && len(body) != c.length {
					t.Errorf("status %d, %d bytes %.20q", resp.StatusCode, len(body), body)
				}
				if name, value, ok := strings.Cut(c.header, ": "); ok && resp.Header.Get(name) != value {
					t.Errorf("%s is %q, want %q", name, resp.Header.Get(name), value)
				}
				if took := time.Since(start); took < c.took {
					t.Errorf("took %s", took)
				}
			})
		})
	}
}

// TestNoAnswer: some faults leave nothing to read.
func TestNoAnswer(t *testing.T) {
	for name, f := range map[string]publisher.Fault{"hang up": publisher.Hangup, "silent": publisher.Silent, "to itself": publisher.ToItself, "stall": publisher.StallAt(10)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := publisher.Hosts{"a.org": publisher.Faulty(file, f)}.Client(t)
				client.Timeout = time.Hour
				if resp, body, err := get(t, client, "https://a.org/file"); err == nil || len(body) > 10 {
					t.Errorf("%v, %q", resp, body)
				}
			})
		})
	}
}

// TestScripts: a fault can depend on how often was asked.
func TestScripts(t *testing.T) {
	client := publisher.Hosts{"a.org": publisher.Faulty(file, publisher.After(3, publisher.Absent), publisher.Then(publisher.Unavailable, nil, publisher.Busy(1)))}.Client(t)
	var got []int
	for range 4 {
		resp, _, err := get(t, client, "https://a.org/file")
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, resp.StatusCode)
	}
	if diff := cmp.Diff([]int{503, 200, 429, 404}, got); diff != "" {
		t.Error(diff)
	}
}
