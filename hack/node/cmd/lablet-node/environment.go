package main

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// Where a container's variables come from.
type environment struct {
	client kubernetes.Interface
	pod    *v1.Pod
	ip     string
	// Variables of the image and of the node, which the pod may override.
	base []string
}

// The whole environment of a container as NAME=VALUE, sorted by name.
func (e environment) of(ctx context.Context, container *v1.Container) ([]string, error) {
	values := map[string]string{}
	for _, pair := range e.base {
		name, value, _ := strings.Cut(pair, "=")
		values[name] = value
	}
	for _, from := range container.EnvFrom {
		data, err := e.allOf(ctx, from)
		if err != nil {
			return nil, err
		}
		for name, value := range data {
			values[from.Prefix+name] = value
		}
	}
	for _, variable := range container.Env {
		value, found, err := e.value(ctx, container, variable, values)
		if err != nil {
			return nil, fmt.Errorf("variable %s: %w", variable.Name, err)
		}
		if found {
			values[variable.Name] = value
		}
	}
	pairs := []string{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		pairs = append(pairs, name+"="+values[name])
	}
	return pairs, nil
}

func (e environment) allOf(ctx context.Context, from v1.EnvFromSource) (map[string]string, error) {
	switch {
	case from.ConfigMapRef != nil:
		data, err := configMapData(ctx, e.client, e.pod.Namespace, from.ConfigMapRef.Name, from.ConfigMapRef.Optional)
		return asText(data), err
	case from.SecretRef != nil:
		data, err := secretData(ctx, e.client, e.pod.Namespace, from.SecretRef.Name, from.SecretRef.Optional)
		return asText(data), err
	}
	return nil, nil
}

func (e environment) value(ctx context.Context, container *v1.Container, variable v1.EnvVar, known map[string]string) (string, bool, error) {
	source := variable.ValueFrom
	switch {
	case source == nil:
		return expand(variable.Value, known), true, nil
	case source.FieldRef != nil:
		value, err := fieldOf(e.pod, e.ip, source.FieldRef.FieldPath)
		return value, true, err
	case source.ResourceFieldRef != nil:
		value, err := resourceOf(container, source.ResourceFieldRef)
		return value, true, err
	case source.ConfigMapKeyRef != nil:
		ref := source.ConfigMapKeyRef
		data, err := configMapData(ctx, e.client, e.pod.Namespace, ref.Name, ref.Optional)
		return keyOf(data, err, "ConfigMap "+ref.Name, ref.Key, ref.Optional)
	case source.SecretKeyRef != nil:
		ref := source.SecretKeyRef
		data, err := secretData(ctx, e.client, e.pod.Namespace, ref.Name, ref.Optional)
		return keyOf(data, err, "Secret "+ref.Name, ref.Key, ref.Optional)
	}
	return "", false, fmt.Errorf("this node does not know its source")
}

func keyOf(data map[string][]byte, err error, what, key string, optional *bool) (string, bool, error) {
	value, found := data[key]
	if err != nil || (!found && isTrue(optional)) {
		return "", false, err
	}
	if !found {
		return "", false, fmt.Errorf("the %s has no key %s", what, key)
	}
	return string(value), true, nil
}

// A missing optional object is empty.
func configMapData(ctx context.Context, client kubernetes.Interface, namespace, name string, optional *bool) (map[string][]byte, error) {
	found, err := client.CoreV1().ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		if errors.IsNotFound(err) && isTrue(optional) {
			return nil, nil
		}
		return nil, err
	}
	data := maps.Clone(found.BinaryData)
	if data == nil {
		data = map[string][]byte{}
	}
	for key, value := range found.Data {
		data[key] = []byte(value)
	}
	return data, nil
}

func secretData(ctx context.Context, client kubernetes.Interface, namespace, name string, optional *bool) (map[string][]byte, error) {
	found, err := client.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		if errors.IsNotFound(err) && isTrue(optional) {
			return nil, nil
		}
		return nil, err
	}
	return found.Data, nil
}

var subscript = regexp.MustCompile(`^metadata\.(labels|annotations)\['([^']+)'\]$`)

// A field of the downward API.
func fieldOf(pod *v1.Pod, ip, path string) (string, error) {
	if match := subscript.FindStringSubmatch(path); match != nil {
		return map[string]map[string]string{"labels": pod.Labels, "annotations": pod.Annotations}[match[1]][match[2]], nil
	}
	fields := map[string]string{
		"metadata.name": pod.Name, "metadata.namespace": pod.Namespace, "metadata.uid": string(pod.UID),
		"spec.nodeName": pod.Spec.NodeName, "spec.serviceAccountName": pod.Spec.ServiceAccountName,
		"status.podIP": ip, "status.podIPs": ip, "status.hostIP": "127.0.0.1", "status.hostIPs": "127.0.0.1",
	}
	value, ok := fields[path]
	if !ok {
		return "", fmt.Errorf("this node does not know the field %s", path)
	}
	return value, nil
}

func resourceOf(container *v1.Container, ref *v1.ResourceFieldSelector) (string, error) {
	kind, name, _ := strings.Cut(ref.Resource, ".")
	list := map[string]v1.ResourceList{"limits": container.Resources.Limits, "requests": container.Resources.Requests}[kind]
	quantity, ok := list[v1.ResourceName(name)]
	if !ok {
		return "", fmt.Errorf("the container has no %s", ref.Resource)
	}
	divisor := ref.Divisor
	if divisor.IsZero() {
		divisor = resource.MustParse("1")
	}
	// Rounded up, as the kubelet does.
	return strconv.FormatInt((quantity.MilliValue()+divisor.MilliValue()-1)/divisor.MilliValue(), 10), nil
}

var reference = regexp.MustCompile(`\$\$|\$\(([A-Za-z_.-][A-Za-z0-9_.-]*)\)`)

// Replaces $(NAME) by what is known and $$ by $; what is not known stays.
func expand(text string, known map[string]string) string {
	return reference.ReplaceAllStringFunc(text, func(found string) string {
		if found == "$$" {
			return "$"
		}
		if value, ok := known[found[2:len(found)-1]]; ok {
			return value
		}
		return found
	})
}

func asText(data map[string][]byte) map[string]string {
	text := map[string]string{}
	for key, value := range data {
		text[key] = string(value)
	}
	return text
}

func isTrue(value *bool) bool { return value != nil && *value }
