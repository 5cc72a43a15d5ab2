package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
)

const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// What the container's first process is told, from the pod and the image.
func (p *runningPod) specOf(container *v1.Container) (containerSpec, error) {
	image, err := p.machine.images.pull(container.Image)
	if err != nil {
		return containerSpec{}, err
	}
	environment, err := p.environmentOf(container, image)
	if err != nil {
		return containerSpec{}, err
	}
	user := userOf(p.pod, container, image.User)
	if context := p.pod.Spec.SecurityContext; user == 0 && context != nil && isTrue(context.RunAsNonRoot) {
		return containerSpec{}, fmt.Errorf("the container has runAsNonRoot and the user of its image is root")
	}
	root := filepath.Join(p.directory, "root-"+container.Name)
	if err := os.MkdirAll(root, 0o755); err != nil {
		return containerSpec{}, err
	}
	binds, err := p.bindsOf(container, image)
	if err != nil {
		return containerSpec{}, err
	}
	hosts, err := p.writeHosts()
	if err != nil {
		return containerSpec{}, err
	}
	binds = append(binds, bind{Source: hosts, Target: "/etc/hosts", ReadOnly: true})
	directory := "/"
	for _, wanted := range []string{image.Directory, container.WorkingDir} {
		if wanted != "" {
			directory = wanted
		}
	}
	return containerSpec{
		Root: root, Binds: binds, ReadOnlyRoot: isReadOnly(container), Hostname: p.pod.Name,
		Command: commandOf(container, image, environment), Env: environment, Directory: directory,
		User: uint32(user), Group: uint32(groupOf(p.pod, container, image.User)), Groups: supplementaryGroups(p.pod),
	}, nil
}

// The pod's command takes the place of the image's entrypoint, with its arguments.
func commandOf(container *v1.Container, image image, environment []string) []string {
	known := map[string]string{}
	for _, pair := range environment {
		name, value, _ := strings.Cut(pair, "=")
		known[name] = value
	}
	command := image.Entrypoint
	if len(container.Command) > 0 {
		command = container.Command
	}
	expanded := []string{}
	for _, word := range slices.Concat(command, container.Args) {
		expanded = append(expanded, expand(word, known))
	}
	return expanded
}

func (p *runningPod) environmentOf(container *v1.Container, image image) ([]string, error) {
	server, err := url.Parse(p.machine.config.Host)
	if err != nil {
		return nil, err
	}
	base := slices.Concat([]string{defaultPath}, image.Env, []string{
		// As container runtimes set them; the user of our image is in no /etc/passwd.
		"HOSTNAME=" + p.pod.Name, "HOME=/",
		"KUBERNETES_SERVICE_HOST=" + server.Hostname(), "KUBERNETES_SERVICE_PORT=" + server.Port(),
		// All pods share the network of the machine: each listens on its own address of it.
		"LISTEN_HOST=" + p.address.ip,
	})
	return environment{client: p.machine.client, pod: p.pod, ip: p.address.ip, base: base}.of(context.Background(), container)
}

func (p *runningPod) writeHosts() (string, error) {
	content, err := hostsFile(context.Background(), p.machine.client, p.pod, p.address.ip)
	if err != nil {
		return "", err
	}
	path := filepath.Join(p.directory, "hosts")
	return path, os.WriteFile(path, []byte(content), 0o644)
}

// The files of the image, then the volumes: the shortest path first, since one may lie in another.
func (p *runningPod) bindsOf(container *v1.Container, image image) ([]bind, error) {
	binds := []bind{}
	for path, source := range image.Files {
		binds = append(binds, bind{Source: source, Target: path, ReadOnly: true})
	}
	for _, mount := range container.VolumeMounts {
		if mount.SubPathExpr != "" {
			return nil, fmt.Errorf("this node does not know subPathExpr")
		}
		index := slices.IndexFunc(p.pod.Spec.Volumes, func(each v1.Volume) bool { return each.Name == mount.Name })
		volume := p.pod.Spec.Volumes[index]
		source := filepath.Join(p.volumes.path(mount.Name), mount.SubPath)
		binds = append(binds, bind{Source: source, Target: mount.MountPath, ReadOnly: mount.ReadOnly || volume.EmptyDir == nil})
	}
	slices.SortFunc(binds, func(a, b bind) int { return len(a.Target) - len(b.Target) })
	return binds, nil
}
