package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"runtime"
	"time"

	"github.com/virtual-kubelet/virtual-kubelet/node"
	"github.com/virtual-kubelet/virtual-kubelet/node/nodeutil"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

const readyLimit = 60 * time.Second

// Registers the nodes and serves them until the context ends; then all pods end at once, as on a machine that loses power.
func (m *machine) run(ctx context.Context, count int) error {
	certificate, err := servingCertificate()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, count)
	for index := range count {
		registered, err := m.newNode(fmt.Sprintf("node-%d", index+1), certificate)
		if err != nil {
			return err
		}
		go func() { failed <- registered.Run(ctx) }()
		if err := registered.WaitReady(ctx, readyLimit); err != nil && ctx.Err() == nil {
			return err
		}
	}
	fmt.Printf("lablet-node: %d nodes are ready\n", count)
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return fmt.Errorf("a node ended: %w", err)
	}
}

func (m *machine) newNode(name string, certificate tls.Certificate) (*nodeutil.Node, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	handler := http.NewServeMux()
	create := func(config nodeutil.ProviderConfig) (nodeutil.Provider, node.NodeProvider, error) {
		describe(config.Node, port)
		return newProvider(m), nil, nil
	}
	return nodeutil.NewNode(name, create,
		nodeutil.WithClient(m.client),
		func(config *nodeutil.NodeConfig) error {
			config.HTTPListenAddr = fmt.Sprintf("127.0.0.1:%d", port)
			config.Handler = handler
			config.NumWorkers = 8
			// Its resolution knows neither the pod's address nor resources.
			config.SkipDownwardAPIResolution = true
			return nil
		},
		nodeutil.AttachProviderRoutes(handler),
		// Only the API server may ask for logs.
		nodeutil.WithTLSConfig(nodeutil.WithCACert(m.config.CAData), func(config *tls.Config) error {
			config.Certificates = []tls.Certificate{certificate}
			config.ClientAuth = tls.RequireAndVerifyClientCert
			return nil
		}),
	)
}

// What the scheduler and `kubectl get nodes` need to know.
func describe(node *v1.Node, port int) {
	capacity := v1.ResourceList{
		v1.ResourceCPU:              resource.MustParse("8"),
		v1.ResourceMemory:           resource.MustParse("16Gi"),
		v1.ResourceEphemeralStorage: resource.MustParse("50Gi"),
		v1.ResourcePods:             resource.MustParse("30"),
	}
	node.Labels[v1.LabelOSStable] = runtime.GOOS
	node.Labels[v1.LabelArchStable] = runtime.GOARCH
	node.Status.Capacity, node.Status.Allocatable = capacity, capacity
	node.Status.NodeInfo = v1.NodeSystemInfo{OperatingSystem: runtime.GOOS, Architecture: runtime.GOARCH, KubeletVersion: "v1.37.2-lablet-node", ContainerRuntimeVersion: "process://1"}
	node.Status.Addresses = []v1.NodeAddress{{Type: v1.NodeInternalIP, Address: "127.0.0.1"}, {Type: v1.NodeHostName, Address: node.Name}}
	node.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(port)
	for index := range node.Status.Conditions {
		condition := &node.Status.Conditions[index]
		if condition.Type != v1.NodeReady {
			condition.Status = v1.ConditionFalse
		}
	}
}

// The API server does not verify a kubelet's certificate unless it is told to.
func servingCertificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "lablet-node"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().AddDate(1, 0, 0),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
