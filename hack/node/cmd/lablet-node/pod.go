package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/virtual-kubelet/virtual-kubelet/log"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// How long a container that ended waits for its next start: not at all the first time, then as the kubelet does.
const (
	firstBackOff = 10 * time.Second
	longBackOff  = 5 * time.Minute
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
		p.fail("Unsupported", "this node has neither init containers nor the host's process ids")
		return
	}
	if !p.prepare() {
		p.fail("ContainerStatusUnknown", "the pod was deleted before it was started")
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
		for _, container := range p.pod.Spec.Containers {
			p.update(container.Name, func(status *v1.ContainerStatus) { status.State = waiting("ContainerCreating", err.Error()) })
		}
		if !sleep(p.stopping, time.Second) {
			return false
		}
	}
}

func (p *runningPod) fail(reason, message string) {
	for _, container := range p.pod.Spec.Containers {
		p.update(container.Name, func(status *v1.ContainerStatus) {
			status.State = v1.ContainerState{Terminated: &v1.ContainerStateTerminated{ExitCode: 137, Reason: reason, Message: message, FinishedAt: metav1.Now()}}
		})
	}
}

func (p *runningPod) refresh(ctx context.Context) {
	for sleep(ctx, refreshEvery) {
		if err := p.volumes.write(ctx); err != nil {
			log.L.Warnf("%s/%s: %v", p.pod.Namespace, p.pod.Name, err)
		}
	}
}

// Runs a container again and again, as the restart policy wants it, until the pod is told to stop.
func (p *runningPod) keep(container *v1.Container) {
	backOff := time.Duration(0)
	for attempt := 0; ; attempt++ {
		began := time.Now()
		code, err := p.runOnce(container, attempt)
		if time.Since(began) > 2*longBackOff {
			backOff = 0
		}
		if err == nil && (p.stopping.Err() != nil || !p.again(code)) {
			return
		}
		p.update(container.Name, func(status *v1.ContainerStatus) {
			status.Ready, status.Started = false, new(bool)
			switch {
			case err != nil:
				status.State = waiting("CreateContainerError", err.Error())
			case backOff > 0:
				status.LastTerminationState, status.State = status.State, waiting("CrashLoopBackOff", fmt.Sprintf("the next start is in %s", backOff))
			default:
				status.LastTerminationState = status.State
			}
			if err == nil {
				status.RestartCount++
			}
		})
		if !sleep(p.stopping, max(backOff, time.Duration(min(attempt, 1))*time.Second)) {
			p.update(container.Name, func(status *v1.ContainerStatus) {
				if status.LastTerminationState.Terminated == nil {
					status.LastTerminationState = terminated(cannotStart, metav1.NewTime(began))
				}
				status.State = status.LastTerminationState
			})
			return
		}
		backOff = min(longBackOff, max(firstBackOff, 2*backOff))
	}
}

func (p *runningPod) again(code int) bool {
	policy := p.pod.Spec.RestartPolicy
	return policy == v1.RestartPolicyAlways || (policy == v1.RestartPolicyOnFailure && code != 0)
}

// One run of a container. An error says why it could not even be tried.
func (p *runningPod) runOnce(container *v1.Container, attempt int) (int, error) {
	if p.stopping.Err() != nil {
		return cannotStart, nil
	}
	spec, err := p.specOf(container)
	if err != nil {
		return 0, err
	}
	running, err := startProcess(spec, p.logFile(container.Name, attempt))
	if err != nil {
		return 0, err
	}
	startedAt := metav1.Now()
	p.update(container.Name, func(status *v1.ContainerStatus) {
		noStartup := container.StartupProbe == nil
		status.State = v1.ContainerState{Running: &v1.ContainerStateRunning{StartedAt: startedAt}}
		status.Started, status.Ready = &noStartup, noStartup && container.ReadinessProbe == nil
		status.ImageID, status.ContainerID = container.Image, fmt.Sprintf("process://%d", running.pid)
	})
	// Probes end with the run.
	probing, cancel := context.WithCancel(context.Background())
	defer cancel()
	unhealthy := make(chan string, 2)
	on := target{ip: p.address.ip, pid: running.pid, container: container, spec: spec}
	go p.probe(probing, on, unhealthy)
	select {
	case <-running.exited:
	case reason := <-unhealthy:
		log.L.Warnf("%s/%s: %s is killed: %s", p.pod.Namespace, p.pod.Name, container.Name, reason)
		p.end(running, on, p.graceOf(p.pod.Spec.TerminationGracePeriodSeconds))
	case <-p.stopping.Done():
		p.end(running, on, p.gracePeriod())
	}
	p.update(container.Name, func(status *v1.ContainerStatus) {
		status.State, status.Ready, status.Started = terminated(running.code, startedAt), false, new(bool)
	})
	return running.code, nil
}

// SIGTERM after the hook, and SIGKILL when the time is over that both have together.
func (p *runningPod) end(running *process, on target, grace time.Duration) {
	limit, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if err := on.beforeStop(limit); err != nil {
		log.L.Warnf("%s/%s: preStop: %v", p.pod.Namespace, p.pod.Name, err)
	}
	running.signal(syscall.SIGTERM)
	select {
	case <-running.exited:
	case <-limit.Done():
		running.signal(syscall.SIGKILL)
		<-running.exited
	}
}

// Readiness and liveness are asked once the startup probe has succeeded.
func (p *runningPod) probe(ctx context.Context, on target, unhealthy chan<- string) {
	name, container := on.container.Name, on.container
	if container.StartupProbe != nil {
		started := make(chan struct{})
		asking, done := context.WithCancel(ctx)
		defer done()
		go watchProbe(asking, container.StartupProbe, on, func(ok bool, reason string) {
			if ok {
				close(started)
			} else {
				unhealthy <- "Startup probe failed: " + reason
			}
			done()
		})
		select {
		case <-started:
		case <-ctx.Done():
			return
		}
		p.update(name, func(status *v1.ContainerStatus) {
			status.Started, status.Ready = new(true), container.ReadinessProbe == nil
		})
	}
	if container.ReadinessProbe != nil {
		go watchProbe(ctx, container.ReadinessProbe, on, func(ok bool, _ string) {
			p.update(name, func(status *v1.ContainerStatus) { status.Ready = ok })
		})
	}
	if container.LivenessProbe != nil {
		go watchProbe(ctx, container.LivenessProbe, on, func(ok bool, reason string) {
			// A pod that is told to stop may stop to answer.
			if !ok && p.stopping.Err() == nil {
				unhealthy <- "Liveness probe failed: " + reason
			}
		})
	}
}

// Tells the pod to stop within the grace period; `ended` is closed when it has.
func (p *runningPod) shutdown(pod *v1.Pod) {
	p.mutex.Lock()
	p.pod.DeletionTimestamp, p.pod.DeletionGracePeriodSeconds = pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds
	p.grace = p.graceOf(pod.DeletionGracePeriodSeconds)
	p.mutex.Unlock()
	p.stop()
}

func (p *runningPod) gracePeriod() time.Duration {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.grace
}

// Without one, as after a pod was deleted by force, there is none.
func (p *runningPod) graceOf(period *int64) time.Duration {
	if period == nil {
		return 0
	}
	return time.Duration(*period) * time.Second
}

func (p *runningPod) logFile(container string, attempt int) string {
	return filepath.Join(p.directory, "logs", container, fmt.Sprintf("%d.log", attempt))
}
