package publisher

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
	"google.golang.org/grpc/test/bufconn"
)

// SFTP is an SSH server whose accounts have the sftp subsystem, in this process: OpenSSH's as RFC 4252 (keys), RFC 4254
// (subsystems) and draft-ietf-secsh-filexfer-02 (SFTP 3) describe it, with the server halves of golang.org/x/crypto/ssh and
// github.com/pkg/sftp. Paths that do not begin with a slash are below the account's own folder. It has no writing, no
// shells and no passwords.
type SFTP struct {
	User string
	Keys []ssh.PublicKey // that may come in as User
	Home string          // the account's own folder; "" is "/home/" and the user
	Bare bool            // no subsystem: an account that may only run rsync
	// Meet is called before a piece of a file is read, and with the offset -1 before a folder is listed. It may change
	// files. What it returns goes wrong: ErrCut hangs up, ErrStall answers nothing any more, any other error is the answer. nil is
	// fine. It is asked one question at a time.
	Meet func(path string, offset int64) error

	meeting chan struct{} // holds who asks Meet: a mutex would stop the clock of synctest
	mu      sync.Mutex
	files   map[string]sftpFile // by absolute path
	hostKey ssh.Signer
	conns   []net.Conn
	opened  []string
	sent    int64
}

// What Meet may return.
var (
	ErrCut   = errors.New("hang up")
	ErrStall = errors.New("say nothing any more")
)

type sftpFile struct {
	data []byte
	link string // what it leads to, if it is a link
	time time.Time
}

// Key makes a key of its own for each name.
func Key(t testing.TB, name string) (ssh.Signer, ed25519.PrivateKey) {
	t.Helper()
	seed := make([]byte, ed25519.SeedSize)
	copy(seed, name)
	private := ed25519.NewKeyFromSeed(seed)
	s, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return s, private
}

// sftpEpoch is when all files were written at first.
var sftpEpoch = time.Date(2024, 1, 13, 12, 0, 0, 0, time.UTC)

// Put writes a file, or writes it anew, a second later. A relative path is in the account's folder.
func (s *SFTP) Put(name string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name = s.abs(name)
	when := sftpEpoch
	if was, ok := s.files[name]; ok {
		when = was.time.Add(time.Second)
	}
	s.put(name, sftpFile{data: data, time: when})
}

// Link makes a symbolic link.
func (s *SFTP) Link(name, to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(s.abs(name), sftpFile{link: to, time: sftpEpoch})
}

func (s *SFTP) put(name string, f sftpFile) {
	if s.files == nil {
		s.files = map[string]sftpFile{}
	}
	s.files[name] = f
}

func (s *SFTP) home() string {
	if s.Home == "" {
		return "/home/" + s.User
	}
	return s.Home
}

func (s *SFTP) abs(name string) string {
	if !path.IsAbs(name) {
		name = path.Join(s.home(), name)
	}
	return path.Clean(name)
}

// Asked says how many connections were made, which files were opened, and how many bytes of files were given.
func (s *SFTP) Asked() (conns int, opened []string, sent int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns), slices.Clone(s.opened), s.sent
}

// Hangup ends all connections.
func (s *SFTP) Hangup() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = c.Close()
	}
}

// HostKey is the public half of the server's key.
func (s *SFTP) HostKey(t testing.TB) ssh.PublicKey {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hostKey == nil {
		s.hostKey, _ = Key(t, "host")
	}
	return s.hostKey.PublicKey()
}

// Open starts the server, and returns how it is dialled: at any address, in memory.
func (s *SFTP) Open(t testing.TB) func(ctx context.Context, network, address string) (net.Conn, error) {
	t.Helper()
	s.HostKey(t)
	s.meeting = make(chan struct{}, 1)
	l := bufconn.Listen(64 << 10)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { s.serve(c) })
		}
	})
	var mu sync.Mutex
	var clients []net.Conn
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range clients {
			_ = c.Close()
		}
		mu.Unlock()
		serving.Wait()
	})
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		c, err := l.DialContext(ctx)
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			clients = append(clients, c)
		}
		return c, err
	}
}

func (s *SFTP) serve(c net.Conn) {
	defer c.Close()
	s.mu.Lock()
	s.conns = append(s.conns, c)
	s.mu.Unlock()
	config := &ssh.ServerConfig{ServerVersion: "SSH-2.0-OpenSSH_9.6", PublicKeyCallback: func(who ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if who.User() == s.User && slices.ContainsFunc(s.Keys, func(k ssh.PublicKey) bool { return bytes.Equal(k.Marshal(), key.Marshal()) }) {
			return nil, nil
		}
		return nil, errors.New("permission denied")
	}}
	config.AddHostKey(s.hostKey)
	_, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	var sessions sync.WaitGroup
	for ch := range channels {
		if ch.ChannelType() != "session" {
			_ = ch.Reject(ssh.UnknownChannelType, "only sessions")
			continue
		}
		channel, asks, err := ch.Accept()
		if err != nil {
			continue
		}
		sessions.Go(func() { s.session(&sftpSession{SFTP: s, conn: c, gone: make(chan struct{})}, channel, asks) })
	}
	sessions.Wait()
}

