package embedded

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/server/common/rpc/encryption"
)

// identity is a certificate authority of this process and the one certificate it gave, used on both sides.
// It implements the server's TLSConfigProvider.
type identity struct {
	server, client *tls.Config
	cert, key      []byte // PEM
}

func newIdentity() (*identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "cairn engine"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.ParseIP(loopback)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return loadIdentity(
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

func loadIdentity(cert, key []byte) (*identity, error) {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(cert) {
		return nil, errors.New("no certificate in connection file")
	}
	pairs := []tls.Certificate{pair}
	return &identity{
		server: &tls.Config{MinVersion: tls.VersionTLS13, Certificates: pairs, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert},
		client: &tls.Config{MinVersion: tls.VersionTLS13, Certificates: pairs, RootCAs: pool, ServerName: loopback},
		cert:   cert, key: key,
	}, nil
}

func (i *identity) GetInternodeServerConfig() (*tls.Config, error) { return i.server, nil }
func (i *identity) GetInternodeClientConfig() (*tls.Config, error) { return i.client, nil }
func (i *identity) GetFrontendServerConfig() (*tls.Config, error)  { return i.server, nil }
func (i *identity) GetFrontendClientConfig() (*tls.Config, error)  { return i.client, nil }
func (i *identity) GetRemoteClusterClientConfig(string) (*tls.Config, error) {
	return i.client, nil
}
func (i *identity) GetExpiringCerts(time.Duration) (expiring, expired encryption.CertExpirationMap, err error) {
	return nil, nil, nil
}

// connection is what another process of the same user needs to join.
type connection struct {
	Schema  string `json:"schema"`
	Process int    `json:"process"`
	Address string `json:"address"`
	Cert    string `json:"cert"`
	Key     string `json:"key"`
}

const connectionSchema = "cairn/engine-connection/v1"

func writeConnection(file, address string, id *identity) error {
	text, err := json.MarshalIndent(connection{connectionSchema, os.Getpid(), address, string(id.cert), string(id.key)}, "", "  ")
	if err != nil {
		return err
	}
	// Renamed into place: who reads it while it is written must not see half of it. CreateTemp makes it ours alone.
	f, err := os.CreateTemp(filepath.Dir(file), "connection-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

// Dial joins the engine that another process runs in this folder.
func Dial(ctx context.Context, dir string, o client.Options) (client.Client, error) {
	file := filepath.Join(dir, connectionFile)
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("join engine: %w", ErrAway)
	}
	if err != nil {
		return nil, fmt.Errorf("join engine: %w", err)
	}
	var c connection
	if err := json.Unmarshal(text, &c); err != nil || c.Schema != connectionSchema {
		return nil, fmt.Errorf("join engine: %s is not a connection file of this version", file)
	}
	id, err := loadIdentity([]byte(c.Cert), []byte(c.Key))
	if err != nil {
		return nil, fmt.Errorf("join engine: %s: %w", file, err)
	}
	probe, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", c.Address)
	if err != nil { // the file is that of a process which was killed
		return nil, fmt.Errorf("join engine: %w: %w", ErrAway, err)
	}
	_ = probe.Close()
	return dial(ctx, o, c.Address, id.client)
}
