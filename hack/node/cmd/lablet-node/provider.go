package main

import (
	"context"
	"fmt"
	"io"
	"sync"

	dto "github.com/prometheus/client_model/go"
	"github.com/virtual-kubelet/virtual-kubelet/errdefs"
	"github.com/virtual-kubelet/virtual-kubelet/log"
	"github.com/virtual-kubelet/virtual-kubelet/node/api"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	stats "k8s.io/kubelet/pkg/apis/stats/v1alpha1"
)

// The pods of one node, as Virtual Kubelet wants to have them: it says what the API server has, we what runs.
type provider struct {
	machine *machine
	notify  func(*v1.Pod)
	mutex   sync.Mutex
	pods    map[types.NamespacedName]*runningPod
}

func newProvider(machine *machine) *provider {
	return &provider{machine: machine, pods: map[types.NamespacedName]*runningPod{}}
}

// NotifyPods is called once, before any pod is created.
func (p *provider) NotifyPods(_ context.Context, notify func(*v1.Pod)) { p.notify = notify }

func (p *provider) CreatePod(_ context.Context, pod *v1.Pod) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	key := keyOfPod(pod)
	if _, ok := p.pods[key]; ok {
		return fmt.Errorf("the pod %s that had this name is still ending", key)
	}
	running, err := newPod(p.machine, pod, p.notify)
	if err == nil {
		p.pods[key] = running
	}
	return err
}

// UpdatePod takes new labels and annotations; no container is changed in place.
func (p *provider) UpdatePod(_ context.Context, pod *v1.Pod) error {
	running, err := p.find(pod.Namespace, pod.Name)
	if err != nil {
		return err
	}
	running.mutex.Lock()
	defer running.mutex.Unlock()
	running.pod.Labels, running.pod.Annotations = pod.Labels, pod.Annotations
	return nil
}

// DeletePod returns at once. As soon as the processes have ended the pod is removed from the API server, as a kubelet
// does; Virtual Kubelet would wait for the whole grace period.
func (p *provider) DeletePod(_ context.Context, pod *v1.Pod) error {
	running, err := p.find(pod.Namespace, pod.Name)
	if err != nil {
		return err
	}
	running.shutdown(pod)
	go func() {
		<-running.ended
		p.mutex.Lock()
		delete(p.pods, keyOfPod(pod))
		p.mutex.Unlock()
		options := metav1.DeleteOptions{GracePeriodSeconds: new(int64), Preconditions: metav1.NewUIDPreconditions(string(pod.UID))}
		if err := p.machine.client.CoreV1().Pods(pod.Namespace).Delete(context.Background(), pod.Name, options); err != nil && !errors.IsNotFound(err) {
			log.L.Warnf("%s: %v", keyOfPod(pod), err)
		}
	}()
	return nil
}

func (p *provider) GetPod(_ context.Context, namespace, name string) (*v1.Pod, error) {
	running, err := p.find(namespace, name)
	if err != nil {
		return nil, err
	}
	return running.snapshot(), nil
}

func (p *provider) GetPodStatus(ctx context.Context, namespace, name string) (*v1.PodStatus, error) {
	pod, err := p.GetPod(ctx, namespace, name)
	if err != nil {
		return nil, err
	}
	return &pod.Status, nil
}

func (p *provider) GetPods(context.Context) ([]*v1.Pod, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	pods := []*v1.Pod{}
	for _, running := range p.pods {
		pods = append(pods, running.snapshot())
	}
	return pods, nil
}

func (p *provider) GetContainerLogs(ctx context.Context, namespace, name, container string, options api.ContainerLogOpts) (io.ReadCloser, error) {
	running, err := p.find(namespace, name)
	if err != nil {
		return nil, err
	}
	return running.logs(ctx, container, options)
}

func (p *provider) find(namespace, name string) (*runningPod, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	key := types.NamespacedName{Namespace: namespace, Name: name}
	running, ok := p.pods[key]
	if !ok {
		return nil, errdefs.NotFoundf("no pod %s runs on this node", key)
	}
	return running, nil
}

func keyOfPod(pod *v1.Pod) types.NamespacedName {
	return types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}
}

// What only a real kubelet has.

func (p *provider) RunInContainer(context.Context, string, string, string, []string, api.AttachIO) error {
	return errdefs.InvalidInput("this node does not run commands in containers: its images have no tools to run")
}

func (p *provider) AttachToContainer(context.Context, string, string, string, api.AttachIO) error {
	return errdefs.InvalidInput("this node does not attach to containers")
}

func (p *provider) GetStatsSummary(context.Context) (*stats.Summary, error) {
	return &stats.Summary{}, nil
}

func (p *provider) GetMetricsResource(context.Context) ([]*dto.MetricFamily, error) {
	return nil, nil
}

func (p *provider) PortForward(context.Context, string, string, int32, io.ReadWriteCloser) error {
	return errdefs.InvalidInput("this node forwards no ports: the pod's address can be reached from this machine")
}
