package embedded

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"time"

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
