package publisher

import (
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// PhysioNet is physionet.org: files of projects at versions, each with a list of checksums, for everybody or for who may
// see the project.
//
// It rests on PhysioNet's own program, physionet-build, as it was read on 2026-11-26:
//   - project/views.py, serve_published_project_file: /files/<project>/<version>/<path>; 404 for a project, version or
//     file that is not there;
//   - project/utility.py, check_http_auth and require_http_auth: user and password count only over https, with GET or
//     HEAD, and from a User-Agent that begins with "Wget/" or "libwfdb/", which its comment asks new programs to have
//     themselves added to; any other is answered as if it had sent none. A program of the list that is nobody is
//     answered with 401, anybody else who may not see the project with 403 and a page;
//   - what a project's page says of downloads: `wget -r -N -c -np --user NAME --ask-password https://physionet.org/files/...`,
//     and `aws s3 sync --no-sign-request s3://physionet-open/<project>/<version>/` for an open project (see S3).
//
// Files are served by nginx, with ETag and ranges. SHA256SUMS.txt has one blank between sum and path and does not list
// itself. It has no search API, no zips of whole projects, no passphrases for reviewers and no session cookies.
type PhysioNet struct {
	Projects map[string]PhysioNetProject // by "project/version"
	Users    map[string]string           // passwords by name
}

// PhysioNetProject is one version of a project.
type PhysioNetProject struct {
	Files   map[string][]byte // by path; SHA256SUMS.txt follows from them unless it is there
	Readers []string          // users who have signed what is to be signed; nil is an open project
}

// physioNetAgents are the programs that may send a password.
var physioNetAgents = regexp.MustCompile(`^(?:Wget/|libwfdb/)`)

func (p *PhysioNet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		physioNetPage(w, http.StatusMethodNotAllowed, "Method Not Allowed")
		return
	}
	rest, ok := strings.CutPrefix(r.URL.Path, "/files/")
	parts := strings.SplitN(rest, "/", 3)
	if !ok || len(parts) < 3 {
		physioNetPage(w, http.StatusNotFound, "Page Not Found")
		return
	}
	project, ok := p.Projects[parts[0]+"/"+parts[1]]
	if !ok {
		physioNetPage(w, http.StatusNotFound, "Page Not Found")
		return
	}
	if !p.admits(w, r, project) {
		return
	}
	data, ok := project.file(parts[2])
	if !ok {
		physioNetPage(w, http.StatusNotFound, "Page Not Found")
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	Content(w, r, fmt.Sprintf(`"%x-%x"`, md5.Sum(data), len(data)), data)
}

// admits lets in who may see a project, and answers the others.
func (p *PhysioNet) admits(w http.ResponseWriter, r *http.Request, project PhysioNetProject) bool {
	if project.Readers == nil {
		return true
	}
	program := r.TLS != nil && physioNetAgents.MatchString(r.UserAgent())
	user, password, ok := r.BasicAuth()
	known := program && ok && password != "" && p.Users[user] == password
	switch {
	case known && slices.Contains(project.Readers, user):
		return true
	case program && !known:
		w.Header().Set("WWW-Authenticate", `Basic realm="PhysioNet", charset="UTF-8"`)
		w.WriteHeader(http.StatusUnauthorized)
	default:
		physioNetPage(w, http.StatusForbidden, "Access Forbidden")
	}
	return false
}

// file is a file of the project, or its list of checksums.
func (p PhysioNetProject) file(path string) ([]byte, bool) {
	data, ok := p.Files[path]
	if ok || path != "SHA256SUMS.txt" {
		return data, ok
	}
	var sums strings.Builder
	for _, name := range slices.Sorted(maps.Keys(p.Files)) {
		fmt.Fprintf(&sums, "%x %s\n", sha256.Sum256(p.Files[name]), name)
	}
	return []byte(sums.String()), true
}

func physioNetPage(w http.ResponseWriter, status int, title string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<!DOCTYPE html>\n<html lang=\"en\"><head><title>%s</title></head><body></body></html>\n", title)
}
