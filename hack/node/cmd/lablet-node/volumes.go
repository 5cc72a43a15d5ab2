package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	authentication "k8s.io/api/authentication/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// How often Secrets, ConfigMaps and tokens are looked at again.
const refreshEvery = 10 * time.Second

// The volumes of a pod as folders of this machine, which are bound into its containers.
type volumes struct {
	client    kubernetes.Interface
	pod       *v1.Pod
	ip        string
	directory string
	tokens    map[string]issuedToken
	written   map[string]map[string]volumeFile
}

type volumeFile struct {
	data  []byte
	mode  os.FileMode
	owner int
}

type issuedToken struct {
	value string
	// When it is to be replaced.
	renewAt time.Time
}

func newVolumes(client kubernetes.Interface, pod *v1.Pod, ip, directory string) *volumes {
	return &volumes{client: client, pod: pod, ip: ip, directory: directory, tokens: map[string]issuedToken{}, written: map[string]map[string]volumeFile{}}
}

func (v *volumes) path(name string) string { return filepath.Join(v.directory, name) }

// Makes all folders with what they hold now; files that are there already change only if their content did.
func (v *volumes) write(ctx context.Context) error {
	for _, volume := range v.pod.Spec.Volumes {
		if err := v.writeOne(ctx, volume); err != nil {
			return fmt.Errorf("volume %s: %w", volume.Name, err)
		}
	}
	return nil
}

func (v *volumes) writeOne(ctx context.Context, volume v1.Volume) error {
	folder := v.path(volume.Name)
	if volume.EmptyDir != nil {
		return v.makeFolder(folder, 0o777)
	}
	files, err := v.content(ctx, volume.VolumeSource)
	if err != nil {
		return err
	}
	if err := v.makeFolder(folder, 0o755); err != nil {
		return err
	}
	if same(v.written[volume.Name], files) {
		return nil
	}
	if err := v.replace(folder, files); err != nil {
		return err
	}
	v.written[volume.Name] = files
	return nil
}

func (v *volumes) makeFolder(folder string, mode os.FileMode) error {
	if _, err := os.Stat(folder); err == nil {
		return nil
	}
	if err := os.MkdirAll(folder, mode); err != nil {
		return err
	}
	if group, ok := v.group(); ok {
		if err := os.Chown(folder, -1, group); err != nil {
			return err
		}
		mode |= os.ModeSetgid | 0o070
	}
	return os.Chmod(folder, mode)
}

// The group that owns the files of the pod's volumes.
func (v *volumes) group() (int, bool) {
	if context := v.pod.Spec.SecurityContext; context != nil && context.FSGroup != nil {
		return int(*context.FSGroup), true
	}
	return 0, false
}

// Path in the volume: file.
func (v *volumes) content(ctx context.Context, source v1.VolumeSource) (map[string]volumeFile, error) {
	switch {
	case source.Secret != nil:
		data, err := secretData(ctx, v.client, v.pod.Namespace, source.Secret.SecretName, source.Secret.Optional)
		return chosen(data, err, source.Secret.Items, source.Secret.DefaultMode, source.Secret.Optional)
	case source.ConfigMap != nil:
		data, err := configMapData(ctx, v.client, v.pod.Namespace, source.ConfigMap.Name, source.ConfigMap.Optional)
		return chosen(data, err, source.ConfigMap.Items, source.ConfigMap.DefaultMode, source.ConfigMap.Optional)
	case source.DownwardAPI != nil:
		return v.fields(source.DownwardAPI.Items, source.DownwardAPI.DefaultMode)
	case source.Projected != nil:
		return v.projected(ctx, source.Projected)
	}
	return nil, fmt.Errorf("this node has emptyDir, secret, configMap, downwardAPI and projected volumes only")
}

func (v *volumes) projected(ctx context.Context, source *v1.ProjectedVolumeSource) (map[string]volumeFile, error) {
	all := map[string]volumeFile{}
	for _, each := range source.Sources {
		files, err := v.projection(ctx, each, source.DefaultMode)
		if err != nil {
			return nil, err
		}
		maps.Copy(all, files)
	}
	return all, nil
}

func (v *volumes) projection(ctx context.Context, source v1.VolumeProjection, mode *int32) (map[string]volumeFile, error) {
	switch {
	case source.Secret != nil:
		data, err := secretData(ctx, v.client, v.pod.Namespace, source.Secret.Name, source.Secret.Optional)
		return chosen(data, err, source.Secret.Items, mode, source.Secret.Optional)
	case source.ConfigMap != nil:
		data, err := configMapData(ctx, v.client, v.pod.Namespace, source.ConfigMap.Name, source.ConfigMap.Optional)
		return chosen(data, err, source.ConfigMap.Items, mode, source.ConfigMap.Optional)
	case source.DownwardAPI != nil:
		return v.fields(source.DownwardAPI.Items, mode)
	case source.ServiceAccountToken != nil:
		token, err := v.token(ctx, source.ServiceAccountToken)
		// As the kubelet does: for the user of the pod's containers alone, unless a group is to read it.
		file := volumeFile{data: []byte(token), mode: 0o600, owner: int(userOf(v.pod, &v.pod.Spec.Containers[0], 0))}
		return map[string]volumeFile{source.ServiceAccountToken.Path: file}, err
	}
	return nil, fmt.Errorf("this node does not know one of its sources")
}

