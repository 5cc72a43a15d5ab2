// Command kindcheck reads a kind cluster configuration as kind does, strictly and with its validation.
//
//	kindcheck FILE
package main

import (
	"fmt"
	"os"

	"sigs.k8s.io/kind/pkg/internal/apis/config/encoding"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: kindcheck FILE")
		os.Exit(2)
	}
	config, err := encoding.Load(os.Args[1])
	if err == nil {
		err = config.Validate()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
	fmt.Printf("%d node(s), API server on %s\n", len(config.Nodes), config.Networking.APIServerAddress)
}
