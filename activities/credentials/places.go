package credentials

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/cairn-bench/cairn/plugins"
)

// place is a file in which credentials may be.
type place struct {
	path string
	part string // of the file, such as "machine physionet.org"; "" is all of it
	// read returns what the file has, by the names of credentials; nothing if it has none of them.
	read func(p place, text []byte) (map[string]string, error)
}

// String names the file and the part of it.
func (p place) String() string {
	if p.part == "" {
		return p.path
	}
	return fmt.Sprintf("%s (%s)", p.path, p.part)
}

// values reads the file. public says that others can read it, too.
func (p place) values() (values map[string]string, public bool, err error) {
	text, public, err := readFile(p.path)
	if err != nil || text == nil {
		return nil, false, err
	}
	values, err = p.read(p, text)
	return values, public, err
}

// maxFile is how many bytes are read of a file: a netrc of many machines has a few thousand.
const maxFile = 1 << 20

// readFile reads a file that may not be there: then text is nil.
func readFile(path string) (text []byte, public bool, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe is not waited for
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err // names the file
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, false, err
	}
	if !info.Mode().IsRegular() {
		return nil, false, fmt.Errorf("%s: want a file", path)
	}
	if text, err = io.ReadAll(io.LimitReader(f, maxFile+1)); err != nil {
		return nil, false, err
	}
	if len(text) > maxFile {
		return nil, false, fmt.Errorf("%s: want at most %d bytes", path, maxFile)
	}
	return text, info.Mode()&0o044 != 0, nil
}

// lineError says what is wrong with a line of a file, and nothing of what stands there.
type lineError struct {
	path string
	line int
	want string
}

func (e *lineError) Error() string {
	return fmt.Sprintf("%s, line %d: want %s", e.path, e.line, e.want)
}

// publisher is where the tools of a publisher keep credentials that belong together.
type publisher struct {
	names  []string
	places func(f *Finder) []place
}

var publishers = []publisher{
	// PhysioNet gives files to wget and curl, which take user and password from the netrc:
	// https://physionet.org/about/, https://everything.curl.dev/usingcurl/netrc
	{[]string{"PHYSIONET_USERNAME", "PHYSIONET_PASSWORD"}, func(f *Finder) []place {
		return f.netrc("physionet.org", "PHYSIONET_USERNAME", "PHYSIONET_PASSWORD")
	}},
	// https://github.com/Kaggle/kaggle-api/blob/main/docs/README.md; the order is that of kaggle 2.2.5.
	{[]string{"KAGGLE_USERNAME", "KAGGLE_KEY"}, func(f *Finder) []place {
		if dir := f.getenv("KAGGLE_CONFIG_DIR"); dir != "" {
			return inFolders("kaggle.json", kaggle, dir)
		}
		return inFolders("kaggle.json", kaggle, f.home(".kaggle"), f.xdg("XDG_CONFIG_HOME", ".config", "kaggle"))
	}},
	// https://pypi.org/project/kagglehub/ ("API token file"), and kagglesdk 0.1.38.
	{[]string{"KAGGLE_API_TOKEN"}, func(f *Finder) []place {
		read := token("KAGGLE_API_TOKEN")
		return append(inFolders("access_token", read, f.home(".kaggle")), inFolders("access_token.txt", read, f.home(".kaggle"))...)
	}},
	// https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables
	{[]string{"HF_TOKEN"}, func(f *Finder) []place {
		read := token("HF_TOKEN")
		if path := f.getenv("HF_TOKEN_PATH"); path != "" {
			return []place{{path: path, read: read}}
		}
		if dir := f.getenv("HF_HOME"); dir != "" {
			return inFolders("token", read, dir)
		}
		return inFolders("token", read, f.xdg("XDG_CACHE_HOME", ".cache", "huggingface"))
	}},
	// https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html and file-location.html
	{awsNames, func(f *Finder) []place {
		path := f.getenv("AWS_SHARED_CREDENTIALS_FILE")
		if path == "" {
			path = f.home(".aws", "credentials")
		}
		return f.aws(path)
	}},
}

// together are the credentials that come from one place with that of a name, itself included.
func together(name string) []string {
	if i := slices.IndexFunc(publishers, func(p publisher) bool { return slices.Contains(p.names, name) }); i >= 0 {
		return publishers[i].names
	}
	if host, _, err := plugins.HostOfName(name); err == nil {
		username, password, _ := plugins.HostNames(host)
		return []string{username, password}
	}
	return []string{name}
}

// places are the files in which a credential may be, in the order in which the publisher's tools look.
func (f *Finder) places(name string) []place {
	for _, p := range publishers {
		if slices.Contains(p.names, name) {
			return p.places(f)
		}
	}
	if host, _, err := plugins.HostOfName(name); err == nil {
		username, password, _ := plugins.HostNames(host)
		return f.netrc(host, username, password)
	}
	return nil
}

// netrc is the machine of a host in the netrc.
func (f *Finder) netrc(host, username, password string) []place {
	path := f.getenv("NETRC")
	if path == "" {
		path = f.home(".netrc")
	}
	if path == "" {
		return nil
	}
	return []place{{path, "machine " + host, func(p place, text []byte) (map[string]string, error) {
		return machine(p, text, host, username, password)
	}}}
}

// inFolders is a file of that name in each of the folders that are known.
func inFolders(name string, read func(place, []byte) (map[string]string, error), dirs ...string) []place {
	var out []place
	for _, dir := range dirs {
		if dir != "" {
			out = append(out, place{path: filepath.Join(dir, name), read: read})
		}
	}
	return out
}

// home is a path in the home folder, "" if that is not known.
func (f *Finder) home(path ...string) string {
	dir := f.getenv("HOME")
	if dir == "" {
		return ""
	}
	return filepath.Join(append([]string{dir}, path...)...)
}

// xdg is a folder in the one that a variable names, which by default is one in the home folder.
func (f *Finder) xdg(variable, usual, name string) string {
	if dir := f.getenv(variable); filepath.IsAbs(dir) {
		return filepath.Join(dir, name)
	}
	return f.home(usual, name)
}