// A token of the pod's ServiceAccount that ends with the pod; replaced when four fifths of its life are over.
func (v *volumes) token(ctx context.Context, source *v1.ServiceAccountTokenProjection) (string, error) {
	key := source.Audience + "/" + strconv.FormatInt(*source.ExpirationSeconds, 10)
	if issued, ok := v.tokens[key]; ok && time.Now().Before(issued.renewAt) {
		return issued.value, nil
	}
	request := &authentication.TokenRequest{Spec: authentication.TokenRequestSpec{
		ExpirationSeconds: source.ExpirationSeconds,
		BoundObjectRef:    &authentication.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: v.pod.Name, UID: v.pod.UID},
	}}
	if source.Audience != "" {
		request.Spec.Audiences = []string{source.Audience}
	}
	answer, err := v.client.CoreV1().ServiceAccounts(v.pod.Namespace).CreateToken(ctx, v.pod.Spec.ServiceAccountName, request, metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	life := time.Until(answer.Status.ExpirationTimestamp.Time)
	v.tokens[key] = issuedToken{value: answer.Status.Token, renewAt: time.Now().Add(life * 4 / 5)}
	return answer.Status.Token, nil
}

func (v *volumes) fields(items []v1.DownwardAPIVolumeFile, mode *int32) (map[string]volumeFile, error) {
	files := map[string]volumeFile{}
	for _, item := range items {
		if item.FieldRef == nil {
			return nil, fmt.Errorf("this node writes fields only, no resources: %s", item.Path)
		}
		value, err := fieldOf(v.pod, v.ip, item.FieldRef.FieldPath)
		if err != nil {
			return nil, err
		}
		files[item.Path] = volumeFile{data: []byte(value), mode: modeOf(item.Mode, mode)}
	}
	return files, nil
}

// All keys, or those of `items` under their paths.
func chosen(data map[string][]byte, err error, items []v1.KeyToPath, mode *int32, optional *bool) (map[string]volumeFile, error) {
	if err != nil {
		return nil, err
	}
	files := map[string]volumeFile{}
	if len(items) == 0 {
		for key, value := range data {
			files[key] = volumeFile{data: value, mode: modeOf(nil, mode)}
		}
	}
	for _, item := range items {
		value, ok := data[item.Key]
		if !ok && !isTrue(optional) {
			return nil, fmt.Errorf("there is no key %s", item.Key)
		}
		if ok {
			files[item.Path] = volumeFile{data: value, mode: modeOf(item.Mode, mode)}
		}
	}
	return files, nil
}

func modeOf(modes ...*int32) os.FileMode {
	for _, mode := range modes {
		if mode != nil {
			return os.FileMode(*mode)
		}
	}
	return 0o644
}

// Puts the files in place in one step, as the kubelet does: names in the folder are links through the link ..data, which
// is moved from one folder to the next.
func (v *volumes) replace(folder string, files map[string]volumeFile) error {
	version := fmt.Sprintf("..%d", time.Now().UnixNano())
	for path, file := range files {
		if err := v.writeFile(filepath.Join(folder, version, path), file); err != nil {
			return err
		}
		top, _, _ := strings.Cut(path, "/")
		if err := os.Symlink(filepath.Join("..data", top), filepath.Join(folder, top)); err != nil && !os.IsExist(err) {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Join(folder, version), 0o755); err != nil {
		return err
	}
	before, _ := os.Readlink(filepath.Join(folder, "..data"))
	next := filepath.Join(folder, "..next")
	if err := os.Symlink(version, next); err != nil {
		return err
	}
	if err := os.Rename(next, filepath.Join(folder, "..data")); err != nil {
		return err
	}
	if before == "" {
		return nil
	}
	return os.RemoveAll(filepath.Join(folder, before))
}

func (v *volumes) writeFile(path string, file volumeFile) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	mode, owner, group := file.mode, file.owner, -1
	if fsGroup, ok := v.group(); ok {
		mode, group = mode|0o040, fsGroup
	}
	if err := os.WriteFile(path, file.data, mode); err != nil {
		return err
	}
	if err := os.Chown(path, owner, group); err != nil {
		return err
	}
	// After chown, and whatever the umask.
	return os.Chmod(path, mode)
}

func same(one, other map[string]volumeFile) bool {
	return one != nil && maps.EqualFunc(one, other, func(a, b volumeFile) bool { return a.mode == b.mode && bytes.Equal(a.data, b.data) })
}
