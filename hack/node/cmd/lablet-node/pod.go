package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/virtual-kubelet/virtual-kubelet/log"
	v1 "k8s.io/api/core/v1"
)

// A pod that is bound to one of our nodes, from its first process to its last.
type runningPod struct {
	machine   *machine
	directory string
	address   address
	volumes   *volumes
	changed   chan struct{}
	// Ends when the pod is told to stop: nothing is started again.
	stopping context.Context
	stop     context.CancelFunc
	// Closed when its processes and files are gone.
	ended chan struct{}

	mutex  sync.Mutex
	pod    *v1.Pod
	status v1.PodStatus
	states []v1.ContainerStatus
	grace  time.Duration
}

// `notify` is told of each change of the status; it may block.
func newPod(machine *machine, pod *v1.Pod, notify func(*v1.Pod)) (*runningPod, error) {
	address, err := claimAddress()
	if err != nil {
		return nil, err
	}
	directory := filepath.Join(machine.directory, fmt.Sprintf("%s_%s_%s", pod.Namespace, pod.Name, pod.UID))
	stopping, stop := context.WithCancel(context.Background())
	running := &runningPod{
		machine: machine, directory: directory, address: address, pod: pod, status: pod.Status, stopping: stopping, stop: stop,
		volumes: newVolumes(machine.client, pod, address.ip, filepath.Join(directory, "volumes")),
		changed: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	for _, container := range pod.Spec.Containers {
		running.states = append(running.states, v1.ContainerStatus{Name: container.Name, Image: container.Image, State: waiting("ContainerCreating", "")})
	}
	go running.tell(notify)
	go running.run()
	return running, nil
}

// Tells of changes one after the other; what happens meanwhile is told together.
func (p *runningPod) tell(notify func(*v1.Pod)) {
	for {
		select {
		case <-p.changed:
			notify(p.snapshot())
		case <-p.ended:
			notify(p.snapshot())
			return
		}
	}
}

func (p *runningPod) snapshot() *v1.Pod {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.status = statusOf(p.pod, p.status, p.states, p.address.ip, time.Now())
	copied := p.pod.DeepCopy()
	copied.Status = *p.status.DeepCopy()
	return copied
}

func (p *runningPod) update(name string, change func(*v1.ContainerStatus)) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	index := slices.IndexFunc(p.states, func(each v1.ContainerStatus) bool { return each.Name == name })
	change(&p.states[index])
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

func (p *runningPod) run() {
	defer func() {
		p.address.release()
		_ = os.RemoveAll(p.volumes.directory)
		close(p.ended)
	}()
	if len(p.pod.Spec.InitContainers) > 0 || p.pod.Spec.HostPID || p.pod.Spec.HostIPC {
		p.tellWaiting("CreateContainerConfigError", "this node has neither init containers nor the host's process ids")
		<-p.stopping.Done()
		return
	}
	if !p.prepare() {
		return
	}
	// Its own end, after that of the containers.
	refreshing, cancel := context.WithCancel(context.Background())
	defer cancel()
	go p.refresh(refreshing)
	var containers sync.WaitGroup
	for index := range p.pod.Spec.Containers {
		containers.Go(func() { p.keep(&p.pod.Spec.Containers[index]) })
	}
	containers.Wait()
}

// Makes the volumes, and says in the status why that takes a while. Whether it came to an end.
func (p *runningPod) prepare() bool {
	for {
		err := p.volumes.write(p.stopping)
		if err == nil {
			return true
		}
		log.L.Warnf("%s/%s: %v", p.pod.Namespace, p.pod.Name, err)
		p.tellWaiting("ContainerCreating", err.Error())
		if !sleep(p.stopping, time.Second) {
			return false
		}
	}
}

func (p *runningPod) tellWaiting(reason, message string) {
	for _, container := range p.pod.Spec.Containers {
		p.update(container.Name, func(status *v1.ContainerStatus) { status.State = waiting(reason, message) })
	}
}

func (p *runningPod) refresh(ctx context.Context) {
	for sleep(ctx, refreshEvery) {
		if err := p.volumes.write(ctx); err != nil {
			log.L.Warnf("%s/%s: %v", p.pod.Namespace, p.pod.Name, err)
		}
	}
}

// Tells the pod to stop within the grace period; `ended` is closed when it has.
func (p *runningPod) shutdown(pod *v1.Pod) {
	p.mutex.Lock()
	p.pod.DeletionTimestamp, p.pod.DeletionGracePeriodSeconds = pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds
	p.grace = inSeconds(pod.DeletionGracePeriodSeconds)
	p.mutex.Unlock()
	p.stop()
}

func (p *runningPod) gracePeriod() time.Duration {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.grace
}

// Without one, as after a pod was deleted by force, there is none.
func inSeconds(period *int64) time.Duration {
	if period == nil {
		return 0
	}
	return time.Duration(*period) * time.Second
}

func (p *runningPod) logFile(container string, attempt int) string {
	return filepath.Join(p.directory, "logs", container, fmt.Sprintf("%d.log", attempt))
}
