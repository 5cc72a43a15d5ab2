package main

import (
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What a pod's status says, from what its containers are; `before` is the status so far.
func statusOf(pod *v1.Pod, before v1.PodStatus, containers []v1.ContainerStatus, ip string, now time.Time) v1.PodStatus {
	status := *before.DeepCopy()
	status.ContainerStatuses = containers
	status.Phase = phaseOf(pod, containers)
	status.HostIP, status.HostIPs = "127.0.0.1", []v1.HostIP{{IP: "127.0.0.1"}}
	if ip != "" {
		status.PodIP, status.PodIPs = ip, []v1.PodIP{{IP: ip}}
	}
	if status.StartTime == nil {
		status.StartTime = &metav1.Time{Time: now}
	}
	ready := len(containers) > 0 && !slices.ContainsFunc(containers, func(each v1.ContainerStatus) bool { return !each.Ready })
	reason := "ContainersNotReady"
	if status.Phase == v1.PodSucceeded {
		reason = "PodCompleted"
	}
	for kind, ok := range map[v1.PodConditionType]bool{v1.PodInitialized: true, v1.ContainersReady: ready, v1.PodReady: ready} {
		setCondition(&status, kind, ok, reason, now)
	}
	return status
}

func phaseOf(pod *v1.Pod, containers []v1.ContainerStatus) v1.PodPhase {
	started, over, failed := 0, 0, 0
	for _, each := range containers {
		if each.State.Running != nil || each.State.Terminated != nil || each.RestartCount > 0 {
			started++
		}
		if end := each.State.Terminated; end != nil && (pod.DeletionTimestamp != nil || !startsAgain(pod.Spec.RestartPolicy, end.ExitCode)) {
			over++
			if end.ExitCode != 0 {
				failed++
			}
		}
	}
	switch {
	case started < len(containers):
		return v1.PodPending
	case over < len(containers):
		return v1.PodRunning
	case failed > 0:
		return v1.PodFailed
	}
	return v1.PodSucceeded
}

// Is a container that ended with this code started again, as long as nobody deletes its pod?
func startsAgain(policy v1.RestartPolicy, code int32) bool {
	return policy == v1.RestartPolicyAlways || (policy == v1.RestartPolicyOnFailure && code != 0)
}

func setCondition(status *v1.PodStatus, kind v1.PodConditionType, ok bool, reason string, now time.Time) {
	wanted := v1.PodCondition{Type: kind, Status: v1.ConditionTrue, LastTransitionTime: metav1.NewTime(now)}
	if !ok {
		wanted.Status, wanted.Reason = v1.ConditionFalse, reason
	}
	index := slices.IndexFunc(status.Conditions, func(each v1.PodCondition) bool { return each.Type == kind })
	if index < 0 {
		status.Conditions = append(status.Conditions, wanted)
		return
	}
	if status.Conditions[index].Status == wanted.Status {
		wanted.LastTransitionTime = status.Conditions[index].LastTransitionTime
	}
	status.Conditions[index] = wanted
}

func waiting(reason, message string) v1.ContainerState {
	return v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: reason, Message: message}}
}

func terminated(code int, startedAt metav1.Time) v1.ContainerState {
	reason := "Completed"
	if code != 0 {
		reason = "Error"
	}
	return v1.ContainerState{Terminated: &v1.ContainerStateTerminated{ExitCode: int32(code), Reason: reason, StartedAt: startedAt, FinishedAt: metav1.Now()}}
}
