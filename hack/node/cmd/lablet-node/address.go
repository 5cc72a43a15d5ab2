package main

import (
	"fmt"
	"net"
)

// An address of 127.0.1.0/24 that no other pod on this machine has, be it of another process.
type address struct {
	ip    string
	claim net.Listener
}

// The claim is a socket in Linux' abstract name space: it ends with the process that holds it.
func claimAddress() (address, error) {
	for last := 1; last < 255; last++ {
		ip := fmt.Sprintf("127.0.1.%d", last)
		if claim, err := net.Listen("unix", "@lablet-node/"+ip); err == nil {
			return address{ip: ip, claim: claim}, nil
		}
	}
	return address{}, fmt.Errorf("all addresses of 127.0.1.0/24 are taken by pods")
}

func (a address) release() { _ = a.claim.Close() }
