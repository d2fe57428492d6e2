package embedded

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

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

func readConnection(file string) (address string, id *identity, err error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil, ErrAway
	}
	if err != nil {
		return "", nil, err
	}
	var c connection
	if err := json.Unmarshal(text, &c); err != nil || c.Schema != connectionSchema {
		return "", nil, fmt.Errorf("%s is not a connection file of this version", file)
	}
	if id, err = loadIdentity([]byte(c.Cert), []byte(c.Key)); err != nil {
		return "", nil, fmt.Errorf("%s: %w", file, err)
	}
	return c.Address, id, nil
}

// Dial joins the engine that a process runs in this folder, and ErrAway says that none can be joined now. The client
// outlives the engine: when that has ended it waits for the next one of the folder, wherever that listens, so that
// whoever uses the client keeps what he is at.
func Dial(ctx context.Context, dir string, o client.Options) (client.Client, error) {
	if err := Reach(ctx, dir); err != nil {
		return nil, err
	}
	o.HostPort, o.Namespace = "passthrough:///engine", Namespace
	o.ConnectionOptions.GrpcCompression = &client.GrpcCompressionNone{} // nothing leaves this machine
	o.ConnectionOptions.DialOptions = append(o.ConnectionOptions.DialOptions,
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return await(ctx, dir) }),
		// An attempt to connect lasts until there is an engine: it is there for calls at once, without a pause between attempts.
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.DefaultConfig, MinConnectTimeout: 1000 * time.Hour}))
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	c, err := client.DialContext(ctx, o)
	if _, ended := errors.AsType[*serviceerror.Unavailable](err); ended && ctx.Err() == nil {
		err = fmt.Errorf("%w: %w", ErrAway, err) // it answered a moment ago
	}
	if err != nil {
		return nil, fmt.Errorf("join engine: %w", err)
	}
	return c, nil
}

// Reach says whether the engine of a folder can be joined now.
func Reach(ctx context.Context, dir string) error {
	conn, err := reach(ctx, dir)
	if err != nil {
		return fmt.Errorf("join engine: %w", err)
	}
	return conn.Close()
}

// reach connects to the process that runs the engine of a folder now. Both sides show the certificate of the
// connection file. gRPC sees a plain connection: its own TLS would hold on to the certificate of the first engine.
func reach(ctx context.Context, dir string) (net.Conn, error) {
	address, id, err := readConnection(filepath.Join(dir, connectionFile))
	if err != nil {
		return nil, err
	}
	config := id.client.Clone()
	config.NextProtos = []string{"h2"}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", address)
	if err != nil { // the file is that of a process which was killed, and its port may be another's now
		return nil, fmt.Errorf("%w: %w", ErrAway, err)
	}
	return conn, nil
}

// await connects as soon as there is an engine.
func await(ctx context.Context, dir string) (net.Conn, error) {
	for {
		conn, err := reach(ctx, dir)
		if !errors.Is(err, ErrAway) {
			return conn, err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return nil, err
		}
	}
}
