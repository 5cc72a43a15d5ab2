package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// What an image holds, as files of this machine.
type image struct {
	// The entrypoint of the Dockerfile.
	Entrypoint []string `json:"entrypoint"`
	// Path in the container: file or folder of this machine. Beside them a container sees the libraries of this machine.
	Files map[string]string `json:"files"`
	// The environment of the Dockerfile, as NAME=VALUE.
	Env []string `json:"env"`
	// The working directory of the Dockerfile.
	Directory string `json:"directory"`
	// The user of the Dockerfile, who is also its group.
	User int64 `json:"user"`
}

// A JSON file: the tag of an image, and what it stands for. Registry and repository do not matter.
type imageFile string

func (file imageFile) pull(reference string) (image, error) {
	content, err := os.ReadFile(string(file))
	if err != nil {
		return image{}, err
	}
	known := map[string]image{}
	if err := json.Unmarshal(content, &known); err != nil {
		return image{}, fmt.Errorf("%s: %w", file, err)
	}
	tag := tagOf(reference)
	found, ok := known[tag]
	if !ok {
		return image{}, fmt.Errorf("no image has the tag %q of %s; there are %s", tag, reference, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
	}
	return found, nil
}

// The tag of REGISTRY:PORT/REPOSITORY:TAG@DIGEST; "latest" where there is none.
func tagOf(reference string) string {
	name, _, _ := strings.Cut(reference, "@")
	name = name[strings.LastIndex(name, "/")+1:]
	if _, tag, ok := strings.Cut(name, ":"); ok {
		return tag
	}
	return "latest"
}
