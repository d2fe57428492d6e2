package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/cairn-bench/cairn/plugins"
)

// Ask is a question to a publisher's API.
type Ask struct {
	URL    string
	Accept string // media type wanted, "" for any
	Post   any    // what to send as JSON; nil asks with GET
	Type   string // media type of what is sent; "" is application/json
	Most   int64  // bytes of the answer that are read; 0 means 64 MiB
	Head   bool   // asks for the headers of the answer only
	Page   bool   // a web page is what is wanted
}

const defaultMost = 64 << 20

func (a Ask) request(ctx context.Context) (*http.Request, error) {
	method, body := http.MethodGet, io.Reader(nil)
	if a.Head {
		method = http.MethodHead
	}
	if a.Post != nil {
		text, err := json.Marshal(a.Post)
		if err != nil {
			return nil, fmt.Errorf("post %s: %w", plugins.PublicRef(a.URL), err)
		}
		method, body = http.MethodPost, bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.URL, body)
	if err != nil {
		return nil, errors.New("url is malformed") // the parser's error quotes it, and it may hold a password
	}
	if a.Accept != "" {
		req.Header.Set("Accept", a.Accept)
	}
	if a.Post != nil {
		req.Header.Set("Content-Type", "application/json")
		if a.Type != "" {
			req.Header.Set("Content-Type", a.Type)
		}
	}
	return req, nil
}

// Get is a whole answer, such as a list, with as many attempts as it takes. It is fetched twice if nothing but the end
// of the connection marks its end: that it was cut would not be missed.
func (c *Client) Get(ctx context.Context, retry plugins.Retry, a Ask) ([]byte, http.Header, error) {
	var text []byte
	var header http.Header
	err := retry.Do(ctx, func(ctx context.Context) (bool, error) {
		var endless bool
		var err error
		if text, header, endless, err = c.whole(ctx, a); err != nil || !endless {
			return false, err
		}
		again, _, _, err := c.whole(ctx, a)
		if err == nil && !bytes.Equal(text, again) {
			err = &plugins.Fault{Code: plugins.FaultNoLength, Err: errors.New("two transfers gave two different lists, and the publisher gives no length"), Again: true}
		}
		return false, err
	})
	return text, header, err
}

func (c *Client) whole(ctx context.Context, a Ask) (text []byte, header http.Header, endless bool, err error) {
	f := plugins.SourceFile{Size: -1, Ref: a.URL}
	opened, header, err := c.open(ctx, a, f, plugins.Part{Length: -1})
	if err != nil {
		return nil, nil, false, err
	}
	defer opened.Body.Close()
	most := a.Most
	if most == 0 {
		most = defaultMost
	}
	if text, err = io.ReadAll(io.LimitReader(opened.Body, most+1)); err != nil {
		return nil, nil, false, err
	}
	if int64(len(text)) > most {
		return nil, nil, false, fmt.Errorf("get %s: longer than %d bytes", plugins.PublicRef(a.URL), most)
	}
	if !a.Page {
		err = plugins.RefusePage(a.URL, text[:min(len(text), 4096)])
	}
	return text, header, opened.Endless && !a.Head, err
}

// JSON reads an answer that is one JSON value into v, and returns the answer's headers. Members that v does not have are
// ignored, as publishers add some.
func (c *Client) JSON(ctx context.Context, retry plugins.Retry, a Ask, v any) (http.Header, error) {
	text, header, err := c.Get(ctx, retry, a)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, v); err != nil {
		return nil, &plugins.Fault{Code: plugins.FaultNotData, Err: fmt.Errorf("get %s: want JSON: %w", plugins.PublicRef(a.URL), err)}
	}
	return header, nil
}
