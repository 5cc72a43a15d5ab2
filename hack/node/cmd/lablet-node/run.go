package main

import (
	"context"
	"fmt"
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

// Runs a container again and again, as the restart policy wants it, until the pod is told to stop.
func (p *runningPod) keep(container *v1.Container) {
	backOff := time.Duration(0)
	for attempt := 0; ; attempt++ {
		began := time.Now()
		code, err := p.runOnce(container, attempt)
		if time.Since(began) > 2*longBackOff {
			backOff = 0
		}
		if err == nil && (p.stopping.Err() != nil || !startsAgain(p.pod.Spec.RestartPolicy, int32(code))) {
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
		p.end(running, on, inSeconds(p.pod.Spec.TerminationGracePeriodSeconds))
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
