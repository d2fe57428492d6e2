package cli

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
)

// source is a publisher who lets in nobody without credentials, and a dataset that is fetched from there. Its credentials
// are canaries, each of which is sung nowhere else.
type source struct {
	name  string // of the dataset
	fetch string // plugin and params
	// env are the credentials in the environment, files those in files of the home folder; a source without files has them
	// in the environment in any case. Both get the same canaries.
	env, files func(c canaries) map[string]string
	// hosts let in who has the canaries, and give heart.csv.
	hosts func(c canaries, heart []byte) publisher.Hosts
}

// netrcFile is one for all sources.
const netrcFile = ".netrc"

// sources are all that have credentials. Passwords have in them what goes wrong in addresses, quotes and headers.
var sources = []source{
	{name: "http", fetch: `{plugin: http, params: {base: 'https://data-1.publisher.test', files: [{url: heart.csv}], auth: basic}}`,
		env: func(c canaries) map[string]string {
			return map[string]string{"CAIRN_USERNAME_DATA__1_PUBLISHER_TEST": c.of("http user"), "CAIRN_PASSWORD_DATA__1_PUBLISHER_TEST": c.odd("http password")}
		},
		files: func(c canaries) map[string]string {
			return map[string]string{netrcFile: netrcLine("data-1.publisher.test", c.of("http user"), c.odd("http password"))}
		},
		hosts: func(c canaries, heart []byte) publisher.Hosts {
			return publisher.Hosts{"data-1.publisher.test": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if user, password, _ := r.BasicAuth(); user != c.of("http user") || password != c.odd("http password") {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				publisher.Content(w, r, `"v1"`, heart)
			})}
		}},
	{name: "physionet", fetch: `{plugin: physionet, params: {project: heart, version: 1.0.0, access: credentialed}}`,
		env: func(c canaries) map[string]string {
			return map[string]string{"PHYSIONET_USERNAME": c.of("physionet user"), "PHYSIONET_PASSWORD": c.odd("physionet password")}
		},
		files: func(c canaries) map[string]string {
			return map[string]string{netrcFile: netrcLine("physionet.org", c.of("physionet user"), c.odd("physionet password"))}
		},
		hosts: func(c canaries, heart []byte) publisher.Hosts {
			return publisher.Hosts{"physionet.org": &publisher.PhysioNet{
				Users:    map[string]string{c.of("physionet user"): c.odd("physionet password")},
				Projects: map[string]publisher.PhysioNetProject{"heart/1.0.0": {Files: map[string][]byte{"heart.csv": heart}, Readers: []string{c.of("physionet user")}}},
			}}
		}},
	{name: "kaggle", fetch: `{plugin: kaggle, params: {competition: heart}}`,
		env: func(c canaries) map[string]string { return map[string]string{"KAGGLE_API_TOKEN": c.of("kaggle token")} },
		files: func(c canaries) map[string]string {
			return map[string]string{".kaggle/kaggle.json": fmt.Sprintf(`{"username": %q, "key": %q}`, c.of("kaggle user"), c.of("kaggle key"))}
		},
		hosts: func(c canaries, heart []byte) publisher.Hosts {
			k := &publisher.Kaggle{Competitions: map[string]map[string][]byte{"heart": {"heart.csv": heart}},
				Users: map[string]publisher.KaggleUser{c.of("kaggle user"): {Key: c.of("kaggle key"), Token: c.of("kaggle token"), Accepted: []string{"heart"}}}}
			return publisher.Hosts{"www.kaggle.com": k, "storage.googleapis.com": k}
		}},
	{name: "huggingface", fetch: `{plugin: huggingface, params: {repo: ann/heart, commit: ` + commit + `, gated: true}}`,
		env: func(c canaries) map[string]string { return map[string]string{"HF_TOKEN": c.of("hf token")} },
		files: func(c canaries) map[string]string {
			return map[string]string{".cache/huggingface/token": c.of("hf token")}
		},
		hosts: func(c canaries, heart []byte) publisher.Hosts {
			h := &publisher.HuggingFace{Tokens: map[string]string{c.of("hf token"): "bob"}, Repos: map[string]*publisher.HuggingFaceRepo{
				"datasets/ann/heart": {Commits: map[string]map[string][]byte{commit: {"heart.csv": heart}}, Gated: true, Granted: []string{"bob"}}}}
			return publisher.Hosts{"huggingface.co": h, "cas-bridge.xethub.hf.co": h}
		}},
	{name: "github", fetch: `{plugin: github, params: {repo: ann/heart, commit: ` + commit + `}}`,
		env: func(c canaries) map[string]string { return map[string]string{"GITHUB_TOKEN": c.of("github token")} },
		hosts: func(c canaries, heart []byte) publisher.Hosts {
			return publisher.GitHubHosts(&publisher.GitHub{Tokens: []string{c.of("github token")},
				Repos: map[string]*publisher.GitHubRepo{"ann/heart": {Commits: map[string]map[string][]byte{commit: {"heart.csv": heart}}}}})
		}},
	{name: "s3", fetch: `{plugin: s3, params: {bucket: hearts, signed: true}}`,
		env: func(c canaries) map[string]string {
			return map[string]string{"AWS_ACCESS_KEY_ID": c.of("aws id"), "AWS_SECRET_ACCESS_KEY": c.odd("aws secret"), "AWS_SESSION_TOKEN": c.of("aws session")}
		},
		files: func(c canaries) map[string]string {
			return map[string]string{".aws/credentials": fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\naws_session_token = %s\n", c.of("aws id"), c.odd("aws secret"), c.of("aws session"))}
		},
		hosts: func(c canaries, heart []byte) publisher.Hosts {
			id := c.of("aws id")
			return publisher.Hosts{"*.amazonaws.com": &publisher.S3{Keys: map[string]publisher.S3Key{id: {Secret: c.odd("aws secret"), Session: c.of("aws session")}},
				Buckets: map[string]*publisher.S3Bucket{"hearts": {Objects: map[string]publisher.S3Object{"heart.csv": {Data: heart}}, Readers: []string{id}}}}}
		}},
	{name: "azure", fetch: `{plugin: azure, params: {container: hearts, signed: true}}`,
		env: func(c canaries) map[string]string {
			return map[string]string{"AZURE_STORAGE_SAS_TOKEN": c.sign(azure(nil).SAS("hearts", azureUntil))}
		},
		hosts: func(_ canaries, heart []byte) publisher.Hosts {
			return publisher.Hosts{"aimistanforddatasets01.blob.core.windows.net": azure(heart)}
		}},
	{name: "zenodo", fetch: `{plugin: zenodo, params: {record: 17, restricted: true}}`,
		env: func(c canaries) map[string]string { return map[string]string{"ZENODO_TOKEN": c.of("zenodo token")} },
		hosts: func(c canaries, heart []byte) publisher.Hosts {
			return publisher.Hosts{"zenodo.org": &publisher.Zenodo{Tokens: map[string]int64{c.of("zenodo token"): 17},
				Records: map[int64]publisher.ZenodoRecord{17: {Files: map[string][]byte{"heart.csv": heart}, Restricted: true}}}}
		}},
}

