// Command lablet-node registers nodes with an API server and runs the pods that are bound to them as local processes.
//
//	lablet-node --kubeconfig FILE --images FILE --directory DIR [--nodes 3]
//
// It is a node for tests and development, not a container runtime: an image is a few files of this machine (images.go),
// Services are not routed, and a pod has a loopback address of its own instead of a network. What a pod may rely on is in
// docs/testing.md. No process of a pod outlives this program, however it ends.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

func main() {
	// Started by ourselves inside of new namespaces, to become the first process of a container.
	if len(os.Args) == 2 && os.Args[1] == initArgument {
		os.Exit(runInit())
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "lablet-node:", err)
		os.Exit(1)
	}
}

func run() error {
	kubeconfig := flag.String("kubeconfig", "", "kubeconfig of an administrator of the cluster")
	images := flag.String("images", "", "JSON file that says what the tags of images stand for; read again for each pod")
	directory := flag.String("directory", "", "folder for logs and volumes of the pods")
	nodes := flag.Int("nodes", 3, "how many nodes to register, as node-1 to node-N")
	flag.Parse()
	if *kubeconfig == "" || *images == "" || *directory == "" || *nodes < 1 || flag.NArg() > 0 {
		flag.Usage()
		return errors.New("--kubeconfig, --images and --directory are needed")
	}
	if err := checkPrivileges(); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	// One process is the kubelet of all its nodes: the default of 5 requests a second is for one of them.
	config.QPS, config.Burst = 200, 400
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	machine := &machine{client: client, config: config, images: imageFile(*images), directory: *directory}
	return machine.run(stop, *nodes)
}

// A pod has mounts of its own, which an ordinary user may not make.
func checkPrivileges() error {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		return fmt.Errorf("a node needs Linux and root, since it gives each pod mounts of its own; this is %s and user %d", runtime.GOOS, os.Geteuid())
	}
	return nil
}

// What the nodes of this process share.
type machine struct {
	client    kubernetes.Interface
	config    *rest.Config
	images    imageFile
	directory string
}
