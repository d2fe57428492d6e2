package keys

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/cairn-bench/cairn/manifests/trust"
)

// Signer signs for a home. Where its key is, is looked up when it is first needed.
type Signer interface {
	dsse.Signer
	// Known is the public key as a policy has it.
	Known() (trust.PublicKey, error)
}

// execScheme begins a reference to a program that signs.
const execScheme = "exec:"

// patience is how long a program that signs may take.
const patience = time.Minute

// maxAnswer bounds what such a program may say.
const maxAnswer = 64 << 10

// Home is the key of a home: that of a reference, or if it is "" the one in the folder, which is made when it is first
// needed. A reference is the path of a key in PKCS#8, PEM, or "exec:PROGRAM ARGUMENT...", a program that signs with a key
// that it keeps, in a key management system or on a token:
//
//	PROGRAM ARGUMENT... public   writes the public key as PEM to its standard output
//	PROGRAM ARGUMENT... sign     reads what is to be signed and writes the signature: 64 bytes of ed25519, or the
//	                             ASN.1 of ECDSA on P-256 over the SHA-256 of what it has read
func Home(dir, reference string) Signer {
	return &lazy{find: sync.OnceValues(func() (Signer, error) {
		if command, ok := strings.CutPrefix(reference, execScheme); ok {
			return newCommand(strings.Fields(command))
		}
		if reference != "" {
			return Load(strings.TrimPrefix(reference, "file:"))
		}
		k, _, err := LoadOrMake(File(dir))
		return k, err
	})}
}

// File is where the key of a home lies.
func File(dir string) string { return filepath.Join(dir, "keys", "home.pem") }

// lazy finds its key when it is asked something.
type lazy struct{ find func() (Signer, error) }

func (l *lazy) KeyID() (string, error) {
	k, err := l.find()
	if err != nil {
		return "", err
	}
	return k.KeyID()
}

func (l *lazy) Known() (trust.PublicKey, error) {
	k, err := l.find()
	if err != nil {
		return trust.PublicKey{}, err
	}
	return k.Known()
}

func (l *lazy) Sign(ctx context.Context, data []byte) ([]byte, error) {
	k, err := l.find()
	if err != nil {
		return nil, err
	}
	return k.Sign(ctx, data)
}

// command is a key that a program keeps.
type command struct {
	args   []string
	public trust.PublicKey
}

func newCommand(args []string) (Signer, error) {
	if len(args) == 0 {
		return nil, fmt.Errorf("key: want a program after %q", execScheme)
	}
	c := command{args: args}
	text, err := c.run(context.Background(), "public", nil)
	if err != nil {
		return nil, err
	}
	if c.public, err = trust.ParsePublicKey(string(text)); err != nil {
		return nil, fmt.Errorf("key: `%s public` gave something else than a public key: %w", strings.Join(args, " "), err)
	}
	return c, nil
}

func (c command) KeyID() (string, error) { return c.public.ID, nil }

func (c command) Known() (trust.PublicKey, error) { return c.public, nil }

// Sign has the program sign, and checks what it gives.
func (c command) Sign(ctx context.Context, data []byte) ([]byte, error) {
	sig, err := c.run(ctx, "sign", data)
	if err != nil {
		return nil, err
	}
	if !c.public.Verify(data, sig) {
		return nil, fmt.Errorf("key: `%s sign` gave %d bytes that are no signature of its public key", strings.Join(c.args, " "), len(sig))
	}
	return sig, nil
}

func (c command) run(ctx context.Context, verb string, in []byte) ([]byte, error) {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	var said tail
	cmd := exec.CommandContext(ctx, c.args[0], append(c.args[1:len(c.args):len(c.args)], verb)...)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &said
	var out bounded
	cmd.Stdout = &out
	if err := errors.Join(cmd.Run(), out.err); err != nil {
		return nil, fmt.Errorf("key: `%s %s`: %w: %s", strings.Join(c.args, " "), verb, err, strings.TrimSpace(string(said)))
	}
	return out.text, nil
}

// bounded keeps an answer that is not too long.
type bounded struct {
	text []byte
	err  error
}

func (b *bounded) Write(p []byte) (int, error) {
	if len(b.text)+len(p) > maxAnswer {
		b.err = fmt.Errorf("an answer of more than %d bytes", maxAnswer)
		return 0, b.err
	}
	b.text = append(b.text, p...)
	return len(p), nil
}

// tail keeps the beginning of what a program complains of.
type tail []byte

func (t *tail) Write(p []byte) (int, error) {
	*t = append(*t, p[:min(len(p), maxComplaint-min(len(*t), maxComplaint))]...)
	return len(p), nil
}

const maxComplaint = 1 << 10
