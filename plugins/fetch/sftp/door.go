package sftpfetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strings"

	"github.com/kevinburke/ssh_config"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/cairn-bench/cairn/plugins"
)

// door is how we come in: as whom, with which keys, and to whom.
type door struct {
	params  Params
	env     plugins.Env
	options Options
}

// ssh is the folder of the user's keys, "" if there is none. It is that of the password file, where OpenSSH looks.
func (d door) ssh() string {
	if d.options.Home != "" {
		return filepath.Join(d.options.Home, ".ssh")
	}
	me, err := user.Current()
	if err != nil || me.HomeDir == "" {
		return ""
	}
	return filepath.Join(me.HomeDir, ".ssh")
}

// read reads a file of the user's folder; one that is not there is empty.
func (d door) read(name string) ([]byte, error) {
	if !filepath.IsAbs(name) {
		if d.ssh() == "" {
			return nil, nil
		}
		name = filepath.Join(d.ssh(), name)
	}
	text, err := os.ReadFile(name)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return text, nil
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return nil, fmt.Errorf("read ~/.ssh/%s: %w", filepath.Base(name), err)
}

// config is what ~/.ssh/config says of the server under some keyword.
func (d door) config(keyword string) ([]string, error) {
	text, err := d.read("config")
	if err != nil {
		return nil, err
	}
	c, err := ssh_config.Decode(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("~/.ssh/config: %w", err)
	}
	values, err := c.GetAll(d.params.Host, keyword)
	if err != nil {
		return nil, fmt.Errorf("~/.ssh/config: %s of %s: %w", keyword, d.params.Host, err)
	}
	return values, nil
}

// user is the name of the account, "" if nobody says it.
func (d door) user() (string, error) {
	if d.params.tuh() && d.env.Lookup != nil {
		if name, ok := d.env.Lookup(tuhUsername); ok && name != "" {
			return name, nil
		}
	}
	names, err := d.config("User")
	if err != nil || len(names) == 0 {
		return "", err
	}
	return names[0], nil
}

// usualKeys are where keys lie that nothing else is said of.
var usualKeys = []string{"id_ed25519", "id_ecdsa", "id_rsa"}

// keyFile is a file of a key that is there.
type keyFile struct {
	name string // its last component, for errors
	text []byte
}

// keyFiles are those that ~/.ssh/config names, or else the usual ones.
func (d door) keyFiles() (files []keyFile, named bool, err error) {
	names, err := d.config("IdentityFile")
	if err != nil {
		return nil, false, err
	}
	if named = len(names) > 0; !named {
		names = usualKeys
	}
	for _, n := range names {
		n = strings.TrimPrefix(strings.TrimPrefix(n, "~/.ssh/"), "%d/.ssh/")
		if rest, home := strings.CutPrefix(n, "~/"); home {
			n = filepath.Join("..", rest)
		}
		text, err := d.read(n)
		if err != nil {
			return nil, named, err
		}
		if len(text) > 0 {
			files = append(files, keyFile{filepath.Base(n), text})
		}
	}
	return files, named, nil
}

// socket is where the agent listens, "" if there is none.
func (d door) socket() string {
	if d.env.Lookup == nil {
		return ""
	}
	at, _ := d.env.Lookup(agentSocket)
	return at
}

// signers are all keys that we have, those first that are meant for the server: it may listen to the first few only.
// done frees the agent, once they have signed.
func (d door) signers() (keys []ssh.Signer, done func(), err error) {
	own, locked, named, err := d.fileSigners()
	if err != nil {
		return nil, nil, err
	}
	keys, done = d.agentSigners()
	if named {
		keys = append(own, keys...)
	} else {
		keys = append(keys, own...)
	}
	if len(keys) > 0 {
		return keys, done, nil
	}
	done()
	hint := "there is none in ~/.ssh, and no agent at SSH_AUTH_SOCK that has one"
	if len(locked) > 0 {
		hint = fmt.Sprintf("%s needs a passphrase: put it into an agent with ssh-add", strings.Join(locked, ", "))
	}
	return nil, nil, &plugins.Fault{Code: plugins.FaultUnauthorized, Err: fmt.Errorf("no key for %s: %s", d.params.Host, hint)}
}

