// Package embedded is Temporal in the box: the whole server in this process, with its database in one
// SQLite file under the home, so that a run survives the process.
//
// The database is disposable run state. What a run made lies in the content-addressed store; losing the
// database costs the finding of cache hits again and nothing else. That is why a database of another schema,
// or one that is damaged, is moved aside instead of migrated or repaired. So is one from a time that is yet to come:
// after a clock was set back its timers would wait for that time.
//
// Loopback ports are open to every user of a machine and workflow histories may name patients' files, so
// the server speaks mutual TLS with a certificate authority that lives as long as the process. Another
// process of the same user joins through the connection file, which only that user can read.
//
// It is the only package that imports go.temporal.io/server.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"
	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/common/primitives"
	sqliteschema "go.temporal.io/server/schema/sqlite"
	"go.temporal.io/server/temporal"
)

// Namespace is the namespace of all runs of a home.
const Namespace = "default"

// Files in the engine's folder.
const (
	databaseFile   = "temporal.db"
	lockFile       = "engine.lock"
	connectionFile = "connection.json"
	logFile        = "engine.log"
)

// ErrRunning says that another process runs the engine of this folder. Dial joins it.
var ErrRunning = errors.New("the engine of this home runs in another process")

// ErrAway says that the engine cannot be joined now: the process that has its folder is just starting or ending.
var ErrAway = errors.New("the engine of this home is just starting or ending")

// Options say how the engine runs. The zero value is good.
type Options struct {
	Port int    // of the frontend; 0 takes a free one
	Who  string // runs it, for others that would; "" names the process
}

// Engine is a running server.
type Engine struct {
	server   temporal.Server
	address  string
	identity *identity
	lock     *os.File
	dir      string
	Moved    Moved // a database that could not be gone on with
}

// Start runs the engine of a folder. Only one process can; the others get ErrRunning.
func Start(dir string, o Options) (_ *Engine, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("start engine: %w", err)
	}
	lock, err := takeLock(filepath.Join(dir, lockFile), o.Who)
	if err != nil {
		return nil, err
	}
	e := &Engine{lock: lock, dir: dir}
	defer func() {
		if err != nil {
			_ = lock.Close()
		}
	}()
	if e.Moved, err = e.database(); err != nil {
		return nil, fmt.Errorf("start engine: %w", err)
	}
	ports, err := freePorts(o.Port)
	if err != nil {
		return nil, fmt.Errorf("start engine: %w", err)
	}
	if e.identity, err = newIdentity(); err != nil {
		return nil, fmt.Errorf("start engine: %w", err)
	}
	e.address = net.JoinHostPort(loopback, strconv.Itoa(ports[0]))
	if e.server, err = newServer(dir, ports, e.identity); err != nil {
		return nil, fmt.Errorf("start engine: %w", err)
	}
	if err := e.server.Start(); err != nil {
		return nil, fmt.Errorf("start engine: %w", err)
	}
	if err := writeConnection(filepath.Join(dir, connectionFile), e.address, e.identity); err != nil {
		e.Stop()
		return nil, fmt.Errorf("start engine: %w", err)
	}
	return e, nil
}

// database makes sure that there is one that can be gone on with. The lock, which has just been written, has the time
// of the file system; a connection that is left says that its process did not end in order.
func (e *Engine) database() (Moved, error) {
	now, err := e.lock.Stat()
	if err != nil {
		return Moved{}, err
	}
	return ensureSchema(filepath.Join(e.dir, databaseFile), now.ModTime(), exists(filepath.Join(e.dir, connectionFile)))
}

// Address is the frontend's host and port.
func (e *Engine) Address() string { return e.address }

// Client connects to the engine.
func (e *Engine) Client(o client.Options) (client.Client, error) {
	return Dial(context.Background(), e.dir, o)
}

// Stop ends the server in order. A process that is about to exit may leave it out: the database is safe at
// any moment, and stopping takes a second.
func (e *Engine) Stop() {
	os.Remove(filepath.Join(e.dir, connectionFile))
	_ = e.server.Stop()
	_ = e.lock.Close()
}

// Leave ends the engine's claim to the folder without waiting for the server, for a process that exits next.
func (e *Engine) Leave() { os.Remove(filepath.Join(e.dir, connectionFile)) }

const loopback = "127.0.0.1"

// freePorts returns the frontend's port and three more. They are released together, after all are known.
func freePorts(first int) ([4]int, error) {
	var ports [4]int
	for i := range ports {
		want := 0
		if i == 0 {
			want = first
		}
		l, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(want)))
		if err != nil {
			return ports, err
		}
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}

