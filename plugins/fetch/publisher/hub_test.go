package publisher_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
)

const someCommit = "0123456789abcdef0123456789abcdef01234567"

// TestHubsAreStrict: Kaggle, Hugging Face and GitHub in the box refuse what the real ones refuse.
func TestHubsAreStrict(t *testing.T) {
	k := &publisher.Kaggle{
		Datasets: map[string]map[int]map[string][]byte{"ann/d": {1: {"a.csv": []byte("a")}}}, Competitions: map[string]map[string][]byte{"c": {"a.csv": []byte("a")}},
		Users: map[string]publisher.KaggleUser{"ann": {Token: "good"}},
	}
	files := map[string]map[string][]byte{someCommit: {"a.bin": []byte("a")}}
	hf := &publisher.HuggingFace{Repos: map[string]*publisher.HuggingFaceRepo{"datasets/ann/d": {Commits: files, LFS: map[string]bool{"a.bin": true}, Gated: true}}, Tokens: map[string]string{"good": "ann"}}
	gh := &publisher.GitHub{Repos: map[string]*publisher.GitHubRepo{"ann/d": {Commits: files}}, Tokens: []string{"good"}}
	hosts := publisher.GitHubHosts(gh)
	hosts["www.kaggle.com"], hosts["storage.googleapis.com"], hosts["huggingface.co"], hosts["cas-bridge.xethub.hf.co"] = k, k, hf, hf
	client := hosts.Client(t)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	const lfs = "https://github.com/ann/d.git/info/lfs/objects/batch"
	for _, c := range []struct {
		ask    string // METHOD URL
		header string // "Name: value, Name: value"
		code   int
		says   string // in a header or in the body
	}{
		{"GET https://www.kaggle.com/api/v1/datasets/download/ann/d/a.csv?datasetVersionNumber=1", "", 302, "https://storage.googleapis.com/"},
		{"GET https://www.kaggle.com/api/v1/datasets/download/ann/d/a.csv?datasetVersionNumber=2", "", 404, `"code":404`},
		{"POST https://www.kaggle.com/api/v1/datasets/list/ann/d", "", 405, ""},
		{"GET https://www.kaggle.com/api/v1/datasets/list/ann/d", "Authorization: Bearer bad", 401, "Unauthenticated"},
		{"GET https://www.kaggle.com/api/v1/datasets/list/ann/d", "Authorization: Bearer", 401, "Unauthenticated"},
		{"GET https://www.kaggle.com/api/v1/competitions/data/list/c", "", 401, "Unauthenticated"},
		{"GET https://www.kaggle.com/api/v1/competitions/data/download/c/a.csv", "Authorization: Bearer good", 403, "You must accept"},
		{"GET https://storage.googleapis.com/kaggle-data-sets/ann/d/1/upload/a.csv", "", 403, "SignatureDoesNotMatch"},
		{"GET https://storage.googleapis.com/kaggle-data-sets/ann/d/1/upload/a.csv", "Authorization: Bearer good", 400, "InvalidAuthentication"},

		{"GET https://huggingface.co/api/datasets/ann/d/tree/" + someCommit + "?recursive=true", "", 401, "GatedRepo"},
		{"GET https://huggingface.co/api/datasets/ann/d/tree/" + someCommit + "?recursive=true", "Authorization: Bearer good", 403, "GatedRepo"},
		{"GET https://huggingface.co/api/datasets/ann/d/tree/" + someCommit + "?recursive=true", "Authorization: Bearer bad", 401, "Invalid credentials"},
		{"GET https://huggingface.co/ann/d/resolve/" + someCommit + "/a.bin", "", 401, "RepoNotFound"},
		{"GET https://cas-bridge.xethub.hf.co/xet-bridge-us/1", "", 403, "SignatureDoesNotMatch"},
		{"GET https://cas-bridge.xethub.hf.co/xet-bridge-us/1", "Authorization: Bearer good", 400, "InvalidArgument"},

		{"GET https://api.github.com/repos/ann/d/git/trees/" + someCommit, "", 200, "a.bin"},
		{"GET https://api.github.com/repos/ann/d/git/trees/" + someCommit, "User-Agent: ", 403, "User-Agent"},
		{"GET https://api.github.com/repos/ann/d/git/trees/" + someCommit, "Authorization: token good", 401, "Bad credentials"},
		{"GET https://api.github.com/repos/ann/d/releases/tags/v1", "", 404, "Not Found"},
		{"GET https://raw.githubusercontent.com/ann/d/" + someCommit + "/a.bin", "Authorization: Bearer good", 401, ""},
		{"GET https://release-assets.githubusercontent.com/github-production-release-asset/ann/d/v1/a", "", 403, "AuthenticationFailed"},
		{"POST " + lfs, "Content-Type: application/vnd.git-lfs+json", 406, "Accept"},
		{"POST " + lfs, "Accept: application/vnd.git-lfs+json", 422, "Validation"},
		{"GET " + lfs, "Accept: application/vnd.git-lfs+json", 405, ""},
	} {
		method, url, _ := strings.Cut(c.ask, " ")
		req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(`{"operation":"download"}`))
		if err != nil {
			t.Fatal(err)
		}
		for pair := range strings.SplitSeq(c.header, ", ") {
			if name, value, ok := strings.Cut(pair, ": "); ok {
				req.Header.Set(name, value)
			}
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatalf("%s: %v", c.ask, err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		var all strings.Builder
		_ = resp.Header.Write(&all)
		all.Write(body)
		if err != nil || resp.StatusCode != c.code || !strings.Contains(all.String(), c.says) {
			t.Errorf("%s %s: %d %v, want %d with %q:\n%s", c.ask, c.header, resp.StatusCode, err, c.code, c.says, &all)
		}
	}
}