// fileSigners are the keys in files, and the names of those that need a passphrase.
func (d door) fileSigners() (keys []ssh.Signer, locked []string, named bool, err error) {
	files, named, err := d.keyFiles()
	for _, f := range files {
		key, err := ssh.ParsePrivateKey(f.text)
		if missing := (*ssh.PassphraseMissingError)(nil); errors.As(err, &missing) {
			locked = append(locked, f.name)
			continue
		}
		if err != nil {
			return nil, nil, false, fmt.Errorf("~/.ssh/%s is no private key that we can read", f.name)
		}
		keys = append(keys, key)
	}
	return keys, locked, named, err
}

// agentSigners are the keys of the agent. One that has gone, or does not answer in words, has none.
func (d door) agentSigners() ([]ssh.Signer, func()) {
	at := d.socket()
	if at == "" {
		return nil, func() {}
	}
	conn, err := net.DialTimeout("unix", at, dialTimeout)
	if err != nil {
		return nil, func() {}
	}
	keys, err := agent.NewClient(conn).Signers()
	if err != nil {
		keys = nil
	}
	return keys, func() { _ = conn.Close() }
}

// knownHosts are the files that say which server has which key.
func (d door) knownHosts() []string {
	own := filepath.Join(d.ssh(), "known_hosts")
	if d.options.Home != "" {
		return []string{own}
	}
	return []string{own, "/etc/ssh/ssh_known_hosts"}
}

// hosts is what we know of the server: how its key is checked, and of which kinds it is. No kinds means that we know
// nothing of it.
func (d door) hosts() (check ssh.HostKeyCallback, kinds []string, err error) {
	key, err := d.params.hostKey()
	if err != nil {
		return nil, nil, err
	}
	if key != nil {
		return ssh.FixedHostKey(key), kindsOf(key), nil
	}
	var files []string
	for _, f := range d.knownHosts() {
		if info, err := os.Stat(f); err == nil && info.Mode().IsRegular() {
			files = append(files, f)
		}
	}
	if check, err = knownhosts.New(files...); err != nil {
		return nil, nil, fmt.Errorf("read known_hosts: %w", err)
	}
	// Who shows a key that nobody has is told which ones are known.
	var known *knownhosts.KeyError
	if err := check(d.params.address(), anywhere, nobody{}); errors.As(err, &known) {
		for _, k := range known.Want {
			kinds = append(kinds, kindsOf(k.Key)...)
		}
	}
	return check, kinds, nil
}

// anywhere is where a server is: its name decides, not its address.
var anywhere net.Addr = &net.TCPAddr{IP: net.IPv4zero}

// nobody is a key that no server has.
type nobody struct{}

func (nobody) Type() string                        { return "none" }
func (nobody) Marshal() []byte                     { return []byte("none") }
func (nobody) Verify([]byte, *ssh.Signature) error { return errors.New("nobody signs") }

// kindsOf are the ways in which a server proves that it has a key. SHA-1 is none.
func kindsOf(key ssh.PublicKey) []string {
	if key.Type() == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	return []string{key.Type()}
}

// missing says what stands between us and the server, without the network.
func (d door) missing() ([]plugins.Missing, error) {
	var out []plugins.Missing
	page, name := "", fmt.Sprintf("Write the name of your account there into ~/.ssh/config, as User of Host %s.", d.params.Host)
	if d.params.tuh() {
		page, name = tuhPage, "Ask for an account at the page, and set TUH_USERNAME to its name, or User in ~/.ssh/config."
	}
	who, err := d.user()
	if err != nil {
		return nil, err
	}
	if who == "" {
		out = append(out, plugins.Missing{What: "the name of an account at " + d.params.Host, Do: name, Page: page})
	}
	files, _, err := d.keyFiles()
	if err != nil {
		return nil, err
	}
	if len(files) == 0 && d.socket() == "" {
		out = append(out, plugins.Missing{What: "a key for " + d.params.Host, Page: page,
			Do: "Make one with ssh-keygen, give its public half to the publisher, and leave it in ~/.ssh or put it into an agent (SSH_AUTH_SOCK)."})
	}
	_, kinds, err := d.hosts()
	if err != nil {
		return nil, err
	}
	if len(kinds) == 0 {
		out = append(out, plugins.Missing{What: "the host key of " + d.params.Host, Page: page,
			Do: "Learn it from the publisher and set hostKey, or connect once with ssh and compare it, which writes it into ~/.ssh/known_hosts."})
	}
	return out, nil
}

