package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
)

// The container's /etc/hosts. In place of cluster DNS it has the names of all Services, each with the address of one pod
// that is ready while the container starts: nothing routes a Service, so a caller has to use the ports of the pods.
func hostsFile(ctx context.Context, client kubernetes.Interface, pod *v1.Pod, ip string) (string, error) {
	lines := []string{"127.0.0.1 localhost", ip + " " + pod.Name}
	services, err := client.CoreV1().Services("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", err
	}
	for _, service := range services.Items {
		if len(service.Spec.Selector) == 0 {
			continue
		}
		selector := labels.SelectorFromSet(service.Spec.Selector).String()
		pods, err := client.CoreV1().Pods(service.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
		if err != nil {
			return "", err
		}
		index := slices.IndexFunc(pods.Items, isReady)
		if index < 0 {
			continue
		}
		name := service.Name + "." + service.Namespace
		names := []string{name, name + ".svc", name + ".svc.cluster.local"}
		if service.Namespace == pod.Namespace {
			names = append(names, service.Name)
		}
		lines = append(lines, fmt.Sprintf("%s %s", pods.Items[index].Status.PodIP, strings.Join(names, " ")))
	}
	return strings.Join(lines, "\n") + "\n", nil
}

func isReady(pod v1.Pod) bool {
	return pod.DeletionTimestamp == nil && slices.ContainsFunc(pod.Status.Conditions, func(condition v1.PodCondition) bool {
		return condition.Type == v1.PodReady && condition.Status == v1.ConditionTrue
	})
}
