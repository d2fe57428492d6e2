package credentials

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
)

// token reads a file that is one token.
func token(name string) func(place, []byte) (map[string]string, error) {
	return func(p place, text []byte) (map[string]string, error) {
		value := string(bytes.TrimSpace(text))
		if value == "" || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return nil, fmt.Errorf("%s: want one line with a token", p)
		}
		return map[string]string{name: value}, nil
	}
}

// kaggle reads a kaggle.json. It may hold settings without credentials.
func kaggle(p place, text []byte) (map[string]string, error) {
	var doc struct {
		Username string `json:"username"`
		Key      string `json:"key"`
	}
	err := json.Unmarshal(text, &doc)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return nil, &lineError{p.path, line(text, int(syntax.Offset)), "JSON"}
	}
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return nil, &lineError{p.path, line(text, int(kind.Offset)), `an object with "username" and "key", which are texts`}
	}
	if (doc.Username == "") != (doc.Key == "") {
		return nil, fmt.Errorf(`%s: want both "username" and "key"`, p)
	}
	if err != nil || doc.Key == "" {
		return nil, err
	}
	return map[string]string{"KAGGLE_USERNAME": doc.Username, "KAGGLE_KEY": doc.Key}, nil
}

// line is the line of a text in which the byte before an offset stands.
func line(text []byte, offset int) int {
	return 1 + bytes.Count(text[:min(max(offset-1, 0), len(text))], []byte("\n"))
}

var awsNames = []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}

// aws is a profile of the shared credentials file.
func (f *Finder) aws(path string) []place {
	profile, chosen := f.getenv("AWS_PROFILE"), true
	if profile == "" {
		profile, chosen = "default", false
	}
	if path == "" {
		return nil
	}
	return []place{{path, "profile " + profile, func(p place, text []byte) (map[string]string, error) {
		return readAWS(p, text, profile, chosen)
	}}}
}

// readAWS reads a profile with the AWS SDK, which passes over lines that it does not understand. What the SDK says of an
// error may hold what stands in the file.
func readAWS(p place, text []byte, profile string, chosen bool) (map[string]string, error) {
	for i, l := range strings.Split(string(text), "\n") {
		if !isAWS(l) {
			return nil, &lineError{p.path, i + 1, "[profile], name = value, or a comment"}
		}
	}
	c, err := config.LoadSharedConfigProfile(context.Background(), profile, func(o *config.LoadSharedConfigOptions) {
		o.CredentialsFiles, o.ConfigFiles = []string{p.path}, []string{}
	})
	if none, ok := errors.AsType[config.SharedConfigProfileNotExistError](err); ok && none.Profile == profile {
		if chosen {
			return nil, fmt.Errorf("%s: there is no such profile, but AWS_PROFILE names it", p)
		}
		return nil, nil
	}
	if err != nil || !c.Credentials.HasKeys() {
		return nil, fmt.Errorf("%s: want aws_access_key_id and aws_secret_access_key; `aws configure export-credentials` gives those of a role or of SSO", p)
	}
	values := map[string]string{}
	for i, v := range []string{c.Credentials.AccessKeyID, c.Credentials.SecretAccessKey, c.Credentials.SessionToken} {
		values[awsNames[i]] = v
	}
	return values, nil
}

func isAWS(line string) bool {
	text := strings.TrimSpace(line)
	switch {
	case text == "" || text[0] == '#' || text[0] == ';' || text != line && line[0] <= ' ': // the last goes on with a value
		return true
	case text[0] == '[':
		return strings.Contains(text, "]")
	}
	return strings.Contains(text, "=")
}
