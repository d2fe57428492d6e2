// Package sftpfetch fetches a folder of an SSH server over SFTP, such as a corpus of the TUH EEG resources.
//
// Who comes in, and to whom:
//
//   - The server has to show the key that the manifest names (host_key) or that ~/.ssh/known_hosts or
//     /etc/ssh/ssh_known_hosts has for it. No other is ever accepted, on a first visit neither.
//   - The account's name is TUH_USERNAME for the server of the TUH EEG corpora, and for any other what ~/.ssh/config says of
//     it (User): a manifest can lead nowhere with the name of an account that was not meant for that server.
//   - The account is proven with a key, from the agent (SSH_AUTH_SOCK) or from the files that ~/.ssh/config (IdentityFile) or
//     custom name (id_ed25519, id_ecdsa, id_rsa). A key signs for one connection and server only, so that there is nothing to steal. A password is never
//     asked for, taken or sent, and neither is the passphrase of a key: ssh-add puts such a key into the agent. Nothing else
//     of ~/.ssh/config is followed.
//
// SFTP has no checksums. A file's version is its time and size, asked for when it is opened and again before its last
// bytes are taken, so that one that changes on the way is not put together from two; on the way SSH itself
// notices each damaged byte. A connection brings one file at a time.
//
// Links to files are followed, as the publisher's own instructions for rsync do it (-L); one to a folder is an error,
// since what lies behind it may be there twice or without an end. Exclude it.
//
// TUH EEG, https://isip.piconepress.com/projects/nedc/html/tuh_eeg/: fill in and sign the form, mail it, hand in a public
// key, and wait for the account. What the publisher writes of is rsync over SSH, to www.isip.piconepress.com, for folders
// such as data/tuh_eeg/tuh_eeg_abnormal/v3.0.1. Whether its accounts have SFTP, which most servers give to all who may
// come in, is not known here. Where they have not, bring the files with rsync and fetch the folder with fetch/drop.
package sftpfetch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/pick"
)

// Params says what to fetch.
type Params struct {
	Host    string `json:"host" jsonschema:"name of the server, such as www.isip.piconepress.com"`
	Port    int    `json:"port" jsonschema:"port of its SSH"`
	HostKey string `json:"hostKey,omitempty" jsonschema:"the server's public key, as ssh-keyscan prints it after the name: type and base64; default: what known_hosts has"`
	Path    string `json:"path" jsonschema:"folder to fetch, from the root or from the account's own folder, such as data/tuh_eeg/tuh_eeg_abnormal/v3.0.1"`
	pick.Params
}

var hostName = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$`)

// Validate says which parameter is wrong.
func (p Params) Validate() error {
	switch {
	case p.Host == "":
		return errors.New("host is required, such as www.isip.piconepress.com")
	case !hostName.MatchString(p.Host):
		return fmt.Errorf("host %q: want the name of a server, without a user, a port or a path", p.Host)
	case p.Port < 1 || p.Port > 65535:
		return fmt.Errorf("port is %d, want 1 to 65535", p.Port)
	case p.Path == "":
		return errors.New("path is required: the folder to fetch")
	case p.Path != path.Clean(p.Path) || strings.ContainsFunc(p.Path, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return fmt.Errorf("path %q: want a clean path, such as %q", p.Path, path.Clean(p.Path))
	case p.Path == ".." || strings.HasPrefix(p.Path, "../"):
		return fmt.Errorf("path %q leaves the account's own folder; name it from the root", p.Path)
	}
	if _, err := p.hostKey(); err != nil {
		return err
	}
	return p.Check()
}

// hostKey is the key that the manifest names, nil if it names none.
func (p Params) hostKey() (ssh.PublicKey, error) {
	if p.HostKey == "" {
		return nil, nil
	}
	key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(p.HostKey))
	if err != nil || len(options) > 0 || len(rest) > 0 {
		return nil, errors.New(`hostKey: want the type of the key and its base64, such as "ssh-ed25519 AAAA..."`)
	}
	return key, nil
}

func (p Params) address() string { return net.JoinHostPort(p.Host, strconv.Itoa(p.Port)) }

// Options are what the plugin uses of the machine. The zero value is what everybody wants.
type Options struct {
	Home string                                                               // whose .ssh is looked into; "" is the home of the user of this process
	Dial func(ctx context.Context, network, address string) (net.Conn, error) // nil is TCP, and waits 30 seconds at most
}

const dialTimeout = 30 * time.Second

// What Lookup is asked for. The agent's socket is no secret, but only what is listed reaches a plugin.
const (
	tuhUsername = "TUH_USERNAME"
	agentSocket = "SSH_AUTH_SOCK"
)

// tuhHosts are the server of the TUH EEG corpora.
var tuhHosts = []string{"www.isip.piconepress.com", "isip.piconepress.com"}

const tuhPage = "https://isip.piconepress.com/projects/nedc/html/tuh_eeg/"

func (p Params) tuh() bool { return slices.Contains(tuhHosts, strings.ToLower(p.Host)) }

// Plugin returns fetch/sftp.
func Plugin(o Options) plugins.Plugin {
	if o.Dial == nil {
		o.Dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	return plugins.Fetch(catalog.Spec{
		Name: "sftp", Version: "1",
		Summary:     "Fetches a folder of an SSH server over SFTP, such as a TUH EEG corpus.",
		Determinism: catalog.None,
		Reason:      "a server can change a file and gives no checksums; the lock pins what it may give",
		Queue:       catalog.QueueIO,
		Network:     true,
		Secrets:     []string{tuhUsername, agentSocket},
	}, Params{Port: 22, Params: pick.All()}, func(p Params, env plugins.Env, _ uint64) (plugins.Source, error) {
		return &source{params: p, retry: env.Retry, door: door{params: p, env: env, options: o}}, nil
	})
}