func (s *SFTP) session(on *sftpSession, channel ssh.Channel, asks <-chan *ssh.Request) {
	defer channel.Close()
	for r := range asks {
		ok := r.Type == "subsystem" && len(r.Payload) > 4 && string(r.Payload[4:]) == "sftp" && !s.Bare
		_ = r.Reply(ok, nil)
		if !ok {
			continue
		}
		go func() { // the connection ends when the client has gone
			for range asks {
			}
			close(on.gone)
		}()
		_ = sftp.NewRequestServer(channel, sftp.Handlers{FileGet: on, FileList: on, FilePut: on, FileCmd: on}, sftp.WithStartDirectory(s.home())).Serve()
		return
	}
}

// sftpSession is one client at work.
type sftpSession struct {
	*SFTP
	conn net.Conn
	gone chan struct{}
}

// Filewrite refuses.
func (s *sftpSession) Filewrite(*sftp.Request) (io.WriterAt, error) { return nil, os.ErrPermission }

// Filecmd refuses.
func (s *sftpSession) Filecmd(*sftp.Request) error { return os.ErrPermission }

// Fileread opens a file.
func (s *sftpSession) Fileread(r *sftp.Request) (io.ReaderAt, error) {
	f, err := s.find(r.Filepath, true)
	switch {
	case err != nil:
		return nil, err
	case f.dir:
		return nil, sftp.ErrSSHFxFailure
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened = append(s.opened, r.Filepath)
	return &sftpReader{s, f.at}, nil
}

// Filelist answers for a folder, a file, and a link.
func (s *sftpSession) Filelist(r *sftp.Request) (sftp.ListerAt, error) {
	switch r.Method {
	case "List":
		return s.list(r.Filepath)
	case "Stat":
		f, err := s.find(r.Filepath, true)
		return infos{f}, err
	}
	return nil, sftp.ErrSSHFxOpUnsupported
}

// Lstat answers for a link itself.
func (s *sftpSession) Lstat(r *sftp.Request) (sftp.ListerAt, error) {
	f, err := s.find(r.Filepath, false)
	return infos{f}, err
}

func (s *sftpSession) list(folder string) (sftp.ListerAt, error) {
	f, err := s.find(folder, true)
	if err == nil {
		err = s.meet(f.at, -1)
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var out infos
	for name := range s.files {
		below, ok := strings.CutPrefix(name, strings.TrimSuffix(f.at, "/")+"/")
		if !ok {
			continue
		}
		first, _, deeper := strings.Cut(below, "/")
		at := path.Join(f.at, first)
		if !slices.ContainsFunc(out, func(i fs.FileInfo) bool { return i.Name() == first }) {
			out = append(out, sftpInfo{at, deeper, s.files[at]})
		}
	}
	slices.SortFunc(out, func(a, b fs.FileInfo) int { return strings.Compare(b.Name(), a.Name()) }) // a server sorts nothing
	return out, nil
}

// find looks for a file or a folder.
func (s *sftpSession) find(name string, follow bool) (sftpInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.abs(name)
	for range 8 { // links that lead to each other
		f, ok := s.files[at]
		if !ok {
			break
		}
		if f.link == "" || !follow {
			return sftpInfo{at, false, f}, nil
		}
		if at = f.link; !path.IsAbs(at) {
			at = path.Join(path.Dir(s.abs(name)), at)
		}
	}
	for file := range s.files {
		if strings.HasPrefix(file, strings.TrimSuffix(at, "/")+"/") {
			return sftpInfo{at, true, sftpFile{time: sftpEpoch}}, nil
		}
	}
	return sftpInfo{}, os.ErrNotExist
}

// sftpReader is an open file. It gives what lies under the name by now, as a file that is written in place does.
type sftpReader struct {
	session *sftpSession
	at      string
}

func (r *sftpReader) ReadAt(p []byte, off int64) (int, error) {
	s := r.session
	if err := s.meet(r.at, off); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := bytes.NewReader(s.files[r.at].data).ReadAt(p, off)
	s.sent += int64(n)
	return n, err
}

// meet lets go wrong what has to.
func (s *sftpSession) meet(path string, offset int64) error {
	err := s.met(path, offset)
	switch {
	case errors.Is(err, ErrCut):
		_ = s.conn.Close()
	case errors.Is(err, ErrStall):
		<-s.gone
	}
	return err
}

func (s *SFTP) met(path string, offset int64) error {
	s.meeting <- struct{}{}
	defer func() { <-s.meeting }()
	if s.Meet == nil {
		return nil
	}
	return s.Meet(path, offset)
}

// sftpInfo is a file as SFTP describes it.
type sftpInfo struct {
	at   string
	dir  bool
	file sftpFile
}

func (i sftpInfo) Name() string       { return path.Base(i.at) }
func (i sftpInfo) Size() int64        { return int64(len(i.file.data)) }
func (i sftpInfo) ModTime() time.Time { return i.file.time }
func (i sftpInfo) IsDir() bool        { return i.dir }
func (i sftpInfo) Sys() any           { return nil }
func (i sftpInfo) Mode() fs.FileMode {
	switch {
	case i.dir:
		return fs.ModeDir | 0o755
	case i.file.link != "":
		return fs.ModeSymlink | 0o777
	}
	return 0o644
}

// infos gives a list piece by piece.
type infos []fs.FileInfo

func (l infos) ListAt(to []fs.FileInfo, from int64) (int, error) {
	if from >= int64(len(l)) {
		return 0, io.EOF
	}
	n := copy(to, l[from:])
	if n < len(to) {
		return n, io.EOF
	}
	return n, nil
}