const commit = "0123456789abcdef0123456789abcdef01234567"

// azureUntil is when the link of the azure source expires.
var azureUntil = time.Now().AddDate(0, 0, 7)

func azure(heart []byte) *publisher.Azure {
	return &publisher.Azure{Account: "aimistanforddatasets01", Key: []byte("key of the account"),
		Containers: map[string]publisher.AzureContainer{"hearts": {Blobs: map[string]publisher.AzureBlob{"heart.csv": {Data: heart}}}}}
}

func netrcLine(host, user, password string) string {
	return fmt.Sprintf("machine %s login %s password \"%s\"\n", host, user, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(password))
}

// canaries are secrets, each known by what it is for.
type canaries struct{ cores map[string]string }

// of is a canary of letters and digits.
func (c canaries) of(what string) string {
	if c.cores[what] == "" {
		c.cores[what] = fmt.Sprintf("kanari%x", sha256.Sum256([]byte(what)))[:24]
	}
	return c.cores[what]
}

// odd is a canary with a core of letters and digits, between characters that encodings change.
func (c canaries) odd(what string) string { return `p"w\ ß&=+%41#/` + c.of(what) + `'?;:` }

// sign takes the signature of a link for a canary.
func (c canaries) sign(token string) string {
	_, sig, _ := strings.Cut(token, "sig=")
	sig, _, _ = strings.Cut(sig, "&")
	c.cores["signature"] = longest(strings.FieldsFunc(sig, func(r rune) bool { return r == '%' }))
	return token
}

func longest(parts []string) string {
	var out string
	for _, p := range parts {
		if len(p) > len(out) {
			out = p
		}
	}
	return out
}

// basic is a header of RFC 7617.
func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// keyed is a dataset on an SSH server that lets in who has a key, which is planted in a home with the name of its user. Its
// server hangs up once.
func keyed(t *testing.T, c canaries, heart []byte) (s *publisher.SFTP, dataset string, files map[string]string) {
	t.Helper()
	signer, key := publisher.Key(t, c.of("ssh key")) // which is its private half
	var met atomic.Bool
	s = &publisher.SFTP{User: c.of("ssh user"), Keys: []ssh.PublicKey{signer.PublicKey()}, Meet: func(_ string, offset int64) error {
		if offset >= 0 && met.CompareAndSwap(false, true) {
			return publisher.ErrCut
		}
		return nil
	}}
	s.Put("data/heart.csv", heart)
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	fetch := fmt.Sprintf("{plugin: sftp, params: {host: localhost, port: %d, path: data, hostKey: '%s'}}", overTCP(t, s), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(s.HostKey(t)))))
	return s, fmt.Sprintf(canaryDataset, "sftp", fetch, "num"), map[string]string{
		".ssh/id_ed25519": string(pem.EncodeToMemory(block)), ".ssh/config": "Host localhost\n  User " + s.User + "\n",
	}
}

// overTCP serves an SSH server to other processes.
func overTCP(t *testing.T, s *publisher.SFTP) (port int) {
	t.Helper()
	dial := s.Open(t)
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			there, err := l.Accept()
			if err != nil {
				return
			}
			here, err := dial(t.Context(), "", "")
			if err != nil {
				there.Close()
				return
			}
			go func() { io.Copy(here, there); here.Close() }()
			go func() { io.Copy(there, here); there.Close() }()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}