// enter opens a connection.
func (d door) enter(ctx context.Context) (*ssh.Client, error) {
	config, done, err := d.clientConfig()
	if err != nil {
		return nil, err
	}
	defer done()
	trusted, check := false, config.HostKeyCallback
	config.HostKeyCallback = func(host string, _ net.Addr, key ssh.PublicKey) error {
		err := check(host, anywhere, key)
		trusted = err == nil
		if err != nil {
			return &strangerError{host: d.params.Host, shown: key.Type() + " " + ssh.FingerprintSHA256(key)}
		}
		return nil
	}
	conn, err := d.options.Dial(ctx, "tcp", d.params.address())
	if err != nil {
		return nil, d.failed(ctx, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	c, channels, requests, err := ssh.NewClientConn(conn, d.params.address(), config)
	if err != nil {
		_ = conn.Close()
		return nil, d.refused(ctx, trusted, err)
	}
	return ssh.NewClient(c, channels, requests), nil
}

func (d door) clientConfig() (*ssh.ClientConfig, func(), error) {
	check, kinds, err := d.hosts()
	if err != nil {
		return nil, nil, err
	}
	who, err := d.user()
	switch {
	case err != nil:
		return nil, nil, err
	case len(kinds) == 0:
		return nil, nil, &plugins.Fault{Code: plugins.FaultRefused, Err: fmt.Errorf("the host key of %s is not known: set hostKey, or have it in ~/.ssh/known_hosts", d.params.Host)}
	case who == "":
		return nil, nil, &plugins.Fault{Code: plugins.FaultUnauthorized, Err: fmt.Errorf("no name of an account at %s: set User in ~/.ssh/config, or TUH_USERNAME if it is that of the TUH EEG corpora", d.params.Host)}
	}
	keys, done, err := d.signers()
	if err != nil {
		return nil, nil, err
	}
	return &ssh.ClientConfig{
		User: who, Auth: []ssh.AuthMethod{ssh.PublicKeys(keys...)},
		HostKeyCallback: check, HostKeyAlgorithms: kinds, ClientVersion: "SSH-2.0-cairn",
	}, done, nil
}

// strangerError says that a server is not the one that we know.
type strangerError struct{ host, shown string }

func (e *strangerError) Error() string {
	return fmt.Sprintf("%s shows the host key %s, which is not the one that is known: somebody may be in between; if the publisher says that it is right, mend hostKey or ~/.ssh/known_hosts", e.host, e.shown)
}

// failed is the error of a connection that did not come about.
func (d door) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return &plugins.Fault{Code: plugins.FaultUnreachable, Err: fmt.Errorf("connect to %s: %w", d.params.address(), err), Again: true}
}

// refused is the error of a handshake. Who was let in or not is known once the server is trusted.
func (d door) refused(ctx context.Context, trusted bool, err error) error {
	if stranger := (*strangerError)(nil); errors.As(err, &stranger) {
		return &plugins.Fault{Code: plugins.FaultRefused, Err: stranger}
	}
	if negotiation := (*ssh.AlgorithmNegotiationError)(nil); errors.As(err, &negotiation) {
		return &plugins.Fault{Code: plugins.FaultRefused, Err: fmt.Errorf("connect to %s: %w; is the key that we know of it of a kind that it has?", d.params.address(), err)}
	}
	if ctx.Err() == nil && trusted && strings.Contains(err.Error(), "unable to authenticate") { // there is no type for it
		return &plugins.Fault{Code: plugins.FaultUnauthorized, Err: fmt.Errorf("%s takes none of our keys for this account: check its name, and that the publisher has the public half of one of them", d.params.Host)}
	}
	return d.failed(ctx, err)
}
