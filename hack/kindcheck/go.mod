// Checks a cluster configuration with kind's own parser. The parser is internal to kind: Go lets only modules whose
// path begins with sigs.k8s.io/kind/pkg import it, hence the name.
module sigs.k8s.io/kind/pkg/kindcheck

go 1.26.0

require sigs.k8s.io/kind v0.33.0

require (
	github.com/pkg/errors v0.9.1 // indirect
	go.yaml.in/yaml/v3 v3.0.4 // indirect
)