func newServer(dir string, ports [4]int, id *identity) (temporal.Server, error) {
	sql := sqlConfig(filepath.Join(dir, databaseFile))
	ns, err := sqliteschema.NewNamespaceConfig("active", Namespace, false, nil)
	if err != nil {
		return nil, err
	}
	if err := sqliteschema.CreateNamespaces(sql, ns); err != nil {
		return nil, err
	}
	logger, err := newLogger(filepath.Join(dir, logFile))
	if err != nil {
		return nil, err
	}
	cfg := serverConfig(sql, ports)
	authorizer, err := authorization.GetAuthorizerFromConfig(&cfg.Global.Authorization)
	if err != nil {
		return nil, err
	}
	claims, err := authorization.GetClaimMapperFromConfig(&cfg.Global.Authorization, logger)
	if err != nil {
		return nil, err
	}
	return temporal.NewServer(
		temporal.WithConfig(cfg),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(staticHosts(ports)),
		temporal.WithLogger(logger),
		temporal.WithAuthorizer(authorizer),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper { return claims }),
		temporal.WithTLSConfigFactory(id),
		temporal.WithDynamicConfigClient(dynamicConfig()),
	)
}

// services are the four roles of the server, in the order of the ports.
func services() []primitives.ServiceName {
	return []primitives.ServiceName{primitives.FrontendService, primitives.HistoryService, primitives.MatchingService, primitives.WorkerService}
}

func staticHosts(ports [4]int) map[primitives.ServiceName]static.Hosts {
	hosts := map[primitives.ServiceName]static.Hosts{}
	for i, s := range services() {
		hosts[s] = static.SingleLocalHost(net.JoinHostPort(loopback, strconv.Itoa(ports[i])))
	}
	return hosts
}

func sqlConfig(file string) *config.SQL {
	return &config.SQL{
		PluginName:   sqlite.PluginName,
		DatabaseName: file,
		MaxConns:     1,
		// WAL with NORMAL may lose the last transactions at a power cut and stays consistent; steps are
		// idempotent, so that costs a cache hit.
		ConnectAttributes: map[string]string{"mode": "rwc", "journal_mode": "wal", "synchronous": "normal", "busy_timeout": "10000"},
	}
}

func serverConfig(sql *config.SQL, ports [4]int) *config.Config {
	frontend := net.JoinHostPort(loopback, strconv.Itoa(ports[0]))
	c := &config.Config{}
	c.Global.Membership = config.Membership{MaxJoinDuration: 30 * time.Second, BroadcastAddress: loopback}
	c.Persistence = config.Persistence{
		DefaultStore: sqlite.PluginName, VisibilityStore: sqlite.PluginName, NumHistoryShards: 1,
		DataStores: map[string]config.DataStore{sqlite.PluginName: {SQL: sql}},
	}
	c.ClusterMetadata = &cluster.Config{
		FailoverVersionIncrement: 10, MasterClusterName: "active", CurrentClusterName: "active",
		ClusterInformation: map[string]cluster.ClusterInformation{
			"active": {Enabled: true, InitialFailoverVersion: 1, RPCAddress: frontend, ClusterID: uuid.NewString()},
		},
	}
	c.DCRedirectionPolicy = config.DCRedirectionPolicy{Policy: "noop"}
	c.Services = map[string]config.Service{}
	for i, s := range services() {
		c.Services[string(s)] = config.Service{RPC: config.RPC{GRPCPort: ports[i], BindOnLocalHost: true}}
	}
	c.Archival = config.Archival{History: config.HistoryArchival{State: "disabled"}, Visibility: config.VisibilityArchival{State: "disabled"}}
	c.NamespaceDefaults = config.NamespaceDefaults{Archival: config.ArchivalNamespaceDefaults{
		History:    config.HistoryArchivalNamespaceDefaults{State: "disabled"},
		Visibility: config.VisibilityArchivalNamespaceDefaults{State: "disabled"},
	}}
	c.PublicClient = config.PublicClient{HostPort: frontend}
	return c
}

// dynamicConfig lifts what holds a single-shard server back: the defaults poll 20 tasks a second.
func dynamicConfig() dynamicconfig.StaticClient {
	return dynamicconfig.StaticClient{
		dynamicconfig.MakeKey("history.transferProcessorMaxPollRPS"):            5000,
		dynamicconfig.MakeKey("history.timerProcessorMaxPollRPS"):               5000,
		dynamicconfig.MakeKey("history.visibilityProcessorMaxPollRPS"):          5000,
		dynamicconfig.MakeKey("history.outboundProcessorMaxPollRPS"):            5000,
		dynamicconfig.MakeKey("history.persistenceMaxQPS"):                      45000,
		dynamicconfig.MakeKey("history.workflowIdReuseMinimalInterval"):         "0s",
		dynamicconfig.MakeKey("history.hostLevelCacheMaxSize"):                  8096,
		dynamicconfig.MakeKey("frontend.persistenceMaxQPS"):                     10000,
		dynamicconfig.MakeKey("frontend.namespaceRPS.visibility"):               100,
		dynamicconfig.MakeKey("matching.numTaskqueueReadPartitions"):            1,
		dynamicconfig.MakeKey("matching.numTaskqueueWritePartitions"):           1,
		dynamicconfig.MakeKey("system.forceSearchAttributesCacheRefreshOnRead"): true,
	}
}
