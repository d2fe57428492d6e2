package sourcetest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing/synctest"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// stranger is a host that is not the publisher's.
const stranger = "stranger.test"

var secrets = map[string]func(*visit){
	"missing": func(v *visit) {
		v.needSecrets()
		if missing := v.missing(); len(missing) > 0 {
			v.Errorf("with credentials, these are missing: %v", missing)
		}
		v.env = nil
		missing := v.missing()
		if v.Optional {
			if len(missing) > 0 {
				v.Errorf("it goes on without credentials, and these are missing: %v", missing)
			}
			return
		}
		if len(missing) == 0 {
			v.Fatal("without credentials, nothing is missing")
		}
		for _, m := range missing {
			if m.Do == "" || !v.names(m.What) {
				v.Errorf("%+v: want which credentials, %v, and what to do", m, v.secretNames())
			}
		}
		_, err := v.fetch(v.Context())
		if err == nil || !v.names(err.Error()) {
			v.Errorf("ended with %v, want the name of what is missing", err)
		}
		if n, _ := v.box.Asked(); n > 0 {
			v.Errorf("%d requests were sent: %v", n, v.box.Requests())
		}
	},
	"wrong": func(v *visit) {
		v.needSecrets()
		v.env = map[string]string{}
		for name := range v.Secrets {
			v.env[name] = "wr0ng." + name
		}
		_, err := v.fetch(v.Context())
		if code := plugins.FaultCode(err); code != plugins.FaultUnauthorized && code != plugins.FaultForbidden {
			v.Fatalf("ended with %v, want code %q or %q", err, plugins.FaultUnauthorized, plugins.FaultForbidden)
		}
		if !v.names(err.Error()) || strings.Contains(err.Error(), "wr0ng") {
			v.Errorf("ended with %v, want the names of the credentials, %v, and not their values", err, v.secretNames())
		}
	},
	"declared": func(v *visit) {
		v.needSecrets()
		spec := v.plugin.Spec()
		for _, name := range v.secretNames() {
			if !spec.Asks(name) {
				v.Errorf("%s is not in the spec's secrets, %v", name, spec.Secrets)
			}
		}
	},
	"terms": func(v *visit) {
		if v.Terms == nil {
			v.Skip("this publisher has no terms")
		}
		accept := v.Terms()
		_, err := v.fetch(v.Context())
		if code := plugins.FaultCode(err); code != plugins.FaultForbidden && code != plugins.FaultUnauthorized && code != plugins.FaultLogin {
			v.Fatalf("before the terms were accepted it ended with %v", err)
		}
		if !strings.Contains(err.Error(), "accept") && !strings.Contains(err.Error(), "access") {
			v.Errorf("%v: want what to do", err)
		}
		accept()
		v.right()
	},
}

func (v *visit) needSecrets() {
	if len(v.Secrets) == 0 {
		v.Skip("it is open to all")
	}
}

func (v *visit) secretNames() []string { return slices.Sorted(maps.Keys(v.Secrets)) }

// names says whether a text names one of the credentials.
func (v *visit) names(text string) bool {
	return slices.ContainsFunc(v.secretNames(), func(name string) bool { return strings.Contains(text, name) })
}

func (v *visit) missing() []plugins.Missing {
	v.Helper()
	params, err := v.plugin.Normalise(json.RawMessage(v.Params))
	if err != nil {
		v.Fatal(err)
	}
	before, _ := v.box.Asked()
	missing, err := v.plugin.Missing(v.Context(), params, plugins.Env{Lookup: v.lookup})
	if err != nil {
		v.Fatal(err)
	}
	if after, _ := v.box.Asked(); after > before {
		v.Error("it asked the publisher")
	}
	return missing
}

// holdsNoSecret looks for the credentials in all that a fetch says and leaves, and in what others than the publisher
// were asked.
func (v *visit) holdsNoSecret(files plugintest.Files, err error) {
	v.Helper()
	v.public("the error", fmt.Sprint(err))
	v.public("a note", v.said())
	for path, text := range files {
		v.public(path, string(text))
	}
	synctest.Wait()
	for _, r := range v.box.Requests() {
		if r.URL.Scheme == "https" && slices.Contains(v.Trusted, r.URL.Host) {
			continue
		}
		for name, values := range r.Header {
			v.public("header "+name+" to "+r.URL.Host, strings.Join(values, "\n"))
		}
		v.public("an address at "+r.URL.Host, r.URL.String())
		v.public("a body to "+r.URL.Host, string(r.Body))
		v.unsigned(r)
	}
}

// unsigned wants no credential in a request's basic authentication.
func (v *visit) unsigned(r publisher.Request) {
	v.Helper()
	if code, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Basic "); ok {
		text, _ := base64.StdEncoding.DecodeString(code)
		v.public("basic authentication to "+r.URL.Host, string(text))
	}
}

// public wants no credential in a text, however it is written.
func (v *visit) public(where, text string) {
	v.Helper()
	for name, value := range v.Secrets {
		for _, written := range []string{value, url.QueryEscape(value), base64.StdEncoding.EncodeToString([]byte(value))} {
			if strings.Contains(text, written) {
				v.Errorf("%s holds the value of %s", where, name)
			}
		}
	}
}
